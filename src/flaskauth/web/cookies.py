"""The cookies of the pages. With https their names begin with `__Host-`, so no other host can set them."""

import json
from collections.abc import Mapping
from datetime import datetime, timedelta

from flask import request
from werkzeug.wrappers import Response

from flaskauth.core import clock, crypto
from flaskauth.core.context import settings
from flaskauth.core.email_addresses import EmailAddress
from flaskauth.sessions.devices import DEVICE_RECOGNITION_PERIOD

SESSION, STEP, DEVICE, NOTICE, LANGUAGE = (
    "flaskauth",
    "flaskauth-step",
    "flaskauth-device",
    "flaskauth-notice",
    "flaskauth-language",
)
STEP_LABEL = "page step"
STEP_LIFETIME = timedelta(hours=1)
NOTICE_LIFETIME = timedelta(minutes=1)
LANGUAGE_LIFETIME = timedelta(days=365)
MAX_DEVICE_TOKEN_LENGTH = 255  # characters; the limit of the API's field


def cookie_name(name: str) -> str:
    """Return the name of a cookie. Browsers reject the prefix on a plain http server, such as in development."""
    return f"__Host-{name}" if _is_secure() else name


def get(name: str) -> str:
    """Return the value of a cookie, or "" if there is none."""
    return request.cookies.get(cookie_name(name), "")


def put(response: Response, name: str, value: str, expires: datetime | None = None) -> None:
    """Set a cookie, which ends with the browser's session unless it has a time."""
    response.set_cookie(
        cookie_name(name), value, expires=expires, path="/", secure=_is_secure(), httponly=True, samesite="Lax"
    )


def delete(response: Response, name: str) -> None:
    """Delete a cookie."""
    response.delete_cookie(cookie_name(name), path="/", secure=_is_secure(), httponly=True, samesite="Lax")


def put_step(response: Response, kind: str, **values: str | None) -> None:
    """Store what the next page of a flow needs, such as the token of the login challenge. It is authenticated."""
    step = {"kind": kind, **{name: value for name, value in values.items() if value}}
    payload = crypto.base64url_encode(json.dumps(step).encode())
    mac = crypto.base64url_encode(crypto.mac(STEP_LABEL, payload))
    put(response, STEP, f"{payload}.{mac}", clock.now() + STEP_LIFETIME)


def put_code_step(response: Response, kind: str, code_id: bytes, email: EmailAddress, return_to: str | None) -> None:
    """Store what the page for a mailed code needs: the id of the code and the email address."""
    put_step(response, kind, id=crypto.base64url_encode(code_id), email=email.original, return_to=return_to)


def get_step(kind: str) -> Mapping[str, str]:
    """Return what `put_step` stored with this kind. Return nothing for another kind, or if the MAC is wrong."""
    payload, _, mac = get(STEP).partition(".")
    expected = crypto.macs_all_keys(STEP_LABEL, payload)
    if not any([crypto.compare_digest(crypto.base64url_decode(mac), value) for value in expected]):
        return {}
    step: dict[str, str] = json.loads(crypto.base64url_decode(payload))
    return step if step["kind"] == kind else {}


def device_token() -> str | None:
    """Return the device token of an earlier sign-in from this browser. A malformed one must not prevent a sign-in."""
    token = get(DEVICE)
    is_valid = token.isascii() and token.isprintable() and 0 < len(token) <= MAX_DEVICE_TOKEN_LENGTH
    return token if is_valid else None


def put_device_token(response: Response, token: str) -> None:
    """Store the device token for as long as the device is recognised."""
    put(response, DEVICE, token, clock.now() + DEVICE_RECOGNITION_PERIOD)


def put_notice(response: Response, notice: str) -> None:
    """Let the next page show a notice, by its name."""
    put(response, NOTICE, notice, clock.now() + NOTICE_LIFETIME)


def put_language(response: Response, language: str) -> None:
    """Remember the language that the user selected."""
    put(response, LANGUAGE, language, clock.now() + LANGUAGE_LIFETIME)


def _is_secure() -> bool:
    return settings().public_url.startswith("https://")

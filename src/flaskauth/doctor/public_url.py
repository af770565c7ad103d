"""Check that PUBLIC_URL leads to this server."""

import json
import ssl
import urllib.request
from http.client import HTTPException
from urllib.error import HTTPError, URLError
from urllib.parse import urlsplit

from sqlalchemy import select
from sqlalchemy.exc import SQLAlchemyError

from flaskauth.core.context import settings
from flaskauth.core.db.session import db
from flaskauth.doctor.findings import OK, CheckGroup, Finding, failed, ok, run_checks, short_reason, warning
from flaskauth.settings import is_loopback
from flaskauth.signing_keys.models import SigningKey

TIMEOUT = 4  # seconds
MAX_RESPONSE_BYTES = 2000
START_ADVICE = "Start the server (flaskauth serve). Check PUBLIC_URL and the configuration of the proxy."


def _check_public_url() -> Finding:
    finding = _query(settings().public_url)
    is_loopback_url = is_loopback(urlsplit(settings().public_url).hostname or "")
    if finding.state == OK and is_loopback_url and not settings().is_development:
        return warning(
            f"{finding.detail}, but only this machine can reach it: links in mails do not work for users",
            "Set PUBLIC_URL to the https URL that clients use.",
        )
    return finding


def _query(url: str) -> Finding:
    try:
        with urllib.request.urlopen(f"{url}/health/live", timeout=TIMEOUT) as response:  # noqa: S310 (http or https)
            return _validate(url, response.read(MAX_RESPONSE_BYTES))
    except HTTPError as error:
        error.close()
        return _error_status(url, error.code)
    except URLError as error:
        return _unreachable(url, error.reason)
    except OSError as error:
        return _unreachable(url, error)
    except HTTPException:
        return _wrong_server(url)


def _validate(url: str, body: bytes) -> Finding:
    try:
        is_ours = json.loads(body).get("message") == "Alive"
    except (ValueError, AttributeError):
        is_ours = False
    return ok(f"{url} responds") if is_ours and not _has_other_keys(url) else _wrong_server(url)


def _has_other_keys(url: str) -> bool:
    """Return True if a different flaskauth responds: its signing keys are not in this database."""
    try:
        with urllib.request.urlopen(f"{url}/.well-known/jwks.json", timeout=TIMEOUT) as response:  # noqa: S310
            remote_kids = {key["kid"] for key in json.load(response)["keys"]}
        own_kids = set(db.session.scalars(select(SigningKey.kid)))
    except (OSError, HTTPException, ValueError, LookupError, TypeError, SQLAlchemyError):
        return False
    return bool(remote_kids and own_kids) and not remote_kids & own_kids


def _error_status(url: str, code: int) -> Finding:
    if code >= 500:
        return warning(f"{url} responds with {code}", START_ADVICE)
    return _wrong_server(url)


def _wrong_server(url: str) -> Finding:
    return failed(
        f"a different server responds at {url}/health/live", "Correct PUBLIC_URL, or the target of the proxy."
    )


def _unreachable(url: str, reason: object) -> Finding:
    if isinstance(reason, ssl.SSLCertVerificationError):
        return failed(f"the certificate of {url} is invalid: {reason.verify_message}", "Renew or replace it.")
    return warning(f"{url} does not respond to this machine: {short_reason(reason)}", START_ADVICE)


CHECKS = {"public-url": _check_public_url}
GROUP = CheckGroup(tuple(CHECKS), frozenset({"PUBLIC_URL", "SERVER_NAME"}), lambda: run_checks(CHECKS))

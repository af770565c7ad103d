"""Whether people who follow PUBLIC_URL arrive here."""

import json
import ssl
import urllib.request
from http.client import HTTPException
from urllib.error import HTTPError, URLError
from urllib.parse import urlsplit

from sqlalchemy import select
from sqlalchemy.exc import SQLAlchemyError

from flaskauth.doctor.findings import OK, Finding, Subject, doubtful, each, fine, in_short, wrong
from flaskauth.foundation.current import settings
from flaskauth.foundation.db import db
from flaskauth.keys.models import SigningKey
from flaskauth.settings import is_loopback

TIMEOUT = 4  # seconds
LONGEST = 2000  # bytes of an answer
STARTED = "Is the server started, and does the proxy lead to it? flaskauth serve"


def _public_url() -> Finding:
    answer = _asked(settings().public_url)
    is_for_here = is_loopback(urlsplit(settings().public_url).hostname or "")
    if answer.state == OK and is_for_here and not settings().is_development:
        return doubtful(
            f"{answer.found}, and nobody but this machine can reach it: mails would lead nowhere",
            "Set PUBLIC_URL to the https address that people use.",
        )
    return answer


def _asked(url: str) -> Finding:
    try:
        with urllib.request.urlopen(f"{url}/health/live", timeout=TIMEOUT) as answer:  # noqa: S310 (http or https)
            return _judged(url, answer.read(LONGEST))
    except HTTPError as error:
        error.close()
        return _refused(url, error.code)
    except URLError as error:
        return _unreached(url, error.reason)
    except OSError as error:
        return _unreached(url, error)
    except HTTPException:
        return _another(url)


def _judged(url: str, body: bytes) -> Finding:
    try:
        is_ours = json.loads(body).get("message") == "Alive"
    except (ValueError, AttributeError):
        is_ours = False
    return fine(f"{url} answers") if is_ours and not _has_other_keys(url) else _another(url)


def _has_other_keys(url: str) -> bool:
    """Whether it is a flaskauth too, but signs with keys that are not in our database."""
    try:
        with urllib.request.urlopen(f"{url}/.well-known/jwks.json", timeout=TIMEOUT) as answer:  # noqa: S310
            theirs = {key["kid"] for key in json.load(answer)["keys"]}
        ours = set(db.session.scalars(select(SigningKey.kid)))
    except (OSError, HTTPException, ValueError, LookupError, TypeError, SQLAlchemyError):
        return False
    return bool(theirs and ours) and not theirs & ours


def _refused(url: str, code: int) -> Finding:
    if code >= 500:
        return doubtful(f"{url} answers with {code}", STARTED)
    return _another(url)


def _another(url: str) -> Finding:
    return wrong(f"something else answers at {url}/health/live", "Correct PUBLIC_URL, or where the proxy leads.")


def _unreached(url: str, reason: object) -> Finding:
    if isinstance(reason, ssl.SSLCertVerificationError):
        return wrong(f"the certificate of {url} proves nothing: {reason.verify_message}", "Renew or correct it.")
    return doubtful(f"{url} does not answer from here: {in_short(reason)}", STARTED)


CHECKS = {"public-url": _public_url}
SUBJECT = Subject(tuple(CHECKS), frozenset({"PUBLIC_URL", "SERVER_NAME"}), lambda: each(CHECKS))

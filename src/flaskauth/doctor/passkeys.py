"""Check that browsers accept the passkeys of this server at the origins outside the RP ID."""

import json
from http.client import HTTPException
from urllib.request import HTTPRedirectHandler, build_opener

from flaskauth.core.context import settings
from flaskauth.doctor.findings import CheckGroup, Finding, ok, run_checks, short_reason, warning
from flaskauth.doctor.public_url import TIMEOUT

MAX_RESPONSE_BYTES = 64 * 1024
ADVICE = "Serve what GET /.well-known/webauthn of this server returns, at that URL and without a redirect."


class RejectRedirects(HTTPRedirectHandler):
    """A redirect is an error, as it is to browsers."""

    def redirect_request(self, *_arguments: object) -> None:
        return None


def fetch_origins(url: str) -> set[str]:
    """Return the origins that a document lists. A redirect is not followed.

    Raises:
        OSError: it cannot be read, or is redirected.
        HTTPException, ValueError, LookupError, TypeError: it has no list of origins.
    """
    with build_opener(RejectRedirects).open(url, timeout=TIMEOUT) as response:
        listed = json.loads(response.read(MAX_RESPONSE_BYTES))["origins"]
    return {origin for origin in listed if isinstance(origin, str)}


def _check_related_origins() -> Finding:
    """Fetch the list of origins that browsers fetch (WebAuthn section 5.11)."""
    if not (expected := set(settings().related_origins)):
        return ok("no origin is outside the RP ID")
    url = f"https://{settings().rp_id}/.well-known/webauthn"
    try:
        listed = fetch_origins(url)
    except OSError as error:
        return warning(f"{url} cannot be read: {short_reason(error)}", ADVICE)
    except (HTTPException, ValueError, LookupError, TypeError):
        return warning(f"{url} has no list of origins", ADVICE)
    if missing := expected - listed:
        return warning(f"{url} does not list {', '.join(sorted(missing))}", ADVICE)
    return ok(f"{url} lists all origins outside the RP ID")


CHECKS = {"related-origins": _check_related_origins}
GROUP = CheckGroup(
    tuple(CHECKS), frozenset({"PUBLIC_URL", "WEBAUTHN_RP_ID", "WEBAUTHN_ORIGINS"}), lambda: run_checks(CHECKS)
)

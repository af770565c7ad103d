"""Check that browsers accept the passkeys of this server at the origins outside the RP ID."""

import json
import urllib.request
from http.client import HTTPException

from flaskauth.core.context import settings
from flaskauth.doctor.findings import CheckGroup, Finding, ok, run_checks, short_reason, warning
from flaskauth.doctor.public_url import TIMEOUT

MAX_RESPONSE_BYTES = 64 * 1024
ADVICE = "Serve what GET /.well-known/webauthn of this server returns, at that URL and without a redirect."


def _check_related_origins() -> Finding:
    """Fetch the list of origins that browsers fetch (WebAuthn section 5.11)."""
    if not (expected := set(settings().related_origins)):
        return ok("no origin is outside the RP ID")
    url = f"https://{settings().rp_id}/.well-known/webauthn"
    try:
        with urllib.request.urlopen(url, timeout=TIMEOUT) as response:
            listed = json.loads(response.read(MAX_RESPONSE_BYTES))["origins"]
    except OSError as error:
        return warning(f"{url} cannot be read: {short_reason(error)}", ADVICE)
    except (HTTPException, ValueError, LookupError, TypeError):
        return warning(f"{url} has no list of origins", ADVICE)
    if missing := expected - {origin for origin in listed if isinstance(origin, str)}:
        return warning(f"{url} does not list {', '.join(sorted(missing))}", ADVICE)
    return ok(f"{url} lists all origins outside the RP ID")


CHECKS = {"related-origins": _check_related_origins}
GROUP = CheckGroup(
    tuple(CHECKS), frozenset({"PUBLIC_URL", "WEBAUTHN_RP_ID", "WEBAUTHN_ORIGINS"}), lambda: run_checks(CHECKS)
)

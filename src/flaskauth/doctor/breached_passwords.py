"""Check the source of breached passwords. While it is unavailable, the server accepts passwords unchecked."""

import ssl
from pathlib import Path

from flaskauth import bloom_filter
from flaskauth.breached_passwords import range_api
from flaskauth.breached_passwords.range_api import RangeApiError
from flaskauth.core.context import settings
from flaskauth.doctor.findings import CheckGroup, Finding, failed, ok, run_checks

SAMPLE_PREFIX = "00000"  # any range; always the same one
ADVICE = "Correct BREACHED_PASSWORDS, or allow connections to it. Until then, passwords are accepted unchecked."


def _check_breached_passwords() -> Finding:
    source = settings().breached_passwords
    if source is None:
        return ok("not checked: BREACHED_PASSWORDS is not set")
    if isinstance(source, Path):
        header = bloom_filter.read_header(source)
        return ok(
            f"{source.absolute()} contains {header.count:,} hashes; false positives: one in {header.one_in:,} passwords"
        )
    try:
        hashes = range_api.fetch_range(source, SAMPLE_PREFIX)
    except RangeApiError as error:
        return failed(f"{source} returns no hash range: {_reason(error)}", ADVICE)
    return ok(f"{source} responds, with {len(hashes)} hashes in a range")


def _reason(error: RangeApiError) -> str:
    """Return the message of the error, with OpenSSL's message if the certificate is invalid."""
    cause = error.__cause__
    return f"{error} ({cause.verify_message})" if isinstance(cause, ssl.SSLCertVerificationError) else str(error)


CHECKS = {"breached-passwords": _check_breached_passwords}
GROUP = CheckGroup(tuple(CHECKS), frozenset({"BREACHED_PASSWORDS"}), lambda: run_checks(CHECKS))

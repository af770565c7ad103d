"""Whether passwords from breaches can be looked up; where they cannot, all are let pass and nobody notices."""

import ssl
from pathlib import Path

from flaskauth import bloom
from flaskauth.breaches import ranges
from flaskauth.breaches.ranges import Unanswered
from flaskauth.doctor.findings import Finding, Subject, each, fine, wrong
from flaskauth.foundation.current import settings

ANY = "00000"  # a range like any other
ADVICE = "Correct BREACHED_PASSWORDS, or open the way to it; until then passwords are let pass without being looked up."


def _breached_passwords() -> Finding:
    where = settings().breached_passwords
    if where is None:
        return fine("are not looked up, as BREACHED_PASSWORDS is not set")
    if isinstance(where, Path):
        found = bloom.read(where)
        return fine(f"{where.absolute()} has {found.count:,}; of others one in {found.one_in:,} is refused")
    try:
        known = ranges.counts(where, ANY)
    except Unanswered as error:
        return wrong(f"{where} gives no range: {_why(error)}", ADVICE)
    return fine(f"{where} answers, with {len(known)} of a range")


def _why(error: Unanswered) -> str:
    """OpenSSL's own words where a certificate proves nothing."""
    cause = error.__cause__
    return f"{error} ({cause.verify_message})" if isinstance(cause, ssl.SSLCertVerificationError) else str(error)


CHECKS = {"breached-passwords": _breached_passwords}
SUBJECT = Subject(tuple(CHECKS), frozenset({"BREACHED_PASSWORDS"}), lambda: each(CHECKS))

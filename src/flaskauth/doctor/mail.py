"""Whether the mail server would take our mail, as far as can be seen without sending one."""

import ssl
from datetime import timedelta

from flaskauth.doctor.findings import Finding, Subject, doubtful, each, fine, in_short, wrong
from flaskauth.foundation import clock
from flaskauth.foundation.current import settings
from flaskauth.mail import smtp

TIMEOUT = 9.0  # seconds
RENEWED_BEFORE = timedelta(days=14)
ADVICE = {
    "connect": "Correct MAIL_SERVER and MAIL_PORT, or open the way to it; many providers close port 25.",
    "hello": "Something else may listen there: correct MAIL_SERVER and MAIL_PORT. Port 465 wants MAIL_USE_SSL.",
    "tls": "Correct MAIL_USE_TLS (port 587), MAIL_USE_SSL (port 465) or MAIL_CA_FILE; mail waits until then.",
    "login": "Correct MAIL_USERNAME and MAIL_PASSWORD; mail waits until then.",
}


def _smtp() -> Finding:
    if settings().has_mailbox:
        return fine("mail stays here and is read at /dev/mailbox")
    try:
        ends_at = smtp.knock(TIMEOUT)
    except smtp.Undelivered as error:
        return wrong(f"{settings().mail_server} takes no mail of ours: {_why(error)}", _advice(error))
    if ends_at and ends_at - clock.now() < RENEWED_BEFORE:
        return doubtful(
            f"the certificate of {settings().mail_server} ends at {clock.stamp(ends_at)}", "Have it renewed."
        )
    return fine(f"{settings().mail_server} takes our mail" + (", over TLS" if ends_at else ", in clear"))


def _why(error: smtp.Undelivered) -> str:
    """The reason and the stage, in OpenSSL's own words where a certificate proves nothing."""
    cause = error.__cause__
    if cause is None:
        return str(error)
    told = cause.verify_message if isinstance(cause, ssl.SSLCertVerificationError) else in_short(cause)
    return f"{told} ({error.stage})"


def _advice(error: smtp.Undelivered) -> str:
    return ADVICE["tls" if isinstance(error.__cause__, ssl.SSLError) else error.stage]


NEEDS = frozenset(
    f"MAIL_{name}" for name in ("SERVER", "PORT", "USE_TLS", "USE_SSL", "CA_FILE", "USERNAME", "PASSWORD")
)
CHECKS = {"smtp": _smtp}
SUBJECT = Subject(tuple(CHECKS), NEEDS, lambda: each(CHECKS))

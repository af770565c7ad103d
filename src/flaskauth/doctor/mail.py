"""Check the mail server up to the login, without sending mail."""

import ssl
from datetime import timedelta

from flaskauth.core import clock
from flaskauth.core.context import settings
from flaskauth.doctor.findings import CheckGroup, Finding, failed, ok, pluralize, run_checks, short_reason, warning
from flaskauth.mail import smtp, template_check, templates
from flaskauth.web import template_check as page_template_check

TIMEOUT = 9.0  # seconds
CERTIFICATE_WARNING = timedelta(days=14)
ADVICE = {
    "connect": "Correct MAIL_SERVER and MAIL_PORT, or allow the connection. Many providers block port 25.",
    "hello": "A different service may listen there: correct MAIL_SERVER and MAIL_PORT. Port 465 requires MAIL_USE_SSL.",
    "tls": "Correct MAIL_USE_TLS (port 587), MAIL_USE_SSL (port 465) or MAIL_CA_FILE. Mail waits until then.",
    "login": "Correct MAIL_USERNAME and MAIL_PASSWORD. Mail waits until then.",
}


def _check_smtp() -> Finding:
    if settings().has_mailbox:
        return ok("MAIL_SERVER is not set: read the mail at /dev/mailbox")
    try:
        certificate_expiry = smtp.check_connection(TIMEOUT)
    except smtp.DeliveryError as error:
        return failed(f"{settings().mail_server} accepts no mail: {_reason(error)}", _advice(error))
    if certificate_expiry and certificate_expiry - clock.now() < CERTIFICATE_WARNING:
        return warning(
            f"the certificate of {settings().mail_server} expires at {clock.to_rfc3339(certificate_expiry)}",
            "Renew it.",
        )
    return ok(f"{settings().mail_server} accepts mail" + (" over TLS" if certificate_expiry else ", unencrypted"))


def _reason(error: smtp.DeliveryError) -> str:
    """Return the reason and the stage, with OpenSSL's message if the certificate is invalid."""
    cause = error.__cause__
    if cause is None:
        return str(error)
    text = cause.verify_message if isinstance(cause, ssl.SSLCertVerificationError) else short_reason(cause)
    return f"{text} ({error.stage})"


def _advice(error: smtp.DeliveryError) -> str:
    return ADVICE["tls" if isinstance(error.__cause__, ssl.SSLError) else error.stage]


REQUIRED_SETTINGS = frozenset(
    f"MAIL_{name}" for name in ("SERVER", "PORT", "USE_TLS", "USE_SSL", "CA_FILE", "USERNAME", "PASSWORD")
)


def _check_templates() -> Finding:
    """Check that the replaced templates of mails and pages can be rendered."""
    for kind, errors in (("mail", template_check.find_errors()), ("page", page_template_check.find_errors())):
        if errors:
            count = pluralize(len(errors), "error", "errors")
            return failed(f"{count} in {kind} templates: {errors[0]}", "Run flaskauth templates check.")
    if replaced := len(templates.replacements()):
        return ok(f"{pluralize(replaced, 'replaced mail template is', 'replaced mail templates are')} valid")
    return ok("the mail templates are the built-in ones")


TEMPLATE_CHECKS = {"templates": _check_templates}
TEMPLATES = CheckGroup(tuple(TEMPLATE_CHECKS), frozenset({"MAIL_TEMPLATE_FOLDER"}), lambda: run_checks(TEMPLATE_CHECKS))
CHECKS = {"smtp": _check_smtp}
GROUP = CheckGroup(tuple(CHECKS), REQUIRED_SETTINGS, lambda: run_checks(CHECKS))

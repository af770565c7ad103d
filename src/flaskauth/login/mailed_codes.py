"""Codes that are mailed to the owner of an account: they reset its password or sign in to it."""

from dataclasses import dataclass

from flaskauth import mail
from flaskauth.accounts import service as accounts
from flaskauth.core import clock
from flaskauth.core.email_addresses import EmailAddress
from flaskauth.core.http.request import client_network
from flaskauth.mail.models import QUEUED, SUPPRESSED
from flaskauth.one_time_codes import service as codes
from flaskauth.one_time_codes import verification
from flaskauth.one_time_codes.models import OneTimeCode
from flaskauth.one_time_codes.service import CodeRequest
from flaskauth.one_time_codes.verification import InvalidCode, SubmittedCode, VerifiedCode
from flaskauth.sessions import devices


class InvalidMailedCode(InvalidCode):
    """401 `invalid_code`: the same for a code that is wrong, used, expired or was never mailed."""

    code = "invalid_code"
    message = "The code is wrong, used or expired. Use the code of the newest mail or request a new one."


@dataclass(frozen=True)
class MailedCodeRequest:
    """The email address to send a code to, and the device token of an earlier sign-in."""

    email: EmailAddress
    device_token: str | None = None


@dataclass(frozen=True)
class MailedCode:
    """A code, the recipient and the state of its mail, and the owner of the account (0 for none)."""

    code: OneTimeCode
    recipient: mail.Recipient
    state: str
    user_id: int


def issue(purpose: str, request: MailedCodeRequest, *, is_decoy: bool = False) -> MailedCode:
    """Insert a code for the owner of an email address. The caller mails it.

    The device token of an earlier sign-in raises the mail limits, which other clients may have exhausted.
    Without an owner, or if the caller requests it, the code is a decoy. Its mail is delivered like any other until the
    worker discards it before it is sent, so that both cases do the same work.
    """
    email, network = request.email, client_network()
    owner = accounts.get_mail_recipient(email.normalized)
    user_id = owner.id if owner else 0
    is_suppressed = not devices.reserve_mail(email.normalized, user_id, network, request.device_token)
    code_request = CodeRequest(purpose, email.normalized, network, expires_at=clock.now() + codes.CODE_LIFETIME)
    code = codes.issue(code_request, is_decoy=is_decoy or owner is None, is_suppressed=is_suppressed)
    state = SUPPRESSED if is_suppressed else QUEUED
    return MailedCode(code, owner or mail.EmailRecipient(email.original), state, user_id)


def verify(purpose: str, otp: str, code_id: bytes | None, email: EmailAddress | None) -> VerifiedCode:
    """Verify a code by its id or by the email address.

    All codes of an email address are for one account, so several pending ones are not ambiguous.

    Raises:
        InvalidCode, TooManyRequests
    """
    submitted = SubmittedCode(purpose, otp, client_network())
    if code_id is not None:
        return verification.verify_by_id(submitted, code_id)
    assert email
    return verification.verify_by_email(submitted, email.normalized)

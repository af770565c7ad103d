"""Request a password reset, complete it with the mailed code, and change a password."""

from dataclasses import dataclass

from flaskauth import audit, mail
from flaskauth.accounts import password_policy
from flaskauth.accounts import service as accounts
from flaskauth.accounts.models import User
from flaskauth.accounts.password_policy import WeakPassword
from flaskauth.accounts.service import StoredCredentials
from flaskauth.core.email_addresses import EmailAddress
from flaskauth.core.errors import APIError, ValidationFailed
from flaskauth.core.http.request import client_network
from flaskauth.core.passwords import hashes, hashing
from flaskauth.core.translations import Text
from flaskauth.login import mailed_codes, throttling
from flaskauth.login import service as login
from flaskauth.login.mailed_codes import InvalidMailedCode, MailedCodeRequest
from flaskauth.login.service import InvalidCredentials
from flaskauth.mfa import pending_resets
from flaskauth.one_time_codes import links
from flaskauth.one_time_codes import service as codes
from flaskauth.one_time_codes.service import RESET
from flaskauth.one_time_codes.verification import InvalidCode
from flaskauth.passkeys import service as passkeys
from flaskauth.sessions import service as sessions
from flaskauth.sessions.decorators import AuthContext, ReauthenticationRequired, lock_session
from flaskauth.sessions.models import Session
from flaskauth.signing_keys import amr

NO_SUBSTITUTE = "Add a second passkey first, or recovery codes if your passkey is synced."


class PasskeyRequired(ReauthenticationRequired):
    """403 `reauthentication_required`: the session has not proven a passkey."""

    code = "reauthentication_required"
    message = "Please confirm your identity with a passkey first: POST /auth/reauthenticate."


@dataclass(frozen=True)
class PasswordResetData:
    """A submitted code with the reset's id or an email address, and the new password."""

    otp: str
    password: str
    reset_id: bytes | None = None
    email: EmailAddress | None = None


def request_reset(request: MailedCodeRequest) -> bytes:
    """Mail a reset code to the owner of an email address. Return the id of the reset."""
    mailed = mailed_codes.issue(RESET, request)
    mail.notify("passwords/reset_code", mailed.recipient, code=mailed.code, state=mailed.state)
    audit.record("reset_requested", user_id=mailed.user_id or None)
    return mailed.code.id


@hashing.reserves_hash_slot
def reset_password(form: PasswordResetData) -> User:
    """Set a new password with the mailed code, revoke all sessions, codes and superseded links, and notify the user.

    The previous password is accepted: to reject it would reveal it to an attacker who can read the user's mail. Return
    the user.

    Raises:
        InvalidMailedCode, TooManyRequests, WeakPassword, Overloaded
    """
    try:
        user = _apply_reset(form)
    except InvalidCode:
        audit.record("invalid_code", purpose=RESET)
        raise InvalidMailedCode from None
    throttling.reset(user.normalized_email, user.id, client_network())
    audit.record("password_reset", user_id=user.id)
    links.revoke_superseded(user.id, user.normalized_email)
    _revoke_access_and_notify(user)
    return user


@hashing.reserves_hash_slot
def change_password(auth: AuthContext, current_password: str | None, password: str) -> None:
    """Replace the current password of the user, revoke the other sessions, and notify the user.

    The same password is rejected, because after a change the user expects the previous one to be invalid. A user who
    has no password needs a fresh token instead.

    Raises:
        InvalidCredentials, TooManyRequests, WeakPassword, Overloaded
        ValidationFailed: the current password is missing.
        ReauthenticationRequired: MFA is on or the user has no password, and the token is not fresh.
        InvalidToken: the session was revoked during this call.
    """
    has_password = auth.user.password_hash is not None
    if requires_fresh_token(auth):
        raise ReauthenticationRequired
    if not has_password:
        _set_first_password(auth, password)
    elif current_password is None:
        raise ValidationFailed({"current_password": [Text("{field} is required!", field="current_password")]})
    else:
        _replace_password(auth, current_password, password)


def requires_fresh_token(auth: AuthContext) -> bool:
    """Return True if the factors must be proven again before the password is changed."""
    return (auth.user.mfa_enabled or auth.user.password_hash is None) and not auth.is_fresh


def remove_password(auth: AuthContext) -> None:
    """Remove the password of a user who has proven a passkey and has a second way to sign in. Notify the user.

    The other sessions and pending reset codes are revoked. A password reset sets a password again.

    Raises:
        PasskeyRequired
        ValidationFailed: the user has no password, or too few passkeys.
        InvalidToken: the session was revoked during this call.
    """
    user = lock_session(auth)
    if not amr.has_passkey(auth.session.amr):
        raise PasskeyRequired
    if user.password_hash is None:
        raise ValidationFailed({"body": ["Your account has no password."]})
    if not passkeys.can_replace_password(user.id):
        raise ValidationFailed({"body": [NO_SUBSTITUTE]})
    accounts.remove_password(user.id)
    audit.record("password_removed", user_id=user.id, session_id=auth.session.id)
    codes.revoke_for_purpose(RESET, user.normalized_email)
    sessions.revoke_all_for(user.id, auth.session)
    mail.notify("passwords/password_removed", user, link_id=links.issue_report(user, auth.session.id).id)


def _set_first_password(auth: AuthContext, password: str) -> None:
    credentials = StoredCredentials(auth.user.id, None, auth.user.normalized_email, auth.user.credential_version)
    password_hash = _validate_and_hash(password, auth.user)
    _store_password(auth, credentials, password_hash)


def _replace_password(auth: AuthContext, current_password: str, password: str) -> None:
    verified = login.check_own_password(auth, current_password)
    try:
        _require_different(password, current_password)
        password_hash = _validate_and_hash(password, auth.user)
    except APIError:
        verified.refund()
        raise
    verified.refund()
    _store_password(auth, verified.credentials, password_hash)


def _store_password(auth: AuthContext, credentials: StoredCredentials, password_hash: str) -> None:
    user = lock_session(auth)
    if not accounts.change_password(credentials, password_hash):
        raise InvalidCredentials  # a concurrent request changed the password first
    audit.record("password_changed", user_id=user.id, session_id=auth.session.id)
    _revoke_access_and_notify(user, except_session=auth.session)


@hashing.reserves_hash_slot
def set_password(user: User, password: str) -> None:
    """Set the password of a user for an operator, revoke all sessions and pending codes, and notify the user.

    Raises:
        WeakPassword, Overloaded
    """
    user_id = user.id
    password_hash = _validate_and_hash(password, user)
    accounts.set_password(user_id, password_hash)
    audit.record("password_set", user_id=user_id)
    _revoke_access_and_notify(user)


def _apply_reset(form: PasswordResetData) -> User:
    """Verify the code and store the new password. Return the user.

    A weak password consumes neither the code nor an attempt.
    """
    verified = mailed_codes.verify(RESET, form.otp, form.reset_id, form.email)
    user = accounts.find_by_email(verified.normalized_email)
    if user is None:
        raise InvalidCode
    user_id = user.id
    try:
        password_hash = _validate_and_hash(form.password, user)
    except APIError:
        verified.refund()
        raise
    verified.refund()
    verified.consume()
    if not accounts.reset_password(user_id, verified.normalized_email, password_hash):
        raise InvalidCode
    return user


def _validate_and_hash(password: str, user: User) -> str:
    """Validate a password and return its hash. No transaction is open meanwhile.

    Raises:
        WeakPassword, Overloaded
    """
    password_policy.validate_password(
        password, first_name=user.first_name, last_name=user.last_name, normalized_email=user.normalized_email
    )
    return hashing.hash_password(password)


def _require_different(password: str, current_password: str) -> None:
    if hashes.normalize(password) == hashes.normalize(current_password):
        raise WeakPassword("Must differ from the current password.")


def _revoke_access_and_notify(user: User, except_session: Session | None = None) -> None:
    """Revoke codes, pending email changes, a scheduled factor reset, sessions and devices, and notify the user."""
    codes.revoke_account_codes(user.normalized_email)
    accounts.cancel_email_changes(user.id)
    pending_resets.cancel(user.id)
    sessions.revoke_all_for(user.id, except_session)
    mail.notify("passwords/password_changed", user)

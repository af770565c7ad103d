"""Login with a password, and the function that completes every login."""

from dataclasses import dataclass
from datetime import datetime

from flaskauth import audit, mail
from flaskauth.accounts import mfa_policy
from flaskauth.accounts import service as accounts
from flaskauth.accounts.service import StoredCredentials
from flaskauth.core.context import settings
from flaskauth.core.email_addresses import EmailAddress
from flaskauth.core.errors import Unauthorized
from flaskauth.core.http.request import client_network, user_agent
from flaskauth.core.passwords import hashing
from flaskauth.login import factor_verification, throttling
from flaskauth.login.credentials import CredentialsRow, load_credentials
from flaskauth.login.throttling import AttemptResult, LoginAttempt
from flaskauth.mfa import factors, pending_resets
from flaskauth.mfa.verification import VerifiedFactor
from flaskauth.one_time_codes import links
from flaskauth.sessions import devices
from flaskauth.sessions import service as sessions
from flaskauth.sessions.decorators import AuthContext
from flaskauth.sessions.device_names import device_name
from flaskauth.signing_keys import amr
from flaskauth.signing_keys import service as signing_keys


class InvalidCredentials(Unauthorized):
    """401 `invalid_credentials`: the same for an unknown email address, a wrong password and an unverified account."""

    code = "invalid_credentials"
    message = (
        "Login failed! Invalid email or password. If you have just registered, enter the code from the mail first."
    )


@dataclass(frozen=True)
class LoginData:
    """The body of a login request."""

    email: EmailAddress
    password: str
    device_token: str | None = None


@dataclass(frozen=True)
class LoginProof:
    """A verified sign-in step: the user as read before the check of the factors, and the authentication methods.

    `factor` is a verified second factor that is not consumed yet.
    """

    user: CredentialsRow
    amr: str
    device_token: str | None = None
    factor: VerifiedFactor | None = None


@dataclass(frozen=True)
class LoginResult:
    """The data of a successful login.

    `enrol_by` is when a required second factor must exist, if it is missing. `mfa_enrolment_required` is true from then
    on: the session can only add one.
    """

    token: str
    refresh_token: str
    expired_at: datetime
    device_token: str
    user: dict[str, object]
    enrol_by: datetime | None
    mfa_enrolment_required: bool
    session_id: int
    device_id: int


@dataclass(frozen=True)
class VerifiedPassword:
    """A correct password, with the rate-limit counters to refund after the last hash of the request."""

    attempt: LoginAttempt
    credentials: StoredCredentials
    result: AttemptResult

    def refund(self) -> None:
        """Refund the counted attempt, and reset the counters of consecutive failures."""
        throttling.refund(self.attempt, self.result)


@hashing.reserves_hash_slot
def sign_in(data: LoginData) -> LoginResult:
    """Check the password and start a session.

    Raises:
        InvalidCredentials, TooManyRequests, Overloaded
        SecondFactorRequired: the password is right.
    """
    user, email = load_credentials(data.email.normalized, data.device_token), data.email.normalized
    attempt = LoginAttempt(email, client_network(), user.device_id, user.is_recognised)
    credentials = StoredCredentials(user.id or 0, user.password_hash, email, user.credential_version)
    _rehash_if_needed(check_password(attempt, credentials, data.password), data.password)
    return complete_login(LoginProof(user, amr.PASSWORD, data.device_token))


def complete_login(proof: LoginProof) -> LoginResult:
    """Record the login, start a session and return its tokens. Every login calls this function.

    With MFA on, it requires a second factor, unless the device is remembered: then the token is not fresh. A user who
    must have a second factor and has one needs it too, and it turns MFA on.
    It mails the user if neither the device nor the network with this user agent was seen before.

    Raises:
        SecondFactorRequired: the proof has one factor. A login challenge is inserted.
        InvalidCredentials: the account was deleted or disabled, or a credential changed since it was checked.
        InvalidFactor: a concurrent request used the second factor.
        Unavailable: there is no signing key yet.
    """
    user, device_token = proof.user, proof.device_token
    signing_keys.active_key()  # before the writes of this function, because an error response is committed
    has_second_factor = amr.has_second_factor(proof.amr)
    is_complete = has_second_factor or not factors.is_needed(user)
    if not (is_complete or _replaces_factor(proof)):
        raise factor_verification.begin_second_step(user, proof.amr)
    if proof.factor:
        _consume_factor(user, proof.factor)
    if not accounts.record_login(user.id, user.credential_version):
        raise InvalidCredentials
    if has_second_factor:
        pending_resets.cancel(user.id)  # the user has found the factor
    history = sessions.get_history(user.id)
    is_new = user.last_login_at and not user.device_id and not history.has_seen_client
    device_id, device_token = devices.upsert(
        user.id, user.device_id, device_token, has_maximum=history.has_maximum_devices
    )
    token_pair = sessions.start(
        user.id, device_id, proof.amr, is_fresh=is_complete, has_maximum=history.has_maximum_sessions
    )
    if has_second_factor and mfa_policy.must_enrol(user):
        factors.turn_on_by_policy(user.id, token_pair.session_id, proof.amr)
        user = user._replace(mfa_enabled=True)
    audit.record("sign_in", user_id=user.id, session_id=token_pair.session_id, amr=proof.amr)
    if is_new:
        link = links.issue_report(user, token_pair.session_id)
        mail.notify("login/new_device", user, link_id=link.id, device=device_name(user_agent()))
    return LoginResult(
        token=token_pair.token,
        refresh_token=token_pair.refresh_token,
        expired_at=token_pair.expired_at,
        device_token=device_token,
        user=accounts.public_fields(user),
        enrol_by=mfa_policy.enrol_by(user),
        mfa_enrolment_required=mfa_policy.must_enrol(user),
        session_id=token_pair.session_id,
        device_id=device_id,
    )


def check_password(attempt: LoginAttempt, credentials: StoredCredentials, password: str) -> VerifiedPassword:
    """Verify a password within the attempt limits that all routes with a password share.

    The attempt is counted and committed before the hash is computed. A failure is recorded in the audit log.

    Raises:
        InvalidCredentials, TooManyRequests, Overloaded
    """

    def compare(result: AttemptResult) -> StoredCredentials | None:
        stored = credentials.password_hash if result.should_compare else None
        return credentials if result.should_hash and hashing.verify(password, stored) else None

    def fail() -> InvalidCredentials:
        audit.record("sign_in_failed", user_id=credentials.user_id or None)
        return InvalidCredentials()

    return VerifiedPassword(attempt, *throttling.verify(attempt, compare, fail))


def check_own_password(auth: AuthContext, password: str) -> VerifiedPassword:
    """Verify the password of the current user.

    Raises:
        InvalidCredentials, TooManyRequests, Overloaded
    """
    # The session's device is recognised, so an attacker's guesses from elsewhere cannot lock out its user.
    attempt = LoginAttempt(auth.user.normalized_email, client_network(), auth.session.device_id, is_recognised=True)
    user = auth.user
    credentials = StoredCredentials(user.id, user.password_hash, user.normalized_email, user.credential_version)
    return check_password(attempt, credentials, password)


def _consume_factor(user: CredentialsRow, factor: VerifiedFactor) -> None:
    """Consume the factor of a user whose credentials have not changed. Lock the user first, so that they do not change.

    An error response is committed: a sign-in that fails here is not recorded, and one that must fail consumes nothing.
    """
    if not accounts.lock_credentials(user.id, user.credential_version):
        raise InvalidCredentials
    factor.consume()


def _replaces_factor(proof: LoginProof) -> bool:
    """Return True if a remembered device replaces the second factor. It does so after a password only."""
    is_allowed = settings().remember_device_days > 0 and proof.amr == amr.PASSWORD
    return is_allowed and devices.is_remembered(proof.user.device_id)


def _rehash_if_needed(verified: VerifiedPassword, password: str) -> None:
    """Replace a hash of an outdated scheme."""
    credentials = verified.credentials
    try:
        new_hash = hashing.rehash_if_needed(password, credentials.password_hash or "")
    finally:
        verified.refund()
    if new_hash is not None:
        accounts.store_rehash(credentials, new_hash)

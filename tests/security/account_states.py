"""Users in every state of an email address. Responses must not reveal the state."""

from sqlalchemy import update
from tests.registration.helpers import unused_ip
from tests.security.checks import AttackChecker
from tests.support.inspect import execute_statement

from flaskauth.accounts.models import User
from flaskauth.core import clock

ACCOUNT_STATES = ("unknown", "pending", "account", "unverified", "disabled", "locked out")


def create_users_in_all_states(checker: AttackChecker) -> dict[str, str]:
    """Create a user in each state and return the email addresses by state."""
    emails = {state: f"{state.replace(' ', '.')}@example.com" for state in ACCOUNT_STATES}
    checker.users.register(emails["pending"], unused_ip())
    for state in ACCOUNT_STATES[2:]:
        checker.create_user(emails[state])
    set_user_columns(checker, emails["unverified"], is_verified=False)
    set_user_columns(checker, emails["disabled"], disabled_at=clock.now())
    set_user_columns(checker, emails["locked out"], password_hash="!")
    return emails


def set_user_columns(checker: AttackChecker, email: str, **values: object) -> None:
    """Update columns of a user directly in the database."""
    execute_statement(checker.app, update(User).where(User.normalized_email == email).values(**values))

"""People in every state that an address can be in, none of which a stranger may tell from another."""

from sqlalchemy import update
from tests.attacks.judging import Judge
from tests.inside import change
from tests.registration.asking import elsewhere

from flaskauth.accounts.models import User
from flaskauth.foundation import clock

STATES = ("unknown", "pending", "account", "unproven", "disabled", "locked out")


def crowd(judge: Judge) -> dict[str, str]:
    """An address by its state."""
    found = {state: f"{state.replace(' ', '.')}@example.com" for state in STATES}
    judge.people.pending(found["pending"], elsewhere())
    for state in STATES[2:]:
        judge.joined(found[state])
    mark(judge, found["unproven"], is_verified=False)
    mark(judge, found["disabled"], disabled_at=clock.now())
    mark(judge, found["locked out"], password="!")
    return found


def mark(judge: Judge, email: str, **values: object) -> None:
    """Change somebody's account behind the server's back."""
    change(judge.app, update(User).where(User.address == email).values(**values))

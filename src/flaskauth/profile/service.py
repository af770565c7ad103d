"""Change what a person says of themselves."""

from typing import Any

from flaskauth import audit
from flaskauth.accounts import service as accounts
from flaskauth.accounts.models import User


def edit(user: User, form: dict[str, Any]) -> User:
    """The person with names, country or language changed.

    Raises:
        InvalidInput: there is no such country.
    """
    changes = dict(form)
    if "country" in changes or "country_id" in changes:
        changes["country_id"] = accounts.country_id(changes.pop("country", None), changes.get("country_id"))
    if changes:
        accounts.edit(user, **changes)
        audit.record("profile_edited", user_id=user.id)
    return user

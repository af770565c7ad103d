"""The fixtures that save most of the time of the tests work."""

from flask import Flask
from tests.support import user_template
from tests.support.users import UserFactory

from flaskauth.core.passwords import hashes


def test_first_user_of_a_worker_is_the_template_of_others(app: Flask, users: UserFactory) -> None:
    assert user_template.is_usable(app)
    users.create_verified()

    assert (hashes.ARGON2, "verified") in user_template._templates
    assert not user_template.is_usable(app)

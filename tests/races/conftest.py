"""Somebody with two sessions, and whatever may end them; a post office."""

import pytest
from flask import Flask
from tests.mail.conftest import make_office, office, sink
from tests.people import THERE, People, Person
from tests.recovery.test_nothing_old_opens import Before
from tests.registration.asking import GRACE_AT
from tests.sessions.holding import Holder

__all__ = ["make_office", "office", "sink"]


@pytest.fixture
def before(app: Flask, people: People) -> Before:
    mine = Holder.of(app)
    return Before(app, people, mine, Holder(people.client, Person(people.client, GRACE_AT).signed_in(at=THERE)))

"""`flaskauth sessions revoke-all`: everybody is signed out, and nobody is kept out."""

from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest
from tests.documentation.shells import join_grace, serving
from tests.journeys.processes import Place
from tests.journeys.visitors import Visitor
from tests.people import GRACE

CREDENTIALS = {name: GRACE[name] for name in ("email", "password")}
SETTINGS = {"FLASKAUTH_ENV": "development", "SECRET_KEY": "k9Tq3vYx7bNz1mWc5dRf8hJp2sLg6aQe"}


@pytest.fixture
def place(tmp_path: Path) -> Place:
    return Place(tmp_path, SETTINGS)


@pytest.fixture
def visitor(place: Place) -> Iterator[Visitor]:
    with serving(place) as (_shell, found):
        join_grace(found)
        yield found


def signed_in(visitor: Visitor) -> Mapping[str, str]:
    tokens: Mapping[str, str] = visitor.post("/auth/login", CREDENTIALS).expect()
    return tokens


def refreshed(visitor: Visitor, tokens: Mapping[str, str]) -> int:
    return visitor.post("/auth/refresh", {"refresh_token": tokens["refresh_token"]}).status


def test_every_session_ends_and_everybody_may_sign_in_again(place: Place, visitor: Visitor) -> None:
    here, there = signed_in(visitor), signed_in(visitor)

    assert "2 sessions were ended." in place.run("flaskauth", "sessions", "revoke-all", "--yes")
    assert [refreshed(visitor, tokens) for tokens in (here, there)] == [401, 401]
    assert visitor.get("/users/profile", here["token"]).status == 401
    assert refreshed(visitor, signed_in(visitor)) == 200


def test_whoever_does_not_say_yes_ends_none(place: Place, visitor: Visitor) -> None:
    tokens = signed_in(visitor)

    assert "Aborted" in place.run("flaskauth", "sessions", "revoke-all", expect=1)
    assert refreshed(visitor, tokens) == 200

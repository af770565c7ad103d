"""What a process remembers of tokens whose signature was right."""

import pytest
from flask import Flask
from tests.sessions.holding import Holder

from flaskauth.keys.ring import ring
from flaskauth.keys.verified import MOST, Verified

pytestmark = pytest.mark.parametrize("database", ["sqlite"], indirect=True)


def test_it_is_bounded_and_forgetting_costs_no_more_than_verifying_again(app: Flask) -> None:
    with app.app_context():
        kid = ring().signer().kid
        verified: Verified[str] = Verified(ring())
        for number in range(MOST):
            verified.remember(f"token {number}", kid, "said")
        assert verified.recall("token 0") == "said"
        verified.remember("one more", kid, "said")

        assert verified.recall("one more") == "said"
        assert verified.recall("token 0") is None


def test_what_a_key_signed_that_is_not_in_use_is_not_remembered(app: Flask) -> None:
    with app.app_context():
        verified: Verified[str] = Verified(ring())
        verified.remember("a token", "a key that was dropped", "said")

        assert verified.recall("a token") is None


def test_a_token_that_is_remembered_is_refused_once_its_session_has_ended(app: Flask) -> None:
    holder = Holder.of(app)
    assert holder.calls() == 200
    app.test_client().post("/auth/logout", json={"refresh_token": holder.refresh_token})

    assert holder.calls() == 401

"""The cache of access tokens whose signature has been verified."""

import pytest
from flask import Flask
from tests.sessions.helpers import SessionClient

from flaskauth.signing_keys.keyring import keyring
from flaskauth.signing_keys.token_cache import MAX_TOKENS, VerifiedTokenCache

pytestmark = pytest.mark.parametrize("database", ["sqlite"], indirect=True)


def test_token_cache_evicts_entries_when_full(app: Flask) -> None:
    with app.app_context():
        kid = keyring().active().kid
        cache: VerifiedTokenCache[str] = VerifiedTokenCache(keyring())
        for number in range(MAX_TOKENS):
            cache.put(f"token {number}", kid, "claims")
        assert cache.get("token 0") == "claims"
        cache.put("one more", kid, "claims")

        assert cache.get("one more") == "claims"
        assert cache.get("token 0") is None


def test_token_cache_ignores_tokens_of_unknown_keys(app: Flask) -> None:
    with app.app_context():
        cache: VerifiedTokenCache[str] = VerifiedTokenCache(keyring())
        cache.put("a token", "a revoked key", "claims")

        assert cache.get("a token") is None


def test_cached_token_is_rejected_after_logout(app: Flask) -> None:
    session = SessionClient.for_new_user(app)
    assert session.profile_status() == 200
    app.test_client().post("/auth/logout", json={"refresh_token": session.refresh_token})

    assert session.profile_status() == 401

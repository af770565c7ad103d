"""The claims, lifetime and signature of access tokens, verified with the public keys of the JWKS."""

import re
from datetime import timedelta

from flask import Flask
from sqlalchemy import select
from tests.conftest import MakeApp
from tests.signing_keys.helpers import (
    P256_ORDER,
    Json,
    bytes_to_int,
    decode,
    decode_claims,
    decode_header,
    is_signature_valid,
    thumbprint,
    verify_jwt,
)
from tests.support.inspect import query_all
from tests.support.users import UserFactory

from flaskauth.core import clock
from flaskauth.signing_keys.keyring import keyring
from flaskauth.signing_keys.models import SigningKey


def fetch_jwks(app: Flask) -> Json:
    jwks: Json = app.test_client().get("/.well-known/jwks.json").get_json()
    return jwks


def test_access_token_has_expected_jwt_claims(app: Flask) -> None:
    before = clock.now().timestamp()
    tokens = UserFactory(app).create_verified().login_ok()
    claims = verify_jwt(tokens["token"], fetch_jwks(app))

    assert decode_header(tokens["token"]) == {
        "alg": "ES256",
        "typ": "at+jwt",
        "kid": fetch_jwks(app)["keys"][0]["kid"],
    }
    issued_at = claims.pop("iat")
    assert before - 1 <= claims.pop("auth_time") <= issued_at <= clock.now().timestamp()
    assert claims.pop("exp") == claims.pop("fresh_until") == issued_at + 600
    assert re.fullmatch(r"[\w-]{22}", claims.pop("jti"))
    assert claims == {
        "iss": "http://localhost:5000",
        "aud": "http://localhost:5000",
        "sub": str(tokens["user"]["id"]),
        "client_id": "flaskauth",
        "sid": tokens["refresh_token"].split(".")[0],
        "amr": ["pwd"],
        "acr": "aal1",
    }


def test_refreshed_token_keeps_claims_but_is_not_fresh(app: Flask) -> None:
    users = UserFactory(app)
    tokens = users.create_verified().login_ok()
    clock.travel(timedelta(minutes=7))
    refreshed = users.client.post("/auth/refresh", json={"refresh_token": tokens["refresh_token"]}).get_json()
    first, second = decode_claims(tokens["token"]), verify_jwt(refreshed["token"], fetch_jwks(app))

    changed = {name for name in first if first[name] != second.get(name)}
    assert changed == {"iat", "exp", "jti", "fresh_until"}
    assert "fresh_until" not in second
    assert second["exp"] - first["exp"] in range(420, 425)


def test_jwt_issuer_audience_and_lifetime_are_configurable(make_app: MakeApp) -> None:
    app = make_app(PUBLIC_URL="https://auth.example.com/", JWT_AUDIENCE="https://api.example.com", JWT_DURATION="3")
    claims = decode_claims(UserFactory(app).create_verified().login_ok()["token"])

    assert (claims["iss"], claims["aud"]) == ("https://auth.example.com", "https://api.example.com")
    assert claims["exp"] - claims["iat"] == 180


def test_access_token_is_rejected_after_expiry(users: UserFactory) -> None:
    token = users.create_verified().login_ok()["token"]
    headers = {"Authorization": f"Bearer {token}"}
    clock.travel(timedelta(minutes=9, seconds=55))
    assert users.client.get("/users/profile", headers=headers).status_code == 200

    clock.travel(timedelta(seconds=6))
    assert users.client.get("/users/profile", headers=headers).status_code == 401


def test_bearer_scheme_is_case_insensitive(users: UserFactory) -> None:
    token = users.create_verified().login_ok()["token"]
    statuses = {
        scheme: users.client.get("/users/profile", headers={"Authorization": f"{scheme} {token}"}).status_code
        for scheme in ("Bearer", "bearer", "BEARER", "Basic", "Token", "JWT", "DPoP")
    }

    assert [scheme for scheme, status in statuses.items() if status == 200] == ["Bearer", "bearer", "BEARER"]
    assert set(statuses.values()) == {200, 401}


def test_token_outside_authorization_header_is_ignored(users: UserFactory) -> None:
    token = users.create_verified().login_ok()["token"]
    users.client.set_cookie("Authorization", f"Bearer {token}")
    users.client.set_cookie("token", token)

    for path in (f"/users/profile?token={token}", f"/users/profile?access_token={token}", "/users/profile"):
        response = users.client.get(path, headers={"X-Access-Token": token})
        assert (response.status_code, response.get_json()["message"]) == (401, "Authorization token required")


def test_jwt_signature_uses_low_s_form(app: Flask) -> None:
    user = UserFactory(app).create_verified()
    tokens = [user.login(at=f"192.0.2.{number}").get_json()["token"] for number in range(6)]

    assert all(bytes_to_int(decode(token.split(".")[2])[32:]) <= P256_ORDER // 2 for token in tokens)
    assert all(is_signature_valid(token, fetch_jwks(app)) for token in tokens)


def test_jwks_contains_only_public_key_fields(app: Flask) -> None:
    response = app.test_client().get("/.well-known/jwks.json")
    [key] = response.get_json()["keys"]

    assert set(key) == {"kty", "crv", "x", "y", "kid", "alg", "use"}
    assert (key["kty"], key["crv"], key["alg"], key["use"]) == ("EC", "P-256", "ES256", "sig")
    assert (len(decode(key["x"])), len(decode(key["y"]))) == (32, 32)
    assert key["kid"] == thumbprint(key)
    assert response.headers["Cache-Control"] == "public, max-age=600"
    assert list(response.get_json()) == ["keys"]


def test_private_key_is_encrypted_in_database(app: Flask) -> None:
    app.test_client().get("/hello")
    [row] = query_all(app, select(SigningKey))
    with app.app_context():
        secret = keyring().active().private_key.private_numbers().private_value.to_bytes(32, "big")

    assert secret not in row.encrypted_private_key
    assert secret.hex() not in str(vars(row))

"""/users/factors/passkeys: register, rename and remove passkeys and security keys."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from flask import Flask
from sqlalchemy import select, update
from tests.conftest import MakeApp
from tests.passkeys.client import PASSKEYS, PasskeyUser, sign_in_with
from tests.support.inspect import error_of, execute_statement, query_all, single_event
from tests.support.soft_authenticator import BE, BS, RS256, UP, UV, SoftAuthenticator, es256_cose, rs256_cose, rsa_key
from tests.support.users import UserFactory, bearer
from werkzeug.test import TestResponse

from flaskauth.accounts.models import User
from flaskauth.core import clock
from flaskauth.core.crypto import base64url_decode, base64url_encode
from flaskauth.mfa.models import Passkey

ICLOUD_KEYCHAIN = bytes.fromhex("fbfc3007154e4ecc8c0b6e020557d7bd")


def rejected_field(response: TestResponse) -> list[str]:
    assert error_of(response) == (422, "validation_failed")
    return sorted(response.get_json()["errors"])


def test_passkey_registration_returns_its_fields(grace: PasskeyUser, app: Flask) -> None:
    authenticator = SoftAuthenticator(flags=UP | UV | BE | BS)
    body = grace.register(authenticator.create(grace.creation_options())).get_json()
    passkey = body["passkey"]
    [row] = query_all(app, select(Passkey))

    assert (passkey["name"], passkey["can_sign_in"], passkey["synced"]) == ("MacBook", True, True)
    assert (passkey["id"], passkey["last_used_at"], passkey["provider"]) == (row.id, None, None)
    assert (row.rp_id, row.transports, row.credential_id) == (
        "localhost",
        "hybrid internal",
        authenticator.credential_id,
    )
    assert single_event(app, "passkey_registered").user_id == row.user_id


def test_registration_options_of_each_kind_differ(grace: PasskeyUser) -> None:
    passkey, security_key = grace.creation_options(), grace.creation_options("security_key")

    assert passkey["authenticatorSelection"]["residentKey"] == "required"
    assert passkey["authenticatorSelection"]["userVerification"] == "required"
    assert security_key["authenticatorSelection"]["residentKey"] == "discouraged"
    assert security_key["authenticatorSelection"]["userVerification"] == "discouraged"
    assert passkey["user"] == security_key["user"]
    assert passkey["user"]["name"] == grace.user.email
    assert len(base64url_decode(passkey["user"]["id"])) == 32


def test_registration_options_exclude_existing_keys(grace: PasskeyUser) -> None:
    authenticator = grace.add()
    [excluded] = grace.creation_options()["excludeCredentials"]

    assert base64url_decode(excluded["id"]) == authenticator.credential_id
    assert excluded["transports"] == ["hybrid", "internal"]


def test_passkey_but_no_security_key_must_verify_its_user(grace: PasskeyUser) -> None:
    passkey = SoftAuthenticator(flags=UP).create(grace.creation_options())
    security_key = SoftAuthenticator(flags=UP).create(grace.creation_options("security_key"))

    assert rejected_field(grace.register(passkey)) == ["credential"]
    assert grace.register(security_key).get_json()["passkey"]["can_sign_in"] is False


def test_registration_options_of_another_session_are_rejected(grace: PasskeyUser) -> None:
    credential = SoftAuthenticator().create(PasskeyUser.sign_in(grace.user).creation_options())

    assert rejected_field(grace.register(credential)) == ["credential"]


def test_registration_challenge_is_used_once_and_expires(grace: PasskeyUser) -> None:
    options = grace.creation_options()
    late = grace.creation_options()

    assert grace.register(SoftAuthenticator().create(options)).status_code == 200
    assert rejected_field(grace.register(SoftAuthenticator().create(options))) == ["credential"]
    clock.travel(timedelta(minutes=5, seconds=1))
    assert rejected_field(grace.register(SoftAuthenticator().create(late))) == ["credential"]


def test_registration_of_a_taken_credential_is_rejected(grace: PasskeyUser, other: PasskeyUser, app: Flask) -> None:
    authenticator = grace.add()

    for user in (other, grace):
        credential = SoftAuthenticator(credential_id=authenticator.credential_id).create(user.creation_options())
        assert rejected_field(user.register(credential)) == ["credential"]
    assert sign_in_with(grace.client, authenticator).status_code == 200
    assert len(query_all(app, select(Passkey.id))) == 1


FAULTY_KEYS: dict[str, Callable[[], dict[int, Any]]] = {
    "off-curve point": lambda: {**es256_key(), -3: bytes(31) + b"\x01"},
    "RSA of 512 bits": lambda: {1: 3, 3: RS256, -1: b"\xff" * 64, -2: b"\x01\x00\x01"},
    "RSA exponent 1": lambda: {**rs256_cose(rsa_key(2048).public_key()), -2: b"\x01"},
    "algorithm of another key type": lambda: {**es256_key(), 3: RS256},
}
FAULTY_CBOR = {"nested": b"\x81" * 5000 + b"\x00", "length of 2^63 - 1": b"\x5b\x7f" + b"\xff" * 7}


def es256_key() -> dict[int, Any]:
    return es256_cose(ec.generate_private_key(ec.SECP256R1()).public_key())


def test_registration_with_faulty_key_is_rejected(grace: PasskeyUser, app: Flask) -> None:
    for name, cose_key in FAULTY_KEYS.items():
        authenticator = SoftAuthenticator()
        authenticator.cose_key = cose_key()
        response = grace.register(authenticator.create(grace.creation_options()))
        assert rejected_field(response) == ["credential"], name

    assert query_all(app, select(Passkey)) == []


def test_registration_with_faulty_cbor_is_rejected(grace: PasskeyUser, app: Flask) -> None:
    for name, cbor in FAULTY_CBOR.items():
        credential = SoftAuthenticator().create(grace.creation_options())
        credential["response"]["attestationObject"] = base64url_encode(cbor)
        assert rejected_field(grace.register(credential)) == ["credential"], name

    assert query_all(app, select(Passkey)) == []


def test_registration_beyond_twenty_keys_is_rejected(grace: PasskeyUser, app: Flask) -> None:
    options = grace.creation_options()
    for _ in range(20):
        grace.add(kind="security_key")
    response = grace.client.post(f"{PASSKEYS}/options", json={"kind": "passkey"}, headers=grace.headers)

    assert rejected_field(response) == ["body"]
    assert rejected_field(grace.register(SoftAuthenticator().create(options))) == ["body"]
    assert len(query_all(app, select(Passkey.id))) == 20


@pytest.mark.parametrize("name", ["", "x" * 65, "<b>", "https://example.com"])
def test_passkey_name_with_fault_is_rejected(grace: PasskeyUser, name: str) -> None:
    credential = SoftAuthenticator().create(grace.creation_options())

    assert rejected_field(grace.register(credential, name=name)) == ["name"]


def test_passkey_routes_require_a_fresh_token(grace: PasskeyUser, app: Flask) -> None:
    grace.add()
    [passkey_id] = query_all(app, select(Passkey.id))
    refresh_token = grace.user.login_ok()["refresh_token"]
    token = grace.client.post("/auth/refresh", json={"refresh_token": refresh_token}).get_json()["token"]
    calls = (("POST", "/options"), ("POST", ""), ("PATCH", f"/{passkey_id}"), ("DELETE", f"/{passkey_id}"))

    for method, path in calls:
        response = grace.client.open(f"{PASSKEYS}{path}", method=method, headers=bearer(token))
        assert error_of(response) == (403, "reauthentication_required")
        assert error_of(grace.client.open(f"{PASSKEYS}{path}", method=method)) == (401, "invalid_token")


def test_passkey_of_another_user_is_not_found(grace: PasskeyUser, other: PasskeyUser, app: Flask) -> None:
    grace.add()
    [passkey_id] = query_all(app, select(Passkey.id))
    path = f"{PASSKEYS}/{passkey_id}"

    assert error_of(other.client.patch(path, json={"name": "mine"}, headers=other.headers)) == (404, "not_found")
    assert error_of(other.client.delete(path, headers=other.headers)) == (404, "not_found")


def test_factor_list_names_passkeys_and_their_provider(grace: PasskeyUser) -> None:
    grace.add(SoftAuthenticator(flags=UP | UV | BE | BS, aaguid=ICLOUD_KEYCHAIN), name="iPhone")
    grace.add(kind="security_key", name="YubiKey")
    factors = grace.client.get("/users/factors", headers=grace.headers).get_json()
    fields = ("name", "can_sign_in", "synced", "provider")

    assert [tuple(passkey[name] for name in fields) for passkey in factors["passkeys"]] == [
        ("iPhone", True, True, "iCloud Keychain"),
        ("YubiKey", False, False, None),
    ]


def test_passkey_is_renamed(grace: PasskeyUser, app: Flask) -> None:
    grace.add()
    [passkey_id] = query_all(app, select(Passkey.id))
    response = grace.client.patch(f"{PASSKEYS}/{passkey_id}", json={"name": "Phone"}, headers=grace.headers)

    assert response.get_json()["passkey"]["name"] == "Phone"
    assert single_event(app, "passkey_renamed").user_id is not None


def test_removed_passkey_signs_in_no_longer(grace: PasskeyUser, app: Flask) -> None:
    authenticator = grace.add()
    [passkey_id] = query_all(app, select(Passkey.id))
    path = f"{PASSKEYS}/{passkey_id}"

    assert grace.client.delete(path, headers=grace.headers).status_code == 200
    assert error_of(sign_in_with(grace.client, authenticator)) == (401, "invalid_credentials")
    assert error_of(grace.client.delete(path, headers=grace.headers)) == (404, "not_found")
    assert grace.creation_options()["excludeCredentials"] == []
    assert single_event(app, "passkey_removed").user_id is not None


def test_user_handle_is_random_and_stays_the_same(grace: PasskeyUser, other: PasskeyUser, app: Flask) -> None:
    handles = {user.creation_options()["user"]["id"] for user in (grace, other, grace, PasskeyUser.sign_in(grace.user))}

    assert len(handles) == 2
    assert str(query_all(app, select(User.id))[0]) not in "".join(handles)


def test_related_origin_may_register_and_sign_in(make_app: MakeApp) -> None:
    app = make_app(WEBAUTHN_ORIGINS="https://app.example.org", WEBAUTHN_RP_ID="example.com")
    grace = PasskeyUser.sign_in(UserFactory(app).create_verified())
    authenticator = grace.add(SoftAuthenticator(origin="https://app.example.org"))

    assert sign_in_with(grace.client, authenticator).status_code == 200
    authenticator.origin = "https://app.example.com"
    assert error_of(sign_in_with(grace.client, authenticator)) == (401, "invalid_credentials")


def test_passkey_of_another_rp_id_is_not_offered(grace: PasskeyUser, app: Flask) -> None:
    grace.add(kind="security_key", enable_mfa=True)
    assert grace.user.login().get_json()["passkey"]["allowCredentials"]
    execute_statement(app, update(Passkey).values(rp_id="old.example.com"))

    assert grace.user.login().get_json()["passkey"] is None

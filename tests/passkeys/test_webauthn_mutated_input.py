"""Mutated responses: no other exception than `CeremonyError`, no altered signed byte accepted, and fido2 agrees.

`make test-slow SUITE=webauthn` tries 20,000.
"""

import copy
import json
import os
import random
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any, TypeVar

import cbor2
import pytest
from fido2.cose import CoseKey
from fido2.webauthn import AuthenticatorData, CollectedClientData
from tests.passkeys.client import PASSKEYS, PasskeyUser, passkey_login, sign_in_options
from tests.passkeys.helpers import (
    CHALLENGE,
    assertion_options,
    authenticate,
    register,
    registration_options,
    settings_app,
)
from tests.support.soft_authenticator import BE, BS, EDDSA, ES256, RS256, UP, UV, SoftAuthenticator

from flaskauth.core.crypto import base64url_decode, base64url_encode, sha256
from flaskauth.passkeys.responses import CeremonyError

Json = dict[str, Any]
T = TypeVar("T")

COUNT = int(os.environ.get("WEBAUTHN_MUTATIONS", "200"))
SIGNED_FIELDS = ("clientDataJSON", "authenticatorData", "signature")
JSON_VALUES: tuple[object, ...] = (
    None,
    True,
    0,
    -1,
    1e308,
    "",
    "A",
    "=",
    "\x00",
    [],
    {},
    [[]],
    "é",
    "a" * 30_000,
    {"response": {}},
)
CBOR_PIECES = [
    *(b"\xa0", b"\xbf", b"\xff", b"\x9f", b"\x5f", b"\x1b" + b"\xff" * 8, b"\x81" * 600, b"\xf9\x7e\x00"),
    *(
        cbor2.dumps(cbor2.CBORTag(tag, value))
        for tag, value in ((2, b"\x01"), (4, [1, 2]), (28, []), (29, 0), (35, "("))
    ),
]


@pytest.fixture(autouse=True, scope="module")
def settings() -> Iterator[None]:
    with settings_app().app_context():
        yield


def mutate_bytes(rng: random.Random, raw: bytes) -> bytes:
    position = rng.randrange(len(raw) + 1)
    length = rng.choice((1, 1, 2, 4, 16, 64))
    return rng.choice(
        (
            lambda: raw[:position] + bytes([rng.randrange(256)]) + raw[position + 1 :],
            lambda: raw[:position] + rng.randbytes(length) + raw[position:],
            lambda: raw[:position] + raw[position + length :],
            lambda: raw[:position],
            lambda: raw[:position] + rng.choice(CBOR_PIECES) + raw[position:],
            lambda: raw[:position] + raw[max(0, position - length) : position] + raw[position:],
        )
    )()


def mutate(rng: random.Random, credential: Json) -> Json:
    """Return a copy with one to three changes: to the bytes of a field, or to the JSON."""
    mutated = copy.deepcopy(credential)
    for _ in range(rng.choice((1, 1, 2, 3))):
        fields = rng.choice(
            (mutated, *([mutated["response"]] * 4 if isinstance(mutated.get("response"), dict) else ()))
        )
        name = rng.choice(sorted(fields) or ["id"])
        value = fields.get(name)
        if isinstance(value, str) and name != "type" and rng.random() < 0.9:
            fields[name] = base64url_encode(mutate_bytes(rng, base64url_decode(value)))
        elif rng.random() < 0.5:
            fields.pop(name, None)
        else:
            fields[name] = rng.choice(JSON_VALUES)
    return mutated


def verify(check: Callable[[], T]) -> T | None:
    """Return the result of a check, or None if it rejects its input. It must not raise anything else."""
    try:
        return check()
    except CeremonyError:
        return None


def decoded(credential: Json, name: str) -> bytes:
    return base64url_decode(credential["response"][name])


def check_client_data_with_fido2(raw: bytes, ceremony: str) -> None:
    client_data = CollectedClientData(raw)
    assert (client_data.type, client_data.challenge) == (ceremony, CHALLENGE)
    assert (client_data.origin, client_data.cross_origin) == ("http://localhost:5000", False)


def check_assertion_with_fido2(credential: Json, public_key: bytes) -> None:
    raw, client_data = decoded(credential, "authenticatorData"), decoded(credential, "clientDataJSON")
    check_client_data_with_fido2(client_data, "webauthn.get")
    authenticator_data = AuthenticatorData(raw)
    assert authenticator_data.rp_id_hash == sha256(b"localhost")
    assert authenticator_data.is_user_present()
    assert authenticator_data.is_user_verified()
    CoseKey.parse(cbor2.loads(public_key)).verify(raw + sha256(client_data), decoded(credential, "signature"))


def check_registration_with_fido2(credential: Json, public_key: bytes) -> None:
    check_client_data_with_fido2(decoded(credential, "clientDataJSON"), "webauthn.create")
    attestation = cbor2.loads(decoded(credential, "attestationObject"))  # the statement is discarded
    authenticator_data = AuthenticatorData(attestation["authData"])
    assert authenticator_data.rp_id_hash == sha256(b"localhost")
    assert authenticator_data.credential_data
    assert authenticator_data.credential_data.credential_id == base64url_decode(credential["id"])
    assert dict(authenticator_data.credential_data.public_key) == cbor2.loads(public_key)


def test_mutated_assertion_with_changed_signed_byte_is_rejected() -> None:
    rng, accepted = random.Random(20_260_110), 0
    for number in range(COUNT):
        authenticator = SoftAuthenticator(
            rng.choice((ES256, EDDSA, RS256)), flags=rng.choice((UP | UV, UP | UV | BE | BS))
        )
        public_key = register(authenticator.create(registration_options())).public_key
        authenticator.extensions = rng.choice(({}, {"credProps": True}))
        credential = authenticator.get(assertion_options())
        check_assertion_with_fido2(credential, public_key)
        mutated = mutate(rng, credential) if number else credential
        if verify(partial(authenticate, mutated, public_key)):
            accepted += 1
            check_assertion_with_fido2(mutated, public_key)
            for name in SIGNED_FIELDS:
                assert decoded(mutated, name) == decoded(credential, name), json.dumps(mutated)

    assert 0 < accepted < COUNT


def test_mutated_registration_is_judged_as_by_fido2() -> None:
    rng, accepted = random.Random(20_260_111), 0
    for number in range(COUNT):
        authenticator = SoftAuthenticator(rng.choice((ES256, EDDSA, RS256)))
        authenticator.extensions = rng.choice(({}, {"credProtect": 2}))
        credential = authenticator.create(registration_options())
        mutated = mutate(rng, credential) if number else credential
        if created := verify(partial(register, mutated, challenge=CHALLENGE)):
            accepted += 1
            check_registration_with_fido2(mutated, created.public_key)

    assert 0 < accepted < COUNT


def test_mutated_requests_are_never_a_server_error(grace: PasskeyUser) -> None:
    rng, authenticator = random.Random(20_260_112), grace.add()
    for _ in range(COUNT // 4):
        assertion = mutate(rng, authenticator.get(sign_in_options(grace.client)))
        registration = mutate(rng, SoftAuthenticator().create(grace.creation_options("security_key")))

        assert passkey_login(grace.client, assertion).status_code in {200, 401, 422}, json.dumps(assertion)
        response = grace.register(registration)
        assert response.status_code in {200, 422}, json.dumps(registration)
        if response.status_code == 200:
            grace.client.delete(f"{PASSKEYS}/{response.get_json()['passkey']['id']}", headers=grace.headers)

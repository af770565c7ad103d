"""What a registration or an assertion must satisfy, beyond what the library checks."""

from collections.abc import Callable, Iterator
from typing import Any

import cbor2
import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from tests.passkeys.helpers import (
    CHALLENGE,
    assertion_options,
    authenticate,
    register,
    registration_options,
    settings_app,
)
from tests.support.soft_authenticator import (
    AT,
    BE,
    BS,
    EDDSA,
    ES256,
    RS256,
    UP,
    UV,
    SoftAuthenticator,
    es256_cose,
    rs256_cose,
    rsa_key,
    to_bytes,
)

from flaskauth.core.crypto import base64url_decode, base64url_encode
from flaskauth.passkeys import responses
from flaskauth.passkeys.responses import CeremonyError

Json = dict[str, Any]
REGEX = cbor2.CBORTag(35, "a")  # cbor2 compiles it; one of 13 KB can take 13 seconds


@pytest.fixture(autouse=True, scope="module")
def settings() -> Iterator[None]:
    with settings_app().app_context():
        yield


def change_response(credential: Json, **fields: bytes) -> Json:
    encoded = {name: base64url_encode(raw) for name, raw in fields.items()}
    return {**credential, "response": {**credential["response"], **encoded}}


def with_cose_key(cose_key: object) -> Json:
    authenticator = SoftAuthenticator()
    authenticator.cose_key = cose_key  # type: ignore[assignment]
    return authenticator.create(registration_options())


def with_client_data(change: Callable[[bytes], bytes]) -> Json:
    credential = SoftAuthenticator().create(registration_options())
    return change_response(
        credential, clientDataJSON=change(base64url_decode(credential["response"]["clientDataJSON"]))
    )


def with_authenticator_data(change: Callable[[bytes], bytes]) -> Json:
    credential = SoftAuthenticator().create(registration_options())
    attestation = cbor2.loads(base64url_decode(credential["response"]["attestationObject"]))
    attestation["authData"] = change(attestation["authData"])
    return change_response(credential, attestationObject=cbor2.dumps(attestation))


def off_curve() -> Json:
    cose_key = es256_cose(ec.generate_private_key(ec.SECP256R1()).public_key())
    return with_cose_key({**cose_key, -3: bytes(31) + b"\x01"})


REJECTED_REGISTRATIONS: dict[str, Callable[[], Json]] = {
    "origin with slash": lambda: SoftAuthenticator(origin="http://localhost:5000/").create(registration_options()),
    "other port": lambda: SoftAuthenticator(origin="http://localhost:5001").create(registration_options()),
    "upper case": lambda: SoftAuthenticator(origin="http://LOCALHOST:5000").create(registration_options()),
    "subdomain": lambda: SoftAuthenticator(origin="http://a.localhost:5000").create(registration_options()),
    "null": lambda: SoftAuthenticator(origin="null").create(registration_options()),
    "other RP ID": lambda: SoftAuthenticator(rp_id="example.com").create(registration_options()),
    "no user presence": lambda: SoftAuthenticator(flags=UV).create(registration_options()),
    "no user verification": lambda: SoftAuthenticator(flags=UP).create(registration_options()),
    "backed up, not eligible": lambda: SoftAuthenticator(flags=UP | UV | BS).create(registration_options()),
    "long id": lambda: SoftAuthenticator(credential_id=bytes(1024)).create(registration_options()),
    "empty id": lambda: SoftAuthenticator(credential_id=b"").create(registration_options()),
    "off-curve point": off_curve,
    "short RSA key": lambda: with_cose_key(rs256_cose(rsa_key(1024).public_key())),
    "RSA of 512 bits": lambda: with_cose_key({1: 3, 3: RS256, -1: b"\xff" * 64, -2: b"\x01\x00\x01"}),
    "RSA exponent 1": lambda: with_cose_key({**rs256_cose(rsa_key(2048).public_key()), -2: b"\x01"}),
    "algorithm of another key type": lambda: with_cose_key({**rs256_cose(rsa_key(2048).public_key()), 3: ES256}),
    "ES256 with P-384": lambda: with_cose_key({1: 2, 3: ES256, -1: 2, **point(ec.SECP384R1())}),
    "EdDSA with P-256": lambda: with_cose_key({1: 2, 3: EDDSA, -1: 1, **point(ec.SECP256R1())}),
    "RSA of 8192 bits": lambda: with_cose_key({1: 3, 3: RS256, -1: b"\xff" * 1024, -2: b"\x01\x00\x01"}),
    "long public key": lambda: with_cose_key({**rs256_cose(rsa_key(2048).public_key()), 99: bytes(1024)}),
    "public key is a number": lambda: with_cose_key(4),
    "nested CBOR": lambda: attestation(b"\x81" * 5000 + b"\x00"),
    "CBOR length": lambda: attestation(b"\x5b\x7f" + b"\xff" * 7),
    "CBOR tag": lambda: attestation(cbor2.dumps({"fmt": "none", "attStmt": {}, "authData": REGEX})),
    "CBOR tag in the public key": lambda: with_cose_key(REGEX),
    "no attestation object": lambda: attestation(cbor2.dumps([1])),
    "garbage behind the key": lambda: with_authenticator_data(lambda data: data + b"\x00"),
    "no attested data": lambda: with_authenticator_data(lambda data: data[:32] + bytes([UP | UV]) + data[33:37]),
    "attested data without flag": lambda: with_authenticator_data(lambda d: d[:32] + bytes([d[32] & ~AT]) + d[33:]),
    "duplicate key": lambda: with_client_data(lambda data: data[:-1] + b',"type":"webauthn.create"}'),
    "byte order mark": lambda: with_client_data(lambda data: b"\xef\xbb\xbf" + data),
    "UTF-16": lambda: with_client_data(lambda data: data.decode().encode("utf-16")),
    "crossOrigin": lambda: SoftAuthenticator(client_data={"crossOrigin": True}).create(registration_options()),
    "crossOrigin 0": lambda: SoftAuthenticator(client_data={"crossOrigin": 0}).create(registration_options()),
    "topOrigin": lambda: SoftAuthenticator(client_data={"topOrigin": "https://a"}).create(registration_options()),
    "type": lambda: SoftAuthenticator(client_data={"type": "webauthn.get"}).create(registration_options()),
    "foreign rawId": lambda: change_id(b"another id"),
    "base64": lambda: {**SoftAuthenticator().create(registration_options()), "id": "a+b/", "rawId": "a+b/"},
    "id differs": lambda: {**SoftAuthenticator().create(registration_options()), "id": "YWJj"},
    "long response": lambda: attestation(bytes(17_000)),
    "no response": lambda: {"id": "YWJj", "rawId": "YWJj", "type": "public-key"},
    "empty": dict,
}


def point(curve: ec.EllipticCurve) -> dict[int, bytes]:
    numbers = ec.generate_private_key(curve).public_key().public_numbers()
    return {-2: to_bytes(numbers.x), -3: to_bytes(numbers.y)}


def attestation(raw: bytes) -> Json:
    return change_response(SoftAuthenticator().create(registration_options()), attestationObject=raw)


def change_id(credential_id: bytes) -> Json:
    encoded = base64url_encode(credential_id)
    return {**SoftAuthenticator().create(registration_options()), "id": encoded, "rawId": encoded}


@pytest.mark.parametrize("name", REJECTED_REGISTRATIONS)
def test_registration_with_fault_is_rejected(name: str) -> None:
    credential = REJECTED_REGISTRATIONS[name]()
    with pytest.raises(CeremonyError):
        register(credential)


@pytest.mark.parametrize("algorithm", [ES256, EDDSA, RS256])
def test_registration_and_assertion_of_each_algorithm_pass(algorithm: int) -> None:
    authenticator = SoftAuthenticator(algorithm, flags=UP | UV | BE | BS, sign_count=7, extensions={"credProtect": 2})
    created = register(authenticator.create(registration_options()))
    authenticator.sign_count = 8
    asserted = authenticate(authenticator.get(assertion_options()), created.public_key)

    assert created[1:] == (7, bytes(16), True, True, True)
    assert asserted == (8, True, True, True)


def test_assertion_below_counter_is_left_to_the_caller() -> None:
    authenticator = SoftAuthenticator(sign_count=9)
    created = register(authenticator.create(registration_options()))
    authenticator.sign_count = 3

    assert authenticate(authenticator.get(assertion_options()), created.public_key).sign_count == 3


REJECTED_ASSERTIONS: dict[str, Json] = {
    "origin": {"origin": "https://localhost:5000"},
    "rp_id": {"rp_id": "example.com"},
    "no user presence": {"flags": UV},
    "no user verification": {"flags": UP},
    "backed up, not eligible": {"flags": UP | UV | BS},
    "attested data": {"flags": UP | UV | AT},
    "crossOrigin": {"client_data": {"crossOrigin": True}},
    "topOrigin": {"client_data": {"topOrigin": "https://a"}},
    "type": {"client_data": {"type": "webauthn.create"}},
    "CBOR tag in extensions": {"extensions": {"name": REGEX}},
}


@pytest.mark.parametrize("name", REJECTED_ASSERTIONS)
def test_assertion_with_fault_is_rejected(name: str) -> None:
    authenticator = SoftAuthenticator()
    public_key = register(authenticator.create(registration_options())).public_key
    for attribute, value in REJECTED_ASSERTIONS[name].items():
        setattr(authenticator, attribute, value)
    credential = authenticator.get(assertion_options())
    with pytest.raises(CeremonyError):
        authenticate(credential, public_key)


def test_assertion_is_parsed_without_decoding_cbor() -> None:
    """The caller verifies the challenge, then the extensions are decoded."""
    credential = SoftAuthenticator(extensions={"name": REGEX}).get(assertion_options())

    assert responses.parse_assertion(credential).challenge == CHALLENGE


def test_tags_that_were_rejected_use_no_memory() -> None:
    for tag in range(100, 105):
        with pytest.raises(CeremonyError):
            responses.decode_cbor(cbor2.dumps(cbor2.CBORTag(tag, "a")))

    assert len(responses.NO_TAGS) == 0


def test_assertion_of_another_key_is_rejected() -> None:
    authenticator, other = SoftAuthenticator(), SoftAuthenticator()
    public_key = register(other.create(registration_options())).public_key
    authenticator.create(registration_options())

    with pytest.raises(CeremonyError, match="signature"):
        authenticate(authenticator.get(assertion_options()), public_key)
    with pytest.raises(CeremonyError, match="signature"):
        authenticate(authenticator.get(assertion_options()), None)


def test_options_have_the_members_that_browsers_parse() -> None:
    creation, request = registration_options(), assertion_options()

    assert creation["challenge"] == request["challenge"] == base64url_encode(CHALLENGE)
    assert creation["rp"] == {"id": "localhost", "name": "flaskauth"}
    assert [parameter["alg"] for parameter in creation["pubKeyCredParams"]] == [-7, -8, -257]
    assert creation["authenticatorSelection"] == {
        "residentKey": "required",
        "requireResidentKey": True,
        "userVerification": "required",
    }
    assert (request["rpId"], request["allowCredentials"], request["userVerification"]) == ("localhost", [], "required")

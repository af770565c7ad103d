"""Parse the responses of authenticators, in the form of `PublicKeyCredential.toJSON`, more strictly than `webauthn`.

`webauthn` accepts invalid base64, and JSON with a byte order mark or duplicate keys. It lets cbor2 decode tags: the
regular expression of a tag of 13 KB takes 13 seconds to compile. Neither WebAuthn nor CTAP2 uses tags.
"""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import NoReturn

import cbor2

from flaskauth.core import crypto
from flaskauth.core.errors import BadRequest
from flaskauth.core.http.json_body import parse_json

MAX_RESPONSE_LENGTH = 16 * 1024  # bytes
MAX_CREDENTIAL_ID_LENGTH = 1023  # bytes
MAX_USER_HANDLE_LENGTH = 64  # bytes
BYTE_ORDER_MARK = b"\xef\xbb\xbf"
# Authenticator data: RP ID hash (32), flags (1), counter (4); then AAGUID (16), length of the id (2), id, public key.
FLAGS_INDEX, COUNTER_END, ID_LENGTH_INDEX, ID_INDEX = 32, 37, 53, 55
USER_VERIFIED, BACKUP_ELIGIBLE, BACKED_UP, ATTESTED, EXTENDED = 0x04, 0x08, 0x10, 0x40, 0x80
TRANSPORTS = {"usb", "nfc", "ble", "smart-card", "hybrid", "internal"}


class CeremonyError(Exception):
    """A response is malformed or fails a check. The text is for the log."""


@contextmanager
def as_ceremony_error() -> Iterator[None]:
    """Raise a `CeremonyError` for any exception. The libraries raise many types for malformed input."""
    try:
        yield
    except Exception as error:  # noqa: BLE001 (see above)
        raise CeremonyError(f"{type(error).__name__}: {error}") from None


@dataclass(frozen=True)
class RegistrationResponse:
    """The response to creation options, with an attestation object without statement and extensions."""

    credential_id: bytes
    client_data: bytes
    challenge: bytes
    attestation_object: bytes
    transports: tuple[str, ...]


@dataclass(frozen=True)
class AssertionResponse:
    """The response to request options."""

    credential_id: bytes
    client_data: bytes
    challenge: bytes
    authenticator_data: bytes
    signature: bytes
    user_handle: bytes | None

    @property
    def credential_digest(self) -> bytes:
        return crypto.sha256(self.credential_id)


def parse_registration(credential: Mapping[str, object]) -> RegistrationResponse:
    """Parse the JSON of a created credential.

    Raises:
        CeremonyError
    """
    credential_id, response = _parse_envelope(credential)
    client_data = _decode_field(response, "clientDataJSON")
    attestation = decode_cbor(_decode_field(response, "attestationObject"))
    authenticator_data = attestation.get("authData") if isinstance(attestation, dict) else None
    if not isinstance(authenticator_data, bytes):
        raise CeremonyError("attestationObject has no authData")
    without_statement = {"fmt": "none", "attStmt": {}, "authData": _without_extensions(authenticator_data)}
    return RegistrationResponse(
        credential_id,
        client_data,
        _parse_challenge(client_data),
        cbor2.dumps(without_statement),
        _parse_transports(response.get("transports")),
    )


def parse_assertion(credential: Mapping[str, object]) -> AssertionResponse:
    """Parse the JSON of an assertion. It decodes no CBOR: the caller has not verified the challenge yet.

    Raises:
        CeremonyError
    """
    credential_id, response = _parse_envelope(credential)
    client_data = _decode_field(response, "clientDataJSON")
    authenticator_data = _decode_field(response, "authenticatorData")
    if len(authenticator_data) < COUNTER_END or authenticator_data[FLAGS_INDEX] & ATTESTED:
        raise CeremonyError("authenticatorData is too short, or has a public key")
    return AssertionResponse(
        credential_id,
        client_data,
        _parse_challenge(client_data),
        authenticator_data,
        _decode_field(response, "signature"),
        _decode_field(response, "userHandle", MAX_USER_HANDLE_LENGTH) if response.get("userHandle") else None,
    )


def decode_cbor(data: bytes) -> object:
    """Decode CBOR without tags and without duplicate keys.

    Raises:
        CeremonyError
    """
    with as_ceremony_error():
        return cbor2.loads(data, semantic_decoders=NO_TAGS, allow_duplicate_keys=False)


def check_extensions(authenticator_data: bytes) -> None:
    """Check the extensions of an assertion, which `webauthn` decodes before it verifies their signature.

    Raises:
        CeremonyError
    """
    if authenticator_data[FLAGS_INDEX] & EXTENDED:
        decode_cbor(authenticator_data[COUNTER_END:])


def _parse_envelope(credential: Mapping[str, object]) -> tuple[bytes, Mapping[str, object]]:
    """Return the credential id and the inner response."""
    response = credential.get("response")
    if credential.get("type") != "public-key" or not isinstance(response, dict):
        raise CeremonyError("not a public-key credential")
    if sum(len(value) for value in response.values() if isinstance(value, str)) > MAX_RESPONSE_LENGTH * 4 // 3:
        raise CeremonyError("response is longer than 16 KB")
    if credential.get("id") != credential.get("rawId"):
        raise CeremonyError("id and rawId differ")
    return _decode_field(credential, "id", MAX_CREDENTIAL_ID_LENGTH), response


def _decode_field(fields: Mapping[str, object], name: str, max_length: int = MAX_RESPONSE_LENGTH) -> bytes:
    value = fields.get(name)
    raw = crypto.base64url_decode(value) if isinstance(value, str) else b""
    if not 0 < len(raw) <= max_length:
        raise CeremonyError(f"{name} is not base64url, or too long")
    return raw


def _parse_challenge(client_data: bytes) -> bytes:
    """Return the challenge of clientDataJSON. Reject ambiguous JSON, and pages that other origins embed."""
    try:
        fields = parse_json(client_data)
    except BadRequest:
        raise CeremonyError("clientDataJSON is not strict JSON") from None
    if client_data.startswith(BYTE_ORDER_MARK) or not isinstance(fields, dict):
        raise CeremonyError("clientDataJSON is not a JSON object")
    if fields.get("crossOrigin", False) is not False or "topOrigin" in fields:
        raise CeremonyError("clientDataJSON is of a page that another origin embeds")
    return _decode_field(fields, "challenge")


def _without_extensions(authenticator_data: bytes) -> bytes:
    """Return the authenticator data of a registration without extensions. No statement signs them."""
    id_length = int.from_bytes(authenticator_data[ID_LENGTH_INDEX:ID_INDEX], "big")
    key_index = ID_INDEX + id_length
    if id_length > MAX_CREDENTIAL_ID_LENGTH or len(authenticator_data) <= key_index:
        raise CeremonyError("authData is too short, or the credential id too long")
    flags = authenticator_data[FLAGS_INDEX]
    public_key = cbor2.dumps(decode_cbor(authenticator_data[key_index:]))
    extensions = authenticator_data[key_index + len(public_key) :]
    if not flags & ATTESTED or bool(extensions) != bool(flags & EXTENDED):
        raise CeremonyError("the flags of authData do not match its content")
    if extensions and len(cbor2.dumps(decode_cbor(extensions))) != len(extensions):
        raise CeremonyError("the extensions of authData are not canonical CBOR")
    head = authenticator_data[:FLAGS_INDEX] + bytes([flags & ~EXTENDED])
    return head + authenticator_data[FLAGS_INDEX + 1 : key_index] + public_key


def _parse_transports(transports: object) -> tuple[str, ...]:
    """Return the known transports. The client reports them, and only uses them as hints."""
    names = transports if isinstance(transports, list) else []
    return tuple(sorted(TRANSPORTS.intersection(name for name in names if isinstance(name, str))))


def _reject_tag(*_arguments: object) -> NoReturn:
    raise ValueError("tag")


class _NoTags(dict[int, Callable[..., object]]):
    """Decoders that reject every tag. Nothing is stored, because the tags come from clients."""

    def __missing__(self, _tag: int) -> Callable[..., object]:
        return _reject_tag


NO_TAGS = _NoTags()

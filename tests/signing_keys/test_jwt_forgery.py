"""Forged and malformed access tokens are rejected without any query for a user or session."""

import json
from collections.abc import Callable
from typing import Any

import pytest
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, padding, rsa
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature
from tests.signing_keys.forgery import OMITTED, ForgeryTarget, join_parts, sign_ecdsa, sign_hmac
from tests.signing_keys.helpers import P256_ORDER, bytes_to_int, decode, encode
from tests.support.inspect import captured_statements, error_of

ForgeFunction = Callable[[ForgeryTarget], str | bytes]

RSA = rsa.generate_private_key(65537, 2048)
UNKNOWN_KEY = ec.generate_private_key(ec.SECP256R1())
PSS = padding.PSS(padding.MGF1(hashes.SHA256()), 32)
ENCRYPTED = encode(b'{"alg":"dir","enc":"A256GCM","zip":"DEF"}')
PUBLIC_KEY_ENCODINGS = [
    "PEM", "PEM without final newline", "PEM with CRLF", "DER", "OpenSSH", "uncompressed point",
    "compressed point", "JWK", "JWKS", "key ID", "empty secret",
]  # fmt: skip


def unsigned_token(target: ForgeryTarget, alg: str) -> str:
    return join_parts(target.header_with(alg=alg), target.claims_with())


def sign_rsa(target: ForgeryTarget, alg: str, pad: Any) -> str:
    text = unsigned_token(target, alg)
    return f"{text}.{encode(RSA.sign(text.encode(), pad, hashes.SHA256()))}"


def sign_eddsa(target: ForgeryTarget) -> str:
    text = unsigned_token(target, "EdDSA")
    return f"{text}.{encode(ed25519.Ed25519PrivateKey.generate().sign(text.encode()))}"


def sign_with_curve(target: ForgeryTarget, alg: str, curve: ec.EllipticCurve, digest: hashes.HashAlgorithm) -> str:
    return sign_ecdsa(unsigned_token(target, alg), ec.generate_private_key(curve), digest)


def replace_signature(target: ForgeryTarget, change: Callable[[int, int], tuple[int, int]]) -> str:
    header, payload, signature = target.parts
    raw = decode(signature)
    r, s = change(bytes_to_int(raw[:32]), bytes_to_int(raw[32:]))
    return f"{header}.{payload}.{encode(r.to_bytes(32, 'big') + s.to_bytes(32, 'big'))}"


def sign_raw_header(target: ForgeryTarget, text: str) -> str:
    return target.sign(text.replace("KID", target.header_with()["kid"]).encode())


def replace_part(target: ForgeryTarget, part: int, change: Callable[[str], str]) -> str:
    parts = list(target.parts)
    parts[part] = change(parts[part])
    return ".".join(parts)


def forge_unsigned(alg: str, suffix: str) -> ForgeFunction:
    return lambda t: unsigned_token(t, alg) + suffix


def forge_hmac(encoding: str) -> ForgeFunction:
    return lambda t: sign_hmac(unsigned_token(t, "HS256"), t.public_key_encodings()[encoding])


def forge_header(**changes: Any) -> ForgeFunction:
    return lambda t: t.sign(t.header_with(**changes))


UNSIGNED: dict[str, ForgeFunction] = {
    **{f"alg {alg}, no signature": forge_unsigned(alg, ".") for alg in ("none", "None", "NONE", "nOnE")},
    **{f"alg {alg}, two parts": forge_unsigned(alg, "") for alg in ("none", "nOnE", "ES256", "")},
    "alg none, valid signature": lambda t: f"{unsigned_token(t, 'none')}.{t.parts[2]}",
    "valid header, no signature": lambda t: ".".join(t.parts[:2]) + ".",
}
WRONG_KEYS: dict[str, ForgeFunction] = {
    **{f"HS256 with {encoding}": forge_hmac(encoding) for encoding in PUBLIC_KEY_ENCODINGS},
    "HMAC labelled ES256": lambda t: sign_hmac(unsigned_token(t, "ES256"), t.public_key_encodings()["PEM"]),
    "RS256": lambda t: sign_rsa(t, "RS256", padding.PKCS1v15()),
    "PS256": lambda t: sign_rsa(t, "PS256", PSS),
    "ES384": lambda t: sign_with_curve(t, "ES384", ec.SECP384R1(), hashes.SHA384()),
    "ES512": lambda t: sign_with_curve(t, "ES512", ec.SECP521R1(), hashes.SHA512()),
    "ES256K": lambda t: sign_with_curve(t, "ES256K", ec.SECP256K1(), hashes.SHA256()),
    "wrong curve as ES256": lambda t: sign_with_curve(t, "ES256", ec.SECP256K1(), hashes.SHA256()),
    "EdDSA": sign_eddsa,
    "ES256 with an unknown key": lambda t: sign_ecdsa(unsigned_token(t, "ES256"), UNKNOWN_KEY),
}
KEY_IDS: dict[str, Any] = {
    "a path": "../../../../dev/null",
    "a proc file": "/proc/self/environ",
    "an SQL injection": "x' UNION SELECT 'AAAA' -- ",
    "a URL": "https://evil.example/jwks.json",
    "10 KB": "k" * 10_240,
    "a list": ["KID"],
    "an object": {"kid": "KID"},
    "nothing": None,
    "a number": 1,
    "true": True,
    "empty": "",
    "missing": OMITTED,
    "an unknown key": encode(bytes(32)),
}
EXTRA_HEADERS: dict[str, Any] = {
    "jku": "https://evil.example/jwks.json",
    "x5u": "https://evil.example/chain.pem",
    "x5c": ["MIIB"],
    "jwk": {"kty": "EC", "crv": "P-256", "x": "AA", "y": "AA"},
    "crit": ["exp"],
    "b64": False,
    "zip": "DEF",
    "cty": "JWT",
    "enc": "A256GCM",
    "nonce": "1",
}
TOKEN_TYPES: dict[str, Any] = {
    "JWT": "JWT", "none": OMITTED, "null": None, "refresh": "refresh+jwt", "identity": "id_token+jwt",
    "logout": "logout+jwt", "verification": "verify+jwt", "a list": ["at+jwt"], "upper case": "AT+JWT", "empty": "",
}  # fmt: skip
MALFORMED_TOKENS: dict[str, ForgeFunction] = {
    "alg twice, valid last": lambda t: sign_raw_header(t, '{"alg":"none","typ":"at+jwt","kid":"KID","alg":"ES256"}'),
    "alg twice, valid first": lambda t: sign_raw_header(t, '{"alg":"ES256","typ":"at+jwt","kid":"KID","alg":"none"}'),
    "alg twice, equal": lambda t: sign_raw_header(t, '{"alg":"ES256","typ":"at+jwt","kid":"KID","alg":"ES256"}'),
    "kid twice": lambda t: sign_raw_header(t, '{"alg":"ES256","typ":"at+jwt","kid":"x","kid":"KID"}'),
    "kid instead of typ": lambda t: sign_raw_header(t, '{"alg":"ES256","kid":"KID","kid":"KID"}'),
    "pairs instead of members": lambda t: sign_raw_header(t, '[["alg","ES256"],["typ","at+jwt"],["kid","KID"]]'),
    "a string as header": lambda t: sign_raw_header(t, '"ES256"'),
    "null as header": lambda t: sign_raw_header(t, "null"),
    "an empty header": lambda t: sign_raw_header(t, "{}"),
    "an unterminated header": lambda t: sign_raw_header(t, "[" * 30_000),
    "a header with a huge number": lambda t: sign_raw_header(t, '{"kid":' + "9" * 10_000 + "}"),
    "a header with invalid UTF-8": lambda t: t.sign(b'{"alg":"ES256","kid":"\xff\xfe"}'),
    "a header in UTF-16": lambda t: t.sign(json.dumps(t.header_with()).encode("utf-16")),
    "padding on the header": lambda t: replace_part(t, 0, lambda part: part + "="),
    "padding on the signature": lambda t: replace_part(t, 2, lambda part: part + "=="),
    "white space in the header": lambda t: replace_part(t, 0, lambda part: f"{part[:9]} {part[9:]}"),
    "white space in the payload": lambda t: replace_part(t, 1, lambda part: f"{part[:9]} {part[9:]}"),
    "white space in the signature": lambda t: replace_part(t, 2, lambda part: f"{part[:9]} {part[9:]}"),
    "a changed last character": lambda t: replace_part(t, 2, lambda part: part[:-1] + chr(ord(part[-1]) + 1)),
    "the payload of a different user": lambda t: replace_part(t, 1, lambda _: t.other_tokens["token"].split(".")[1]),
    "no payload": lambda t: replace_part(t, 1, lambda _: ""),
    "non-ASCII characters": lambda t: replace_part(t, 1, lambda part: part[:-1] + "\xe9").encode("latin-1"),
    "two parts": lambda t: ".".join(t.parts[:2]),
    "four parts": lambda t: f"{t.token}.{t.parts[2]}",
    "an encrypted token": lambda t: f"{ENCRYPTED}..AAAA.AAAA.AAAA",
    "JWS JSON serialization": lambda t: json.dumps({"payload": t.parts[1], "signatures": [{"protected": t.parts[0]}]}),
    "a truncated token": lambda t: t.token[: len(t.token) // 2],
    "two tokens": lambda t: f"{t.token},{t.token}",
    "a megabyte": lambda t: "A" * 2**20,
    "a megabyte of dots": lambda t: "." * 2**20,
    "dots": lambda t: "..",
    "nothing": lambda t: "",
    "a refresh token": lambda t: str(t.tokens["refresh_token"]),
    "a device token": lambda t: str(t.tokens["device_token"]),
}  # fmt: skip
WRONG_SIGNATURES: dict[str, ForgeFunction] = {
    "r and s zero": lambda t: replace_signature(t, lambda _r, _s: (0, 0)),
    "r zero": lambda t: replace_signature(t, lambda _r, s: (0, s)),
    "s zero": lambda t: replace_signature(t, lambda r, _s: (r, 0)),
    "s equal to the order": lambda t: replace_signature(t, lambda r, _s: (r, P256_ORDER)),
    "r equal to the order": lambda t: replace_signature(t, lambda _r, s: (P256_ORDER, s)),
    "high-S form": lambda t: replace_signature(t, lambda r, s: (r, P256_ORDER - s)),
    "r and s swapped": lambda t: replace_signature(t, lambda r, s: (s, r)),
    "all ones": lambda t: replace_signature(t, lambda _r, _s: (2**256 - 1, 2**256 - 1)),
    "DER": lambda t: replace_part(t, 2, lambda part: encode(encode_dss_signature(*split_signature(part)))),
    "a byte less": lambda t: replace_part(t, 2, lambda part: encode(decode(part)[:-1])),
    "a byte more": lambda t: replace_part(t, 2, lambda part: encode(decode(part) + b"\0")),
    "zero-padded r and s": lambda t: replace_part(t, 2, lambda part: encode(pad_signature(decode(part)))),
}


def split_signature(signature: str) -> tuple[int, int]:
    raw = decode(signature)
    return bytes_to_int(raw[:32]), bytes_to_int(raw[32:])


def pad_signature(raw: bytes) -> bytes:
    return b"\0" + raw[:32] + b"\0" + raw[32:]


FORGERIES = {
    **UNSIGNED,
    **WRONG_KEYS,
    **{f"kid: {name}": forge_header(kid=kid) for name, kid in KEY_IDS.items()},
    **{f"header: {name}": forge_header(**{name: value}) for name, value in EXTRA_HEADERS.items()},
    **{f"typ: {name}": forge_header(typ=typ) for name, typ in TOKEN_TYPES.items()},
    **MALFORMED_TOKENS,
    **{f"signature: {name}": forge for name, forge in WRONG_SIGNATURES.items()},
}


@pytest.mark.parametrize("forge", FORGERIES.values(), ids=FORGERIES)
def test_forged_jwt_is_rejected_without_user_query(target: ForgeryTarget, forge: ForgeFunction) -> None:
    forged = forge(target)
    with captured_statements(target.app) as statements:
        response = target.get_profile(forged)

    assert error_of(response) == (401, "invalid_token")
    assert response.get_json()["message"] == "Invalid token"
    assert not [statement for statement in statements if "users" in statement or "sessions" in statement]


def test_unaltered_jwt_is_accepted(target: ForgeryTarget) -> None:
    assert target.get_profile(target.token).status_code == 200
    assert target.get_profile(target.sign()).status_code == 200
    assert target.get_profile(replace_signature(target, lambda r, s: (r, s))).status_code == 200

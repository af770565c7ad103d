"""No token but ours opens anything, and the attempt costs no look at any person."""

import json
from collections.abc import Callable
from typing import Any

import pytest
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, padding, rsa
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature
from tests.inside import refused, statements
from tests.keys.forging import LEFT_OUT, Target, joined, with_ecdsa, with_hmac
from tests.keys.reading import ORDER, decode, encode, number

Forge = Callable[[Target], str | bytes]

RSA = rsa.generate_private_key(65537, 2048)
STRANGER = ec.generate_private_key(ec.SECP256R1())
PSS = padding.PSS(padding.MGF1(hashes.SHA256()), 32)
ENCRYPTED = encode(b'{"alg":"dir","enc":"A256GCM","zip":"DEF"}')
PUBLIC_FORMS = [
    "PEM", "PEM without its last line end", "PEM with other line ends", "DER", "OpenSSH", "the point",
    "the compressed point", "JWK", "the key set", "the key's id", "nothing",
]  # fmt: skip


def unsigned(target: Target, alg: str) -> str:
    return joined(target.header(alg=alg), target.claims())


def with_rsa(target: Target, alg: str, pad: Any) -> str:
    text = unsigned(target, alg)
    return f"{text}.{encode(RSA.sign(text.encode(), pad, hashes.SHA256()))}"


def with_eddsa(target: Target) -> str:
    text = unsigned(target, "EdDSA")
    return f"{text}.{encode(ed25519.Ed25519PrivateKey.generate().sign(text.encode()))}"


def with_curve(target: Target, alg: str, curve: ec.EllipticCurve, digest: hashes.HashAlgorithm) -> str:
    return with_ecdsa(unsigned(target, alg), ec.generate_private_key(curve), digest)


def resigned(target: Target, change: Callable[[int, int], tuple[int, int]]) -> str:
    head, payload, signature = target.parts
    raw = decode(signature)
    r, s = change(number(raw[:32]), number(raw[32:]))
    return f"{head}.{payload}.{encode(r.to_bytes(32, 'big') + s.to_bytes(32, 'big'))}"


def raw_header(target: Target, text: str) -> str:
    return target.signed(text.replace("KID", target.header()["kid"]).encode())


def respelt(target: Target, part: int, change: Callable[[str], str]) -> str:
    parts = list(target.parts)
    parts[part] = change(parts[part])
    return ".".join(parts)


def without_signature(alg: str, end: str) -> Forge:
    return lambda t: unsigned(t, alg) + end


def by_a_secret(form: str) -> Forge:
    return lambda t: with_hmac(unsigned(t, "HS256"), t.public_forms()[form])


def with_header(**changes: Any) -> Forge:
    return lambda t: t.signed(t.header(**changes))


UNSIGNED: dict[str, Forge] = {
    **{f"alg {alg}, no signature": without_signature(alg, ".") for alg in ("none", "None", "NONE", "nOnE")},
    **{f"alg {alg}, two parts": without_signature(alg, "") for alg in ("none", "nOnE", "ES256", "")},
    "alg none, our signature": lambda t: f"{unsigned(t, 'none')}.{t.parts[2]}",
    "our header, no signature": lambda t: ".".join(t.parts[:2]) + ".",
}
OTHER_KEYS: dict[str, Forge] = {
    **{f"HS256 with {form}": by_a_secret(form) for form in PUBLIC_FORMS},
    "HS256 by another name": lambda t: with_hmac(unsigned(t, "ES256"), t.public_forms()["PEM"]),
    "RS256": lambda t: with_rsa(t, "RS256", padding.PKCS1v15()),
    "PS256": lambda t: with_rsa(t, "PS256", PSS),
    "ES384": lambda t: with_curve(t, "ES384", ec.SECP384R1(), hashes.SHA384()),
    "ES512": lambda t: with_curve(t, "ES512", ec.SECP521R1(), hashes.SHA512()),
    "ES256K": lambda t: with_curve(t, "ES256K", ec.SECP256K1(), hashes.SHA256()),
    "another curve as ES256": lambda t: with_curve(t, "ES256", ec.SECP256K1(), hashes.SHA256()),
    "EdDSA": with_eddsa,
    "somebody else's ES256": lambda t: with_ecdsa(unsigned(t, "ES256"), STRANGER),
}
KEY_IDS: dict[str, Any] = {
    "a path": "../../../../dev/null",
    "a process": "/proc/self/environ",
    "a statement": "x' UNION SELECT 'AAAA' -- ",
    "an address": "https://evil.example/jwks.json",
    "10 KB": "k" * 10_240,
    "a list": ["KID"],
    "an object": {"kid": "KID"},
    "nothing": None,
    "a number": 1,
    "the truth": True,
    "empty": "",
    "missing": LEFT_OUT,
    "of a key that is not ours": encode(bytes(32)),
}
HEADERS: dict[str, Any] = {
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
KINDS: dict[str, Any] = {
    "JWT": "JWT", "none": LEFT_OUT, "null": None, "refresh": "refresh+jwt", "identity": "id_token+jwt",
    "logout": "logout+jwt", "verification": "verify+jwt", "a list": ["at+jwt"], "shouted": "AT+JWT", "empty": "",
}  # fmt: skip
SPELLINGS: dict[str, Forge] = {
    "alg twice, ours last": lambda t: raw_header(t, '{"alg":"none","typ":"at+jwt","kid":"KID","alg":"ES256"}'),
    "alg twice, ours first": lambda t: raw_header(t, '{"alg":"ES256","typ":"at+jwt","kid":"KID","alg":"none"}'),
    "alg twice alike": lambda t: raw_header(t, '{"alg":"ES256","typ":"at+jwt","kid":"KID","alg":"ES256"}'),
    "kid twice": lambda t: raw_header(t, '{"alg":"ES256","typ":"at+jwt","kid":"x","kid":"KID"}'),
    "kid instead of typ": lambda t: raw_header(t, '{"alg":"ES256","kid":"KID","kid":"KID"}'),
    "pairs instead of members": lambda t: raw_header(t, '[["alg","ES256"],["typ","at+jwt"],["kid","KID"]]'),
    "a header that is text": lambda t: raw_header(t, '"ES256"'),
    "a header that is nothing": lambda t: raw_header(t, "null"),
    "a header without members": lambda t: raw_header(t, "{}"),
    "a header without an end": lambda t: raw_header(t, "[" * 30_000),
    "a header with a number without end": lambda t: raw_header(t, '{"kid":' + "9" * 10_000 + "}"),
    "a header that is not UTF-8": lambda t: t.signed(b'{"alg":"ES256","kid":"\xff\xfe"}'),
    "a header in UTF-16": lambda t: t.signed(json.dumps(t.header()).encode("utf-16")),
    "padding on the header": lambda t: respelt(t, 0, lambda part: part + "="),
    "padding on the signature": lambda t: respelt(t, 2, lambda part: part + "=="),
    "white space in the header": lambda t: respelt(t, 0, lambda part: f"{part[:9]} {part[9:]}"),
    "white space in the payload": lambda t: respelt(t, 1, lambda part: f"{part[:9]} {part[9:]}"),
    "white space in the signature": lambda t: respelt(t, 2, lambda part: f"{part[:9]} {part[9:]}"),
    "a signature that ends otherwise": lambda t: respelt(t, 2, lambda part: part[:-1] + chr(ord(part[-1]) + 1)),
    "the payload of somebody else": lambda t: respelt(t, 1, lambda _: t.others["token"].split(".")[1]),
    "no payload": lambda t: respelt(t, 1, lambda _: ""),
    "letters outside of ASCII": lambda t: respelt(t, 1, lambda part: part[:-1] + "\xe9").encode("latin-1"),
    "a part too few": lambda t: ".".join(t.parts[:2]),
    "a part too many": lambda t: f"{t.token}.{t.parts[2]}",
    "an encrypted token": lambda t: f"{ENCRYPTED}..AAAA.AAAA.AAAA",
    "JSON instead of dots": lambda t: json.dumps({"payload": t.parts[1], "signatures": [{"protected": t.parts[0]}]}),
    "half of it": lambda t: t.token[: len(t.token) // 2],
    "it twice": lambda t: f"{t.token},{t.token}",
    "a megabyte": lambda t: "A" * 2**20,
    "a megabyte of dots": lambda t: "." * 2**20,
    "dots": lambda t: "..",
    "nothing": lambda t: "",
    "a refresh token": lambda t: str(t.tokens["refresh_token"]),
    "a device token": lambda t: str(t.tokens["device_token"]),
}  # fmt: skip
SIGNATURES: dict[str, Forge] = {
    "r and s zero": lambda t: resigned(t, lambda _r, _s: (0, 0)),
    "r zero": lambda t: resigned(t, lambda _r, s: (0, s)),
    "s zero": lambda t: resigned(t, lambda r, _s: (r, 0)),
    "s the order": lambda t: resigned(t, lambda r, _s: (r, ORDER)),
    "r the order": lambda t: resigned(t, lambda _r, s: (ORDER, s)),
    "the twin with a high s": lambda t: resigned(t, lambda r, s: (r, ORDER - s)),
    "r and s exchanged": lambda t: resigned(t, lambda r, s: (s, r)),
    "all ones": lambda t: resigned(t, lambda _r, _s: (2**256 - 1, 2**256 - 1)),
    "DER": lambda t: respelt(t, 2, lambda part: encode(encode_dss_signature(*halves(part)))),
    "a byte less": lambda t: respelt(t, 2, lambda part: encode(decode(part)[:-1])),
    "a byte more": lambda t: respelt(t, 2, lambda part: encode(decode(part) + b"\0")),
    "a longer one of the same numbers": lambda t: respelt(t, 2, lambda part: encode(wider(decode(part)))),
}


def halves(signature: str) -> tuple[int, int]:
    raw = decode(signature)
    return number(raw[:32]), number(raw[32:])


def wider(raw: bytes) -> bytes:
    return b"\0" + raw[:32] + b"\0" + raw[32:]


FORGERIES = {
    **UNSIGNED,
    **OTHER_KEYS,
    **{f"kid: {name}": with_header(kid=kid) for name, kid in KEY_IDS.items()},
    **{f"header: {name}": with_header(**{name: value}) for name, value in HEADERS.items()},
    **{f"typ: {name}": with_header(typ=typ) for name, typ in KINDS.items()},
    **SPELLINGS,
    **{f"signature: {name}": forge for name, forge in SIGNATURES.items()},
}


@pytest.mark.parametrize("forge", FORGERIES.values(), ids=FORGERIES)
def test_a_forged_token_opens_nothing(target: Target, forge: Forge) -> None:
    forged = forge(target)
    with statements(target.app) as told:
        answer = target.is_shown(forged)

    assert refused(answer) == (401, "invalid_token")
    assert answer.get_json()["message"] == "Invalid token"
    assert not [statement for statement in told if "users" in statement or "sessions" in statement]


def test_what_the_forgers_start_from_is_good(target: Target) -> None:
    assert target.is_shown(target.token).status_code == 200
    assert target.is_shown(target.signed()).status_code == 200
    assert target.is_shown(resigned(target, lambda r, s: (r, s))).status_code == 200

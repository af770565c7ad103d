"""Any text from users and programs is parsed in one way or rejected, without an unhandled exception."""

import ipaddress
import time
import unicodedata
from collections.abc import Callable

import idna
from hypothesis import assume, example, given
from hypothesis import strategies as st
from tests.fuzz.strategies import EMAIL_ADDRESSES, FORWARDED_HOPS, USER_AGENTS

from flaskauth.core import crypto, email_addresses
from flaskauth.core.email_addresses import MAX_NORMALIZED_BYTES, EmailAddress, InvalidEmail
from flaskauth.core.http.request import UNKNOWN_CLIENT, client_from_forwarded, network_of
from flaskauth.one_time_codes.derivation import LENGTH, format_code, normalize_code
from flaskauth.sessions.device_names import device_name

PROXIES = [ipaddress.ip_network("10.0.0.0/8"), ipaddress.ip_network("fd00::/8")]
RESPELL: dict[str, Callable[[str, str], str]] = {
    "NFD": lambda local, domain: unicodedata.normalize("NFD", f"{local}@{domain}"),
    "NFC": lambda local, domain: unicodedata.normalize("NFC", f"{local}@{domain}"),
    "lower case": lambda local, domain: f"{local.lower()}@{domain}",
    "white space": lambda local, domain: f"\xa0{local}@{domain}\r\n",
    "upper-case domain": lambda local, domain: f"{local}@{domain.upper() if domain.isascii() else domain}",
    "ideographic full stop": lambda local, domain: f"{local}@{domain.translate({46: 0x3002})}",
    "domain in ASCII": lambda local, domain: f"{local}@{to_ascii(domain)}",
}


def to_ascii(domain: str) -> str:
    """Encode a domain by IDNA 2008, as browsers do. Python's codec follows IDNA 2003 (\u00df becomes "ss")."""
    try:
        return idna.encode(domain).decode() if domain.islower() else domain
    except idna.IDNAError:
        return domain


def parse_or_none(text: str) -> EmailAddress | None:
    try:
        return email_addresses.parse(text)
    except InvalidEmail:
        return None


@given(EMAIL_ADDRESSES)
@example("\ufb01@example.com")
@example("\u0345\u0301@example.com")
@example("a@b\u00adc.com")
def test_email_normalization_is_short_and_idempotent(text: str) -> None:
    email = parse_or_none(text)
    assume(email)
    assert email

    assert len(email.normalized.encode()) <= MAX_NORMALIZED_BYTES
    assert unicodedata.is_normalized("NFC", email.normalized)
    assert email.normalized.isprintable()
    assert not any(letter.isspace() for letter in email.original + email.normalized)
    assert email_addresses.parse(email.original) == email
    assert email.normalized.rpartition("@")[2].isascii()
    assert parse_or_none(email.normalized) in {
        None,
        EmailAddress(email.normalized, email.normalized),
    }  # in lower case, it may exceed the length of an address


@given(EMAIL_ADDRESSES, st.sampled_from(sorted(RESPELL)))
@example("\u1fb3\u0301@example.com", "NFD")
@example("0@fa\xdf.de", "domain in ASCII")
def test_unicode_email_spellings_normalize_to_one_email(text: str, respelling: str) -> None:
    email, other_email = parse_or_none(text), parse_or_none(RESPELL[respelling](*text.rpartition("@")[::2]))

    assert not email or not other_email or email.normalized == other_email.normalized


@given(st.text())
def test_otp_canonicalization_is_idempotent(text: str) -> None:
    code = normalize_code(text)

    assert len(code) in {0, LENGTH}
    assert normalize_code(format_code(code)) == normalize_code(code) == code


@given(st.binary())
def test_base64url_round_trips(raw: bytes) -> None:
    assert crypto.base64url_decode(crypto.base64url_encode(raw)) == raw


@given(st.one_of(st.text(), st.text("AQgw-_=+/ \n\u0661")))
def test_base64url_decoding_accepts_only_canonical_text(text: str) -> None:
    raw = crypto.base64url_decode(text)

    assert raw == b"" or crypto.base64url_encode(raw) == text


@given(
    st.lists(FORWARDED_HOPS),
    st.ip_addresses(),
    st.lists(st.ip_addresses(network="10.0.0.0/8") | st.ip_addresses(network="fd00::/8")),
)
def test_forged_forwarded_hops_do_not_change_client_ip(
    forged_hops: list[str], peer: object, proxies: list[object]
) -> None:
    """Everything a client adds to X-Forwarded-For stands left of the IP that a proxy appended."""
    real_hops = [str(peer), *map(str, proxies)]
    address = client_from_forwarded(real_hops, PROXIES)
    assume(not any(ipaddress.ip_address(address) in network for network in PROXIES))

    assert client_from_forwarded([*forged_hops, *real_hops], PROXIES) == address


@given(st.lists(FORWARDED_HOPS))
def test_client_ip_from_any_hops_is_valid(hops: list[str]) -> None:
    address = client_from_forwarded(hops, PROXIES)

    assert address == UNKNOWN_CLIENT or str(ipaddress.ip_address(address)) == address
    assert (network_of(address) == UNKNOWN_CLIENT) == (address == UNKNOWN_CLIENT)


@given(USER_AGENTS)
def test_device_name_is_short_and_printable(agent: str) -> None:
    started_at = time.thread_time()
    name = device_name(agent[:255])

    assert len(name) < 120
    assert name.isprintable()
    assert not any(part in name.lower() for part in ("://", "www.", "<", "@"))
    assert time.thread_time() - started_at < 1

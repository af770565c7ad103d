"""Texts that people and programs bring: each is read in one way, or is refused, and nothing else happens."""

import ipaddress
import time
import unicodedata
from collections.abc import Callable

from hypothesis import assume, example, given
from hypothesis import strategies as st
from tests.fuzz.texts import ADDRESSES, AGENTS, HOPS

from flaskauth.accounts import addresses
from flaskauth.accounts.addresses import LONGEST_KEY, Address, NotAnAddress
from flaskauth.codes.derive import LENGTH, canonical, formatted
from flaskauth.foundation import crypto
from flaskauth.foundation.http import NOBODY, network_of, right_most_untrusted
from flaskauth.sessions.device_names import device_name

PROXIES = [ipaddress.ip_network("10.0.0.0/8"), ipaddress.ip_network("fd00::/8")]
SPELLINGS: dict[str, Callable[[str, str], str]] = {
    "taken apart": lambda local, domain: unicodedata.normalize("NFD", f"{local}@{domain}"),
    "put together": lambda local, domain: unicodedata.normalize("NFC", f"{local}@{domain}"),
    "folded": lambda local, domain: f"{local.casefold()}@{domain}",
    "with the domain in capitals": lambda local, domain: f"{local}@{domain.upper() if domain.isascii() else domain}",
    "with a wide dot": lambda local, domain: f"{local}@{domain.translate({46: 0x3002})}",
    "with the domain in ASCII": lambda local, domain: f"{local}@{in_ascii(domain)}",
}


def in_ascii(domain: str) -> str:
    try:
        return domain.encode("idna").decode() if domain.islower() else domain
    except UnicodeError:
        return domain


def read(text: str) -> Address | None:
    try:
        return addresses.parse(text)
    except NotAnAddress:
        return None


@given(ADDRESSES)
@example("\ufb01@example.com")
@example("\u0345\u0301@example.com")
@example("a@b\u00adc.com")
def test_an_address_is_plain_short_and_itself(text: str) -> None:
    found = read(text)
    assume(found)
    assert found

    assert len(found.key.encode()) <= LONGEST_KEY
    assert unicodedata.is_normalized("NFC", found.key)
    assert found.key.isprintable()
    assert not any(letter.isspace() for letter in found.typed + found.key)
    assert addresses.parse(found.typed) == found
    assert found.key.rpartition("@")[2].isascii()
    assert read(found.key) in {None, Address(found.key, found.key)}  # folded, it may be too long for a local part


@given(ADDRESSES, st.sampled_from(sorted(SPELLINGS)))
@example("\u1fb3\u0301@example.com", "taken apart")
def test_one_address_is_equal_to_itself_however_it_is_written(text: str, how: str) -> None:
    found, other = read(text), read(SPELLINGS[how](*text.rpartition("@")[::2]))

    assert not found or not other or found.key == other.key


@given(st.text())
def test_a_code_that_is_read_again_is_the_same(typed: str) -> None:
    code = canonical(typed)

    assert len(code) in {0, LENGTH}
    assert canonical(formatted(code)) == canonical(code) == code


@given(st.binary())
def test_what_is_encoded_is_decoded(raw: bytes) -> None:
    assert crypto.decode(crypto.encode(raw)) == raw


@given(st.one_of(st.text(), st.text("AQgw-_=+/ \n\u0661")))
def test_what_is_decoded_was_written_in_the_one_way(text: str) -> None:
    raw = crypto.decode(text)

    assert raw == b"" or crypto.encode(raw) == text


@given(
    st.lists(HOPS),
    st.ip_addresses(),
    st.lists(st.ip_addresses(network="10.0.0.0/8") | st.ip_addresses(network="fd00::/8")),
)
def test_nobody_chooses_whom_they_are_taken_for(told: list[str], peer: object, proxies: list[object]) -> None:
    """Whatever a caller writes into the header stands left of the address that a proxy saw."""
    came_by = [str(peer), *map(str, proxies)]
    believed = right_most_untrusted(came_by, PROXIES)
    assume(not any(ipaddress.ip_address(believed) in network for network in PROXIES))

    assert right_most_untrusted([*told, *came_by], PROXIES) == believed


@given(st.lists(HOPS))
def test_whoever_is_believed_has_an_address_and_a_network(told: list[str]) -> None:
    found = right_most_untrusted(told, PROXIES)

    assert found == NOBODY or str(ipaddress.ip_address(found)) == found
    assert (network_of(found) == NOBODY) == (found == NOBODY)


@given(AGENTS)
def test_a_device_has_a_plain_short_name_or_none_at_once(agent: str) -> None:
    began = time.thread_time()
    name = device_name(agent[:255])

    assert len(name) < 120
    assert name.isprintable()
    assert not any(part in name.lower() for part in ("://", "www.", "<", "@"))
    assert time.thread_time() - began < 1

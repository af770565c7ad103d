"""Whose word is believed about who asks."""

from ipaddress import ip_network

from flaskauth.doctor.findings import Finding, Subject, doubtful, each, fine, wrong
from flaskauth.foundation.current import settings
from flaskauth.foundation.http import right_most_untrusted
from flaskauth.settings import Network

STRANGER = "192.0.2.7"
EXAMPLE = ("198.51.100.1", "203.0.113.9")
INSIDE = [
    ip_network(network)
    for network in (
        *("10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "100.64.0.0/10", "127.0.0.0/8", "169.254.0.0/16"),
        *("fc00::/7", "fe80::/10", "::1/128"),
    )
]
# The widest networks that a provider of proxies publishes are narrower than these.
WIDEST = {4: 12, 6: 28}


def _proxies() -> Finding:
    trusted = settings().trusted_proxies
    if wide := [str(network) for network in trusted if _is_wide(network)]:
        return wrong(
            f"TRUSTED_PROXIES holds {', '.join(wide)}: anybody there can pretend any address; {_example(trusted)}",
            "Name the addresses of your own proxies only.",
        )
    if not trusted and settings().public_url.startswith("https://") and not settings().is_development:
        return doubtful(
            "PUBLIC_URL is https and TRUSTED_PROXIES is not set: everybody is counted as the proxy",
            "Set TRUSTED_PROXIES to the address of the proxy that speaks TLS, such as 127.0.0.1.",
        )
    return fine(_example(trusted))


def _is_wide(network: Network) -> bool:
    is_inside = any(network.version == own.version and network.subnet_of(own) for own in INSIDE)  # type: ignore[arg-type]
    return not is_inside and network.prefixlen < WIDEST[network.version]


def _example(trusted: tuple[Network, ...]) -> str:
    peers = {"a stranger": STRANGER, **({"the proxy": str(trusted[0].network_address)} if trusted else {})}
    told = [
        f"one from {peer} ({who}) as {right_most_untrusted([*EXAMPLE, peer], trusted)}" for who, peer in peers.items()
    ]
    return f"with X-Forwarded-For: {', '.join(EXAMPLE)}, a request counts so: {'; '.join(told)}"


CHECKS = {"proxies": _proxies}
SUBJECT = Subject(tuple(CHECKS), frozenset({"TRUSTED_PROXIES"}), lambda: each(CHECKS))

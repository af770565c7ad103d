"""Check which proxies are trusted to report the client IP."""

from ipaddress import ip_network

from flaskauth.core.context import settings
from flaskauth.core.http.request import client_from_forwarded
from flaskauth.doctor.findings import CheckGroup, Finding, failed, ok, run_checks, warning
from flaskauth.settings import Network

UNTRUSTED_PEER = "192.0.2.7"
EXAMPLE_FORWARDED_FOR = ("198.51.100.1", "203.0.113.9")
PRIVATE_NETWORKS = [
    ip_network(network)
    for network in (
        *("10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "100.64.0.0/10", "127.0.0.0/8", "169.254.0.0/16"),
        *("fc00::/7", "fe80::/10", "::1/128"),
    )
]
# Proxy providers publish no wider networks than these.
MIN_PREFIX_LENGTHS = {4: 12, 6: 28}


def _check_proxies() -> Finding:
    trusted = settings().trusted_proxies
    if wide := [str(network) for network in trusted if _is_too_wide(network)]:
        return failed(
            f"TRUSTED_PROXIES contains {', '.join(wide)}: every host there can forge the client IP;"
            f" {_describe_example(trusted)}",
            "List only the addresses of your own proxies.",
        )
    if not trusted and settings().public_url.startswith("https://") and not settings().is_development:
        return warning(
            "PUBLIC_URL is https and TRUSTED_PROXIES is not set: all clients count as the proxy",
            "Set TRUSTED_PROXIES to the address of the TLS proxy, such as 127.0.0.1.",
        )
    return ok(_describe_example(trusted))


def _is_too_wide(network: Network) -> bool:
    is_private = any(network.version == private.version and network.subnet_of(private) for private in PRIVATE_NETWORKS)  # type: ignore[arg-type]
    return not is_private and network.prefixlen < MIN_PREFIX_LENGTHS[network.version]


def _describe_example(trusted: tuple[Network, ...]) -> str:
    peers = {"untrusted": UNTRUSTED_PEER, **({"proxy": str(trusted[0].network_address)} if trusted else {})}
    examples = [
        f"from {peer} ({label}) counts as {client_from_forwarded([*EXAMPLE_FORWARDED_FOR, peer], trusted)}"
        for label, peer in peers.items()
    ]
    return f"with X-Forwarded-For: {', '.join(EXAMPLE_FORWARDED_FOR)}, a request {', '.join(examples)}"


CHECKS = {"proxies": _check_proxies}
GROUP = CheckGroup(tuple(CHECKS), frozenset({"TRUSTED_PROXIES"}), lambda: run_checks(CHECKS))

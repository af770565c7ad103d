"""Request limits are counted in the process: exactly, in bounded memory, and without waiting for Redis."""

import socket
import time
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from typing import cast

import pytest
from redis import Redis as Client
from tests.servers import Redis, free_port
from tests.support.inspect import run_concurrently

from flaskauth.core.http.request_limits import MAX_WINDOWS, Key, RequestLimiter
from flaskauth.settings import Settings

LIMIT = "30/minute"


def make_limiter(redis_url: str = "", **environ: str) -> RequestLimiter:
    return RequestLimiter(redis_settings(redis_url, **environ))


def redis_settings(redis_url: str, **environ: str) -> Settings:
    return Settings.load({"FLASKAUTH_ENV": "development", "REDIS_URL": redis_url, **environ})


def count_allowed(limiter: RequestLimiter, key: str = "key", limits: str = LIMIT, requests: int = 40) -> int:
    return sum(limiter.hit(limits, key) == 0 for _ in range(requests))


def wait_until(is_done: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 10
    while not is_done():
        assert time.monotonic() < deadline
        time.sleep(0.01)


@pytest.fixture
def client(redis: Redis) -> Iterator[Client]:
    """A Redis client, with an empty database."""
    with Client.from_url(redis.url) as client:
        client.flushall()
        yield client


@pytest.fixture
def nodes(redis: Redis, client: Client) -> list[RequestLimiter]:
    """The limiters of two processes with one Redis."""
    limiters = [make_limiter(redis.url, WEB_CONCURRENCY="2") for _ in range(2)]
    for limiter in limiters:
        limiter.reconcile()
    return limiters


def total_of(client: Client) -> int:
    values = cast("list[bytes]", client.mget([*client.scan_iter("flaskauth:request_limit:*"), "none"]))
    return sum(int(value or 0) for value in values)


def test_rate_limit_concurrent_threads_never_exceed_limit(nodes: list[RequestLimiter], client: Client) -> None:
    """Threads count while others reconcile: no request is lost or counted twice, here and in Redis."""
    limiter = nodes[0]
    hits: list[Callable[[], int]] = [partial(count_allowed, limiter, limits="990/hour", requests=100)] * 10
    exchanges: list[Callable[[], int]] = [lambda: sum(0 for _ in range(20) if limiter.reconcile())] * 2

    assert sum(run_concurrently([*hits, *exchanges])) == 990
    limiter.reconcile()
    assert total_of(client) == 990
    assert limiter.test("990/hour", "key") > 0
    assert limiter.test("990/hour", "different key") == 0


def test_rate_limit_counts_a_request_during_an_exchange(redis: Redis, client: Client) -> None:
    class LimiterWithRequest(RequestLimiter):
        is_armed = False

        def _exchange(self, counts: Sequence[tuple[Key, int]]) -> list[tuple[int, int]]:
            totals = super()._exchange(counts)
            if self.is_armed:
                self.is_armed = False
                self._check("30/minute", ("key",), counts=True)
            return totals

    limiter = LimiterWithRequest(redis_settings(redis.url))
    limiter.reconcile()
    assert count_allowed(limiter, limits="30/minute", requests=29) == 29
    limiter.is_armed = True
    limiter.reconcile()

    assert limiter.test("30/minute", "key") > 0


def test_rate_limit_of_two_processes_applies_within_a_second(nodes: list[RequestLimiter]) -> None:
    """Each process counts 15 requests. Their threads exchange the counts, and both reject the next one."""
    assert [count_allowed(limiter, requests=15) for limiter in nodes] == [15, 15]

    wait_until(lambda: all(limiter.test(LIMIT, "key") for limiter in nodes))
    assert [0 < limiter.test(LIMIT, "key") <= 60 for limiter in nodes] == [True, True]


def test_rate_limit_of_a_burst_to_two_processes_is_nearly_exact(nodes: list[RequestLimiter]) -> None:
    """The burst ends within milliseconds, before the threads exchange the counts."""
    allowed = sum(nodes[number % 2].hit("60/minute", "key") == 0 for number in range(200))

    assert 60 <= allowed <= 68


def test_rate_limit_of_a_paced_burst_applies_in_each_process(nodes: list[RequestLimiter]) -> None:
    """The other process has counted requests since this one last read the total."""
    nodes[1].hit("60/minute", "key")
    nodes[1].reconcile()
    allowed = [count_allowed(limiter, limits="60/minute", requests=100) for limiter in nodes]

    assert 60 <= sum(allowed) + 1 <= 68


def test_rate_limit_is_read_by_a_process_that_only_tests_it(nodes: list[RequestLimiter]) -> None:
    """A process that started later, or has seen no wrong password of a network, knows that it is past the limit."""
    assert count_allowed(nodes[0]) == 30
    nodes[0].reconcile()
    nodes[1].test(LIMIT, "key")
    nodes[1].reconcile()

    assert nodes[1].test(LIMIT, "key") > 0


def test_urgent_counts_reach_redis_without_the_interval(nodes: list[RequestLimiter], client: Client) -> None:
    """A failed sign-in counts in all processes immediately. With the interval, ten counts would take 10 seconds."""
    started_at = time.monotonic()
    for number in range(1, 11):
        nodes[0].hit(LIMIT, "key")
        nodes[0].reconcile_soon()
        wait_until(lambda: total_of(client) == number)  # noqa: B023

    assert time.monotonic() - started_at < 8


def test_rate_limit_is_kept_when_redis_loses_its_data(nodes: list[RequestLimiter], client: Client) -> None:
    """Redis restarts without its data, or evicts a key. A process that knows the requests still rejects others."""
    limiter = nodes[0]
    assert count_allowed(limiter) == 30
    limiter.reconcile()
    client.flushall()
    assert limiter.test(LIMIT, "key") > 0
    limiter.reconcile()

    assert 0 < limiter.test(LIMIT, "key") <= 60


def test_rate_limit_without_redis_is_the_share_of_a_process() -> None:
    assert count_allowed(make_limiter(WEB_CONCURRENCY="3")) == 10
    assert count_allowed(make_limiter(WEB_CONCURRENCY="40")) == 1


def test_request_never_waits_for_silent_redis() -> None:
    """Redis accepts connections and does not respond. Until it does, the share of the process applies."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        limiter = make_limiter(f"redis://127.0.0.1:{server.getsockname()[1]}/0", WEB_CONCURRENCY="3")
        started_at = time.monotonic()
        assert count_allowed(limiter) == 10
        assert time.monotonic() - started_at < 10  # the timeouts of 40 requests would take 20 seconds


def test_rejected_requests_are_not_counted() -> None:
    """A client that sends too many requests to one limit does not use up a second one."""
    limiter = make_limiter()
    assert count_allowed(limiter, limits="3/minute; 5/hour", requests=20) == 3

    assert 1 <= limiter.test("3/minute; 5/hour", "key") <= 60
    assert limiter.test("5/hour", "key") == 0
    assert count_allowed(limiter, limits="5/hour") == 2


def test_rate_limit_window_opens_with_first_request_and_expires(redis: Redis, client: Client) -> None:
    limit = "2/3 second"
    limiters = [make_limiter(), make_limiter(redis.url)]
    limiters[1].reconcile()
    for limiter in limiters:
        assert limiter.test(limit, "key") == 0
    time.sleep(1)
    assert [count_allowed(limiter, limits=limit) for limiter in limiters] == [2, 2]
    limiters[1].reconcile()
    assert 2000 < cast("int", client.pttl("flaskauth:request_limit:key:2:3")) <= 3000
    assert all(limiter.test(limit, "key") >= 1 for limiter in limiters)
    wait_until(lambda: all(limiter.test(limit, "key") == 0 for limiter in limiters))
    assert [count_allowed(limiter, limits=limit) for limiter in limiters] == [2, 2]


def test_rate_limit_windows_of_many_networks_are_bounded() -> None:
    """An attacker with an IPv6 prefix has many networks. The newest are counted, and expired ones deleted.

    While Redis is unavailable, no others are kept for it.
    """
    limiter = make_limiter(f"redis://127.0.0.1:{free_port()}/0")
    limiter.hit("1/second", "expired")
    for number in range(MAX_WINDOWS + 10):
        limiter.hit("1/hour", f"2001:db8::{number:x}")

    assert MAX_WINDOWS / 2 <= len(limiter._windows) <= MAX_WINDOWS
    assert not any("expired" in key for key in limiter._windows)
    assert limiter.test("1/hour", f"2001:db8::{number:x}") > 0
    assert not limiter.reconcile()
    assert limiter._unreconciled.items() <= limiter._windows.items()

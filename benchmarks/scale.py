"""Performance with ten million users against ten thousand.

Two databases in one MariaDB server with a buffer pool of 4 GB, each behind its own flaskauth server; one has many
users. They are measured in alternating rounds. Profile and refresh requests are sent over HTTP, with tokens of random
sessions. A login is bound by its hash, so the queries before the hash are timed separately: the credentials of an email
address, its device and its network. Finally, some users log in, and every SQL statement that this causes is explained.
"""

import random
import statistics
import time
from collections.abc import Mapping, Sequence
from contextlib import ExitStack, closing
from functools import partial

from tests.e2e.http_client import CLIENT_IPS, HttpClient

from benchmarks import dataset, query_plans, wrk
from benchmarks.environment import RunningServer, durable_database, serve
from benchmarks.flaskauth_target import refresh_load
from benchmarks.smtp_sink import running_smtp_sink
from benchmarks.targets import CONNECTIONS, Figures
from flaskauth.core.db.session import transaction
from flaskauth.login.credentials import CREDENTIALS_QUERY
from flaskauth.sessions import devices

SMALL, LARGE = 10_000, 10_000_000
BUFFER_POOL_BYTES = 4 * 2**30
TOKENS_PER_ROUND = 2000
EXPLAINED_LOGINS = 20  # users whose statements are explained
SECONDS = 4
ROUNDS = 5
OPERATIONS = ("profile", "refresh", "lookup")
Rates = dict[str, float]


def measure(user_limit: int = LARGE) -> Figures:
    """Measure each operation with few and with many users, the share of throughput kept, and the query plans."""
    user_count, pool = dataset.limit_to_disk(user_limit), dataset.buffer_pool_size(BUFFER_POOL_BYTES)
    print(f"{SMALL:,} against {user_count:,} users and sessions, buffer pool {pool / 2**30:.1f} GB", flush=True)
    parameters = {"buffer-pool-size": pool, "log-file-size": 2**30, "io-capacity": 20_000, "io-capacity-max": 40_000}
    options = (f"--innodb-{name}={size}" for name, size in parameters.items())
    with ExitStack() as stack:
        database, sink = stack.enter_context(durable_database(*options)), stack.enter_context(running_smtp_sink())
        mail = {"MAIL_SERVER": "127.0.0.1", "MAIL_PORT": str(sink.port)}
        servers: dict[str, tuple[RunningServer, int]] = {}
        for name, count in (("few", SMALL), ("many", user_count)):
            database.create(name)
            servers[name] = stack.enter_context(serve(database.url(name), mail)), count
            dataset.fill_database(database, name, count, servers[name][0])
        rates: dict[str, list[Rates]] = {name: [] for name in servers}
        sampled_numbers = {
            name: random.sample(range(1, count + 1), TOKENS_PER_ROUND * ROUNDS) for name, (_, count) in servers.items()
        }
        for round_number in range(ROUNDS):
            for name, (server, _) in servers.items():
                rates[name].append(
                    measure_throughput(
                        server,
                        sampled_numbers[name][round_number * TOKENS_PER_ROUND : (round_number + 1) * TOKENS_PER_ROUND],
                    )
                )
        plans = query_plans.explain_statements(database, "many", partial(exercise, *servers["many"]))
    return {**compare(rates), "users": user_count, "statements": len(plans), "full_scans": print_full_scans(plans)}


def print_full_scans(plans: Sequence[query_plans.QueryPlan]) -> int:
    """Print each statement that scans a whole table, and return how many there are."""
    full_scans = [plan for plan in plans if plan.full_scans]
    print(f"{len(plans)} distinct statements were explained")
    for plan in full_scans:
        print(f"full scan of {', '.join(plan.full_scans)}: {plan.statement}")
    return len(full_scans)


def measure_throughput(server: RunningServer, numbers: Sequence[int]) -> Rates:
    """Return the operations per second for the users with these numbers, whose sessions must be unused."""
    profile = wrk.Load("GET", "/users/profile", tokens=dataset.issue_access_tokens(server, numbers))
    refresh = refresh_load(dataset.derive_refresh_tokens(server, numbers))
    loads = {"profile": profile, "refresh": refresh}
    rates = {name: wrk.run(server.port, load, CONNECTIONS, SECONDS) for name, load in loads.items()}
    for name, result in rates.items():
        assert not result.error_responses + result.socket_errors, f"{name}: {result}"
    return {**{name: result.rate for name, result in rates.items()}, "lookup": measure_lookups(server, numbers)}


def measure_lookups(server: RunningServer, numbers: Sequence[int]) -> float:
    """Return how many users per second the queries before a login's hash can serve, in one thread."""
    started = time.perf_counter()
    with server.app.app_context():
        for number in numbers:
            transaction(partial(look_up, number))
    return len(numbers) / (time.perf_counter() - started)


def look_up(number: int) -> None:
    row = CREDENTIALS_QUERY.one(
        normalized_email=dataset.EMAIL.format(number),
        **devices.match_parameters(dataset.user_network(number), "not a token"),
    )
    assert row.is_network_recognised


def compare(rates: Mapping[str, Sequence[Rates]]) -> Rates:
    """Print and return the median rates, and the share of throughput kept with many users."""
    ratios: Rates = {}
    for operation in OPERATIONS:
        few, many = (
            statistics.median(rates_of_round[operation] for rates_of_round in rates[name]) for name in ("few", "many")
        )
        ratios |= {f"{operation}_few": few, f"{operation}_many": many, f"{operation}_kept": many / few}
        ranges = {name: sorted(round(rates_of_round[operation]) for rates_of_round in rates[name]) for name in rates}
        parts = [f"{values[0]:,} to {values[-1]:,} /s with {name}" for name, values in ranges.items()]
        print(f"{operation:<10} {'; '.join(parts)}, in {len(rates['few'])} rounds")
    return ratios


def exercise(server: RunningServer, user_count: int) -> None:
    """Log some users in, and request the profile and a refresh for each."""
    for number in random.sample(range(1, user_count + 1), EXPLAINED_LOGINS):
        tokens = server.login(dataset.EMAIL.format(number))
        with closing(HttpClient(server.port, next(CLIENT_IPS))) as http_client:
            http_client.get("/users/profile", tokens["token"]).expect()
            http_client.post("/auth/refresh", {"refresh_token": tokens["refresh_token"]}).expect()

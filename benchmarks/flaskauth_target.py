"""flaskauth as a `LoadTarget`, with the loads of each operation."""

import random
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from itertools import count, islice

from tests.servers import MariaDB, Redis

from benchmarks import dataset, wrk
from benchmarks.environment import PASSWORD, RunningServer, serve
from benchmarks.peers import LoadTarget
from benchmarks.peers.client import ACCESS_TOKEN_COUNT, USER_COUNT
from benchmarks.wrk import Load

REFRESH_TOKEN_COUNT = 160  # single-use tokens; more than the connections, of which there are up to 64
ORIGIN = "https://app.example.com"
# The cookies are those of other software on the site.
BROWSER_HEADERS = {"Origin": ORIGIN, "Cookie": "theme=dark; _ga=GA1.1.1234567890.1700000000"}


@contextmanager
def running_flaskauth(
    database: MariaDB, name: str, redis: Redis, extra_settings: Mapping[str, str] | None = None
) -> Iterator[tuple[LoadTarget, RunningServer]]:
    """Run flaskauth on this empty database in its production configuration, with users but without a mail worker."""
    settings = {"REDIS_URL": redis.url, "MAIL_SERVER": "127.0.0.1", "CORS_ORIGINS": ORIGIN, **(extra_settings or {})}
    with serve(database.url(name), settings) as server:
        dataset.fill_database(database, name, USER_COUNT, server)
        yield make_load_target(server), server


def refresh_load(tokens: Sequence[str]) -> Load:
    """Return a load that exchanges refresh tokens, and uses each new token in a later request."""
    load = wrk.post("/auth/refresh", refresh_token="@TOKEN@")
    return replace(load, tokens=tokens, next_token_pattern='"refresh_token":"([^"]+)"')


def make_load_target(server: RunningServer) -> LoadTarget:
    """Return the server and its loads. Each refresh load consumes the tokens of sessions that were not used before."""
    unused_sessions = count(1)

    def profile() -> Load:
        numbers = random.sample(range(1, USER_COUNT + 1), ACCESS_TOKEN_COUNT)
        return Load("GET", "/users/profile", tokens=dataset.issue_access_tokens(server, numbers))

    def refresh() -> Load:
        numbers = list(islice(unused_sessions, REFRESH_TOKEN_COUNT))
        return refresh_load(dataset.derive_refresh_tokens(server, numbers))

    def sign_in() -> Load:
        return replace(
            wrk.post("/auth/login", email=dataset.EMAIL.format("@KNOWN@"), password=PASSWORD), user_count=USER_COUNT
        )

    def register() -> Load:
        fields = {"first_name": "Ada", "last_name": "Lovelace", "password": "eleven blue lanterns"}
        return wrk.post("/auth/register", email="@NEW@@mail.example.com", **fields)

    loads = {
        "profile": profile,
        "profile, browser": lambda: replace(profile(), headers=BROWSER_HEADERS),
        "refresh": refresh,
        "sign-in": sign_in,
        "register": register,
    }
    return LoadTarget(server.port, loads, server.pid)

"""flaskauth as a `LoadTarget`, with the loads of each operation."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace

from tests.servers import Redis

from benchmarks import wrk
from benchmarks.environment import PASSWORD, RunningServer, serve
from benchmarks.peers import LoadTarget
from benchmarks.peers.client import ACCESS_TOKEN_COUNT, USER_COUNT
from benchmarks.wrk import Load

EMAIL = "user{}@example.com"
REFRESH_TOKEN_COUNT = 160  # single-use tokens; more than the connections, of which there are up to 64


@contextmanager
def running_flaskauth(
    database: str, redis: Redis, extra_settings: Mapping[str, str] | None = None
) -> Iterator[tuple[LoadTarget, RunningServer]]:
    """Run flaskauth on this empty database in its production configuration, with users but without a mail worker."""
    settings = {"REDIS_URL": redis.url, "MAIL_SERVER": "127.0.0.1", **(extra_settings or {})}
    with serve(database, settings) as server:
        server.add_users([EMAIL.format(number) for number in range(USER_COUNT)])
        yield make_load_target(server), server


def refresh_load(tokens: Sequence[str]) -> Load:
    """Return a load that exchanges refresh tokens, and uses each new token in a later request."""
    load = wrk.post("/auth/refresh", refresh_token="@TOKEN@")
    return replace(load, tokens=tokens, next_token_pattern='"refresh_token":"([^"]+)"')


def make_load_target(server: RunningServer) -> LoadTarget:
    """Return the server's port and its loads."""

    def tokens(count: int, name: str) -> list[str]:
        return [str(server.login(EMAIL.format(number))[name]) for number in range(count)]

    def profile() -> Load:
        return Load("GET", "/users/profile", tokens=tokens(ACCESS_TOKEN_COUNT, "token"))

    def refresh() -> Load:
        return refresh_load(tokens(REFRESH_TOKEN_COUNT, "refresh_token"))

    def sign_in() -> Load:
        load = wrk.post("/auth/login", email=EMAIL.format("@KNOWN@"), password=PASSWORD)
        return replace(load, user_count=USER_COUNT)

    def register() -> Load:
        fields = {"first_name": "Ada", "last_name": "Lovelace", "password": "eleven blue lanterns"}
        return wrk.post("/auth/register", email="@NEW@@mail.example.com", **fields)

    loads = {"profile": profile, "refresh": refresh, "sign-in": sign_in, "register": register}
    return LoadTarget(server.port, loads)

"""What is asked of our own server, as a peer's `Site` has it."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace

from tests.servers import Redis

from benchmarks import wrk
from benchmarks.grounds import PASSWORD, Grounds, serving
from benchmarks.peers import Site
from benchmarks.wrk import Load

PEOPLE = 10_000
EMAIL = "person{}@example.com"
TO_READ, TO_TRADE = 16, 160  # tokens; of those that are used once, more than there are connections


@contextmanager
def ours(database: str, redis: Redis, more: Mapping[str, str] | None = None) -> Iterator[tuple[Site, Grounds]]:
    """The server on this empty database, with its people, as production has it; no worker takes the mail away."""
    settings = {"REDIS_URL": redis.url, "MAIL_SERVER": "127.0.0.1", **(more or {})}
    with serving(database, settings) as where:
        where.add_people([EMAIL.format(number) for number in range(PEOPLE)])
        yield site(where), where


def site(where: Grounds) -> Site:
    def tokens(count: int, kind: str) -> list[str]:
        return [str(where.sign_in(EMAIL.format(number))[kind]) for number in range(count)]

    def profile() -> Load:
        return Load("GET", "/users/profile", tokens=tokens(TO_READ, "token"))

    def refresh() -> Load:
        asked = wrk.post("/auth/refresh", refresh_token="@TOKEN@")
        return replace(asked, tokens=tokens(TO_TRADE, "refresh_token"), trades='"refresh_token":"([^"]+)"')

    def sign_in() -> Load:
        asked = wrk.post("/auth/login", email=EMAIL.format("@KNOWN@"), password=PASSWORD)
        return replace(asked, people=PEOPLE)

    def register() -> Load:
        about = {"first_name": "Ada", "last_name": "Lovelace", "password": "eleven blue lanterns"}
        return wrk.post("/auth/register", email="@NEW@@mail.example.com", **about)

    return Site(
        where.port, where.pid, 0, {"profile": profile, "refresh": refresh, "sign-in": sign_in, "register": register}
    )

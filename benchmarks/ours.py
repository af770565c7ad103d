"""What is asked of our own server, as a peer's `Site` has it."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace

from tests.servers import Redis

from benchmarks import wrk
from benchmarks.grounds import PASSWORD, Grounds, serving
from benchmarks.peers import Site
from benchmarks.peers.asking import PEOPLE, TO_READ
from benchmarks.wrk import Load

EMAIL = "person{}@example.com"
TO_TRADE = 160  # tokens that are used once: more than there are connections, of which ours have up to 64


@contextmanager
def ours(database: str, redis: Redis, more: Mapping[str, str] | None = None) -> Iterator[tuple[Site, Grounds]]:
    """The server on this empty database, with its people, as production has it; no worker takes the mail away."""
    settings = {"REDIS_URL": redis.url, "MAIL_SERVER": "127.0.0.1", **(more or {})}
    with serving(database, settings) as where:
        where.add_people([EMAIL.format(number) for number in range(PEOPLE)])
        yield site(where), where


def refreshing(tokens: Sequence[str]) -> Load:
    """Trade each of these for the next, and that again."""
    asked = wrk.post("/auth/refresh", refresh_token="@TOKEN@")
    return replace(asked, tokens=tokens, trades='"refresh_token":"([^"]+)"')


def site(where: Grounds) -> Site:
    """Where it listens, and what is asked of it."""

    def tokens(count: int, kind: str) -> list[str]:
        return [str(where.sign_in(EMAIL.format(number))[kind]) for number in range(count)]

    def profile() -> Load:
        return Load("GET", "/users/profile", tokens=tokens(TO_READ, "token"))

    def refresh() -> Load:
        return refreshing(tokens(TO_TRADE, "refresh_token"))

    def sign_in() -> Load:
        asked = wrk.post("/auth/login", email=EMAIL.format("@KNOWN@"), password=PASSWORD)
        return replace(asked, people=PEOPLE)

    def register() -> Load:
        about = {"first_name": "Ada", "last_name": "Lovelace", "password": "eleven blue lanterns"}
        return wrk.post("/auth/register", email="@NEW@@mail.example.com", **about)

    asked = {"profile": profile, "refresh": refresh, "sign-in": sign_in, "register": register}
    return Site(where.port, asked)

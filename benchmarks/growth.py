"""python -m benchmarks.growth [PEOPLE] [--strict]: what ten million people cost who ten thousand did.

Two databases lie in one MariaDB whose buffer pool is 4 GB, each behind a server of its own; the people of one are many.
They are measured in turns. Profiles and refreshes come by HTTP, from sessions all over the table. A sign-in is bound by
its hash, so what it looks up before that is timed by itself: the credentials of an address, its device and network.
Then some sign in as people do, and whatever the server asked the database meanwhile is explained.
"""

import random
import statistics
import sys
import time
from collections.abc import Mapping, Sequence
from contextlib import ExitStack, closing
from functools import partial

from tests.journeys.visitors import NETWORKS, Visitor
from tests.servers import MariaDB

from benchmarks import crowd, plans, wrk
from benchmarks.bars import Bar, Figures, conclude, parser
from benchmarks.grounds import DURABLE, Grounds, serving
from benchmarks.ours import refreshing
from benchmarks.sink import sink
from flaskauth.accounts import service as accounts
from flaskauth.foundation.db import transaction
from flaskauth.sessions import devices

FEW, MANY = 10_000, 10_000_000
POOL = 4 * 2**30
SESSIONS = 2000  # whose tokens are brought in one round
SIGNING_IN = 20  # people whose every statement is explained
CONNECTIONS = 16
SECONDS = 4
ROUNDS = 5
OPERATIONS = ("profile", "refresh", "lookup")
Rates = dict[str, float]
BARS = (
    *(Bar(f"{name}_kept", f"{name}: share of the throughput kept", 0.9, "") for name in OPERATIONS),
    Bar("read_whole", "statements that read a table whole", 0, "", is_ceiling=True),
)


def measure(many: int = MANY) -> Figures:
    """Throughput of each operation with few and with many people, what share of it is kept, and the plans."""
    people, pool = crowd.that_fit(many), crowd.buffer_pool(POOL)
    print(f"{FEW:,} against {people:,} people and sessions, buffer pool {pool / 2**30:.1f} GB", flush=True)
    sizes = {"buffer-pool-size": pool, "log-file-size": 2**30, "io-capacity": 20_000, "io-capacity-max": 40_000}
    options = (DURABLE, *(f"--innodb-{name}={size}" for name, size in sizes.items()))
    with ExitStack() as stack:
        database, server = stack.enter_context(MariaDB(*options)), stack.enter_context(sink())
        mail = {"MAIL_SERVER": "127.0.0.1", "MAIL_PORT": str(server.port)}
        sides: dict[str, tuple[Grounds, int]] = {}
        for name, count in (("few", FEW), ("many", people)):
            database.create(name)
            sides[name] = stack.enter_context(serving(database.url(name), mail)), count
            crowd.fill(database, name, count, sides[name][0])
        rates: dict[str, list[Rates]] = {name: [] for name in sides}
        brought = {name: random.sample(range(1, count + 1), SESSIONS * ROUNDS) for name, (_, count) in sides.items()}
        for turn in range(ROUNDS):
            for name, (where, _) in sides.items():
                rates[name].append(throughput(where, brought[name][turn * SESSIONS : (turn + 1) * SESSIONS]))
        asked = plans.of(database, "many", partial(live, *sides["many"]))
    return {**compared(rates), "people": people, "statements": len(asked), "read_whole": told(asked)}


def told(asked: Sequence[plans.Plan]) -> int:
    """How many read a table whole, each on a line."""
    whole = [plan for plan in asked if plan.reads_whole]
    print(f"{len(asked)} kinds of statements were explained")
    for plan in whole:
        print(f"reads {', '.join(plan.reads_whole)} whole: {plan.statement}")
    return len(whole)


def throughput(where: Grounds, numbers: Sequence[int]) -> Rates:
    """Each operation, as often as it can be done in a second, for these people in sessions that are new."""
    profile = wrk.Load("GET", "/users/profile", tokens=crowd.access_tokens(where, numbers))
    refresh = refreshing(crowd.first_refresh_tokens(where, numbers))
    by_http = {"profile": profile, "refresh": refresh}
    rates = {name: wrk.run(where.port, load, CONNECTIONS, SECONDS) for name, load in by_http.items()}
    for name, found in rates.items():
        assert not found.refused + found.broken, f"{name}: {found}"
    return {**{name: found.rate for name, found in rates.items()}, "lookup": lookups(where, numbers)}


def lookups(where: Grounds, numbers: Sequence[int]) -> float:
    """What a sign-in reads before its hash, one after another."""
    begun = time.perf_counter()
    with where.app.app_context():
        for number in numbers:
            transaction(partial(look_up, number))
    return len(numbers) / (time.perf_counter() - begun)


def look_up(number: int) -> None:
    stored = accounts.credentials(crowd.email(number))
    assert devices.known(stored.user_id, crowd.network(number), "not a token").network


def compared(rates: Mapping[str, Sequence[Rates]]) -> Rates:
    """The medians, and what share of the first is kept."""
    found: Rates = {}
    for operation in OPERATIONS:
        few, many = (statistics.median(each[operation] for each in rates[name]) for name in ("few", "many"))
        found |= {f"{operation}_few": few, f"{operation}_many": many, f"{operation}_kept": many / few}
        spread = {name: sorted(round(each[operation]) for each in rates[name]) for name in rates}
        told = [f"{each[0]:,} to {each[-1]:,} /s with {name}" for name, each in spread.items()]
        print(f"{operation:<10} {'; '.join(told)}, in {len(rates['few'])} rounds")
    return found


def live(where: Grounds, people: int) -> None:
    """Some sign in, look at themselves and carry on."""
    for number in random.sample(range(1, people + 1), SIGNING_IN):
        welcome = where.sign_in(crowd.email(number))
        with closing(Visitor(where.port, next(NETWORKS))) as visitor:
            visitor.get("/users/profile", welcome["token"]).expect()
            visitor.post("/auth/refresh", {"refresh_token": welcome["refresh_token"]}).expect()


def main() -> int:
    known = parser("growth", __doc__)
    known.add_argument("people", nargs="?", type=int, default=MANY, help="how many are many")
    told = known.parse_args()
    return conclude(partial(measure, told.people), BARS, told)


if __name__ == "__main__":
    sys.exit(main())

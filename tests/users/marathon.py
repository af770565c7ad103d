"""python -m tests.users.marathon [PEOPLE]: an import of many, once through and once killed half way and started again.

Both on a MariaDB of its own; both must end with the same table, each in less than the bar.
"""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

from sqlalchemy import Engine, create_engine, text
from tests.journeys.processes import COMMANDS, Place
from tests.servers import MariaDB
from tests.users.hashes import SAMPLES

from flaskauth.settings import with_driver

PEOPLE = 100_000
BAR = 90.0  # seconds for PEOPLE
HEADER = "id,email,first_name,last_name,verified,password,country,locale,created_at\n"


def write(file: Path, people: int) -> None:
    """A file of so many people, with a hash of each kind in turn."""
    stored = list(SAMPLES.values())
    with file.open("w", encoding="utf-8") as out:
        out.write(HEADER)
        out.writelines(_row(number, stored[number % len(stored)]) for number in range(1, people + 1))


def _row(number: int, stored: str) -> str:
    made = f"2024-{number % 12 + 1:02}-{number % 28 + 1:02}T10:00:00Z"
    who = f'{number},person{number}@example.com,Grâce {number},"Hopper, {number}",{number % 3 % 2}'
    return f'{who},"{stored}",NG,en,{made}\n'


def table(engine: Engine) -> str:
    """A checksum of everything that the table holds, and how many rows that is."""
    with engine.connect() as connection:
        found = connection.execute(text("CHECKSUM TABLE users")).one()
        return f"{connection.execute(text('SELECT COUNT(*) FROM users')).scalar_one()} people, checksum {found[1]}"


def count(engine: Engine) -> int:
    with engine.connect() as connection:
        return int(connection.execute(text("SELECT COUNT(*) FROM users")).scalar_one())


@contextmanager
def database(server: MariaDB, name: str, folder: Path) -> Iterator[tuple[Place, Engine]]:
    """A new database with a schema, and where commands find it."""
    server.create(name)
    place = Place(folder, {"SQLALCHEMY_DATABASE_URI": server.url(name), "FLASKAUTH_ENV": "development"})
    place.run("flaskauth", "db", "upgrade")
    engine = create_engine(with_driver(server.url(name)), isolation_level="READ COMMITTED")
    yield place, engine
    engine.dispose()
    server.drop(name)


def start(place: Place, file: Path) -> "subprocess.Popen[bytes]":
    words = [str(COMMANDS / "flaskauth"), "users", "import", str(file)]
    return subprocess.Popen(words, cwd=place.folder, env=place.environment, stdout=subprocess.DEVNULL)


def killed_half_way(place: Place, engine: Engine, file: Path, people: int) -> int:
    """Start it, and kill it once half of the people are in; how many were."""
    running = start(place, file)
    while count(engine) < people // 2:
        assert running.poll() is None, "it ended before it could be killed"
        time.sleep(0.01)
    os.kill(running.pid, signal.SIGKILL)
    running.wait()
    return count(engine)


def main(people: int) -> int:
    with TemporaryDirectory() as folder, MariaDB() as server:
        file = Path(folder, "people.csv")
        write(file, people)
        print(f"{people:,} people, {file.stat().st_size / 1e6:.0f} MB of CSV", flush=True)
        with database(server, "through", Path(folder)) as (place, engine):
            begun = time.monotonic()
            assert start(place, file).wait() == 0
            once = time.monotonic() - begun
            through = table(engine)
        print(f"once through: {once:.1f} s, {people / once:,.0f} a second; {through}", flush=True)
        with database(server, "killed", Path(folder)) as (place, engine):
            begun = time.monotonic()
            were_in = killed_half_way(place, engine, file, people)
            assert start(place, file).wait() == 0
            twice = time.monotonic() - begun
            killed = table(engine)
        print(f"killed at {were_in:,}, started again: {twice:.1f} s in all; {killed}", flush=True)
    bar = BAR * people / PEOPLE
    is_good = through == killed and max(once, twice) < bar
    print("the same end" if through == killed else "NOT THE SAME END", f"and a bar of {bar:.0f} s")
    return 0 if is_good else 1


if __name__ == "__main__":
    sys.exit(main(int(sys.argv[1]) if sys.argv[1:] else PEOPLE))

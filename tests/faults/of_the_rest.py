"""Faults of Redis, of mail and of the server itself. Each is made again and again until its time is over."""

import subprocess
import sys
import time
from contextlib import suppress

from redis import Redis as Client
from redis.exceptions import RedisError
from tests.faults.under_way import Run
from tests.servers.mail import Mode


def kill_redis(run: Run) -> None:
    for _ in run.each():
        run.site.redis.kill()
        time.sleep(6)
        run.site.redis.start()
        run.broke += 1
        run.healed()


def flush_redis(run: Run) -> None:
    with Client.from_url(run.site.redis.url) as client:
        for _ in run.each():
            for _ in range(20):
                with suppress(RedisError):
                    client.flushall()
                    run.broke += 1
                time.sleep(0.2)
            run.healed()


def slow_redis(run: Run) -> None:
    """Answers come when nobody waits any more; on a connection that is used again they would be another's."""
    for _ in run.each():
        run.site.redis_wire.delay = 0.4
        time.sleep(6)
        run.site.redis_wire.heal()
        run.broke += 1
        run.healed()


REFUSALS = (
    (("CONFIG", "SET", "maxmemory", "1"), ("CONFIG", "SET", "maxmemory", "0")),
    (("REPLICAOF", "127.0.0.1", "1"), ("REPLICAOF", "NO", "ONE")),
    (("CONFIG", "SET", "requirepass", "unknown"), ("CONFIG", "SET", "requirepass", "")),
)


def redis_refuses(run: Run) -> None:
    """It has no memory left; it is a replica, whose master is away; it wants a password that nobody has."""
    with Client.from_url(run.site.redis.url) as client:
        client.ping()
        for number in run.each():
            refuse, heal = REFUSALS[number % len(REFUSALS)]
            client.execute_command(*refuse)
            run.site.redis_wire.reset()
            time.sleep(6)
            client.execute_command(*heal)
            run.broke += 1
            run.healed()


def no_worker(run: Run) -> None:
    for _ in run.each():
        run.site.worker.close()
        time.sleep(20)
        run.site.start_worker()
        run.broke += 1
        run.healed()


def pressure(run: Run) -> None:
    """Four processes want every processor."""
    for _ in run.each():
        busy = [subprocess.Popen(["timeout", "10", sys.executable, "-c", "while True: pass"]) for _ in range(4)]
        for each in busy:
            each.wait()
        run.broke += 1
        run.healed()


def people_hang_up(run: Run) -> None:
    """Their connections are reset, most of them in the middle of a call."""
    for _ in run.each():
        for _ in range(100):
            run.broke += sum(wire.reset() for wire in run.site.wires)
            time.sleep(0.06)
        run.healed()


def kill_the_worker(run: Run) -> None:
    """The mail server hangs when it has all of a message, and the worker dies there."""
    for _ in run.each():
        run.site.sink.mode = "hang"
        time.sleep(3)
        run.broke += run.site.execute("SELECT id FROM outbox WHERE leased_until IS NOT NULL") > 0
        run.site.worker.close()
        run.site.sink.stop()
        run.site.sink.mode = "ok"
        run.site.sink.start()
        run.site.start_worker()
        run.healed()


def another_mode_of_the_mail_server(run: Run, mode: Mode, seconds: float) -> None:
    for _ in run.each():
        run.site.sink.mode = mode
        time.sleep(seconds)
        run.site.sink.mode = "ok"
        run.broke += 1
        run.healed()


def no_mail_server(run: Run) -> None:
    for _ in run.each():
        run.site.sink.stop()
        time.sleep(6)
        run.site.sink.start()
        run.broke += 1
        run.healed()


def new_keys(run: Run) -> None:
    for _ in run.each():
        run.site.place.run("flaskauth", "keys", "rotate")
        run.broke += 1
        run.healed()


def kill_a_server_process(run: Run) -> None:
    for number in run.each():
        run.broke += run.site.kill_a_process(number % 2)
        run.healed()


def roll(run: Run) -> None:
    for number in run.each():
        assert run.site.servers[number % 2].end(30) in {0, -15}
        run.site.start_one(number % 2)
        run.broke += 1
        run.healed()

"""Faults of Redis, mail and the server itself. Each is repeated until the time of the scenario is over."""

import subprocess
import sys
import time
from contextlib import suppress

from redis import Redis as Client
from redis.exceptions import RedisError
from tests.chaos.runner import ScenarioRun
from tests.servers.smtp_sink import Mode


def kill_redis(run: ScenarioRun) -> None:
    for _ in run.iterations():
        run.environment.redis.kill()
        time.sleep(6)
        run.environment.redis.start()
        run.fault_count += 1
        run.record_recovery()


def flush_redis(run: ScenarioRun) -> None:
    with Client.from_url(run.environment.redis.url) as client:
        for _ in run.iterations():
            for _ in range(20):
                with suppress(RedisError):
                    client.flushall()
                    run.fault_count += 1
                time.sleep(0.2)
            run.record_recovery()


def slow_down_redis(run: ScenarioRun) -> None:
    """Delay replies past the timeout. On a reused connection, a late reply would answer a different request."""
    for _ in run.iterations():
        run.environment.redis_proxy.delay = 0.4
        time.sleep(6)
        run.environment.redis_proxy.heal()
        run.fault_count += 1
        run.record_recovery()


REDIS_REJECTIONS = (
    (("CONFIG", "SET", "maxmemory", "1"), ("CONFIG", "SET", "maxmemory", "0")),
    (("REPLICAOF", "127.0.0.1", "1"), ("REPLICAOF", "NO", "ONE")),
    (("CONFIG", "SET", "requirepass", "unknown"), ("CONFIG", "SET", "requirepass", "")),
)


def make_redis_reject(run: ScenarioRun) -> None:
    """Let Redis run out of memory, become a replica without a master, then require an unknown password."""
    with Client.from_url(run.environment.redis.url) as client:
        client.ping()
        for number in run.iterations():
            break_command, heal_command = REDIS_REJECTIONS[number % len(REDIS_REJECTIONS)]
            client.execute_command(*break_command)
            run.environment.redis_proxy.reset()
            time.sleep(6)
            client.execute_command(*heal_command)
            run.fault_count += 1
            run.record_recovery()


def stop_worker(run: ScenarioRun) -> None:
    for _ in run.iterations():
        run.environment.worker.close()
        time.sleep(20)
        run.environment.start_worker()
        run.fault_count += 1
        run.record_recovery()


def load_cpu(run: ScenarioRun) -> None:
    """Run four busy processes."""
    for _ in run.iterations():
        processes = [subprocess.Popen(["timeout", "10", sys.executable, "-c", "while True: pass"]) for _ in range(4)]
        for process in processes:
            process.wait()
        run.fault_count += 1
        run.record_recovery()


def reset_client_connections(run: ScenarioRun) -> None:
    """Reset the connections of clients, most of them during a call."""
    for _ in run.iterations():
        for _ in range(100):
            run.fault_count += sum(proxy.reset() for proxy in run.environment.server_proxies)
            time.sleep(0.06)
        run.record_recovery()


def kill_worker(run: ScenarioRun) -> None:
    """Kill the worker while the mail server hangs after the end of a message."""
    for _ in run.iterations():
        run.environment.sink.mode = "hang"
        time.sleep(3)
        run.fault_count += run.environment.execute_sql("SELECT id FROM outbox WHERE leased_until IS NOT NULL") > 0
        run.environment.worker.close()
        run.environment.sink.stop()
        run.environment.sink.mode = "ok"
        run.environment.sink.start()
        run.environment.start_worker()
        run.record_recovery()


def set_smtp_mode(run: ScenarioRun, mode: Mode, seconds: float) -> None:
    for _ in run.iterations():
        run.environment.sink.mode = mode
        time.sleep(seconds)
        run.environment.sink.mode = "ok"
        run.fault_count += 1
        run.record_recovery()


def stop_mail_server(run: ScenarioRun) -> None:
    for _ in run.iterations():
        run.environment.sink.stop()
        time.sleep(6)
        run.environment.sink.start()
        run.fault_count += 1
        run.record_recovery()


def rotate_signing_keys(run: ScenarioRun) -> None:
    for _ in run.iterations():
        run.environment.workspace.run("flaskauth", "keys", "rotate")
        run.fault_count += 1
        run.record_recovery()


def kill_server_process(run: ScenarioRun) -> None:
    for number in run.iterations():
        run.fault_count += run.environment.kill_process(number % 2)
        run.record_recovery()


def restart_servers_in_turn(run: ScenarioRun) -> None:
    for number in run.iterations():
        assert run.environment.servers[number % 2].terminate(30) in {0, -15}
        run.environment.start_server(number % 2)
        run.fault_count += 1
        run.record_recovery()

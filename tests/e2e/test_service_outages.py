"""Outages of the server, the worker, Redis and the mail server lose no mail and block no request."""

import base64
import json
import pickle
import time
from concurrent.futures import ThreadPoolExecutor

import pytest
from redis import Redis
from tests.e2e import leaks
from tests.e2e.conftest import NewUser
from tests.e2e.installation import Installation
from tests.e2e.scenario import PASSWORD
from tests.support.users import registration_form

SELECT_LEASED = "SELECT id FROM outbox WHERE leased_until IS NOT NULL"
TASK = "flaskauth.mail.deliver"
EXPIRE_LEASES = "UPDATE outbox SET leased_until = created_at WHERE leased_until IS NOT NULL"


def _message(body: bytes, /, task: str = TASK, **changes: object) -> bytes:
    """Return a message in Celery's format around any body."""
    delivery = {"exchange": "", "routing_key": "flaskauth"}
    properties = {"delivery_mode": 2, "delivery_info": delivery, "delivery_tag": "1", "body_encoding": "base64"}
    message = {
        "body": base64.b64encode(body).decode(),
        "content-encoding": "utf-8",
        "content-type": "application/json",
        "headers": {"lang": "py", "task": task, "id": "1"},
        "properties": {**properties, "correlation_id": "1"},
    }
    return json.dumps({**message, **changes}).encode()


def _task_message(*args: object) -> bytes:
    return _message(json.dumps([args, {}, {}]).encode())


PICKLED = pickle.dumps(((), {}, {}))
FORGED_MESSAGES = {
    "not JSON": b"\xff\x00 not JSON",
    "empty": b"",
    "a number": b"7",
    "a list": b"[]",
    "an object": b"{}",
    "nested": b"[" * 100_000,
    "no properties": _message(b"[[], {}, {}]", properties={}),
    "no headers": _message(b"[[], {}, {}]", headers={}),
    "headers of a wrong type": _message(b"[[], {}, {}]", headers=[]),
    "a body that is not base64": _message(b"", body="%%%"),
    "a body that is not JSON": _message(b"\xff"),
    "a body of a wrong type": _message(b"7"),
    "a pickle": _message(PICKLED, **{"content-type": "application/x-python-serialize", "content-encoding": "binary"}),
    "YAML": _message(b"[[], {}, {}]", **{"content-type": "application/x-yaml"}),
    "compressed": _message(b"[[], {}, {}]", headers={"task": TASK, "id": "1", "compression": "zlib"}),
    "an unknown task": _message(b"[[], {}, {}]", task="os.system"),
    "an unknown mail": _task_message(1),
    "a text": _task_message("1 OR 1=1"),
    "no arguments": _task_message(),
    "too many arguments": _task_message(1, 2, 3),
    "null": _task_message(None),
    "true": _task_message(True),
    "a very small number": _task_message(-(2**63)),
    "a very large number": _task_message(2**200),
    "a fraction": _task_message(1.5),
    "a list of numbers": _task_message([1]),
    "an eta far in the future": _message(
        b"[[1], {}, {}]", headers={"task": TASK, "id": "1", "eta": "9999-12-31T23:59:59"}
    ),
    "an invalid eta": _message(b"[[1], {}, {}]", headers={"task": TASK, "id": "1", "eta": "soon"}),
    "an invalid expiry": _message(b"[[1], {}, {}]", headers={"task": TASK, "id": "1", "expires": "soon"}),
    "an invalid time limit": _message(b"[[1], {}, {}]", headers={"task": TASK, "id": "1", "timelimit": "soon"}),
    "a callback": _message(json.dumps([[1], {}, {"callbacks": [{"task": "os.system"}], "chain": [7]}]).encode()),
}


def test_sigterm_server_finishes_requests_and_exits(installation: Installation, new_user: NewUser) -> None:
    users = [new_user() for _ in range(8)]
    for user in users:
        user.client.get("/health/live").expect()
        user.client.send("POST", "/auth/register", registration_form(user.email, password=PASSWORD))
    users[0].finish_registration(users[0].client.receive())
    with ThreadPoolExecutor() as pool:
        futures = [pool.submit(user.client.receive) for user in users[1:]]
        status = installation.server.terminate(seconds=10)

    output = installation.server.output
    installation.start_server()
    assert status in {0, -15}
    assert "Traceback" not in output
    for user, future in zip(users[1:], futures, strict=True):
        user.finish_registration(future.result())
        user.client.close()  # the server has closed the connection
        user.verify()


def test_sigterm_worker_exits_cleanly(installation: Installation, new_user: NewUser) -> None:
    new_user().register_and_verify()

    status = installation.worker.terminate(seconds=60)  # Celery may wait 30 s for a task

    output = installation.worker.output
    installation.start_worker()
    assert status in {0, -15}
    assert "Traceback" not in output


def test_worker_killed_loses_no_outbox_mail(installation: Installation, new_user: NewUser) -> None:
    first, second = new_user(), new_user()
    installation.sink.mode = "hang"
    first.register()
    installation.worker.wait_until(lambda: installation.execute_sql(SELECT_LEASED) == 1)
    installation.worker.close()
    installation.sink.stop()
    installation.sink.mode = "ok"
    installation.sink.start()
    second.register()
    time.sleep(0.5)  # the message is sent right after the response
    queued = installation.dump_all()

    installation.start_worker()
    second.verify()
    # The lease of the killed worker would expire in a minute.
    assert installation.execute_sql(EXPIRE_LEASES) == 1
    first.verify()

    assert b"flaskauth.mail.deliver" in queued["key b'flaskauth'"]
    assert not leaks.find_leaks(first.secrets | second.secrets | installation.server_secrets(), queued)


def test_register_while_redis_is_down_delays_mail(installation: Installation, new_user: NewUser) -> None:
    user = new_user()
    installation.redis.kill()

    started = time.monotonic()
    user.register()
    seconds = time.monotonic() - started
    assert user.client.get("/health/ready").expect()["degraded"] == ["broker"]
    installation.redis.start()

    assert seconds < 3
    user.verify()
    installation.worker.wait_until(lambda: _worker_consumes_queue(installation.redis.url))
    assert user.client.get("/health/ready").expect()["degraded"] == []


def test_worker_delivering_mail_survives_redis_crash(installation: Installation, new_user: NewUser) -> None:
    first, second = new_user(), new_user()
    installation.sink.mode = "hang"
    first.register()
    installation.worker.wait_until(lambda: installation.execute_sql(SELECT_LEASED) == 1)
    installation.redis.kill()
    installation.worker.wait_for_output("redis_unavailable")
    installation.redis.start()
    installation.sink.stop()
    installation.sink.mode = "ok"
    installation.sink.start()

    second.register_and_verify()
    installation.execute_sql(EXPIRE_LEASES)
    first.verify()
    assert "Unrecoverable" not in installation.worker.output


REDIS_FAILURES = {
    "out of memory": (("CONFIG", "SET", "maxmemory", "1"), ("CONFIG", "SET", "maxmemory", "0")),
    "replica without a primary": (("REPLICAOF", "127.0.0.1", "1"), ("REPLICAOF", "NO", "ONE")),
    "changed password": (("CONFIG", "SET", "requirepass", "unknown"), ("CONFIG", "SET", "requirepass", "")),
}


@pytest.mark.parametrize("commands", REDIS_FAILURES.values(), ids=REDIS_FAILURES)
def test_redis_rejecting_commands_blocks_no_request(
    installation: Installation, new_user: NewUser, commands: tuple[tuple[str, ...], tuple[str, ...]]
) -> None:
    break_command, repair_command = commands
    first, second = new_user(), new_user()
    with Redis.from_url(installation.redis.url) as redis:
        redis.execute_command(*break_command)
        redis.execute_command("CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes")
        first.register()
        time.sleep(3)
        redis.execute_command(*repair_command)

    first.verify()
    installation.worker.wait_until(lambda: _worker_consumes_queue(installation.redis.url))
    second.register_and_verify()
    assert "Unrecoverable" not in installation.worker.output


def test_forged_celery_message_is_ignored_by_worker(installation: Installation, new_user: NewUser) -> None:
    with Redis.from_url(installation.redis.url) as redis:
        redis.lpush("flaskauth", *FORGED_MESSAGES.values())
        new_user().register_and_verify()
        installation.worker.wait_until(lambda: redis.llen("flaskauth") == 0)

    new_user().register_and_verify()


def _worker_consumes_queue(url: str) -> bool:
    """Return True if the worker consumes a message from its queue within 0.1 seconds."""
    with Redis.from_url(url) as redis:
        redis.lpush("flaskauth", b"an invalid message")
        time.sleep(0.1)
        return not redis.llen("flaskauth")

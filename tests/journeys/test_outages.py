"""What is lost when a part of a production installation goes away, and comes back: nothing."""

import base64
import json
import pickle
import time
from concurrent.futures import FIRST_COMPLETED, ThreadPoolExecutor, wait

import pytest
from redis import Redis
from tests.journeys import leaks
from tests.journeys.conftest import Meet
from tests.journeys.installation import Installation

LEASED = "SELECT id FROM outbox WHERE leased_until IS NOT NULL"
TASK = "flaskauth.mail.deliver"
FREE = "UPDATE outbox SET leased_until = created_at WHERE leased_until IS NOT NULL"


def _message(body: bytes, /, task: str = TASK, **more: object) -> bytes:
    """A message as Celery writes it, around any body."""
    delivery = {"exchange": "", "routing_key": "flaskauth"}
    about = {"delivery_mode": 2, "delivery_info": delivery, "delivery_tag": "1", "body_encoding": "base64"}
    message = {
        "body": base64.b64encode(body).decode(),
        "content-encoding": "utf-8",
        "content-type": "application/json",
        "headers": {"lang": "py", "task": task, "id": "1"},
        "properties": {**about, "correlation_id": "1"},
    }
    return json.dumps({**message, **more}).encode()


def _called(*args: object) -> bytes:
    return _message(json.dumps([args, {}, {}]).encode())


PICKLED = pickle.dumps(((), {}, {}))
FORGED = {
    "not JSON": b"\xff\x00 not JSON",
    "empty": b"",
    "a number": b"7",
    "a list": b"[]",
    "an object": b"{}",
    "nested": b"[" * 100_000,
    "no properties": _message(b"[[], {}, {}]", properties={}),
    "no headers": _message(b"[[], {}, {}]", headers={}),
    "headers of another kind": _message(b"[[], {}, {}]", headers=[]),
    "a body that is not base64": _message(b"", body="%%%"),
    "a body that is not JSON": _message(b"\xff"),
    "a body of another kind": _message(b"7"),
    "a pickle": _message(PICKLED, **{"content-type": "application/x-python-serialize", "content-encoding": "binary"}),
    "YAML": _message(b"[[], {}, {}]", **{"content-type": "application/x-yaml"}),
    "compressed": _message(b"[[], {}, {}]", headers={"task": TASK, "id": "1", "compression": "zlib"}),
    "an unknown task": _message(b"[[], {}, {}]", task="os.system"),
    "nobody's mail": _called(1),
    "a text": _called("1 OR 1=1"),
    "nothing": _called(),
    "too many": _called(1, 2, 3),
    "null": _called(None),
    "true": _called(True),
    "a number below all": _called(-(2**63)),
    "a number above all": _called(2**200),
    "a fraction": _called(1.5),
    "a list of numbers": _called([1]),
    "far in the future": _message(b"[[1], {}, {}]", headers={"task": TASK, "id": "1", "eta": "9999-12-31T23:59:59"}),
    "an eta that is none": _message(b"[[1], {}, {}]", headers={"task": TASK, "id": "1", "eta": "soon"}),
    "an expiry that is none": _message(b"[[1], {}, {}]", headers={"task": TASK, "id": "1", "expires": "soon"}),
    "a time limit that is none": _message(b"[[1], {}, {}]", headers={"task": TASK, "id": "1", "timelimit": "soon"}),
    "a callback": _message(json.dumps([[1], {}, {"callbacks": [{"task": "os.system"}], "chain": [7]}]).encode()),
}


def test_a_server_that_is_told_to_end_answers_who_asked_and_ends(installation: Installation, meet: Meet) -> None:
    people = [meet() for _ in range(8)]
    for person in people:
        person.visitor.get("/health/live").expect()
    with ThreadPoolExecutor(len(people)) as pool:
        asked = [pool.submit(person.register) for person in people]
        wait(asked, return_when=FIRST_COMPLETED)
        code = installation.server.end(seconds=10)

    said = installation.server.said
    installation.start_server()
    assert code in {0, -15}
    assert "Traceback" not in said
    for person, answer in zip(people, asked, strict=True):
        answer.result()
        person.visitor.close()  # the server has hung up
        person.verify()


def test_a_worker_that_is_told_to_end_ends_in_good_order(installation: Installation, meet: Meet) -> None:
    meet().join()

    code = installation.worker.end(seconds=60)  # Celery may wait 30 s for a task that it took back too late

    said = installation.worker.said
    installation.start_worker()
    assert code in {0, -15}
    assert "Traceback" not in said


def test_a_worker_that_is_killed_loses_no_mail(installation: Installation, meet: Meet) -> None:
    one, another = meet(), meet()
    installation.sink.mode = "hang"
    one.register()
    installation.worker.wait_until(lambda: installation.execute(LEASED) == 1)
    installation.worker.close()
    installation.sink.stop()
    installation.sink.mode = "ok"
    installation.sink.start()
    another.register()
    time.sleep(0.5)  # the message goes out right after the answer
    waiting = installation.everything()

    installation.start_worker()
    another.verify()
    # The dead worker's lease would be over in a minute.
    assert installation.execute(FREE) == 1
    one.verify()

    assert b"flaskauth.mail.deliver" in waiting["key b'flaskauth'"]
    assert not leaks.leaked(one.secrets | another.secrets | installation.own_secrets(), waiting)


def test_people_register_while_redis_is_away_and_have_their_mail_when_it_is_back(
    installation: Installation, meet: Meet
) -> None:
    person = meet()
    installation.redis.kill()

    began = time.monotonic()
    person.register()
    took = time.monotonic() - began
    assert person.visitor.get("/health/ready").expect()["degraded"] == ["broker"]
    installation.redis.start()

    assert took < 3
    person.verify()
    installation.worker.wait_until(lambda: _reads(installation.redis.url))
    assert person.visitor.get("/health/ready").expect()["degraded"] == []


def test_a_worker_that_has_a_mail_in_hand_while_redis_dies_goes_on(installation: Installation, meet: Meet) -> None:
    one, another = meet(), meet()
    installation.sink.mode = "hang"
    one.register()
    installation.worker.wait_until(lambda: installation.execute(LEASED) == 1)
    installation.redis.kill()
    installation.worker.wait_for("Trying to re-establish the connection")
    installation.redis.start()
    installation.sink.stop()
    installation.sink.mode = "ok"
    installation.sink.start()

    another.join()
    installation.execute(FREE)
    one.verify()
    assert "Unrecoverable" not in installation.worker.said


REFUSALS = {
    "no memory left": (("CONFIG", "SET", "maxmemory", "1"), ("CONFIG", "SET", "maxmemory", "0")),
    "a replica alone": (("REPLICAOF", "127.0.0.1", "1"), ("REPLICAOF", "NO", "ONE")),
    "another password": (("CONFIG", "SET", "requirepass", "unknown"), ("CONFIG", "SET", "requirepass", "")),
}


@pytest.mark.parametrize("words", REFUSALS.values(), ids=REFUSALS)
def test_a_redis_that_refuses_holds_nobody_up_and_ends_no_worker(
    installation: Installation, meet: Meet, words: tuple[tuple[str, ...], tuple[str, ...]]
) -> None:
    refuse, heal = words
    one, another = meet(), meet()
    with Redis.from_url(installation.redis.url) as redis:
        redis.execute_command(*refuse)
        redis.execute_command("CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes")
        one.register()
        time.sleep(3)
        redis.execute_command(*heal)

    one.verify()
    installation.worker.wait_until(lambda: _reads(installation.redis.url))
    another.join()
    assert "Unrecoverable" not in installation.worker.said


def test_a_forged_message_does_nothing_and_the_worker_goes_on(installation: Installation, meet: Meet) -> None:
    with Redis.from_url(installation.redis.url) as redis:
        redis.lpush("flaskauth", *FORGED.values())
        meet().join()
        installation.worker.wait_until(lambda: redis.llen("flaskauth") == 0)

    meet().join()


def _reads(url: str) -> bool:
    """Whether the worker takes what is put into its queue."""
    with Redis.from_url(url) as redis:
        redis.lpush("flaskauth", b"nobody's message")
        time.sleep(0.1)
        return not redis.llen("flaskauth")

"""What once was answered badly, and a sample of what `make fuzz` sends, to a server with two processes."""

from ast import literal_eval
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path

import pytest
from tests.fuzz.judging import judged
from tests.fuzz.noise import CHANGES, Case, case
from tests.fuzz.raw import SENDERS, Attack, Watch, serving
from tests.fuzz.raw import exchange as exchanged

SEED = 1
SAMPLE = 120
KEPT = sorted((Path(__file__).parent / "kept").glob("*.txt"))
ENVELOPE = b'{"status": "Error", "success": false, "message": "", "code": "", "request_id": "1"}'
OURS = b"HTTP/1.1 404 Not Found\r\nX-Request-ID: 1\r\nContent-Length: %d\r\n\r\n%s" % (len(ENVELOPE), ENVELOPE)


@pytest.fixture(scope="module")
def attack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Attack]:
    """One that finds whatever the watch sees, when it is over."""
    with serving(tmp_path_factory.mktemp("raw")) as (server, port):
        attack = Attack(port, SEED)
        watch = Watch(server, port, attack)
        yield attack
        watch.look()
        watch.read_log()
    assert attack.finds == []


@pytest.mark.parametrize("file", KEPT, ids=lambda file: file.stem)
def test_what_was_found_once_is_answered_well(attack: Attack, file: Path) -> None:
    kept = Case(0, file.stem, literal_eval(file.read_text()))

    assert judged(kept.sent, exchanged(attack.port, kept))[1] is None


def test_noise_is_answered_by_refusals(attack: Attack) -> None:
    cases = [case(SEED, number) for number in range(SAMPLE)]
    with ThreadPoolExecutor(SENDERS) as pool:
        for sent, received in zip(cases, pool.map(partial(exchanged, attack.port), cases), strict=True):
            attack.take(sent, received)

    assert attack.finds == []
    assert set(CHANGES) <= set(attack.kinds)


@pytest.mark.parametrize(
    ("received", "complaint"),
    [
        (OURS, None),
        (OURS + OURS, None),
        (b"HTTP/1.1 100 Continue\r\n\r\n" + OURS, None),
        (b"HTTP/1.1 400 Bad Request\r\ncontent-length: 0\r\n\r\n", None),
        (OURS.replace(b'"code"', b'"cod!"'), "404 without envelope"),
        (OURS.replace(b"404 Not Found", b"500 Sorry"), "500: "),
        (OURS + OURS.replace(b"404 Not Found", b"502 Sorry"), "502: "),
        (b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nhi", "200 that is not ours"),
        (b"HTTP/1.1 308 There\r\nX-Request-ID: 1\r\nLocation: http://evil.example/\r\n\r\n", "sends people to"),
        (b"Traceback (most recent call last)", "no status line"),
    ],
)
def test_bad_answers_are_noticed(received: bytes, complaint: str | None) -> None:
    told = judged(b"", received)[1]

    assert told is None if complaint is None else told and told.startswith(complaint)

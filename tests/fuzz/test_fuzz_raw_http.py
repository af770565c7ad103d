"""Regressions, and a sample of the malformed requests of the fuzz suite, against a server with two processes."""

from ast import literal_eval
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path

import pytest
from tests.fuzz.mutations import MUTATIONS, Case, make_case
from tests.fuzz.raw_http import SENDERS, RawFuzzer, ServerMonitor, run_server
from tests.fuzz.raw_http import exchange as send_case
from tests.fuzz.response_checks import check_responses

SEED = 1
SAMPLE = 120
REGRESSION_FILES = sorted((Path(__file__).parent / "regressions").glob("*.txt"))
ENVELOPE = b'{"status": "Error", "success": false, "message": "", "code": "", "request_id": "1"}'
OWN_RESPONSE = b"HTTP/1.1 404 Not Found\r\nX-Request-ID: 1\r\nContent-Length: %d\r\n\r\n%s" % (len(ENVELOPE), ENVELOPE)


@pytest.fixture(scope="module")
def fuzzer(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RawFuzzer]:
    """A fuzzer. Its findings include those of the server monitor."""
    with run_server(tmp_path_factory.mktemp("raw")) as (server, port):
        raw_fuzzer = RawFuzzer(port, SEED)
        monitor = ServerMonitor(server, port, raw_fuzzer)
        yield raw_fuzzer
        monitor.check()
        monitor.check_log()
    assert raw_fuzzer.findings == []


@pytest.mark.parametrize("file", REGRESSION_FILES, ids=lambda file: file.stem)
def test_past_findings_get_valid_responses(fuzzer: RawFuzzer, file: Path) -> None:
    case = Case(0, file.stem, literal_eval(file.read_text()))

    assert check_responses(case.data, send_case(fuzzer.port, case))[1] is None


def test_mutated_requests_get_valid_responses(fuzzer: RawFuzzer) -> None:
    cases = [make_case(SEED, number) for number in range(SAMPLE)]
    with ThreadPoolExecutor(SENDERS) as pool:
        for case, received in zip(cases, pool.map(partial(send_case, fuzzer.port), cases), strict=True):
            fuzzer.record(case, received)

    assert fuzzer.findings == []
    assert set(MUTATIONS) <= set(fuzzer.kinds)


@pytest.mark.parametrize(
    ("received", "expected"),
    [
        (OWN_RESPONSE, None),
        (OWN_RESPONSE + OWN_RESPONSE, None),
        (b"HTTP/1.1 100 Continue\r\n\r\n" + OWN_RESPONSE, None),
        (b"HTTP/1.1 400 Bad Request\r\ncontent-length: 0\r\n\r\n", None),
        (OWN_RESPONSE.replace(b'"code"', b'"cod!"'), "404 without envelope"),
        (OWN_RESPONSE.replace(b"404 Not Found", b"500 Sorry"), "500: "),
        (OWN_RESPONSE + OWN_RESPONSE.replace(b"404 Not Found", b"502 Sorry"), "502: "),
        (b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nhi", "200 not from flaskauth"),
        (b"HTTP/1.1 308 There\r\nX-Request-ID: 1\r\nLocation: http://evil.example/\r\n\r\n", "redirects to"),
        (b"Traceback (most recent call last)", "no status line"),
    ],
)
def test_invalid_responses_are_detected(received: bytes, expected: str | None) -> None:
    failure = check_responses(b"", received)[1]

    assert failure is None if expected is None else failure and failure.startswith(expected)

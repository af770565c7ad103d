"""The filter of breached passwords: what was put in is found, hardly anything else is, and it is whole or not there."""

import hashlib
import itertools
import os
import pty
import signal
import subprocess
import tracemalloc
from collections.abc import Iterator
from io import BytesIO
from pathlib import Path
from typing import IO

import pytest
from tests.journeys.processes import COMMANDS, Place
from tests.passwords.leaked import KNOWN, build, filter_of, name_of

from flaskauth import bloom
from flaskauth.bloom import Bloom, NoFilter
from flaskauth.breaches import building

MANY, OTHERS = 20_000, 100_000
COMMAND = (str(COMMANDS / "flaskauth"), "passwords", "build-filter")


def digests(word: str, count: int) -> Iterator[bytes]:
    return (hashlib.sha1(f"{word} {number}".encode()).digest() for number in range(count))


def listed(number: int, digest: bytes) -> str:
    """A line, in each form in which they come."""
    name = digest.hex() if number % 2 else digest.hex().upper()
    return name + ("", f":{number + 1}")[number % 3 > 0] + ("\n", "\r\n")[number % 5 > 0]


@pytest.fixture
def many(tmp_path: Path) -> Path:
    """A list of many hashes."""
    path = tmp_path / "many.txt"
    path.write_text("".join(itertools.starmap(listed, enumerate(digests("known", MANY)))), newline="")
    return path


@pytest.mark.parametrize("one_in", [100, 1000, 100_000])
def test_all_that_was_put_in_is_found_and_of_others_one_in_so_many(tmp_path: Path, many: Path, one_in: int) -> None:
    out = tmp_path / "filter"
    done = build(many, "--output", out, "--one-in", str(one_in))

    assert done.exit_code == 0, done.output
    assert all(bloom.holds(out, digest) for digest in digests("known", MANY))
    mistakes = sum(bloom.holds(out, digest) for digest in digests("other", OTHERS))
    assert mistakes <= 1.25 * OTHERS / one_in + 4
    assert mistakes >= 0.75 * OTHERS / one_in - 4


def test_it_is_as_small_as_it_says(tmp_path: Path, many: Path) -> None:
    build(many, "--output", tmp_path / "filter")
    found = bloom.read(tmp_path / "filter")

    assert (found.count, (tmp_path / "filter").stat().st_size) == (MANY, found.size)
    assert found.size * 8 / MANY < 30
    assert Bloom.fitting(10**9, 100_000).size < 3.4e9
    assert 100_000 <= Bloom.fitting(10**9, 100_000).one_in < 112_000


def test_the_order_of_the_list_does_not_matter(tmp_path: Path, many: Path) -> None:
    (tmp_path / "sorted.txt").write_text("".join(sorted(many.read_text().upper().splitlines(keepends=True))))
    for name in ("many", "sorted"):
        assert build(tmp_path / f"{name}.txt", "--output", tmp_path / name).exit_code == 0

    assert (tmp_path / "many").read_bytes() == (tmp_path / "sorted").read_bytes()


def test_lines_of_another_form_are_left_out_and_counted(tmp_path: Path) -> None:
    good = name_of(KNOWN)
    odd = ("", "kettles", good[:39], good + "0", good + ":", good + ":many", good + ":-1", good + ":0", good + " :3 4")
    strange = ("Z" + good[1:], good[:20] + " " + good[21:], "\u00e9" * 20, "x" * 10_000_000, good + ":" + "0" * 5000)
    (tmp_path / "list").write_text("\n".join([*odd, *strange, f"{good}:12"]))
    done = build(tmp_path / "list", "--output", tmp_path / "filter")

    assert done.exit_code == 0, done.output
    assert f"{len(odd + strange)} lines of another form were left out." in done.stdout
    assert bloom.read(tmp_path / "filter").count == 1
    assert bloom.holds(tmp_path / "filter", bytes.fromhex(good))


def test_passwords_themselves_can_be_listed(tmp_path: Path) -> None:
    passwords = [KNOWN, "  spaces around  ", "fünf grüne ﬂöße ①", "пять чайников"]
    (tmp_path / "list").write_bytes("\r\n".join(passwords).encode() + b"\r\ncaf\xe9\r\n\r\n")
    done = build(tmp_path / "list", "--output", tmp_path / "filter", "--plain")

    assert "2 lines of another form" in done.stdout
    for password in (*passwords[:2], "fünf grüne flöße 1", passwords[3]):
        assert bloom.holds(tmp_path / "filter", bytes.fromhex(name_of(password)))
    assert not bloom.holds(tmp_path / "filter", bytes.fromhex(name_of("spaces around")))


@pytest.mark.parametrize(
    ("text", "options", "told"),
    [
        (f"{KNOWN}\n", (), "No line of it is a SHA-1 hash in hexadecimal. Where it has passwords, say --plain."),
        ("", (), "No line of it is a SHA-1 hash"),
        ("\n\n", ("--plain",), "No line of it is a password in UTF-8."),
    ],
)
def test_a_list_without_a_usable_line_makes_no_filter(
    tmp_path: Path, text: str, options: tuple[str, ...], told: str
) -> None:
    (tmp_path / "list").write_text(text)
    done = build(tmp_path / "list", "--output", tmp_path / "filter", *options)

    assert (done.exit_code, told in done.stderr) == (1, True)
    assert [path.name for path in tmp_path.iterdir()] == ["list"]


def test_standard_input_needs_a_count(tmp_path: Path) -> None:
    given = f"{name_of(KNOWN)}:1\n{name_of('another')}:1".encode()
    refused = build("-", "--output", tmp_path / "filter", given=given)
    assert (refused.exit_code, "say with --count how many lines come" in refused.stderr) == (2, True)

    done = build("-", "--output", tmp_path / "filter", "--count", "1", given=given)
    assert "More came than the 1 of --count" in done.stdout
    assert bloom.holds(tmp_path / "filter", bytes.fromhex(name_of(KNOWN)))


def test_what_it_cannot_do_is_told_in_words(tmp_path: Path, many: Path) -> None:
    out = tmp_path / "filter"
    for words, code, told in (
        ((tmp_path / "nowhere", "--output", out), 2, "nowhere' does not exist."),
        ((many, "--output", tmp_path / "nowhere" / "filter"), 1, "nowhere/filter: No such file or directory"),
        ((many,), 2, "Missing option '--output'"),
        ((many, "--output", out, "--one-in", "5"), 2, "--one-in"),
    ):
        done = build(*words)
        assert (done.exit_code, told in done.stderr) == (code, True), done.stderr
        assert isinstance(done.exception, SystemExit)
    assert list(tmp_path.iterdir()) == [many]


def test_its_help_says_what_a_list_is() -> None:
    said = " ".join(build("--help").stdout.split())

    for told in ("SHA-1 hash in hexadecimal", "BREACHED_PASSWORDS", "--plain", "--count", "[default: 100000"):
        assert told in said


def test_it_needs_no_settings_and_says_which_to_set(tmp_path: Path, many: Path) -> None:
    place = Place(tmp_path, {"FLASKAUTH_ENV": "nonsense"})
    said = place.run("flaskauth", "passwords", "build-filter", "many.txt", "--output", "filter")

    assert "filter: 20,000 passwords, 73.7 kB. Of others one in 1" in said
    assert "20,000 lines in " in said
    assert f"BREACHED_PASSWORDS={tmp_path}/filter" in said


def test_others_may_read_it(tmp_path: Path) -> None:
    assert filter_of(tmp_path, KNOWN).stat().st_mode & 0o777 == 0o644


@pytest.mark.parametrize("end", [signal.SIGKILL, signal.SIGINT])
def test_who_is_stopped_half_way_leaves_the_old_filter_as_it_was(tmp_path: Path, end: signal.Signals) -> None:
    before = filter_of(tmp_path, KNOWN, name="filter").read_bytes()
    words = (*COMMAND, "-", "--count", "1000000", "--output", "filter")
    # Where the tests run in the background of a shell, Ctrl-C would not be heard by what they start.
    half = subprocess.Popen(
        ("env", "--default-signal=INT", *words),
        cwd=tmp_path,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
    )
    with half:
        assert half.stdin
        half.stdin.write("".join(itertools.starmap(listed, enumerate(digests("half", 200_000)))).encode())
        half.stdin.flush()
        half.send_signal(end)
        half.stdin.close()
        assert half.wait(30) != 0

    assert (tmp_path / "filter").read_bytes() == before
    left = list(tmp_path.glob("filter.*.part"))
    assert len(left) == (end == signal.SIGKILL)
    for path in left:
        with pytest.raises(NoFilter):
            bloom.read(path)


def test_there_is_a_bar_at_a_terminal_and_nowhere_else(tmp_path: Path, many: Path) -> None:
    words = (*COMMAND, "many.txt", "--output", "filter")
    shown, terminal = pty.openpty()
    at_terminal = subprocess.run(
        words, cwd=tmp_path, stdout=subprocess.PIPE, stderr=terminal, check=True, env={"TERM": "xterm", "PATH": ""}
    )
    os.close(terminal)
    piped = subprocess.run(words, cwd=tmp_path, capture_output=True, check=True)

    assert b"Counting" in (bar := read_all(shown))
    assert b"Putting in" in bar
    assert piped.stderr == b""
    assert b"\x1b" not in piped.stdout + at_terminal.stdout


def read_all(terminal: int) -> bytes:
    found = b""
    try:
        while chunk := os.read(terminal, 65536):
            found += chunk
    except OSError:  # the other end is closed
        pass
    os.close(terminal)
    return found


class Endless(BytesIO):
    """One line of 200 megabytes."""

    def __init__(self) -> None:
        self.left = 200

    def read(self, _length: int | None = -1) -> bytes:
        self.left -= 1
        return b"x" * building.AT_A_TIME if self.left > 0 else b""


@pytest.mark.parametrize("read", [building.hashed, building.plain])
def test_a_line_without_end_takes_no_memory(tmp_path: Path, read: building.Read) -> None:
    stream: IO[bytes] = Endless()
    tracemalloc.start()
    with pytest.raises(building.NothingUsable):
        building.build(stream, tmp_path / "filter", Bloom.fitting(1, 1000), read, lambda _length: None)
    most = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()

    assert most < 8 * building.AT_A_TIME


@pytest.mark.parametrize("harm", ["empty", "cut", "longer", "magic", "version", "no bits", "many bits", "no pages"])
def test_what_is_no_filter_is_not_taken_for_one(tmp_path: Path, harm: str) -> None:
    path = filter_of(tmp_path, KNOWN)
    whole = path.read_bytes()
    path.write_bytes(
        {
            "empty": b"",
            "cut": whole[:-1],
            "longer": whole + b"\0",
            "magic": b"F" + whole[1:],
            "version": whole[:16] + b"\2" + whole[17:],
            "no bits": whole[:20] + bytes(4) + whole[24:],
            "many bits": whole[:20] + b"\xff" * 4 + whole[24:],
            "no pages": whole[:24] + bytes(8) + whole[32:],
        }[harm]
    )

    for ask in (lambda: bloom.read(path), lambda: bloom.holds(path, bytes(20))):
        with pytest.raises(NoFilter):
            ask()

"""The Bloom filter of breached passwords: no false negatives, few false positives, atomic builds, damaged files."""

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
from tests.breached_passwords.helpers import BREACHED_PASSWORD, build_filter, make_filter_file, sha1_hex
from tests.e2e.processes import BIN_FOLDER, Workspace

from flaskauth import bloom_filter
from flaskauth.bloom_filter import BloomFilter, InvalidFilterFile
from flaskauth.breached_passwords import filter_builder

LISTED_COUNT, UNLISTED_COUNT = 20_000, 100_000
COMMAND = (str(BIN_FOLDER / "flaskauth"), "passwords", "build-filter")


def digests(prefix: str, count: int) -> Iterator[bytes]:
    return (hashlib.sha1(f"{prefix} {number}".encode()).digest() for number in range(count))


def format_line(number: int, digest: bytes) -> str:
    """Return a line in one of the spellings that hash lists use: case, count and line ending vary."""
    hex_digest = digest.hex() if number % 2 else digest.hex().upper()
    return hex_digest + ("", f":{number + 1}")[number % 3 > 0] + ("\n", "\r\n")[number % 5 > 0]


@pytest.fixture
def hash_list(tmp_path: Path) -> Path:
    """Write a list of many hashes."""
    path = tmp_path / "many.txt"
    path.write_text("".join(itertools.starmap(format_line, enumerate(digests("known", LISTED_COUNT)))), newline="")
    return path


@pytest.mark.parametrize("one_in", [100, 1000, 100_000])
def test_filter_finds_all_entries_and_few_false_positives(tmp_path: Path, hash_list: Path, one_in: int) -> None:
    out = tmp_path / "filter"
    result = build_filter(hash_list, "--output", out, "--one-in", str(one_in))

    assert result.exit_code == 0, result.output
    assert all(bloom_filter.contains(out, digest) for digest in digests("known", LISTED_COUNT))
    false_positives = sum(bloom_filter.contains(out, digest) for digest in digests("other", UNLISTED_COUNT))
    assert false_positives <= 1.25 * UNLISTED_COUNT / one_in + 4
    assert false_positives >= 0.75 * UNLISTED_COUNT / one_in - 4


def test_filter_has_expected_size(tmp_path: Path, hash_list: Path) -> None:
    build_filter(hash_list, "--output", tmp_path / "filter")
    header = bloom_filter.read_header(tmp_path / "filter")

    assert (header.count, (tmp_path / "filter").stat().st_size) == (LISTED_COUNT, header.file_size)
    assert header.file_size * 8 / LISTED_COUNT < 30
    assert BloomFilter.for_count(10**9, 100_000).file_size < 3.4e9
    assert 100_000 <= BloomFilter.for_count(10**9, 100_000).one_in < 112_000


def test_filter_is_independent_of_input_order(tmp_path: Path, hash_list: Path) -> None:
    (tmp_path / "sorted.txt").write_text("".join(sorted(hash_list.read_text().upper().splitlines(keepends=True))))
    for name in ("many", "sorted"):
        assert build_filter(tmp_path / f"{name}.txt", "--output", tmp_path / name).exit_code == 0

    assert (tmp_path / "many").read_bytes() == (tmp_path / "sorted").read_bytes()


def test_build_filter_skips_and_counts_malformed_lines(tmp_path: Path) -> None:
    valid_hash = sha1_hex(BREACHED_PASSWORD)
    malformed = (
        "",
        "kettles",
        valid_hash[:39],
        valid_hash + "0",
        valid_hash + ":",
        valid_hash + ":many",
        valid_hash + ":-1",
        valid_hash + ":0",
        valid_hash + " :3 4",
    )
    nearly_valid = (
        "Z" + valid_hash[1:],
        valid_hash[:20] + " " + valid_hash[21:],
        "\u00e9" * 20,
        "x" * 10_000_000,
        valid_hash + ":" + "0" * 5000,
    )
    (tmp_path / "list").write_text("\n".join([*malformed, *nearly_valid, f"{valid_hash}:12"]))
    result = build_filter(tmp_path / "list", "--output", tmp_path / "filter")

    assert result.exit_code == 0, result.output
    assert f"{len(malformed + nearly_valid)} lines in a different format were skipped." in result.stdout
    assert bloom_filter.read_header(tmp_path / "filter").count == 1
    assert bloom_filter.contains(tmp_path / "filter", bytes.fromhex(valid_hash))


def test_build_filter_reads_plain_passwords(tmp_path: Path) -> None:
    passwords = [BREACHED_PASSWORD, "  spaces around  ", "fünf grüne ﬂöße ①", "пять чайников"]
    (tmp_path / "list").write_bytes("\r\n".join(passwords).encode() + b"\r\ncaf\xe9\r\n\r\n")
    result = build_filter(tmp_path / "list", "--output", tmp_path / "filter", "--plain")

    assert "2 lines in a different format" in result.stdout
    for password in (*passwords[:2], "fünf grüne flöße 1", passwords[3]):
        assert bloom_filter.contains(tmp_path / "filter", bytes.fromhex(sha1_hex(password)))
    assert not bloom_filter.contains(tmp_path / "filter", bytes.fromhex(sha1_hex("spaces around")))


@pytest.mark.parametrize(
    ("text", "options", "message"),
    [
        (
            f"{BREACHED_PASSWORD}\n",
            (),
            "The file contains no SHA-1 hash in hexadecimal. If it contains passwords, use --plain.",
        ),
        ("", (), "The file contains no SHA-1 hash"),
        ("\n\n", ("--plain",), "The file contains no password in UTF-8."),
    ],
)
def test_build_filter_without_usable_lines_fails(
    tmp_path: Path, text: str, options: tuple[str, ...], message: str
) -> None:
    (tmp_path / "list").write_text(text)
    result = build_filter(tmp_path / "list", "--output", tmp_path / "filter", *options)

    assert (result.exit_code, message in result.stderr) == (1, True)
    assert [path.name for path in tmp_path.iterdir()] == ["list"]


def test_build_filter_from_stdin_requires_count(tmp_path: Path) -> None:
    lines = f"{sha1_hex(BREACHED_PASSWORD)}:1\n{sha1_hex('another')}:1".encode()
    rejected = build_filter("-", "--output", tmp_path / "filter", stdin=lines)
    assert (rejected.exit_code, "specify the number of lines with --count" in rejected.stderr) == (2, True)

    result = build_filter("-", "--output", tmp_path / "filter", "--count", "1", stdin=lines)
    assert "The list has more lines than --count (1)" in result.stdout
    assert bloom_filter.contains(tmp_path / "filter", bytes.fromhex(sha1_hex(BREACHED_PASSWORD)))


def test_build_filter_reports_errors_without_traceback(tmp_path: Path, hash_list: Path) -> None:
    out = tmp_path / "filter"
    for args, code, message in (
        ((tmp_path / "nowhere", "--output", out), 2, "nowhere' does not exist."),
        ((hash_list, "--output", tmp_path / "nowhere" / "filter"), 1, "nowhere/filter: No such file or directory"),
        ((hash_list,), 2, "Missing option '--output'"),
        ((hash_list, "--output", out, "--one-in", "5"), 2, "--one-in"),
    ):
        result = build_filter(*args)
        assert (result.exit_code, message in result.stderr) == (code, True), result.stderr
        assert isinstance(result.exception, SystemExit)
    assert list(tmp_path.iterdir()) == [hash_list]


def test_build_filter_help_describes_input() -> None:
    output = " ".join(build_filter("--help").stdout.split())

    for message in ("SHA-1 hash in hexadecimal", "BREACHED_PASSWORDS", "--plain", "--count", "[default: 100000"):
        assert message in output


def test_build_filter_needs_no_settings(tmp_path: Path, hash_list: Path) -> None:
    workspace = Workspace(tmp_path, {"FLASKAUTH_ENV": "nonsense"})
    output = workspace.run("flaskauth", "passwords", "build-filter", "many.txt", "--output", "filter")

    assert "filter: 20,000 passwords, 73.7 kB. False positives: one in 1" in output
    assert "20,000 lines in " in output
    assert f"BREACHED_PASSWORDS={tmp_path}/filter" in output


def test_filter_file_is_world_readable(tmp_path: Path) -> None:
    assert make_filter_file(tmp_path, BREACHED_PASSWORD).stat().st_mode & 0o777 == 0o644


@pytest.mark.parametrize("stop_signal", [signal.SIGKILL, signal.SIGINT])
def test_interrupted_build_keeps_existing_filter(tmp_path: Path, stop_signal: signal.Signals) -> None:
    before = make_filter_file(tmp_path, BREACHED_PASSWORD, name="filter").read_bytes()
    args = (*COMMAND, "-", "--count", "1000000", "--output", "filter")
    # Shells start background jobs with SIGINT ignored, and child processes inherit that.
    process = subprocess.Popen(
        ("env", "--default-signal=INT", *args),
        cwd=tmp_path,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
    )
    with process:
        assert process.stdin
        process.stdin.write("".join(itertools.starmap(format_line, enumerate(digests("half", 200_000)))).encode())
        process.stdin.flush()
        process.send_signal(stop_signal)
        process.stdin.close()
        assert process.wait(30) != 0

    assert (tmp_path / "filter").read_bytes() == before
    leftovers = list(tmp_path.glob("filter.*.part"))
    assert len(leftovers) == (stop_signal == signal.SIGKILL)
    for path in leftovers:
        with pytest.raises(InvalidFilterFile):
            bloom_filter.read_header(path)


def test_progress_bar_is_shown_only_on_terminal(tmp_path: Path, hash_list: Path) -> None:
    args = (*COMMAND, "many.txt", "--output", "filter")
    pty_master, terminal = pty.openpty()
    on_terminal = subprocess.run(
        args, cwd=tmp_path, stdout=subprocess.PIPE, stderr=terminal, check=True, env={"TERM": "xterm", "PATH": ""}
    )
    os.close(terminal)
    piped = subprocess.run(args, cwd=tmp_path, capture_output=True, check=True)

    assert b"Counting" in (progress := read_terminal(pty_master))
    assert b"Adding" in progress
    assert piped.stderr == b""
    assert b"\x1b" not in piped.stdout + on_terminal.stdout


def read_terminal(terminal: int) -> bytes:
    output = b""
    try:
        while chunk := os.read(terminal, 65536):
            output += chunk
    except OSError:  # the other end is closed
        pass
    os.close(terminal)
    return output


class EndlessLine(BytesIO):
    """One line of 200 megabytes."""

    def __init__(self) -> None:
        self.chunks_left = 200

    def parse_line(self, _length: int | None = -1) -> bytes:
        self.chunks_left -= 1
        return b"x" * filter_builder.CHUNK_SIZE if self.chunks_left > 0 else b""


@pytest.mark.parametrize("parse_line", [filter_builder.parse_sha1_line, filter_builder.parse_password_line])
def test_endless_line_uses_bounded_memory(tmp_path: Path, parse_line: filter_builder.LineParser) -> None:
    stream: IO[bytes] = EndlessLine()
    tracemalloc.start()
    with pytest.raises(filter_builder.EmptyInput):
        filter_builder.build(
            stream, tmp_path / "filter", BloomFilter.for_count(1, 1000), parse_line, lambda _length: None
        )
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()

    assert peak < 8 * filter_builder.CHUNK_SIZE


@pytest.mark.parametrize("damage", ["empty", "cut", "longer", "magic", "version", "no bits", "many bits", "no pages"])
def test_damaged_filter_file_is_rejected(tmp_path: Path, damage: str) -> None:
    path = make_filter_file(tmp_path, BREACHED_PASSWORD)
    content = path.read_bytes()
    path.write_bytes(
        {
            "empty": b"",
            "cut": content[:-1],
            "longer": content + b"\0",
            "magic": b"F" + content[1:],
            "version": content[:16] + b"\2" + content[17:],
            "no bits": content[:20] + bytes(4) + content[24:],
            "many bits": content[:20] + b"\xff" * 4 + content[24:],
            "no pages": content[:24] + bytes(8) + content[32:],
        }[damage]
    )

    with pytest.raises(InvalidFilterFile):
        bloom_filter.read_header(path)
    with pytest.raises(InvalidFilterFile):
        bloom_filter.contains(path, bytes(20))

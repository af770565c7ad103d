"""Files that operators bring: settings and people. What is wrong is told in words, whatever stands in them."""

import io
import json
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path

import pytest
from flask import Flask
from hypothesis import example, given
from hypothesis import strategies as st
from tests.conftest import SECRET
from tests.fuzz.texts import ADDRESSES
from tests.users.hashes import SAMPLES

from flaskauth.settings import Settings
from flaskauth.settings.model import names
from flaskauth.users.importing import Import
from flaskauth.users.newcomers import FIELDS, Newcomer, Refused, read
from flaskauth.users.reading import CSV, JSON_LINES, People, Row, Unreadable
from flaskauth.users.refusals import Refusals

NOW = datetime(2026, 1, 10, tzinfo=UTC)
COUNTRIES = {"NG": 566}
# Where something is kept is made when it is asked for: nobody wants folders with such names.
NAMES = sorted({*names(), "REDIS_URL_FILE", "FLASKAUTH_NONE"} - {"FLASKAUTH_INSTANCE_PATH", "SECRET_KEY"})
PIECES = st.sampled_from(
    [
        *("://", "mysql", "sqlite", "redis", "https", "http", "user:pass@", "example.com", "[::1]", "[", "]", ":0"),
        *(":99999", ":x", "/", "?", "#", "@", "%", "%zz", ",", " ", "true", "1", "-1", "1e9", "nan", "10.0.0.0/8"),
        *("127.0.0.1", "+pymysql", "+none", "ssl_ca=", "=", "\\", "'", '"', "$", "${A}", "\x1b", "é"),
        *("\u0661", "a <b@c>", "|"),
    ]
)
# No NUL: the environment has none.
VALUES = st.one_of(st.lists(PIECES, max_size=6).map("".join), st.text(st.characters(exclude_characters="\0")))
LINES = st.one_of(
    st.builds("{}={}".format, st.sampled_from(NAMES), VALUES),
    st.builds('{}="{}"'.format, st.sampled_from(NAMES), VALUES),
    st.builds("export {}='{}'".format, st.sampled_from(NAMES), VALUES),
    st.text(),
)
CELLS = st.one_of(
    ADDRESSES,
    st.sampled_from(
        ["", "1", "true", "f", "9007199254740993", "2024-02-30", "2024-01-01T00:00:00+14:00", "NG", "en-US", "!"]
    ),
    st.sampled_from(
        ["0001-01-01", "9999-12-31T23:59:59-23:59", "1970-01-01T00:00:00.000001Z", "2024-W01-1", "20240101"]
    ),
    st.sampled_from(sorted(SAMPLES.values())),
    st.text(),
)
JSON = st.one_of(CELLS, st.none(), st.booleans(), st.integers(), st.floats(), st.lists(CELLS, max_size=2))
PEOPLE = st.lists(st.dictionaries(st.sampled_from(sorted(FIELDS)), JSON), max_size=4)


@pytest.fixture(scope="module")
def dotenv(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("settings") / "fuzzed.env"


def load(dotenv: Path, content: bytes, **environ: str) -> None:
    dotenv.write_bytes(content)
    settings, faults = Settings.examine({"SECRET_KEY": SECRET, **environ}, dotenv)

    assert all(": " in fault for fault in faults)
    if not faults:
        assert settings.database_url.drivername
        assert "@" in settings.sender
        assert all(": " in warning for warning in settings.warnings())


@given(st.one_of(st.binary(), st.lists(LINES).map(lambda lines: "\n".join(lines).encode("utf-8", "replace"))))
@example(b"REDIS_URL_FILE=\x00")
@example(b"MAIL_CA_FILE=\x00")
def test_any_file_of_settings_is_read_or_its_faults_are_told(dotenv: Path, content: bytes) -> None:
    load(dotenv, content)


@given(st.dictionaries(st.sampled_from(NAMES), VALUES))
@example({"SQLALCHEMY_DATABASE_URI": "mysql://a:b@c:x/d"})
@example({"PUBLIC_URL": "https://["})
def test_any_values_are_taken_or_their_faults_are_told(dotenv: Path, environ: dict[str, str]) -> None:
    load(dotenv, b"", **environ)


def rows(content: bytes, form: str) -> list[Row]:
    with suppress(Unreadable):
        return list(People(io.BytesIO(content), form))
    return []


def judged(row: Row) -> Newcomer | None:
    with suppress(Refused):
        return read(row, COUNTRIES, NOW)
    return None


def is_storable(newcomer: Newcomer) -> bool:
    columns = newcomer.columns
    lengths = {"email": 254, "address": 320, "first_name": 100, "last_name": 100, "password": 255, "locale": 16}
    fits = all(len((columns[name] or "").encode()) <= 4 * most for name, most in lengths.items())
    moments = [columns[name] for name in ("created_at", "disabled_at", "closes_at")]
    return fits and all(1969 <= moment.astimezone(UTC).year <= 9999 for moment in moments if moment)


@given(st.binary(), st.sampled_from([CSV, JSON_LINES]))
@example(b'email\n"a\n\x00b"c\n', CSV)
@example(b"email\n" + b"a" * 140_000, CSV)
@example(b'{"email":"\\ud800@example.com"}', JSON_LINES)
def test_any_bytes_are_rows_that_are_taken_or_refused(content: bytes, form: str) -> None:
    header = b"email,first_name,password\n"
    for row in [*rows(content, form), *rows(header + content if form == CSV else content, form)]:
        found = judged(row)
        assert found is None or is_storable(found)


@given(PEOPLE)
@example([{"email": "grace@example.com", "created_at": "1970-01-01T00:00:00+14:00"}])
def test_whatever_objects_say_of_people_they_are_brought_in_or_refused(
    server: Flask, people: list[dict[str, object]]
) -> None:
    content = b"\n".join(json.dumps(person).encode("utf-8", "replace") for person in people)
    found, importing = rows(content, JSON_LINES), Import()
    with server.app_context():
        refused = importing.take(found)

    tally = importing.tally
    assert tally.new + tally.already + len(refused) == len(found)


@given(
    st.lists(
        st.one_of(st.binary(max_size=30), st.sampled_from([b'"', b"'", b",", b"\r", b"\r\n", b"\xff", b"a@b.com"]))
    )
)
def test_rows_that_were_refused_are_written_as_they_stood(dotenv: Path, pieces: list[bytes]) -> None:
    path, content = dotenv.with_suffix(".csv"), b"email,last_name\n" + b"\n".join(pieces)
    found = rows(content, CSV)
    with Refusals(path, CSV) as refusals:
        for row in found:
            refusals.write(row, "reason", "email,last_name\n")

    written = path.read_bytes() if found else b""
    assert all(row.text.rstrip("\r\n").encode("utf-8", "surrogateescape") in written for row in found)

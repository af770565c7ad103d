"""Any settings file and import file is either accepted or rejected with an error message."""

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
from tests.fuzz.strategies import EMAIL_ADDRESSES
from tests.user_admin.sample_hashes import SAMPLES

from flaskauth.settings import Settings
from flaskauth.settings.model import setting_names
from flaskauth.user_admin.import_reader import CSV, JSON_LINES, Row, RowReader, UnreadableFile
from flaskauth.user_admin.import_row import FIELDS, ImportedUser, RowRejected, parse_row
from flaskauth.user_admin.importer import Import
from flaskauth.user_admin.rejects import RejectsFile

NOW = datetime(2026, 1, 10, tzinfo=UTC)
COUNTRIES = {"NG": 566}
# These folders are created on use; arbitrary names must not be.
NAMES = sorted({*setting_names(), "REDIS_URL_FILE", "FLASKAUTH_NONE"} - {"FLASKAUTH_INSTANCE_PATH", "SECRET_KEY"})
PIECES = st.sampled_from(
    [
        *("://", "mysql", "sqlite", "redis", "https", "http", "user:pass@", "example.com", "[::1]", "[", "]", ":0"),
        *(":99999", ":x", "/", "?", "#", "@", "%", "%zz", ",", " ", "true", "1", "-1", "1e9", "nan", "10.0.0.0/8"),
        *("127.0.0.1", "+pymysql", "+none", "ssl_ca=", "=", "\\", "'", '"', "$", "${A}", "\x1b", "é"),
        *("\u0661", "a <b@c>", "|"),
    ]
)
# No NUL: environment variables cannot contain it.
VALUES = st.one_of(st.lists(PIECES, max_size=6).map("".join), st.text(st.characters(exclude_characters="\0")))
ENV_LINES = st.one_of(
    st.builds("{}={}".format, st.sampled_from(NAMES), VALUES),
    st.builds('{}="{}"'.format, st.sampled_from(NAMES), VALUES),
    st.builds("export {}='{}'".format, st.sampled_from(NAMES), VALUES),
    st.text(),
)
CELL_VALUES = st.one_of(
    EMAIL_ADDRESSES,
    st.sampled_from(
        ["", "1", "true", "f", "9007199254740993", "2024-02-30", "2024-01-01T00:00:00+14:00", "NG", "en-US", "!"]
    ),
    st.sampled_from(
        ["0001-01-01", "9999-12-31T23:59:59-23:59", "1970-01-01T00:00:00.000001Z", "2024-W01-1", "20240101"]
    ),
    st.sampled_from(sorted(SAMPLES.values())),
    st.text(),
)
JSON_VALUES = st.one_of(
    CELL_VALUES, st.none(), st.booleans(), st.integers(), st.floats(), st.lists(CELL_VALUES, max_size=2)
)
USER_OBJECTS = st.lists(st.dictionaries(st.sampled_from(sorted(FIELDS)), JSON_VALUES), max_size=4)


@pytest.fixture(scope="module")
def dotenv(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("settings") / "fuzzed.env"


def check_settings(dotenv: Path, content: bytes, **environ: str) -> None:
    dotenv.write_bytes(content)
    settings, errors = Settings.load_with_errors({"SECRET_KEY": SECRET, **environ}, dotenv)

    assert all(": " in error for error in errors)
    if not errors:
        assert settings.database_url.drivername
        assert "@" in settings.sender
        assert all(": " in warning for warning in settings.warnings())


@given(st.one_of(st.binary(), st.lists(ENV_LINES).map(lambda lines: "\n".join(lines).encode("utf-8", "replace"))))
@example(b"REDIS_URL_FILE=\x00")
@example(b"MAIL_CA_FILE=\x00")
def test_any_settings_file_loads_or_lists_faults(dotenv: Path, content: bytes) -> None:
    check_settings(dotenv, content)


@given(st.dictionaries(st.sampled_from(NAMES), VALUES))
@example({"SQLALCHEMY_DATABASE_URI": "mysql://a:b@c:x/d"})
@example({"PUBLIC_URL": "https://["})
def test_any_setting_values_load_or_list_faults(dotenv: Path, environ: dict[str, str]) -> None:
    check_settings(dotenv, b"", **environ)


def read_rows(content: bytes, file_format: str) -> list[Row]:
    with suppress(UnreadableFile):
        return list(RowReader(io.BytesIO(content), file_format))
    return []


def parse_or_reject(row: Row) -> ImportedUser | None:
    with suppress(RowRejected):
        return parse_row(row, COUNTRIES, NOW)
    return None


def is_storable(user: ImportedUser) -> bool:
    columns = user.columns
    lengths = {
        "email": 254,
        "normalized_email": 320,
        "first_name": 100,
        "last_name": 100,
        "password_hash": 255,
        "locale": 16,
    }
    fits = all(len(str(columns[name] or "").encode()) <= 4 * limit for name, limit in lengths.items())
    timestamps = [columns[name] for name in ("created_at", "disabled_at", "deletion_due_at")]
    return fits and all(
        isinstance(timestamp, datetime) and 1969 <= timestamp.astimezone(UTC).year <= 9999
        for timestamp in timestamps
        if timestamp
    )


@given(st.binary(), st.sampled_from([CSV, JSON_LINES]))
@example(b'email\n"a\n\x00b"c\n', CSV)
@example(b"email\n" + b"a" * 140_000, CSV)
@example(b'{"email":"\\ud800@example.com"}', JSON_LINES)
def test_any_import_bytes_give_storable_or_rejected_rows(content: bytes, file_format: str) -> None:
    header = b"email,first_name,password\n"
    for row in [
        *read_rows(content, file_format),
        *read_rows(header + content if file_format == CSV else content, file_format),
    ]:
        user = parse_or_reject(row)
        assert user is None or is_storable(user)


@given(USER_OBJECTS)
@example([{"email": "grace@example.com", "created_at": "1970-01-01T00:00:00+14:00"}])
def test_any_import_objects_are_imported_or_rejected(fuzzed_app: Flask, users: list[dict[str, object]]) -> None:
    content = b"\n".join(json.dumps(user).encode("utf-8", "replace") for user in users)
    rows, importer = read_rows(content, JSON_LINES), Import()
    with fuzzed_app.app_context():
        rejected = importer.import_batch(rows)

    stats = importer.stats
    assert stats.created + stats.existing + len(rejected) == len(rows)


@given(
    st.lists(
        st.one_of(st.binary(max_size=30), st.sampled_from([b'"', b"'", b",", b"\r", b"\r\n", b"\xff", b"a@b.com"]))
    )
)
def test_rejected_import_rows_are_written_unchanged(dotenv: Path, pieces: list[bytes]) -> None:
    path, content = dotenv.with_suffix(".csv"), b"email,last_name\n" + b"\n".join(pieces)
    rows = read_rows(content, CSV)
    with RejectsFile(path, CSV) as rejects_file:
        for row in rows:
            rejects_file.write(row, "reason", "email,last_name\n")

    written = path.read_bytes() if rows else b""
    assert all(row.text.rstrip("\r\n").encode("utf-8", "surrogateescape") in written for row in rows)

"""Imports of unusual or damaged files: readable rows are imported, all others are reported."""

import pytest
from flask import Flask
from tests.user_admin.helpers import AdminCLI, all_users, user_row

ON_SQLITE = pytest.mark.parametrize("database", ["sqlite"], indirect=True)
UNREADABLE_FILES = {
    "users.csv": {
        b"": "users.csv: The file is empty.",
        b"id,first_name\n1,Grace\n": "One must be email",
        b"email;first_name\ngrace@example.com;Grace\n": "comma-separated",
        b"email,email\na,b\n": "unique, comma-separated",
        b"\nemail\n": "must be a header with unique",
        b'"email\n': "not a CSV header",
        b"\xff\xfee\x00m\x00": "The file is UTF-16. Save it as UTF-8.",
        b"email,\xff\n": "must be a header with unique",
        b"email\n" + b"x" * 1_100_000: "Line 2 is longer than 1 MB.",
    },
    "users.jsonl": {
        b"": "users.jsonl: The file is empty.",
        b'[{"email": "grace@example.com"}]': "The file is one JSON array.",
        b'{"email": "' + b"x" * 1_100_000: "Line 1 is longer than 1 MB.",
    },
    "users.txt": {b"email\n": "Specify --format csv or --format jsonl."},
}


@ON_SQLITE
@pytest.mark.parametrize("name", UNREADABLE_FILES)
def test_import_of_unreadable_file_reports_error(app: Flask, admin_cli: AdminCLI, name: str) -> None:
    for raw, message in UNREADABLE_FILES[name].items():
        result = admin_cli.import_bytes(raw, name)
        assert result.exit_code in {1, 2}, raw[:40]
        assert message in result.stderr, raw[:40]
    assert all_users(app) == []


@ON_SQLITE
def test_import_of_missing_file_or_folder_reports_error(admin_cli: AdminCLI) -> None:
    assert "does not exist" in admin_cli.run("import", "missing.csv").stderr
    assert "is a directory" in admin_cli.run("import", ".").stderr


@ON_SQLITE
@pytest.mark.parametrize(
    "raw",
    [
        b"\xef\xbb\xbfemail,first_name\r\ngrace@example.com,Grace\r\n",
        b"Email , FIRST_NAME\n\ngrace@example.com,Grace",
        b'"email","first_name"\n"grace@example.com","Grace"\n\n\n',
    ],
    ids=["as spreadsheets write it", "as written by hand", "as databases write it"],
)
def test_import_accepts_csv_variants(app: Flask, admin_cli: AdminCLI, raw: bytes) -> None:
    result = admin_cli.import_bytes(raw)

    assert (result.exit_code, result.stderr) == (0, "")
    assert [(user.normalized_email, user.first_name) for user in all_users(app)] == [("grace@example.com", "Grace")]


@ON_SQLITE
def test_import_csv_keeps_quotes_commas_and_unicode(app: Flask, admin_cli: AdminCLI) -> None:
    admin_cli.import_bytes('email,first_name,last_name\na@example.com,"Grâce ""G"", 王","O\'Hara, Jr."\n'.encode())

    assert [(user.first_name, user.last_name) for user in all_users(app)] == [('Grâce "G", 王', "O'Hara, Jr.")]


@ON_SQLITE
def test_unreadable_csv_row_does_not_affect_next_row(app: Flask, admin_cli: AdminCLI) -> None:
    result = admin_cli.import_bytes(
        b"email,first_name\n"
        b'a@example.com,"Ann\n'
        b"b@example.com,Bob\n"
        b"c@example.com,Cy,more\n"
        b"d@example.com\n"
        b"e@example.com,E\xff\n"
        b"f@example.com,F\x00\n"
        b"g@example.com,Gil\n"
    )

    assert result.exit_code == 1
    assert {user.first_name for user in all_users(app)} == {"Bob", "Gil"}
    assert [line.split('"')[:2] for line in admin_cli.read_rejects().splitlines()[1:]] == [
        ["2,", "has unbalanced quotes"],
        ["4,", "has more columns than the header"],
        ["5,", "has fewer columns than the header"],
        ["6,", "is not UTF-8"],
        ["7,", "first_name: contains characters that are not allowed in names"],
    ]


@ON_SQLITE
def test_unreadable_json_line_does_not_affect_next_line(app: Flask, admin_cli: AdminCLI) -> None:
    result = admin_cli.import_bytes(
        b'\xef\xbb\xbf{"email": "a@example.com", "first_name": "Ann"}\r\n'
        b'{"email": "b@example.com"\n'
        b'"c@example.com"\n'
        b'{"email": "d@example.com", "first_name": "\xff"}\n'
        b'{"email": "e@example.com", "first_name": "\\u0000"}\n'
        b'{"email": "f@example.com", "first_name": "\\ud800"}\n'
        b"\n"
        b'{"email": "g@example.com", "first_name": "Gil"}',
        "users.ndjson",
    )

    assert (result.exit_code, result.reported_count("rejected")) == (1, 5)
    assert {user.first_name for user in all_users(app)} == {"Ann", "Gil"}
    assert '"rejected_line":5,"rejected_reason":"first_name: contains characters' in admin_cli.read_rejects(
        "users.ndjson.rejected.jsonl"
    )


@ON_SQLITE
def test_rejects_file_must_not_overwrite_input(admin_cli: AdminCLI) -> None:
    raw = b"email\nno address\nann@example.com\n"
    (admin_cli.folder / "users.csv").write_bytes(raw)
    result = admin_cli.run("import", "users.csv", "--rejected", "./users.csv")

    assert result.exit_code == 2
    assert "Specify a different file with --rejected." in result.stderr
    assert (admin_cli.folder / "users.csv").read_bytes() == raw


@ON_SQLITE
def test_import_of_header_only_file_creates_no_users(admin_cli: AdminCLI) -> None:
    result = admin_cli.import_bytes(b"email\n")

    assert (result.exit_code, result.reported_count("imported"), result.stderr) == (0, 0, "")


@ON_SQLITE
def test_rejects_file_does_not_follow_symlink(admin_cli: AdminCLI) -> None:
    """A local attacker who can write to the directory may have placed a symlink there."""
    victim = admin_cli.folder / "victim"
    victim.write_text("mine")
    (admin_cli.folder / "users.jsonl.rejected.jsonl").symlink_to(victim)

    result = admin_cli.import_rows(user_row("nothing"))
    assert (result.exit_code, victim.read_text()) == (1, "mine")
    assert "users.jsonl.rejected.jsonl" in result.stderr

"""User imports keep ids, names and hashes, and never change existing users."""

import csv
import io
from datetime import UTC, datetime
from typing import Any

import pytest
from flask import Flask
from tests.login.helpers import INVALID_CREDENTIALS
from tests.passwords.helpers import NEW_PASSWORD, request_reset, reset_password
from tests.support.db_snapshot import table_contents
from tests.support.inspect import error_of, single_event
from tests.support.users import PASSWORD, UserFactory
from tests.user_admin.helpers import AdminCLI, all_users, user_by_email, user_row
from tests.user_admin.sample_hashes import SAMPLES, SCHEMES

HASH = SAMPLES["bcrypt 2b"]
IMPORT_ROWS = [
    user_row("Grace@Example.com", password=HASH, country="NG", locale="en_GB", created_at="2024-01-10T16:43:48+01:00"),
    user_row("ada@example.com", id=6, verified=False, first_name="Ada", last_name=""),
    user_row("tim@example.com", id=None, password=SAMPLES["django argon2"], disabled_at="2024-02-01 00:00:00.000"),
]


def to_csv(rows: list[dict[str, Any]]) -> bytes:
    buffer = io.StringIO()
    writer = csv.DictWriter(buffer, sorted({name for row in rows for name in row}))
    writer.writeheader()
    writer.writerows(rows)
    return buffer.getvalue().encode()


def stored_users(app: Flask) -> list[tuple[Any, ...]]:
    """Return the stored users without generated ids and timestamps."""
    return sorted(
        (
            user.email,
            user.normalized_email,
            user.password_hash,
            user.is_verified,
            user.first_name,
            user.country_id,
            user.locale,
        )
        for user in all_users(app)
    )


def test_import_stores_all_columns(app: Flask, admin_cli: AdminCLI) -> None:
    result = admin_cli.import_rows(*IMPORT_ROWS)
    grace, ada, tim = all_users(app)

    assert (
        result.exit_code,
        result.reported_count("imported"),
        result.reported_count("- verified"),
        result.reported_count("- unverified"),
    ) == (0, 3, 2, 1)
    assert (
        result.reported_count("- hash: bcrypt"),
        result.reported_count("- hash: none"),
        result.reported_count("- disabled"),
    ) == (1, 1, 1)
    assert (grace.id, grace.email, grace.normalized_email) == (5, "Grace@example.com", "grace@example.com")
    assert (grace.country_id, grace.locale, grace.password_hash) == (566, "en-GB", HASH)
    assert grace.created_at == datetime(2024, 1, 10, 15, 43, 48, tzinfo=UTC)
    assert (ada.id, ada.last_name, ada.is_verified, ada.password_hash) == (6, "", False, None)
    assert tim.id > 2**32
    assert tim.disabled_at == datetime(2024, 2, 1, tzinfo=UTC)
    assert single_event(app, "users_imported").details == {"count": 3}


def test_import_csv_equals_json_lines(app: Flask, admin_cli: AdminCLI, database: str) -> None:
    admin_cli.import_rows(*IMPORT_ROWS)
    from_json = stored_users(app)

    result = admin_cli.import_bytes(to_csv(IMPORT_ROWS))
    assert (result.exit_code, result.reported_count("already exist")) == (0, 3)
    copies = [{**row, "id": None, "email": f"x{row['email']}"} for row in IMPORT_ROWS]
    assert admin_cli.import_bytes(to_csv(copies)).exit_code == 0
    assert [user[2:] for user in stored_users(app) if user[1].startswith("x")] == [user[2:] for user in from_json]


def test_import_reads_stdin(app: Flask, admin_cli: AdminCLI) -> None:
    result = admin_cli.run("import", "-", "--format", "csv", stdin=to_csv(IMPORT_ROWS))

    assert (result.exit_code, len(all_users(app))) == (0, 3)


def test_imported_user_logs_in_unless_disabled(app: Flask, admin_cli: AdminCLI) -> None:
    admin_cli.import_rows(*IMPORT_ROWS)

    assert user_by_email(app, "grace@example.com").login(PASSWORD).get_json()["user"]["id"] == 5
    assert error_of(user_by_email(app, "tim@example.com").login(PASSWORD)) == INVALID_CREDENTIALS


def test_imported_unverified_user_verifies_by_reset(app: Flask, admin_cli: AdminCLI, users: UserFactory) -> None:
    admin_cli.import_rows(user_row("ada@example.com", verified=False, password=HASH))
    ada = user_by_email(app, "ada@example.com")
    assert error_of(ada.login(PASSWORD)) == INVALID_CREDENTIALS

    reset = request_reset(users, ada.email)
    assert reset_password(users.client, reset.code, reset_id=reset.id).status_code == 200
    assert ada.login(NEW_PASSWORD).get_json()["user"]["is_verified"] is True


def test_import_is_idempotent(app: Flask, admin_cli: AdminCLI) -> None:
    admin_cli.import_rows(*IMPORT_ROWS)
    user_by_email(app).login(PASSWORD)
    before = table_contents(app)

    result = admin_cli.import_rows(*IMPORT_ROWS)
    assert (result.exit_code, result.reported_count("imported"), result.reported_count("already exist")) == (0, 0, 3)
    assert table_contents(app) == before


def test_import_keeps_existing_user_unchanged(app: Flask, admin_cli: AdminCLI, users: UserFactory) -> None:
    users.create_verified()
    [before] = stored_users(app)

    result = admin_cli.import_rows(user_row("GRACE@example.com", first_name="Mallory", password=HASH))
    assert (result.exit_code, result.reported_count("already exist")) == (0, 1)
    assert stored_users(app) == [before]


def test_import_dry_run_reports_same_and_writes_nothing(app: Flask, admin_cli: AdminCLI) -> None:
    invalid_row = user_row("nothing", id=7)
    before = table_contents(app)
    dry_result = admin_cli.import_rows(*IMPORT_ROWS, IMPORT_ROWS[0], invalid_row, options=("--dry-run",))

    assert (
        dry_result.exit_code,
        dry_result.reported_count("would import"),
        dry_result.reported_count("already exist"),
        dry_result.reported_count("rejected"),
    ) == (1, 3, 1, 1)
    assert table_contents(app) == before
    assert not list(admin_cli.folder.glob("*.rejected.*"))
    real_result = admin_cli.import_rows(*IMPORT_ROWS, IMPORT_ROWS[0], invalid_row)
    assert [
        real_result.reported_count(label)
        for label in ("- hash: bcrypt", "- hash: django argon2", "already exist", "rejected")
    ] == [
        dry_result.reported_count(label)
        for label in ("- hash: bcrypt", "- hash: django argon2", "already exist", "rejected")
    ]


def test_import_counts_each_hash_scheme(admin_cli: AdminCLI) -> None:
    rows = [
        user_row(f"p{number}@example.com", id=number + 1, password=password_hash)
        for number, password_hash in enumerate(SAMPLES.values())
    ]
    result = admin_cli.import_rows(*rows, options=("--dry-run",))

    assert {scheme: result.reported_count(f"- hash: {scheme}") for scheme in SCHEMES.values()} == {
        scheme: list(SCHEMES.values()).count(scheme) for scheme in SCHEMES.values()
    }


INVALID_ROWS: dict[str, dict[str, Any]] = {
    "email: missing": {"email": ""},
    "email: not a valid email address": {"email": "Grace <grace@example.com>"},
    "first_name: contains characters that are not allowed in names": {"first_name": "https://example.com"},
    "last_name: contains characters that are not allowed in names": {"last_name": "\uff57\uff57\uff57.example.com"},
    "last_name: longer than 100 characters": {"last_name": "x" * 101},
    "first_name: not a string or a number": {"first_name": ["Grace"]},
    "password: unknown hash scheme": {"password": "correct horse battery staple"},
    "password: longer than 255 bytes": {"password": HASH * 5},
    "password: cost outside the limits": {"password": HASH.replace("$04$", "$31$")},
    "country: not an ISO 3166-1 alpha-2 code": {"country": "XX"},
    "locale: not a language tag": {"locale": "English, mostly"},
    "verified: not true or false": {"verified": "perhaps"},
    "created_at: not an RFC 3339 time such as 2026-01-10T16:43:48Z": {"created_at": "10.1.2024 16:43"},
    "deletion_due_at: not an RFC 3339 time such as 2026-01-10T16:43:48Z": {
        "deletion_due_at": "9999-12-31T23:59:59-12:00"
    },
    "id: not an integer from 1 to 2^53 - 1": {"id": 2**53},
}


@pytest.mark.parametrize("database", ["sqlite"], indirect=True)
@pytest.mark.parametrize("reason", INVALID_ROWS)
def test_import_rejects_invalid_row_with_reason(app: Flask, admin_cli: AdminCLI, reason: str) -> None:
    invalid_row = user_row(**INVALID_ROWS[reason])
    result = admin_cli.import_rows(invalid_row, user_row("ada@example.com", id=6))

    assert (result.exit_code, result.reported_count("imported"), result.reported_count(f"- {reason}")) == (1, 1, 1)
    assert [user.id for user in all_users(app)] == [6]
    assert str(invalid_row["password"])[:12] not in result.stdout + result.stderr if "password" in invalid_row else True
    assert reason in admin_cli.read_rejects("users.jsonl.rejected.jsonl")


@pytest.mark.parametrize("database", ["sqlite"], indirect=True)
def test_import_reads_emails_as_registration_does(app: Flask, admin_cli: AdminCLI) -> None:
    valid = ("\xa0grace@corp.local\t", "gruß@example.com", "gruss@example.com", "\ufb01n@example.com")
    invalid = ("=?utf-8?q?a=40b=2C?=@example.com", "a\uff20b.com@example.com", "a b@example.com", '"a"@example.com')
    result = admin_cli.import_rows(*(user_row(email, id=number) for number, email in enumerate(valid + invalid, 1)))

    assert result.reported_count("imported") == len(valid)
    assert result.reported_count("- email: not a valid email address") == len(invalid)
    assert {user.normalized_email for user in all_users(app)} == {email.strip() for email in valid}
    assert admin_cli.run("disable", " GRACE@corp.local\n").exit_code == 0


@pytest.mark.parametrize("database", ["sqlite"], indirect=True)
def test_import_reads_names_and_locales_as_registration(app: Flask, admin_cli: AdminCLI) -> None:
    rows = (
        user_row(id=1, first_name="\u200fأحمد\u200e", locale="ar-u-nu-latn"),
        user_row("a@example.com", locale="pt_BR"),
    )
    result = admin_cli.import_rows(*rows)

    assert result.reported_count("imported") == 2
    assert {(user.first_name, user.locale) for user in all_users(app)} >= {("أحمد", "ar")}
    assert {user.locale for user in all_users(app)} == {"ar", "pt-BR"}


def test_rejects_file_is_private_and_can_be_reimported(app: Flask, admin_cli: AdminCLI) -> None:
    raw = (
        b'email,first_name,last_name,password\r\nbad,"Grace\r\nB.",x,\xff\r\nada@,"Ada, B",x,' + HASH.encode() + b"\r\n"
    )
    result = admin_cli.import_bytes(raw, options=("--rejected", "rejects.csv"))
    file = admin_cli.folder / "rejects.csv"

    assert (result.exit_code, result.reported_count("rejected"), file.stat().st_mode & 0o777) == (1, 2, 0o600)
    assert HASH not in result.stdout + result.stderr
    assert file.read_bytes().splitlines()[1] == b'2,"is not UTF-8",bad,"Grace'
    fixed = file.read_bytes().replace(b"ada@", b"ada@example.com").replace(b"\xff", b"")
    second_result = admin_cli.import_bytes(fixed, "fixed.csv")
    assert (
        second_result.reported_count("imported"),
        second_result.reported_count("rejected"),
        second_result.stderr,
    ) == (1, 1, "")
    assert [user.email for user in all_users(app)] == ["ada@example.com"]


def test_import_rejects_conflicting_ids_and_emails(app: Flask, admin_cli: AdminCLI) -> None:
    admin_cli.import_rows(user_row(id=5))
    result = admin_cli.import_rows(
        user_row("ada@example.com", id=5),
        user_row("tim@example.com", id=7, first_name="Tim"),
        user_row("Tim@example.com", id=7, first_name="Tom"),
        user_row("tom@example.com", id=7),
        user_row("GRACE@example.com", id=99),
    )

    assert (result.exit_code, result.reported_count("imported"), result.reported_count("already exist")) == (1, 1, 1)
    assert result.reported_count("- id: used by an existing user with a different email") == 1
    assert result.reported_count("- email: used in an earlier row with different data") == 1
    assert result.reported_count("- id: used in an earlier row with a different email") == 1
    assert [(user.id, user.first_name) for user in all_users(app)] == [(5, "Grace"), (7, "Tim")]


def test_import_reports_ignored_columns_once(admin_cli: AdminCLI) -> None:
    result = admin_cli.import_rows(
        user_row(shoe="44", hat="L"), user_row("ada@example.com", id=6, hat="\x1b[31mM", is_verified=1)
    )

    assert result.stderr == "Ignored columns: hat, shoe\n"


def test_import_of_2500_users_assigns_unique_ids(app: Flask, admin_cli: AdminCLI) -> None:
    result = admin_cli.import_rows(*(user_row(f"p{number}@example.com", id=None) for number in range(2500)))

    assert (result.exit_code, result.reported_count("imported")) == (0, 2500)
    assert len({user.id for user in all_users(app)}) == 2500

"""Files that are not what they should be: what can be read comes in, the rest is told in words."""

import pytest
from flask import Flask
from tests.users.desk import Desk, everybody, person

ON_SQLITE = pytest.mark.parametrize("database", ["sqlite"], indirect=True)
UNREADABLE = {
    "people.csv": {
        b"": "people.csv: It is empty.",
        b"id,first_name\n1,Grace\n": "one is email",
        b"email;first_name\ngrace@example.com;Grace\n": "with commas between",
        b"email,email\na,b\n": "each once",
        b"\nemail\n": "must name the columns",
        b'"email\n': "no header of columns",
        b"\xff\xfee\x00m\x00": "It is UTF-16. Save it as UTF-8.",
        b"email,\xff\n": "must name the columns",
        b"email\n" + b"x" * 1_100_000: "Line 2 is longer than a megabyte.",
    },
    "people.jsonl": {
        b"": "people.jsonl: It is empty.",
        b'[{"email": "grace@example.com"}]': "It is one list.",
        b'{"email": "' + b"x" * 1_100_000: "Line 1 is longer than a megabyte.",
    },
    "people.txt": {b"email\n": "Say --format csv or --format jsonl."},
}


@ON_SQLITE
@pytest.mark.parametrize("name", UNREADABLE)
def test_a_file_that_is_something_else_is_told_in_words(app: Flask, desk: Desk, name: str) -> None:
    for raw, words in UNREADABLE[name].items():
        said = desk.imports_raw(raw, name)
        assert said.code in {1, 2}, raw[:40]
        assert words in said.error, raw[:40]
    assert everybody(app) == []


@ON_SQLITE
def test_a_file_that_is_not_there_or_is_a_folder_is_told_in_words(desk: Desk) -> None:
    assert "does not exist" in desk.types("import", "nobody.csv").error
    assert "is a directory" in desk.types("import", ".").error


@ON_SQLITE
@pytest.mark.parametrize(
    "raw",
    [
        b"\xef\xbb\xbfemail,first_name\r\ngrace@example.com,Grace\r\n",
        b"Email , FIRST_NAME\n\ngrace@example.com,Grace",
        b'"email","first_name"\n"grace@example.com","Grace"\n\n\n',
    ],
    ids=["as spreadsheets write it", "as people write it", "as databases write it"],
)
def test_csv_comes_in_however_it_is_written(app: Flask, desk: Desk, raw: bytes) -> None:
    said = desk.imports_raw(raw)

    assert (said.code, said.error) == (0, "")
    assert [(user.address, user.first_name) for user in everybody(app)] == [("grace@example.com", "Grace")]


@ON_SQLITE
def test_names_keep_quotes_commas_and_letters_of_the_world(app: Flask, desk: Desk) -> None:
    desk.imports_raw('email,first_name,last_name\na@example.com,"Grâce ""G"", 王","O\'Hara, Jr."\n'.encode())

    assert [(user.first_name, user.last_name) for user in everybody(app)] == [('Grâce "G", 王', "O'Hara, Jr.")]


@ON_SQLITE
def test_a_row_that_cannot_be_read_does_not_take_the_next_with_it(app: Flask, desk: Desk) -> None:
    said = desk.imports_raw(
        b"email,first_name\n"
        b'a@example.com,"Ann\n'
        b"b@example.com,Bob\n"
        b"c@example.com,Cy,more\n"
        b"d@example.com\n"
        b"e@example.com,E\xff\n"
        b"f@example.com,F\x00\n"
        b"g@example.com,Gil\n"
    )

    assert said.code == 1
    assert {user.first_name for user in everybody(app)} == {"Bob", "Gil"}
    assert [line.split('"')[:2] for line in desk.refused().splitlines()[1:]] == [
        ["2,", "has quotes that do not match"],
        ["4,", "has more columns than the first line"],
        ["5,", "has fewer columns than the first line"],
        ["6,", "is not UTF-8"],
        ["7,", "first_name: has characters that names do not have"],
    ]


@ON_SQLITE
def test_a_line_of_json_that_cannot_be_read_does_not_take_the_next_with_it(app: Flask, desk: Desk) -> None:
    said = desk.imports_raw(
        b'\xef\xbb\xbf{"email": "a@example.com", "first_name": "Ann"}\r\n'
        b'{"email": "b@example.com"\n'
        b'"c@example.com"\n'
        b'{"email": "d@example.com", "first_name": "\xff"}\n'
        b'{"email": "e@example.com", "first_name": "\\u0000"}\n'
        b'{"email": "f@example.com", "first_name": "\\ud800"}\n'
        b"\n"
        b'{"email": "g@example.com", "first_name": "Gil"}',
        "people.ndjson",
    )

    assert (said.code, said.count("refused")) == (1, 5)
    assert {user.first_name for user in everybody(app)} == {"Ann", "Gil"}
    assert '"refused_line":5,"refused_reason":"first_name: has characters' in desk.refused(
        "people.ndjson.refused.jsonl"
    )


@ON_SQLITE
def test_refused_rows_are_not_written_over_what_is_read(desk: Desk) -> None:
    raw = b"email\nno address\nann@example.com\n"
    (desk.folder / "people.csv").write_bytes(raw)
    said = desk.types("import", "people.csv", "--refused", "./people.csv")

    assert said.code == 2
    assert "name another file" in said.error
    assert (desk.folder / "people.csv").read_bytes() == raw


@ON_SQLITE
def test_a_file_without_people_brings_nobody(desk: Desk) -> None:
    said = desk.imports_raw(b"email\n")

    assert (said.code, said.count("came in"), said.error) == (0, 0, "")


@ON_SQLITE
def test_the_refused_file_is_no_way_to_write_elsewhere(desk: Desk) -> None:
    """Somebody else who may write beside the file put a link there."""
    victim = desk.folder / "victim"
    victim.write_text("mine")
    (desk.folder / "people.jsonl.refused.jsonl").symlink_to(victim)

    said = desk.imports(person("nothing"))
    assert (said.code, victim.read_text()) == (1, "mine")
    assert "people.jsonl.refused.jsonl" in said.error

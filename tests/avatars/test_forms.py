"""Bodies that are not the form that is asked for: each is refused at once, and none is an accident."""

import io
import time
from typing import Any

import pytest
from flask import Flask
from tests.avatars.files import BOUNDARY, MEGABYTE, form, picture
from tests.avatars.wearing import Wearer, kept
from tests.inside import refused
from tests.test_bad_input import Endless

BAD_REQUEST, TOO_LARGE = (400, "bad_request"), (413, "too_large")
UNSUPPORTED, INVALID = (415, "unsupported_media_type"), (422, "invalid_input")
LIMIT = 5 * MEGABYTE
PICTURE = ("avatar", "me.png", picture())
BODY, KIND = form(PICTURE)
START = f"--{BOUNDARY}\r\n".encode()
END = f"\r\n--{BOUNDARY}--\r\n".encode()
DISPOSITION = b'Content-Disposition: form-data; name="avatar"; filename="x"\r\n'
INVALID_FORMS: dict[str, tuple[tuple[tuple[str, str | None, bytes], ...], dict[str, list[str]]]] = {
    "no part": ((), {"avatar": ["avatar is required!"]}),
    "another part": (
        (("picture", "me.png", picture()),),
        {"avatar": ["avatar is required!"], "picture": ["Unknown field."]},
    ),
    "text instead of a file": ((("avatar", None, picture()),), {"avatar": ["Must be one file."]}),
    "two pictures": ((PICTURE, PICTURE), {"avatar": ["Must be one file."]}),
    "a picture and a text of one name": ((PICTURE, ("avatar", None, b"x")), {"avatar": ["Must be one file."]}),
    "a field more": ((PICTURE, ("user_id", None, b"1")), {"user_id": ["Unknown field."]}),
    "a file more": ((PICTURE, ("__class__", "x", b"1")), {"__class__": ["Unknown field."]}),
    "a part without a name": ((PICTURE, ("", None, b"1")), {"": ["Unknown field."]}),
}
BROKEN: dict[str, bytes] = {
    "nothing": b"",
    "text": b"hello",
    "JSON": b'{"avatar": "x"}',
    "another boundary": BODY.replace(BOUNDARY.encode(), b"other"),
    "no end": BODY[: -len(END)],
    "half": BODY[: len(BODY) // 2],
    "no headers": START + b"\r\n\r\nx" + END,
    "no disposition": START + b"Content-Type: image/png\r\n\r\nx" + END,
    "headers without end": START + b"X: " + b"a" * MEGABYTE,
    "a line of a megabyte": START + DISPOSITION + b"X: " + b"a" * MEGABYTE + b"\r\n\r\nx" + END,
    "headers that are no text": START + b"\xff\xfe: \x80\r\n\r\nx" + END,
    "a part that begins with CR": START + DISPOSITION + b"\r\n" + b"\r" * (4 * MEGABYTE),
    "nothing but line ends": b"\r\n" * (2 * MEGABYTE),
    "nothing but dashes": b"-" * (4 * MEGABYTE),
    "nothing but the beginnings of boundaries": f"\r\n--{BOUNDARY[:-1]}".encode() * 100_000,
}
NO_FORMS = (
    *(None, "application/json", "image/png", "application/x-www-form-urlencoded", "multipart/mixed; boundary=x"),
    *("multipart/form-data, text/plain", "multipart/form-data-x; boundary=x", "text/html", "*/*"),
)

pytestmark = pytest.mark.parametrize("database", ["sqlite"], indirect=True)


@pytest.fixture
def grace(app: Flask) -> Wearer:
    """Somebody whose picture must stay."""
    wearer = Wearer.joined(app)
    wearer.wears(picture())
    return wearer


def refusal(grace: Wearer, body: bytes, kind: str | None = KIND, **more: Any) -> tuple[int, str]:
    """What is said of it, within a second; the picture that was there stays."""
    before, began = (grace.shown, kept(grace.app)), time.thread_time()
    answer = grace.send(body, kind, **more)
    assert time.thread_time() - began < 1
    assert (grace.shown, kept(grace.app)) == before
    return refused(answer)


@pytest.mark.parametrize("what", INVALID_FORMS)
def test_a_form_with_other_parts_says_which_are_wrong(grace: Wearer, what: str) -> None:
    parts, errors = INVALID_FORMS[what]
    answer = grace.send(*form(*parts))

    assert (refused(answer), answer.get_json()["errors"]) == (INVALID, errors)


@pytest.mark.parametrize("what", BROKEN)
def test_a_broken_form_is_refused_at_once(grace: Wearer, what: str) -> None:
    assert refusal(grace, BROKEN[what]) in {BAD_REQUEST, TOO_LARGE}, what


def test_a_hundred_thousand_parts_are_not_read(grace: Wearer) -> None:
    part = START + b'Content-Disposition: form-data; name="a"\r\n\r\n\r\n'

    assert refusal(grace, (part * 100_000)[: LIMIT - 100] + END) == TOO_LARGE
    assert refusal(grace, part * 11 + END) == TOO_LARGE


def test_a_form_within_a_form_is_no_picture(grace: Wearer) -> None:
    inner, _kind = form(PICTURE)
    inner = inner.replace(BOUNDARY.encode(), b"inner")
    head = START + DISPOSITION + b"Content-Type: multipart/mixed; boundary=inner\r\n\r\n"

    assert refusal(grace, head + inner + END) == INVALID


@pytest.mark.parametrize("boundary", ["", "=", "=" + "b" * 71, "=" + "b" * 10_000, "=é", '=""', "=\x7f\x01"])
def test_odd_boundaries_are_refused(grace: Wearer, boundary: str) -> None:
    assert refusal(grace, BODY, f"multipart/form-data; boundary{boundary}") == BAD_REQUEST
    assert refusal(grace, BODY, "multipart/form-data") == BAD_REQUEST


@pytest.mark.parametrize("length", [71, 10_000])
def test_a_boundary_that_is_longer_than_boundaries_are_is_refused(grace: Wearer, length: int) -> None:
    body = BODY.replace(BOUNDARY.encode(), b"b" * length)

    assert refusal(grace, body, f"multipart/form-data; boundary={'b' * length}") == BAD_REQUEST
    body = BODY.replace(BOUNDARY.encode(), b"b" * 70)
    assert grace.send(body, f"multipart/form-data; boundary={'b' * 70}").status_code == 200


@pytest.mark.parametrize("kind", NO_FORMS)
def test_only_forms_are_taken_and_only_as_they_are(grace: Wearer, kind: str | None) -> None:
    assert refusal(grace, BODY, kind) == UNSUPPORTED
    for coding in ("gzip", "deflate", "gzip, identity"):
        assert refusal(grace, BODY, KIND, headers={"Content-Encoding": coding}) == UNSUPPORTED


def test_five_megabytes_are_read_and_one_byte_more_is_too_large(grace: Wearer) -> None:
    whole = picture() + b"\0" * (LIMIT - len(picture()))

    assert grace.put(whole).status_code == 200
    assert refusal(grace, form(("avatar", "x", whole + b"\0"))[0]) == TOO_LARGE
    assert refusal(grace, form(("avatar", "x", whole + b"\0" * MEGABYTE))[0]) == TOO_LARGE


def test_what_is_announced_as_too_large_is_not_read(grace: Wearer) -> None:
    for length in (6 * MEGABYTE, 10**9, 10**30):
        body = Endless()
        overrides = {"wsgi.input": body, "CONTENT_LENGTH": str(length)}
        assert refusal(grace, b"", KIND, environ_overrides=overrides) == TOO_LARGE
        assert body.taken == 0


def test_what_comes_in_chunks_is_read_no_further_than_the_limit(grace: Wearer) -> None:
    too_large = START + DISPOSITION + b"\r\n" + b"\0" * (7 * MEGABYTE) + END
    for body, told in ((too_large, TOO_LARGE), (BODY + b"x" * 7 * MEGABYTE, TOO_LARGE), (BODY[:-9], BAD_REQUEST)):
        stream = io.BytesIO(body)
        assert refusal(grace, b"", environ_overrides=in_chunks(stream)) == told
        assert stream.tell() < 6 * MEGABYTE

    assert grace.send(b"", KIND, environ_overrides=in_chunks(io.BytesIO(BODY))).status_code == 200


def test_a_connection_that_ends_in_the_middle_leaves_the_picture(grace: Wearer) -> None:
    overrides = {"wsgi.input": io.BytesIO(BODY[:200]), "CONTENT_LENGTH": str(len(BODY))}

    assert refusal(grace, b"", KIND, environ_overrides=overrides) == BAD_REQUEST


def test_other_calls_take_no_form_and_no_megabytes(grace: Wearer) -> None:
    answer = grace.client.post("/auth/login", data=BODY, content_type=KIND)
    assert refused(answer) == UNSUPPORTED
    answer = grace.client.post("/auth/login", data=b" " * 70_000, content_type="application/json")
    assert refused(answer) == TOO_LARGE


def in_chunks(stream: io.BytesIO) -> dict[str, Any]:
    """A body whose length is not announced."""
    return {"wsgi.input": stream, "wsgi.input_terminated": True, "CONTENT_LENGTH": ""}

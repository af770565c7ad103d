"""Whatever comes as a form is read or refused; no bytes are an accident."""

from io import BytesIO
from typing import Any

from flask import Flask, request
from hypothesis import given
from hypothesis import strategies as st
from tests.avatars.files import BOUNDARY, form
from werkzeug.datastructures import FileStorage
from werkzeug.exceptions import RequestEntityTooLarge

from flaskauth.avatars.schemas import AvatarRequest
from flaskauth.foundation import uploads
from flaskauth.foundation.errors import Problem, TooLarge

START, END = f"--{BOUNDARY}\r\n".encode(), f"\r\n--{BOUNDARY}--\r\n".encode()
NAMED = b'Content-Disposition: form-data; name="avatar"'
PIECES = [
    START,
    END,
    NAMED,
    b'; filename="x"',
    b"\r\n",
    b"\n",
    b"\r",
    b"--",
    b"\r\n\r\n",
    b"; name*=x''%ff",
    b":",
    b";",
]
BODIES = st.lists(st.one_of(st.sampled_from(PIECES), st.binary(max_size=20)), max_size=30).map(b"".join)


def read(body: bytes, kind: str) -> dict[str, Any] | str:
    """What the parts of a form hold, or the code of what is said instead."""
    sent = {"input_stream": BytesIO(body), "content_length": len(body), "content_type": kind}
    with Flask("forms").test_request_context(method="PUT", **sent):
        try:
            parts = uploads.load_form(request, AvatarRequest())
        except Problem as problem:
            return problem.code
        except RequestEntityTooLarge:
            return TooLarge.code
        return {name: part.stream.read() if isinstance(part, FileStorage) else part for name, part in parts.items()}


@given(BODIES)
def test_any_bytes_are_parts_or_a_refusal(body: bytes) -> None:
    for begun in (body, START + body, START + NAMED + b"\r\n\r\n" + body + END):
        found = read(begun, f"multipart/form-data; boundary={BOUNDARY}")
        assert isinstance(found, dict) or found in {"bad_request", "too_large"}


@given(st.text())
def test_any_type_is_that_of_a_form_or_a_refusal(kind: str) -> None:
    for told in (kind, f"multipart/form-data{kind}", f"multipart/form-data; boundary={kind}"):
        printable = told.encode("latin-1", "replace").decode("latin-1").replace("\n", "").replace("\r", "")
        found = read(b"", printable)
        assert found in ("bad_request", "unsupported_media_type"), told


@given(st.binary(max_size=2000), st.text(st.characters(min_codepoint=32, max_codepoint=126, exclude_characters='"\\')))
def test_a_file_arrives_as_it_was_sent(contents: bytes, name: str) -> None:
    if BOUNDARY.encode() not in contents:
        found = read(*form(("avatar", name, contents)))
        assert found == {"avatar": contents}

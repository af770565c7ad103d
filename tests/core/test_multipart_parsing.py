"""Multipart parsing: any bytes are parsed or rejected; none cause an unhandled exception."""

from io import BytesIO
from typing import Any

from flask import Flask, request
from hypothesis import given
from hypothesis import strategies as st
from tests.avatars.sample_images import BOUNDARY, multipart_form
from werkzeug.datastructures import FileStorage
from werkzeug.exceptions import RequestEntityTooLarge

from flaskauth.avatars.schemas import AvatarRequest
from flaskauth.core.errors import APIError, TooLarge
from flaskauth.core.http import uploads

START, END = f"--{BOUNDARY}\r\n".encode(), f"\r\n--{BOUNDARY}--\r\n".encode()
NAMED = b'Content-Disposition: form-data; name="avatar"'
FRAGMENTS = [
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
BODIES = st.lists(st.one_of(st.sampled_from(FRAGMENTS), st.binary(max_size=20)), max_size=30).map(b"".join)


def parse_multipart(body: bytes, kind: str) -> dict[str, Any] | str:
    """Return the contents of the form's parts, or the error code if the form is rejected."""
    environ = {"input_stream": BytesIO(body), "content_length": len(body), "content_type": kind}
    with Flask("forms").test_request_context(method="PUT", **environ):
        try:
            parts = uploads.load_form(request, AvatarRequest())
        except APIError as error:
            return error.code
        except RequestEntityTooLarge:
            return TooLarge.code
        return {name: part.stream.read() if isinstance(part, FileStorage) else part for name, part in parts.items()}


@given(BODIES)
def test_multipart_any_bytes_parse_or_return_an_error(body: bytes) -> None:
    for complete_body in (body, START + body, START + NAMED + b"\r\n\r\n" + body + END):
        result = parse_multipart(complete_body, f"multipart/form-data; boundary={BOUNDARY}")
        assert isinstance(result, dict) or result in {"bad_request", "too_large"}


@given(st.text())
def test_multipart_any_content_type_returns_an_error(kind: str) -> None:
    for content_type in (kind, f"multipart/form-data{kind}", f"multipart/form-data; boundary={kind}"):
        printable = content_type.encode("latin-1", "replace").decode("latin-1").replace("\n", "").replace("\r", "")
        result = parse_multipart(b"", printable)
        assert result in ("bad_request", "unsupported_media_type"), content_type


@given(st.binary(max_size=2000), st.text(st.characters(min_codepoint=32, max_codepoint=126, exclude_characters='"\\')))
def test_multipart_file_round_trips_unchanged(contents: bytes, name: str) -> None:
    if BOUNDARY.encode() not in contents:
        result = parse_multipart(*multipart_form(("avatar", name, contents)))
        assert result == {"avatar": contents}

"""Malformed multipart bodies are rejected immediately, without an unhandled exception."""

import io
import time
from typing import Any

import pytest
from flask import Flask
from tests.avatars.helpers import AvatarUser, stored_files
from tests.avatars.sample_images import BOUNDARY, MEGABYTE, make_image, multipart_form
from tests.core.test_json_body_validation import EndlessBody
from tests.support.inspect import error_of

BAD_REQUEST, TOO_LARGE = (400, "bad_request"), (413, "too_large")
UNSUPPORTED, VALIDATION_FAILED = (415, "unsupported_media_type"), (422, "validation_failed")
UPLOAD_LIMIT = 5 * MEGABYTE
IMAGE_PART = ("avatar", "me.png", make_image())
BODY, CONTENT_TYPE = multipart_form(IMAGE_PART)
PART_START = f"--{BOUNDARY}\r\n".encode()
PART_END = f"\r\n--{BOUNDARY}--\r\n".encode()
DISPOSITION = b'Content-Disposition: form-data; name="avatar"; filename="x"\r\n'
INVALID_FORMS: dict[str, tuple[tuple[tuple[str, str | None, bytes], ...], dict[str, list[str]]]] = {
    "no part": ((), {"avatar": ["avatar is required!"]}),
    "other part": (
        (("image", "me.png", make_image()),),
        {"avatar": ["avatar is required!"], "image": ["Unknown field."]},
    ),
    "text instead of a file": ((("avatar", None, make_image()),), {"avatar": ["Must be one file."]}),
    "two images": ((IMAGE_PART, IMAGE_PART), {"avatar": ["Must be one file."]}),
    "image and text with the same name": ((IMAGE_PART, ("avatar", None, b"x")), {"avatar": ["Must be one file."]}),
    "extra field": ((IMAGE_PART, ("user_id", None, b"1")), {"user_id": ["Unknown field."]}),
    "extra file": ((IMAGE_PART, ("__class__", "x", b"1")), {"__class__": ["Unknown field."]}),
    "part without a name": ((IMAGE_PART, ("", None, b"1")), {"": ["Unknown field."]}),
}
MALFORMED_FORMS: dict[str, bytes] = {
    "empty": b"",
    "text": b"hello",
    "JSON": b'{"avatar": "x"}',
    "other boundary": BODY.replace(BOUNDARY.encode(), b"other"),
    "no end": BODY[: -len(PART_END)],
    "half": BODY[: len(BODY) // 2],
    "no headers": PART_START + b"\r\n\r\nx" + PART_END,
    "no disposition": PART_START + b"Content-Type: image/png\r\n\r\nx" + PART_END,
    "headers without end": PART_START + b"X: " + b"a" * MEGABYTE,
    "header line of a megabyte": PART_START + DISPOSITION + b"X: " + b"a" * MEGABYTE + b"\r\n\r\nx" + PART_END,
    "non-text headers": PART_START + b"\xff\xfe: \x80\r\n\r\nx" + PART_END,
    "part that starts with CR": PART_START + DISPOSITION + b"\r\n" + b"\r" * (4 * MEGABYTE),
    "only line ends": b"\r\n" * (2 * MEGABYTE),
    "only dashes": b"-" * (4 * MEGABYTE),
    "only partial boundaries": f"\r\n--{BOUNDARY[:-1]}".encode() * 100_000,
}
UNSUPPORTED_TYPES = (
    *(None, "application/json", "image/png", "application/x-www-form-urlencoded", "multipart/mixed; boundary=x"),
    *("multipart/form-data, text/plain", "multipart/form-data-x; boundary=x", "text/html", "*/*"),
)

pytestmark = pytest.mark.parametrize("database", ["sqlite"], indirect=True)


@pytest.fixture
def avatar_user(app: Flask) -> AvatarUser:
    """A user whose avatar must not change."""
    avatar_user = AvatarUser.create(app)
    avatar_user.upload(make_image())
    return avatar_user


def send_rejected(
    avatar_user: AvatarUser, body: bytes, content_type: str | None = CONTENT_TYPE, **options: Any
) -> tuple[int, str]:
    """Send a body that must be rejected within a second. Return the error; the avatar must not change."""
    state_before, started_at = (avatar_user.avatar_url, stored_files(avatar_user.app)), time.thread_time()
    response = avatar_user.send(body, content_type, **options)
    assert time.thread_time() - started_at < 1
    assert (avatar_user.avatar_url, stored_files(avatar_user.app)) == state_before
    return error_of(response)


@pytest.mark.parametrize("name", INVALID_FORMS)
def test_form_with_wrong_parts_lists_field_errors(avatar_user: AvatarUser, name: str) -> None:
    parts, errors = INVALID_FORMS[name]
    response = avatar_user.send(*multipart_form(*parts))

    assert (error_of(response), response.get_json()["errors"]) == (VALIDATION_FAILED, errors)


@pytest.mark.parametrize("name", MALFORMED_FORMS)
def test_malformed_multipart_is_rejected_quickly(avatar_user: AvatarUser, name: str) -> None:
    assert send_rejected(avatar_user, MALFORMED_FORMS[name]) in {BAD_REQUEST, TOO_LARGE}, name


def test_multipart_with_too_many_parts_is_too_large(avatar_user: AvatarUser) -> None:
    part = PART_START + b'Content-Disposition: form-data; name="a"\r\n\r\n\r\n'

    assert send_rejected(avatar_user, (part * 100_000)[: UPLOAD_LIMIT - 100] + PART_END) == TOO_LARGE
    assert send_rejected(avatar_user, part * 11 + PART_END) == TOO_LARGE


def test_nested_multipart_is_invalid(avatar_user: AvatarUser) -> None:
    inner, _kind = multipart_form(IMAGE_PART)
    inner = inner.replace(BOUNDARY.encode(), b"inner")
    part_header = PART_START + DISPOSITION + b"Content-Type: multipart/mixed; boundary=inner\r\n\r\n"

    assert send_rejected(avatar_user, part_header + inner + PART_END) == VALIDATION_FAILED


@pytest.mark.parametrize("boundary", ["", "=", "=" + "b" * 71, "=" + "b" * 10_000, "=é", '=""', "=\x7f\x01"])
def test_malformed_boundary_is_bad_request(avatar_user: AvatarUser, boundary: str) -> None:
    assert send_rejected(avatar_user, BODY, f"multipart/form-data; boundary{boundary}") == BAD_REQUEST
    assert send_rejected(avatar_user, BODY, "multipart/form-data") == BAD_REQUEST


@pytest.mark.parametrize("length", [71, 10_000])
def test_boundary_over_70_characters_is_rejected(avatar_user: AvatarUser, length: int) -> None:
    body = BODY.replace(BOUNDARY.encode(), b"b" * length)

    assert send_rejected(avatar_user, body, f"multipart/form-data; boundary={'b' * length}") == BAD_REQUEST
    body = BODY.replace(BOUNDARY.encode(), b"b" * 70)
    assert avatar_user.send(body, f"multipart/form-data; boundary={'b' * 70}").status_code == 200


@pytest.mark.parametrize("content_type", UNSUPPORTED_TYPES)
def test_other_content_types_and_encodings_are_unsupported(avatar_user: AvatarUser, content_type: str | None) -> None:
    assert send_rejected(avatar_user, BODY, content_type) == UNSUPPORTED
    for encoding in ("gzip", "deflate", "gzip, identity"):
        assert send_rejected(avatar_user, BODY, CONTENT_TYPE, headers={"Content-Encoding": encoding}) == UNSUPPORTED


def test_upload_limit_is_five_megabytes(avatar_user: AvatarUser) -> None:
    image = make_image() + b"\0" * (UPLOAD_LIMIT - len(make_image()))

    assert avatar_user.put(image).status_code == 200
    assert send_rejected(avatar_user, multipart_form(("avatar", "x", image + b"\0"))[0]) == TOO_LARGE
    assert send_rejected(avatar_user, multipart_form(("avatar", "x", image + b"\0" * MEGABYTE))[0]) == TOO_LARGE


def test_oversized_content_length_is_rejected_unread(avatar_user: AvatarUser) -> None:
    for length in (6 * MEGABYTE, 10**9, 10**30):
        body = EndlessBody()
        overrides = {"wsgi.input": body, "CONTENT_LENGTH": str(length)}
        assert send_rejected(avatar_user, b"", CONTENT_TYPE, environ_overrides=overrides) == TOO_LARGE
        assert body.bytes_read == 0


def test_chunked_upload_is_read_only_up_to_the_limit(avatar_user: AvatarUser) -> None:
    too_large = PART_START + DISPOSITION + b"\r\n" + b"\0" * (7 * MEGABYTE) + PART_END
    for body, error in ((too_large, TOO_LARGE), (BODY + b"x" * 7 * MEGABYTE, TOO_LARGE), (BODY[:-9], BAD_REQUEST)):
        stream = io.BytesIO(body)
        assert send_rejected(avatar_user, b"", environ_overrides=chunked_environ(stream)) == error
        assert stream.tell() < 6 * MEGABYTE

    assert avatar_user.send(b"", CONTENT_TYPE, environ_overrides=chunked_environ(io.BytesIO(BODY))).status_code == 200


def test_interrupted_upload_keeps_the_avatar(avatar_user: AvatarUser) -> None:
    overrides = {"wsgi.input": io.BytesIO(BODY[:200]), "CONTENT_LENGTH": str(len(BODY))}

    assert send_rejected(avatar_user, b"", CONTENT_TYPE, environ_overrides=overrides) == BAD_REQUEST


def test_other_routes_reject_multipart_and_large_bodies(avatar_user: AvatarUser) -> None:
    response = avatar_user.client.post("/auth/login", data=BODY, content_type=CONTENT_TYPE)
    assert error_of(response) == UNSUPPORTED
    response = avatar_user.client.post("/auth/login", data=b" " * 70_000, content_type="application/json")
    assert error_of(response) == TOO_LARGE


def chunked_environ(stream: io.BytesIO) -> dict[str, Any]:
    """Return the environ of a body without Content-Length."""
    return {"wsgi.input": stream, "wsgi.input_terminated": True, "CONTENT_LENGTH": ""}

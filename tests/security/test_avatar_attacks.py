"""J: files that are not images, oversized forms, path traversal. See also tests/avatars."""

from tests.avatars.helpers import AvatarUser
from tests.avatars.sample_images import make_image, multipart_form
from tests.registration.helpers import unused_ip
from tests.security.checks import AttackChecker
from tests.support.inspect import error_of
from tests.support.users import forwarded_for

REJECTIONS = {(400, "bad_request"), (413, "too_large"), (415, "unsupported_media_type"), (422, "validation_failed")}
SVG = b'<svg xmlns="http://www.w3.org/2000/svg" onload="alert(1)"><foreignObject/></svg>'
XXE = b'<?xml version="1.0"?><!DOCTYPE x [<!ENTITY e SYSTEM "file:///etc/passwd">]>' + SVG


def create_avatar_user(checker: AttackChecker) -> AvatarUser:
    avatar_user = AvatarUser(checker.app, checker.client, checker.create_user("ada@example.com"))
    avatar_user.token = avatar_user.user.login_ok(unused_ip())["token"]
    return avatar_user


def test_j01_non_image_avatar_uploads_are_rejected(checker: AttackChecker) -> None:
    ada = create_avatar_user(checker)
    files = (
        SVG,
        XXE,
        b"<html><script>alert(1)</script>",
        b"GIF89a" + b"\0" * 99,
        b"%PDF-1.7\n",
        b"\x89PNG\r\n\x1a\n<?php ?>",
    )
    with checker.expect_only(hashes=0):
        for file in (*files, b"BM" + b"\xff" * 99, b"II*\0" + b"\0" * 99, b"\0" * 5000, b"#!/bin/sh\n", b"PK\x03\x04"):
            assert error_of(ada.put(file))[0] in {400, 422}, file[:9]
        for name in ("../../me.php", "me.svg", "x" * 5000, "me\r\nX: y.png", "me.png\0.svg"):
            assert error_of(ada.put(SVG, name))[0] in {400, 422}, name[:9]


def test_j03_truncated_avatar_images_are_rejected(checker: AttackChecker) -> None:
    ada, image = create_avatar_user(checker), make_image("PNG", (64, 64))
    with checker.expect_only(hashes=0):
        for file in (b"", image[:8], image[: len(image) // 2], image[8:], b"\0" + image):
            assert error_of(ada.put(file))[0] in {400, 422}, len(file)


def test_j05_malformed_multipart_forms_are_rejected(checker: AttackChecker) -> None:
    ada, (body, kind) = create_avatar_user(checker), multipart_form(("avatar", "me.png", make_image()))
    boundary = kind.rpartition("=")[2]
    parts = b"".join(b"--x\r\nContent-Disposition: form-data; name=a\r\n\r\n\r\n" for _ in range(50_000))
    broken = {
        "multipart/form-data": body,
        "multipart/form-data; boundary=": body,
        f"multipart/form-data; boundary={'b' * 10_000}": body,
        "multipart/form-data; boundary=x": parts + b"--x--\r\n",
        "multipart/form-data; boundary=y": b"--y\r\n" + b"\r" * 10**6,
        "multipart/form-data; boundary=z": b"--z\r\nContent-Disposition: form-data; name=avatar\r\nX: " + b"h" * 10**6,
        f"multipart/mixed; boundary={boundary}": body,
        "application/json": b'{"avatar": "x"}',
    }
    with checker.expect_only(hashes=0):
        for kind, payload in broken.items():
            assert error_of(ada.send(payload, kind)) in REJECTIONS, kind[:40]


def test_j09_path_traversal_in_avatar_names_is_not_found(checker: AttackChecker) -> None:
    names = (
        "..%2f..%2fetc%2fpasswd",
        "%2e%2e",
        "A" * 22 + ".webp",
        "A" * 22,
        "..\\x",
        "%00.webp",
        "A" * 5000,
        ".webp",
        "*",
    )
    with checker.expect_only(hashes=0):
        for name in names:
            response = checker.client.get(f"/avatars/{name}", headers=forwarded_for(unused_ip()))
            assert error_of(response) == (404, "not_found"), name

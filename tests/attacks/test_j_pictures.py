"""J: pictures that are something else, forms without end, and names that lead elsewhere. More is in tests/avatars."""

from tests.attacks.judging import Judge
from tests.avatars.files import form, picture
from tests.avatars.wearing import Wearer
from tests.inside import refused
from tests.people import network
from tests.registration.asking import elsewhere

REFUSALS = {(400, "bad_request"), (413, "too_large"), (415, "unsupported_media_type"), (422, "invalid_input")}
SVG = b'<svg xmlns="http://www.w3.org/2000/svg" onload="alert(1)"><foreignObject/></svg>'
XXE = b'<?xml version="1.0"?><!DOCTYPE x [<!ENTITY e SYSTEM "file:///etc/passwd">]>' + SVG


def wearer(judge: Judge) -> Wearer:
    found = Wearer(judge.app, judge.client, judge.joined("ada@example.com"))
    found.token = found.person.signed_in(elsewhere())["token"]
    return found


def test_j01_files_that_are_no_picture(judge: Judge) -> None:
    ada = wearer(judge)
    files = (
        SVG,
        XXE,
        b"<html><script>alert(1)</script>",
        b"GIF89a" + b"\0" * 99,
        b"%PDF-1.7\n",
        b"\x89PNG\r\n\x1a\n<?php ?>",
    )
    with judge.case(hashed=0):
        for file in (*files, b"BM" + b"\xff" * 99, b"II*\0" + b"\0" * 99, b"\0" * 5000, b"#!/bin/sh\n", b"PK\x03\x04"):
            assert refused(ada.put(file))[0] in {400, 422}, file[:9]
        for name in ("../../me.php", "me.svg", "x" * 5000, "me\r\nX: y.png", "me.png\0.svg"):
            assert refused(ada.put(SVG, name))[0] in {400, 422}, name[:9]


def test_j03_files_that_are_cut_off(judge: Judge) -> None:
    ada, whole = wearer(judge), picture("PNG", (64, 64))
    with judge.case(hashed=0):
        for file in (b"", whole[:8], whole[: len(whole) // 2], whole[8:], b"\0" + whole):
            assert refused(ada.put(file))[0] in {400, 422}, len(file)


def test_j05_forms_without_end(judge: Judge) -> None:
    ada, (body, kind) = wearer(judge), form(("avatar", "me.png", picture()))
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
    with judge.case(hashed=0):
        for kind, load in broken.items():
            assert refused(ada.send(load, kind)) in REFUSALS, kind[:40]


def test_j09_names_that_lead_elsewhere(judge: Judge) -> None:
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
    with judge.case(hashed=0):
        for name in names:
            answer = judge.client.get(f"/avatars/{name}", headers=network(elsewhere()))
            assert refused(answer) == (404, "not_found"), name

"""Files that are no pictures, or more than pictures: what is refused leaves the picture that was there."""

import time
import zlib
from io import BytesIO
from pathlib import Path
from zipfile import ZipFile

import pytest
from flask import Flask
from PIL import Image
from tests.avatars.files import (
    GIF,
    MEGABYTE,
    chunk,
    from_a_camera,
    huge_header,
    of_many_scans,
    picture,
    png,
    read,
    saved,
)
from tests.avatars.wearing import Wearer, kept, name_in
from tests.inside import refused

from flaskauth.avatars import pictures

INVALID = (422, "invalid_input")
NO_PICTURE = ["Must be a whole PNG, JPEG or WebP picture."]
TOO_MANY = ["Must have at most 25 megapixels."]
SVG = b"<svg xmlns='http://www.w3.org/2000/svg'><script>alert(1)</script><foreignObject/></svg>"
XXE = b"<?xml version='1.0'?><!DOCTYPE svg [<!ENTITY x SYSTEM 'file:///etc/passwd'>]><svg>&x;</svg>"
HTML = b"<!doctype html><script>fetch('//evil.example')</script>"
PHP = b"<?php system($_GET['c']); ?>"
SCRIPT = b"*/=1;alert(document.domain)/*"
NO_PICTURES = {
    "nothing": b"",
    "one byte": b"\x89",
    "text": b"hello",
    "SVG": SVG,
    "SVG that reads a file": XXE,
    "a page": HTML,
    "a page before a picture": HTML + picture(),
    "a PDF": b"%PDF-1.7\n1 0 obj<</Type/Catalog>>endobj\ntrailer<</Root 1 0 R>>\n%%EOF",
    "GIF": GIF,
    "a GIF that is a script": GIF[:6] + b"/*" + GIF[6:] + SCRIPT,
    "BMP": picture("BMP"),
    "TIFF": picture("TIFF"),
    "ICO": picture("ICO", (64, 64)),
    "PPM": picture("PPM"),
    "AVIF": b"\0\0\0 ftypavif\0\0\0\0avifmif1miafMA1B",
    "PostScript": b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 10 10\n(%pipe%id) (w) file\n",
    "gzip": zlib.compress(picture(), wbits=31),
    "only a PNG's first bytes": b"\x89PNG\r\n\x1a\n",
    "only a JPEG's first bytes": b"\xff\xd8\xff\xe0",
    "only a WebP's first bytes": b"RIFF\x10\0\0\0WEBPVP8 ",
    "a picture without a pixel": huge_header(0, 10),
    "a header alone": huge_header(10, 10),
}
BOMBS = {
    "30,000 x 30,000": lambda: png(30_000, 30_000),
    "a header of 2^31 pixels a side": lambda: huge_header(2**31 - 1, 2**31 - 1),
    "a little more than 25 megapixels": lambda: png(5000, 5001),
    "one pixel wide": lambda: huge_header(1, 20_000_000),
    "one pixel high": lambda: huge_header(20_000_000, 1),
    "WebP": lambda: saved(Image.new("RGB", (9000, 9000)), "WEBP", method=0),
    "JPEG": lambda: saved(Image.new("L", (20_000, 20_000)), "JPEG"),
}
HALF = {"PNG": picture("PNG"), "JPEG": picture("JPEG"), "WEBP": picture("WEBP", lossless=True)}

pytestmark = pytest.mark.parametrize("database", ["sqlite"], indirect=True)


@pytest.fixture
def grace(app: Flask) -> Wearer:
    return Wearer.joined(app)


def errors(grace: Wearer, file: bytes) -> list[str]:
    """Why a file is refused; the picture that was there stays, and is still served."""
    before, files = grace.shown, kept(grace.app)
    answer = grace.put(file)
    assert refused(answer) == INVALID, answer.text
    assert (grace.shown, kept(grace.app)) == (before, files)
    assert all(grace.look(name).status_code == 200 for name in files)
    [(field, told)] = answer.get_json()["errors"].items()
    assert field == "avatar"
    return [str(sentence) for sentence in told]


@pytest.mark.parametrize("what", NO_PICTURES)
def test_what_is_no_picture_is_refused_and_the_old_one_stays(grace: Wearer, what: str) -> None:
    grace.wears(picture())

    assert errors(grace, NO_PICTURES[what]) == NO_PICTURE


@pytest.mark.parametrize("kind", HALF)
def test_what_is_cut_off_is_refused(grace: Wearer, kind: str) -> None:
    grace.wears(picture())
    whole = HALF[kind]

    for part in (20, 50, 90):
        assert errors(grace, whole[: len(whole) * part // 100]) == NO_PICTURE, part


@pytest.mark.parametrize("kind", HALF)
def test_broken_bytes_anywhere_are_no_accident(database: str, kind: str) -> None:
    """Each byte of the header and some of the rest: a picture comes of it or a refusal, and never anything else."""
    whole = picture(kind, (20, 20))
    for place in [*range(60), *range(60, len(whole), 5)]:
        broken = whole[:place] + bytes([whole[place] ^ 0xFF]) + whole[place + 1 :]
        assert try_out(broken) in {"picture", "no picture"}, place


def try_out(file: bytes) -> str:
    """As the route does, without its budget of thirty an hour."""
    try:
        return "picture" if read(pictures.made_of(BytesIO(file))).format == "WEBP" else "?"
    except pictures.NotAPicture:
        return "no picture"


@pytest.mark.parametrize("what", BOMBS)
def test_more_than_25_megapixels_are_refused_by_their_header(grace: Wearer, what: str) -> None:
    grace.wears(picture())
    bomb = BOMBS[what]()
    assert len(bomb) < 5 * MEGABYTE

    before, worked = peak(), time.process_time()
    assert errors(grace, bomb) == TOO_MANY
    assert time.process_time() - worked < 1  # of a processor, whatever else the machine does
    assert peak() - before < 32 * MEGABYTE


def test_25_megapixels_are_taken(grace: Wearer) -> None:
    assert grace.put(png(5000, 5000, 6)).status_code == 200


def test_a_jpeg_that_is_gone_over_a_thousand_times_is_refused_at_once(grace: Wearer) -> None:
    """Each pass costs 40 bytes and 10 ms; a file of 5 MB would keep a processor busy for twenty minutes."""
    bomb = of_many_scans(1000)
    began = time.monotonic()

    assert errors(grace, bomb) == NO_PICTURE
    assert time.monotonic() - began < 1


@pytest.mark.parametrize("kind", [b"zTXt", b"iTXt", b"iCCP"])
def test_words_that_unpack_to_hundreds_of_megabytes_are_not_unpacked(grace: Wearer, kind: bytes) -> None:
    packer = zlib.compressobj(9)
    packed = b"".join(packer.compress(b"\0" * MEGABYTE) for _ in range(200)) + packer.flush()
    head = b"x\0\1\0\0\0" if kind == b"iTXt" else b"x\0\0"

    before = peak()
    answer = grace.put(png(10, 10, 0, chunk(kind, head + packed)))
    assert answer.status_code in {200, 422}
    assert peak() - before < 96 * MEGABYTE


def test_hundreds_of_thousands_of_chunks_are_read_in_seconds(grace: Wearer) -> None:
    began = time.monotonic()
    answer = grace.put(png(10, 10, 0, chunk(b"tEXt", b"a\0b") * 300_000))

    assert answer.status_code in {200, 422}
    assert time.monotonic() - began < 10


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "WEBP"])
@pytest.mark.parametrize("load", [HTML, PHP, SCRIPT, SVG, b"zip"], ids=["page", "PHP", "script", "SVG", "zip"])
def test_of_a_file_that_is_two_things_only_the_picture_is_kept(grace: Wearer, kind: str, load: bytes) -> None:
    name = name_in(grace.put(picture(kind) + (archive() if load == b"zip" else load)))
    [stored] = (Path(grace.app.extensions["flaskauth.settings"].flaskauth_instance_path) / "avatars").iterdir()

    assert stored.name == name
    assert stored.read_bytes() == grace.look(name).data
    assert load not in stored.read_bytes()
    assert b"PK\3\4" not in stored.read_bytes()
    assert read(stored.read_bytes()).format == "WEBP"
    assert b"RIFF" + (len(stored.read_bytes()) - 8).to_bytes(4, "little") == stored.read_bytes()[:8]


def test_a_comment_that_is_a_script_is_not_kept(grace: Wearer) -> None:
    name = grace.wears(picture("JPEG", comment=SCRIPT))

    assert SCRIPT not in grace.look(name).data


def test_where_and_by_what_it_was_taken_is_not_kept(grace: Wearer) -> None:
    taken = from_a_camera()
    assert dict(read(taken).getexif().get_ifd(0x8825))
    assert b"Kamera-7b81" in taken

    seen = grace.look(grace.wears(taken)).data
    assert dict(read(seen).getexif()) == {}
    assert {"exif", "xmp", "icc_profile", "comment"} & set(read(seen).info) == set()
    assert b"Kamera" not in seen
    assert not any(name in seen for name in (b"EXIF", b"XMP ", b"ICCP", b"Exif", b"VP8X"))


def test_what_a_picture_hides_behind_its_transparent_parts_is_not_kept(grace: Wearer) -> None:
    image = Image.new("RGBA", (64, 64), (0, 0, 0, 0))
    image.putdata([(200, 10, 10, 0) if (x // 8) % 2 else (10, 10, 200, 0) for x in range(64 * 64)])
    seen = read(grace.look(grace.wears(saved(image, "PNG"))).data).convert("RGBA")

    assert {seen.getpixel((x, 30))[:3] for x in range(64)} == {(0, 0, 0)}  # type: ignore[index]


def archive() -> bytes:
    written = BytesIO()
    with ZipFile(written, "w") as file:
        file.writestr("payload.txt", "payload")
    return written.getvalue()


def peak() -> int:
    """The most memory that this process has had, in bytes."""
    status = Path("/proc/self/status").read_text()
    return int(next(line.split()[1] for line in status.splitlines() if line.startswith("VmHWM"))) * 1024

"""Files that are not images, or are polyglots, are rejected or re-encoded. A rejection keeps the current avatar."""

import time
import zlib
from io import BytesIO
from pathlib import Path
from zipfile import ZipFile

import pytest
from flask import Flask
from PIL import Image
from tests.avatars.helpers import AvatarUser, avatar_name, stored_files
from tests.avatars.sample_images import (
    GIF,
    MEGABYTE,
    camera_jpeg,
    compressed_zeros,
    encode_image,
    jpeg_with_scans,
    make_image,
    make_png,
    open_image,
    png_chunk,
    png_header_only,
)
from tests.support.inspect import error_of

from flaskauth.avatars import images

VALIDATION_FAILED = (422, "validation_failed")
NOT_AN_IMAGE = ["Must be a complete PNG, JPEG or WebP image."]
TOO_MANY_PIXELS = ["Must have at most 25 megapixels."]
SVG = b"<svg xmlns='http://www.w3.org/2000/svg'><script>alert(1)</script><foreignObject/></svg>"
XXE = b"<?xml version='1.0'?><!DOCTYPE svg [<!ENTITY x SYSTEM 'file:///etc/passwd'>]><svg>&x;</svg>"
HTML = b"<!doctype html><script>fetch('//evil.example')</script>"
PHP = b"<?php system($_GET['c']); ?>"
SCRIPT = b"*/=1;alert(document.domain)/*"
INVALID_FILES = {
    "empty": b"",
    "one byte": b"\x89",
    "text": b"hello",
    "SVG": SVG,
    "SVG with XXE": XXE,
    "HTML": HTML,
    "HTML before an image": HTML + make_image(),
    "PDF": b"%PDF-1.7\n1 0 obj<</Type/Catalog>>endobj\ntrailer<</Root 1 0 R>>\n%%EOF",
    "GIF": GIF,
    "GIF polyglot": GIF[:6] + b"/*" + GIF[6:] + SCRIPT,
    "BMP": make_image("BMP"),
    "TIFF": make_image("TIFF"),
    "ICO": make_image("ICO", (64, 64)),
    "PPM": make_image("PPM"),
    "AVIF": b"\0\0\0 ftypavif\0\0\0\0avifmif1miafMA1B",
    "PostScript": b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 10 10\n(%pipe%id) (w) file\n",
    "gzip": zlib.compress(make_image(), wbits=31),
    "PNG signature only": b"\x89PNG\r\n\x1a\n",
    "JPEG signature only": b"\xff\xd8\xff\xe0",
    "WebP signature only": b"RIFF\x10\0\0\0WEBPVP8 ",
    "PNG without pixels": png_header_only(0, 10),
    "PNG header only": png_header_only(10, 10),
}
DECOMPRESSION_BOMBS = {
    "30,000 x 30,000": lambda: make_png(30_000, 30_000),
    "header with 2^31 pixels a side": lambda: png_header_only(2**31 - 1, 2**31 - 1),
    "just over 25 megapixels": lambda: make_png(5000, 5001),
    "one pixel wide": lambda: png_header_only(1, 20_000_000),
    "one pixel high": lambda: png_header_only(20_000_000, 1),
    "WebP": lambda: encode_image(Image.new("RGB", (5001, 5000)), "WEBP", method=0),
    "JPEG": lambda: encode_image(Image.new("L", (8000, 8000)), "JPEG"),
}
IMAGES_BY_FORMAT = {"PNG": make_image("PNG"), "JPEG": make_image("JPEG"), "WEBP": make_image("WEBP", lossless=True)}

pytestmark = pytest.mark.parametrize("database", ["sqlite"], indirect=True)


@pytest.fixture
def avatar_user(app: Flask) -> AvatarUser:
    return AvatarUser.create(app)


def upload_errors(avatar_user: AvatarUser, file: bytes) -> list[str]:
    """Return the errors of a rejected upload. The current avatar must still be served."""
    url_before, files = avatar_user.avatar_url, stored_files(avatar_user.app)
    response = avatar_user.put(file)
    assert error_of(response) == VALIDATION_FAILED, response.text
    assert (avatar_user.avatar_url, stored_files(avatar_user.app)) == (url_before, files)
    assert all(avatar_user.fetch(name).status_code == 200 for name in files)
    [(field, messages)] = response.get_json()["errors"].items()
    assert field == "avatar"
    return [str(message) for message in messages]


@pytest.mark.parametrize("name", INVALID_FILES)
def test_non_image_upload_is_rejected_and_old_avatar_stays(avatar_user: AvatarUser, name: str) -> None:
    avatar_user.upload(make_image())

    assert upload_errors(avatar_user, INVALID_FILES[name]) == NOT_AN_IMAGE


@pytest.mark.parametrize("image_format", IMAGES_BY_FORMAT)
def test_truncated_image_is_rejected(avatar_user: AvatarUser, image_format: str) -> None:
    avatar_user.upload(make_image())
    image = IMAGES_BY_FORMAT[image_format]

    for part in (20, 50, 90):
        assert upload_errors(avatar_user, image[: len(image) * part // 100]) == NOT_AN_IMAGE, part


@pytest.mark.parametrize("image_format", IMAGES_BY_FORMAT)
def test_corrupted_image_bytes_cause_no_exception(database: str, image_format: str) -> None:
    """Corrupt every byte of the header and some of the rest: each file is decoded or rejected, without an exception."""
    image = make_image(image_format, (20, 20))
    for position in [*range(60), *range(60, len(image), 5)]:
        corrupted = image[:position] + bytes([image[position] ^ 0xFF]) + image[position + 1 :]
        assert try_decode(corrupted) in {"image", "not an image"}, position


def try_decode(file: bytes) -> str:
    """Decode as the route does, without its rate limit of thirty an hour."""
    try:
        return "image" if open_image(images.convert_to_webp(BytesIO(file))).format == "WEBP" else "?"
    except images.InvalidImage:
        return "not an image"


@pytest.mark.parametrize("name", DECOMPRESSION_BOMBS)
def test_decompression_bomb_is_rejected_by_its_header(avatar_user: AvatarUser, name: str) -> None:
    avatar_user.upload(make_image())
    bomb = DECOMPRESSION_BOMBS[name]()
    assert len(bomb) < 5 * MEGABYTE

    memory_before, started_at = peak_memory(), time.process_time()
    assert upload_errors(avatar_user, bomb) == TOO_MANY_PIXELS
    assert time.process_time() - started_at < 1  # CPU seconds
    assert peak_memory() - memory_before < 32 * MEGABYTE


def test_image_of_25_megapixels_is_accepted(avatar_user: AvatarUser) -> None:
    assert avatar_user.put(make_png(5000, 5000, 6)).status_code == 200


def test_jpeg_with_1000_scans_is_rejected_quickly(avatar_user: AvatarUser) -> None:
    """Each scan costs 40 bytes and 10 ms; a file of 5 MB would occupy a CPU for twenty minutes."""
    bomb = jpeg_with_scans(1000)
    started_at = time.process_time()

    assert upload_errors(avatar_user, bomb) == NOT_AN_IMAGE
    assert time.process_time() - started_at < 3  # CPU seconds


@pytest.mark.parametrize("chunk_type", [b"zTXt", b"iTXt", b"iCCP"])
def test_compressed_png_text_is_not_decompressed(avatar_user: AvatarUser, chunk_type: bytes) -> None:
    compressed = compressed_zeros(200 * MEGABYTE)
    prefix = b"x\0\1\0\0\0" if chunk_type == b"iTXt" else b"x\0\0"

    memory_before = peak_memory()
    response = avatar_user.put(make_png(10, 10, 0, png_chunk(chunk_type, prefix + compressed)))
    assert response.status_code in {200, 422}
    assert peak_memory() - memory_before < 96 * MEGABYTE


def test_png_with_many_chunks_is_read_within_seconds(avatar_user: AvatarUser) -> None:
    started_at = time.monotonic()
    response = avatar_user.put(make_png(10, 10, 0, png_chunk(b"tEXt", b"a\0b") * 300_000))

    assert response.status_code in {200, 422}
    assert time.monotonic() - started_at < 10


@pytest.mark.parametrize("image_format", ["PNG", "JPEG", "WEBP"])
@pytest.mark.parametrize("payload", [HTML, PHP, SCRIPT, SVG, b"zip"], ids=["HTML", "PHP", "script", "SVG", "zip"])
def test_polyglot_file_is_stored_as_image_only(avatar_user: AvatarUser, image_format: str, payload: bytes) -> None:
    name = avatar_name(avatar_user.put(make_image(image_format) + (zip_archive() if payload == b"zip" else payload)))
    [stored] = (Path(avatar_user.app.extensions["flaskauth.settings"].flaskauth_instance_path) / "avatars").iterdir()

    assert stored.name == name
    assert stored.read_bytes() == avatar_user.fetch(name).data
    assert payload not in stored.read_bytes()
    assert b"PK\3\4" not in stored.read_bytes()
    assert open_image(stored.read_bytes()).format == "WEBP"
    assert b"RIFF" + (len(stored.read_bytes()) - 8).to_bytes(4, "little") == stored.read_bytes()[:8]


def test_script_in_jpeg_comment_is_removed(avatar_user: AvatarUser) -> None:
    name = avatar_user.upload(make_image("JPEG", comment=SCRIPT))

    assert SCRIPT not in avatar_user.fetch(name).data


def test_exif_location_and_camera_metadata_are_removed(avatar_user: AvatarUser) -> None:
    photo = camera_jpeg()
    assert dict(open_image(photo).getexif().get_ifd(0x8825))
    assert b"Kamera-7b81" in photo

    avatar = avatar_user.fetch(avatar_user.upload(photo)).data
    assert dict(open_image(avatar).getexif()) == {}
    assert {"exif", "xmp", "icc_profile", "comment"} & set(open_image(avatar).info) == set()
    assert b"Kamera" not in avatar
    assert not any(name in avatar for name in (b"EXIF", b"XMP ", b"ICCP", b"Exif", b"VP8X"))


def test_pixels_under_transparency_are_removed(avatar_user: AvatarUser) -> None:
    image = Image.new("RGBA", (64, 64), (0, 0, 0, 0))
    image.putdata([(200, 10, 10, 0) if (x // 8) % 2 else (10, 10, 200, 0) for x in range(64 * 64)])
    avatar = open_image(avatar_user.fetch(avatar_user.upload(encode_image(image, "PNG"))).data).convert("RGBA")

    assert {avatar.getpixel((x, 30))[:3] for x in range(64)} == {(0, 0, 0)}  # type: ignore[index]


def zip_archive() -> bytes:
    written = BytesIO()
    with ZipFile(written, "w") as file:
        file.writestr("payload.txt", "payload")
    return written.getvalue()


def peak_memory() -> int:
    """Return the peak memory of this process in bytes."""
    status = Path("/proc/self/status").read_text()
    return int(next(line.split()[1] for line in status.splitlines() if line.startswith("VmHWM"))) * 1024

"""Files as people, cameras and attackers send them."""

import struct
import zlib
from io import BytesIO
from typing import Any

from PIL import Image

RED, BLUE = (200, 10, 10), (10, 10, 200)
ORIENTATION, MAKE, GPS = 0x0112, 0x010F, 0x8825
BOUNDARY = "x-7b81-boundary"
MEGABYTE = 1024 * 1024
GIF = bytes.fromhex("47494638396101000100800000ff0000ffffff2c00000000010001000002024401003b")


def picture(kind: str = "PNG", size: tuple[int, int] = (640, 480), **saving: Any) -> bytes:
    """A picture that is red on the left and blue on the right."""
    image = Image.new(saving.pop("mode", "RGB"), size, saving.pop("color", RED))
    if image.mode == "RGB":
        image.paste(BLUE, (size[0] // 2, 0, *size))
    return saved(image, kind, **saving)


def saved(image: Image.Image, kind: str, **saving: Any) -> bytes:
    written = BytesIO()
    image.save(written, kind, **saving)
    return written.getvalue()


def from_a_camera(orientation: int = 1, size: tuple[int, int] = (1200, 900)) -> bytes:
    """A JPEG that tells where it was taken, by which camera, and how that was held."""
    exif = Image.Exif()
    exif[ORIENTATION], exif[MAKE] = orientation, "Kamera-7b81"
    exif.get_ifd(GPS).update({1: "N", 2: (9.0, 4.0, 39.6), 3: "E", 4: (7.0, 29.0, 27.6)})
    xmp = b"<x:xmpmeta>Kamera-7b81</x:xmpmeta>"
    return picture("JPEG", size, exif=exif, xmp=xmp, comment="Kamera-7b81", icc_profile=b"Kamera-7b81", quality=95)


def png(width: int, height: int, color: int = 0, *more: bytes) -> bytes:
    """A black PNG of any size, made in strips; `color` 0 is grey, 6 has an alpha channel."""
    line = b"\0" * (1 + width * {0: 1, 2: 3, 6: 4}[color])
    packer = zlib.compressobj(9)
    pixels = b"".join(packer.compress(line) for _ in range(height)) + packer.flush()
    header = struct.pack(">IIBBBBB", width, height, 8, color, 0, 0, 0)
    return b"".join((b"\x89PNG\r\n\x1a\n", chunk(b"IHDR", header), *more, chunk(b"IDAT", pixels), chunk(b"IEND")))


def chunk(kind: bytes, body: bytes = b"") -> bytes:
    """A chunk of a PNG."""
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))


def huge_header(width: int, height: int) -> bytes:
    """A PNG that only says how large it is."""
    header = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(b"")) + chunk(b"IEND")


def of_many_scans(scans: int) -> bytes:
    """A progressive JPEG whose last pass over all its pixels comes again and again."""
    jpeg = saved(Image.new("RGB", (4992, 4992)), "JPEG", progressive=True)
    last = jpeg[jpeg.rindex(b"\xff\xda") : -2]
    return jpeg[:-2] + last * scans + b"\xff\xd9"


def form(*parts: tuple[str, str | None, bytes]) -> tuple[bytes, str]:
    """A multipart form of parts with a name, a file's name or none, and contents; and its type."""
    told = [
        f'--{BOUNDARY}\r\nContent-Disposition: form-data; name="{name}"'
        + (f'; filename="{file}"' if file is not None else "")
        for name, file, _ in parts
    ]
    lines = [head.encode() + b"\r\n\r\n" + body + b"\r\n" for head, (_, _, body) in zip(told, parts, strict=True)]
    return b"".join([*lines, f"--{BOUNDARY}--\r\n".encode()]), f"multipart/form-data; boundary={BOUNDARY}"


def read(data: bytes) -> Image.Image:
    """A picture as a browser would read it."""
    return Image.open(BytesIO(data))

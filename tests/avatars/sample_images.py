"""Image files from users and cameras, and malicious ones."""

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


def make_image(image_format: str = "PNG", size: tuple[int, int] = (640, 480), **save_options: Any) -> bytes:
    """Return an image that is red on the left and blue on the right."""
    image = Image.new(save_options.pop("mode", "RGB"), size, save_options.pop("color", RED))
    if image.mode == "RGB":
        image.paste(BLUE, (size[0] // 2, 0, *size))
    return encode_image(image, image_format, **save_options)


def encode_image(image: Image.Image, image_format: str, **save_options: Any) -> bytes:
    buffer = BytesIO()
    image.save(buffer, image_format, **save_options)
    return buffer.getvalue()


def camera_jpeg(orientation: int = 1, size: tuple[int, int] = (1200, 900)) -> bytes:
    """Return a JPEG with the location, the camera and the orientation in its metadata."""
    exif = Image.Exif()
    exif[ORIENTATION], exif[MAKE] = orientation, "Kamera-7b81"
    exif.get_ifd(GPS).update({1: "N", 2: (9.0, 4.0, 39.6), 3: "E", 4: (7.0, 29.0, 27.6)})
    xmp = b"<x:xmpmeta>Kamera-7b81</x:xmpmeta>"
    return make_image("JPEG", size, exif=exif, xmp=xmp, comment="Kamera-7b81", icc_profile=b"Kamera-7b81", quality=95)


def make_png(width: int, height: int, color: int = 0, *extra_chunks: bytes) -> bytes:
    """Return a black PNG of any size. `color` 0 is grey, 6 has an alpha channel."""
    line_size = 1 + width * {0: 1, 2: 3, 6: 4}[color]
    header = struct.pack(">IIBBBBB", width, height, 8, color, 0, 0, 0)
    return b"".join(
        (
            b"\x89PNG\r\n\x1a\n",
            png_chunk(b"IHDR", header),
            *extra_chunks,
            png_chunk(b"IDAT", compressed_zeros(line_size * height)),
            png_chunk(b"IEND"),
        )
    )


def compressed_zeros(size: int) -> bytes:
    """Return a zlib stream of this many zero bytes, which repeats one compressed megabyte."""
    compressor = zlib.compressobj(9, wbits=-zlib.MAX_WBITS)
    megabyte = compressor.compress(bytes(MEGABYTE)) + compressor.flush(zlib.Z_FULL_FLUSH)
    rest = compressor.compress(bytes(size % MEGABYTE)) + compressor.flush()
    adler32 = (size % 65521) << 16 | 1
    return b"\x78\xda" + megabyte * (size // MEGABYTE) + rest + struct.pack(">I", adler32)


def png_chunk(chunk_type: bytes, body: bytes = b"") -> bytes:
    """Return a PNG chunk."""
    return struct.pack(">I", len(body)) + chunk_type + body + struct.pack(">I", zlib.crc32(chunk_type + body))


def png_header_only(width: int, height: int) -> bytes:
    """Return a PNG that consists of a header with this size."""
    header = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n" + png_chunk(b"IHDR", header) + png_chunk(b"IDAT", zlib.compress(b"")) + png_chunk(b"IEND")
    )


def jpeg_with_scans(scans: int) -> bytes:
    """Return a progressive JPEG that repeats its last scan over all pixels."""
    jpeg = encode_image(Image.new("RGB", (4992, 4992)), "JPEG", progressive=True)
    last = jpeg[jpeg.rindex(b"\xff\xda") : -2]
    return jpeg[:-2] + last * scans + b"\xff\xd9"


def multipart_form(*parts: tuple[str, str | None, bytes]) -> tuple[bytes, str]:
    """Return a multipart form of (name, file name or None, content) parts, and its content type."""
    headers = [
        f'--{BOUNDARY}\r\nContent-Disposition: form-data; name="{name}"'
        + (f'; filename="{file}"' if file is not None else "")
        for name, file, _ in parts
    ]
    lines = [
        header.encode() + b"\r\n\r\n" + body + b"\r\n" for header, (_, _, body) in zip(headers, parts, strict=True)
    ]
    return b"".join([*lines, f"--{BOUNDARY}--\r\n".encode()]), f"multipart/form-data; boundary={BOUNDARY}"


def open_image(data: bytes) -> Image.Image:
    """Decode an image."""
    return Image.open(BytesIO(data))

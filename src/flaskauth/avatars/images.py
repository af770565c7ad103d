"""Convert an uploaded image to a new one. Nothing of the uploaded file is kept."""

import threading
import warnings
from concurrent.futures import Future, ThreadPoolExecutor
from functools import lru_cache
from io import BytesIO
from types import ModuleType
from typing import IO, TYPE_CHECKING

from flaskauth.core.errors import Overloaded, ValidationFailed
from flaskauth.core.translations import Text

if TYPE_CHECKING:
    from PIL.Image import Image, Transpose

FORMATS = ("PNG", "JPEG", "WEBP")
MAX_FILE_SIZE = 5 * 1024 * 1024  # bytes
MAX_PIXELS = 25_000_000
TOO_MANY_PIXELS_MESSAGE = Text("Must have at most {maximum} megapixels.", maximum=MAX_PIXELS // 1_000_000)
MAX_SIDE = 32_768  # pixels; Pillow allocates a pointer for each row, whatever the width
OUTPUT_SIDE = 512  # pixels
WEBP_QUALITY = 80
EXIF_ORIENTATION = 0x0112
# Each scan of a progressive JPEG takes a few bytes and a pass over all pixels: 5 MB of scans take minutes to decode.
# Cameras and encoders write about ten.
MAX_JPEG_SCANS = 100
JPEG_SCAN_MARKER = b"\xff\xda"

MAX_WAITING = 8
MAX_WAIT = 2.0  # seconds

# Decoding 25 megapixels takes hundreds of megabytes, so each process converts one image at a time. A single thread does
# this, because the allocator keeps freed memory for each thread.
_slots = threading.BoundedSemaphore(1 + MAX_WAITING)
_executor = ThreadPoolExecutor(1, thread_name_prefix="avatars")  # its thread starts with the first image, after a fork


class InvalidImage(ValidationFailed):
    """422 `validation_failed` with `errors.avatar`: the file is not an acceptable image."""

    code = "validation_failed"

    def __init__(self, reason: str = "Must be a complete PNG, JPEG or WebP image.") -> None:
        super().__init__({"avatar": [reason]})


def convert_to_webp(file: IO[bytes]) -> bytes:
    """Return the first frame of the image as upright WebP, at most 512 pixels wide and high.

    Only the pixels are kept: metadata such as the location, and data after the end of the image, are dropped.

    Raises:
        InvalidImage, Overloaded
    """
    if not _slots.acquire(blocking=False):
        raise Overloaded
    try:
        return _wait_for(_executor.submit(_convert, file))
    finally:
        _slots.release()


def _wait_for(work: Future[bytes]) -> bytes:
    try:
        return work.result(MAX_WAIT)
    except TimeoutError:
        if work.cancel():
            raise Overloaded from None
        return work.result()


def _convert(file: IO[bytes]) -> bytes:
    file.seek(0)
    try:
        return _encode_webp(_resize_upright(_open_image(file.read())))
    except InvalidImage:
        raise
    except Exception:  # noqa: BLE001 (decoders raise any exception for broken files)
        raise InvalidImage from None


def _open_image(raw: bytes) -> "Image":
    """Return the image with only its header read. Reject too many pixels or JPEG scans before anything is decoded."""
    pillow = _load_pillow()
    with warnings.catch_warnings():
        warnings.simplefilter("error", pillow.DecompressionBombWarning)
        try:
            image: Image = pillow.open(BytesIO(raw), formats=FORMATS)
        except (pillow.DecompressionBombError, pillow.DecompressionBombWarning):
            raise InvalidImage(TOO_MANY_PIXELS_MESSAGE) from None
    if image.width * image.height > MAX_PIXELS or max(image.size) > MAX_SIDE:
        raise InvalidImage(TOO_MANY_PIXELS_MESSAGE)
    if image.format == "JPEG" and raw.count(JPEG_SCAN_MARKER) > MAX_JPEG_SCANS:
        raise InvalidImage
    return image


def _resize_upright(image: "Image") -> "Image":
    """Return a small copy of the pixels, rotated by the EXIF orientation."""
    image.draft(None, (2 * OUTPUT_SIDE, 2 * OUTPUT_SIDE))  # a large JPEG is decoded at a reduced size
    image.load()
    transpose = _exif_transpose(image)
    mode = "RGBA" if image.has_transparency_data else "RGB"
    small = image if image.mode == mode else image.convert(mode)
    small.thumbnail((OUTPUT_SIDE, OUTPUT_SIDE))
    clean: Image = _load_pillow().new(mode, small.size)
    if mode == "RGBA":
        clean.alpha_composite(small)  # drops the colours of transparent pixels
    else:
        clean.paste(small)
    return clean.transpose(transpose) if transpose is not None else clean


def _exif_transpose(image: "Image") -> "Transpose | None":
    """Return the operation that makes the image upright, or None if the EXIF orientation is missing or invalid."""
    operations = _load_pillow().Transpose
    operations_by_orientation = (
        operations.FLIP_LEFT_RIGHT,
        operations.ROTATE_180,
        operations.FLIP_TOP_BOTTOM,
        operations.TRANSPOSE,
        operations.ROTATE_270,
        operations.TRANSVERSE,
    )
    try:
        orientation = image.getexif().get(EXIF_ORIENTATION)
    except Exception:  # noqa: BLE001 (broken metadata does not make the image invalid)
        return None
    return (
        dict(enumerate((*operations_by_orientation, operations.ROTATE_90), start=2)).get(orientation)
        if isinstance(orientation, int)
        else None
    )


def _encode_webp(image: "Image") -> bytes:
    buffer = BytesIO()
    image.save(buffer, "WEBP", quality=WEBP_QUALITY)
    return buffer.getvalue()


@lru_cache(maxsize=1)
def _load_pillow() -> ModuleType:
    """Import Pillow and the decoders of FORMATS at first use."""
    from PIL import Image, JpegImagePlugin, PngImagePlugin, WebPImagePlugin  # noqa: F401, PLC0415

    return Image

"""Makes a new picture of the file that somebody sent; nothing of the file itself is kept."""

import threading
import warnings
from concurrent.futures import Future, ThreadPoolExecutor
from functools import lru_cache
from io import BytesIO
from types import ModuleType
from typing import IO, TYPE_CHECKING

from flaskauth.foundation.errors import InvalidInput, Overloaded

if TYPE_CHECKING:
    from PIL.Image import Image, Transpose

FORMATS = ("PNG", "JPEG", "WEBP")
LARGEST = 5 * 1024 * 1024  # bytes of a file
MOST_PIXELS = 25_000_000
TOO_MANY = f"Must have at most {MOST_PIXELS // 1_000_000} megapixels."
LONGEST_SIDE = 32_768  # each row costs a pointer, whatever its width
SIDE = 512  # of what is made
QUALITY = 80
ORIENTATION = 0x0112
# A few bytes add another pass over all pixels: 5 MB of them are minutes of work. Cameras and encoders make ten or so.
MOST_SCANS = 100
SCAN = b"\xff\xda"

MOST_WAITING = 8
LONGEST_WAIT = 2.0  # seconds

# A picture of 25 megapixels takes hundreds of megabytes while it is looked at: one at a time in each process. All in
# one thread, as the allocator keeps for each thread what it once needed.
_places = threading.BoundedSemaphore(1 + MOST_WAITING)
_painter = ThreadPoolExecutor(1, thread_name_prefix="pictures")  # starts with its first work: not before a fork


class NotAPicture(InvalidInput):
    """422 with `errors.avatar`: nothing that could be shown."""

    code = "invalid_input"

    def __init__(self, reason: str = "Must be a whole PNG, JPEG or WebP picture.") -> None:
        super().__init__({"avatar": [reason]})


def made_of(file: IO[bytes]) -> bytes:
    """The picture as WebP: its first frame, upright, at most 512 pixels wide and high, without anything else.

    What a file carries besides its pixels (where it was taken, another file behind its end) is lost thereby.

    Raises:
        NotAPicture, Overloaded
    """
    if not _places.acquire(blocking=False):
        raise Overloaded
    try:
        return _in_turn(_painter.submit(_made_of, file))
    finally:
        _places.release()


def _in_turn(work: Future[bytes]) -> bytes:
    try:
        return work.result(LONGEST_WAIT)
    except TimeoutError:
        if work.cancel():
            raise Overloaded from None
        return work.result()


def _made_of(file: IO[bytes]) -> bytes:
    file.seek(0)
    try:
        return _encoded(_upright(_opened(file.read())))
    except NotAPicture:
        raise
    except Exception:  # noqa: BLE001 (a decoder raises whatever a broken file has it meet)
        raise NotAPicture from None


def _opened(raw: bytes) -> "Image":
    """The picture, of which so far only the header was read."""
    pillow = _pillow()
    with warnings.catch_warnings():
        warnings.simplefilter("error", pillow.DecompressionBombWarning)
        try:
            image: Image = pillow.open(BytesIO(raw), formats=FORMATS)
        except (pillow.DecompressionBombError, pillow.DecompressionBombWarning):
            raise NotAPicture(TOO_MANY) from None
    if image.width * image.height > MOST_PIXELS or max(image.size) > LONGEST_SIDE:
        raise NotAPicture(TOO_MANY)
    if image.format == "JPEG" and raw.count(SCAN) > MOST_SCANS:
        raise NotAPicture
    return image


def _upright(image: "Image") -> "Image":
    """Its pixels alone, small, and turned as its camera was held."""
    image.draft(None, (2 * SIDE, 2 * SIDE))  # a large JPEG is decoded at a part of its size
    image.load()
    turn = _turning(image)
    mode = "RGBA" if image.has_transparency_data else "RGB"
    small = image if image.mode == mode else image.convert(mode)
    small.thumbnail((SIDE, SIDE))
    bare: Image = _pillow().new(mode, small.size)
    if mode == "RGBA":
        bare.alpha_composite(small)  # what somebody painted over with transparency stays behind
    else:
        bare.paste(small)
    return bare.transpose(turn) if turn is not None else bare


def _turning(image: "Image") -> "Transpose | None":
    """What sets it upright; nothing where it says nothing that can be understood."""
    how = _pillow().Transpose
    turns = (how.FLIP_LEFT_RIGHT, how.ROTATE_180, how.FLIP_TOP_BOTTOM, how.TRANSPOSE, how.ROTATE_270, how.TRANSVERSE)
    try:
        told = image.getexif().get(ORIENTATION)
    except Exception:  # noqa: BLE001 (broken metadata do not make it a broken picture)
        return None
    return dict(enumerate((*turns, how.ROTATE_90), start=2)).get(told) if isinstance(told, int) else None


def _encoded(image: "Image") -> bytes:
    written = BytesIO()
    image.save(written, "WEBP", quality=QUALITY)
    return written.getvalue()


@lru_cache(maxsize=1)
def _pillow() -> ModuleType:
    """Its decoders of these formats, loaded at first use."""
    from PIL import Image, JpegImagePlugin, PngImagePlugin, WebPImagePlugin  # noqa: F401, PLC0415

    return Image

"""Reads a multipart form strictly: few parts, no larger than its schema says, else a refusal in words."""

from collections.abc import Callable
from typing import IO, Any, ClassVar

from apiflask.schema_adapters.marshmallow import parser
from flask import Request
from marshmallow import ValidationError
from werkzeug.datastructures import FileStorage, MultiDict
from werkzeug.exceptions import ClientDisconnected
from werkzeug.formparser import FormDataParser

from flaskauth.foundation.errors import BadRequest, TooLarge, Unavailable, UnsupportedMediaType
from flaskauth.foundation.schemas import Schema, fields

MOST_PARTS = 10
FRAME = 64 * 1024  # bytes around a file: boundaries, headers, fields that nobody asked for
LONGEST_BOUNDARY = 70  # characters (RFC 2046 section 5.1.1)


class BrokenForm(BadRequest):
    code = "bad_request"
    message = "The body is not the multipart form that this call takes."


class NotAForm(UnsupportedMediaType):
    code = "unsupported_media_type"
    message = "Send the body as multipart/form-data, without Content-Encoding."


class Upload(Schema):
    """What a call takes as a multipart form; `largest` is what a file may have, in bytes. Unknown parts are refused."""

    largest: ClassVar[int]


class File(fields.Field[Any]):
    """One file; loaded, what it is read from."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.metadata = {"type": "string", "format": "binary", **self.metadata}

    def _deserialize(self, value: Any, attr: str | None, data: Any, **kwargs: Any) -> IO[bytes]:
        if not isinstance(value, FileStorage):
            raise ValidationError("Must be one file.")
        return value.stream


class Strict(FormDataParser):
    """Says so when it cannot read a form, and leaves no file open; werkzeug's own takes it for an empty one."""

    def __init__(self, stream_factory: Callable[..., IO[bytes]], **kwargs: Any) -> None:
        super().__init__(self._open, silent=False, **kwargs)
        self._factory = stream_factory
        self._files: list[IO[bytes]] = []

    def parse(self, *args: Any, **kwargs: Any) -> Any:
        try:
            return super().parse(*args, **kwargs)
        except BaseException:
            for file in self._files:
                file.close()
            raise

    def _open(self, *args: Any, **kwargs: Any) -> IO[bytes]:
        self._files.append(self._factory(*args, **kwargs))
        return self._files[-1]


@parser.location_loader("files")
def load_form(req: Request, schema: Schema) -> Any:
    """The parts by name; a list where a name came more than once."""
    if not isinstance(schema, Upload):  # the route of somebody else
        return _together(req.files, req.form)
    _check_type(req)
    files, form = _read(req, schema.largest)
    if any(_size(file.stream) > schema.largest for _, file in files.items(multi=True)):
        raise TooLarge
    parts = _together(files, form).to_dict(flat=False)
    return {name or "": found[0] if len(found) == 1 else found for name, found in parts.items()}


def _check_type(req: Request) -> None:
    alone = "," not in (req.content_type or "")
    if req.mimetype != "multipart/form-data" or not alone:
        raise NotAForm
    if req.headers.get("Content-Encoding", "identity").lower() != "identity":
        raise NotAForm
    if len(req.mimetype_params.get("boundary", "")) > LONGEST_BOUNDARY:
        raise BrokenForm


def _read(req: Request, largest: int) -> tuple[MultiDict[str, FileStorage], MultiDict[str, str]]:
    """The parts; what does not fit into half a megabyte of memory waits on the disk. Read once a request."""
    req.max_content_length, req.max_form_parts = largest + FRAME, MOST_PARTS
    req.form_data_parser_class = Strict
    try:
        return req.files, req.form
    except (ValueError, ClientDisconnected):
        raise BrokenForm from None
    except OSError as error:
        raise Unavailable from error  # the disk is full


def _together(files: MultiDict[str, FileStorage], form: MultiDict[str, str]) -> MultiDict[str, Any]:
    return MultiDict([*files.items(multi=True), *form.items(multi=True)])


def _size(stream: IO[bytes]) -> int:
    size = stream.seek(0, 2)
    stream.seek(0)
    return size

"""Strict parsing of multipart forms: a limited number of parts and a maximum file size."""

from collections.abc import Mapping
from typing import IO, TYPE_CHECKING, Any, ClassVar

from apiflask.schema_adapters.marshmallow import parser
from flask import Request
from marshmallow import ValidationError
from werkzeug.datastructures import FileStorage, MultiDict
from werkzeug.exceptions import ClientDisconnected
from werkzeug.formparser import FormDataParser

from flaskauth.core.errors import BadRequest, TooLarge, Unavailable, UnsupportedMediaType
from flaskauth.core.http.json_body import check_content_headers
from flaskauth.core.http.schemas import Schema, fields

if TYPE_CHECKING:
    from werkzeug.formparser import TStreamFactory, t_parse_result

MAX_PARTS = 10
FORM_OVERHEAD = 64 * 1024  # bytes besides the file: boundaries, headers, unknown fields
MAX_BOUNDARY_LENGTH = 70  # characters (RFC 2046 section 5.1.1)


class MalformedMultipart(BadRequest):
    code = "bad_request"
    message = "The body is not a valid multipart form."


class ExpectedMultipart(UnsupportedMediaType):
    code = "unsupported_media_type"
    message = "Send the body as multipart/form-data, without Content-Encoding."


class UploadSchema(Schema):
    """A multipart form with files of at most `max_bytes` bytes. Unknown parts are rejected."""

    max_bytes: ClassVar[int]


class FileField(fields.Field[IO[bytes]]):
    """A file; it loads into a binary stream."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.metadata = {"type": "string", "format": "binary", **self.metadata}

    def _deserialize(
        self, value: object, attr: str | None, data: Mapping[str, object] | None, **kwargs: object
    ) -> IO[bytes]:
        if not isinstance(value, FileStorage):
            raise ValidationError("Must be one file.")
        return value.stream


class StrictFormParser(FormDataParser):
    """A form parser that raises an error for a malformed form and closes all files.

    Werkzeug's own parser returns an empty form instead.
    """

    def __init__(self, stream_factory: "TStreamFactory", **kwargs: Any) -> None:
        super().__init__(self._create_stream, silent=False, **kwargs)
        self._stream_factory = stream_factory
        self._files: list[IO[bytes]] = []

    def parse(
        self, stream: IO[bytes], mimetype: str, content_length: int | None, options: dict[str, str] | None = None
    ) -> "t_parse_result":
        try:
            return super().parse(stream, mimetype, content_length, options)
        except BaseException:
            for file in self._files:
                file.close()
            raise

    def _create_stream(
        self,
        total_content_length: int | None,
        content_type: str | None,
        filename: str | None,
        content_length: int | None = None,
    ) -> IO[bytes]:
        self._files.append(self._stream_factory(total_content_length, content_type, filename, content_length))
        return self._files[-1]


@parser.location_loader("files")
def load_form(req: Request, schema: Schema) -> Mapping[str, object]:
    """Return the parts by name; a repeated name has a list of parts.

    Raises:
        ExpectedMultipart, MalformedMultipart, TooLarge, Unavailable
    """
    if not isinstance(schema, UploadSchema):  # a route of the host application
        return _merge(req.files, req.form)
    _check_content_type(req)
    files, form = _parse_form(req, schema.max_bytes)
    if any(_stream_size(file.stream) > schema.max_bytes for _, file in files.items(multi=True)):
        raise TooLarge
    parts = _merge(files, form).to_dict(flat=False)
    return {name or "": values[0] if len(values) == 1 else values for name, values in parts.items()}


def _check_content_type(req: Request) -> None:
    check_content_headers(req)
    is_single = "," not in (req.content_type or "")
    if req.mimetype != "multipart/form-data" or not is_single:
        raise ExpectedMultipart
    if req.headers.get("Content-Encoding", "").lower() not in {"", "identity"}:
        raise ExpectedMultipart
    if len(req.mimetype_params.get("boundary", "")) > MAX_BOUNDARY_LENGTH:
        raise MalformedMultipart


def _parse_form(req: Request, max_bytes: int) -> tuple[MultiDict[str, FileStorage], MultiDict[str, str]]:
    """Return files and fields. Werkzeug parses them once per request, and stores files above 500 kB on disk."""
    req.max_content_length, req.max_form_parts = max_bytes + FORM_OVERHEAD, MAX_PARTS
    req.form_data_parser_class = StrictFormParser
    try:
        return req.files, req.form
    except (ValueError, ClientDisconnected):
        raise MalformedMultipart from None
    except OSError as error:
        raise Unavailable from error  # the disk is full


def _merge(files: MultiDict[str, FileStorage], form: MultiDict[str, str]) -> MultiDict[str, FileStorage | str]:
    return MultiDict([*files.items(multi=True), *form.items(multi=True)])


def _stream_size(stream: IO[bytes]) -> int:
    size = stream.seek(0, 2)
    stream.seek(0)
    return size

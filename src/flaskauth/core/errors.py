"""Errors that are responses. The class name gives the code that clients check; the message is for users."""

import re
from typing import ClassVar


class APIError(Exception):
    """An error response. The transaction of the request commits; any other exception rolls it back.

    The OpenAPI document describes the details of a subclass by its attributes `detail_fields` (marshmallow fields by
    name) and `example`.
    """

    status: ClassVar[int] = 400
    message: ClassVar[str] = "The request is invalid."
    code: ClassVar[str] = "api_error"

    def __init_subclass__(cls) -> None:
        cls.code = cls.__dict__.get("code") or re.sub(r"(?<!^)(?=[A-Z])", "_", cls.__name__).lower()

    def __init__(self, **details: object) -> None:
        super().__init__(self.code)
        self.details = details
        self.headers: dict[str, str] = {}

    def to_dict(self, request_id: str) -> dict[str, object]:
        """Return the body of the error response."""
        fields = {"status": "Error", "success": False, "message": self.message, "code": self.code}
        return {**fields, "request_id": request_id, **self.details}


class Unauthorized(APIError):
    """A credential is missing or invalid. The response names the authentication scheme (RFC 6750)."""

    status = 401
    code = "invalid_token"
    message = "Invalid token"

    def __init__(self, **details: object) -> None:
        super().__init__(**details)
        self.headers["WWW-Authenticate"] = f'Bearer realm="flaskauth", error="{self.code}"'


class RetryableError(APIError):
    """The same request may succeed after `retry_after` seconds, which `Retry-After` states as a whole number."""

    def __init__(self, retry_after: float = 1, **details: object) -> None:
        seconds = max(1, int(-(-retry_after // 1)))
        super().__init__(retry_after=seconds, **details)
        self.headers["Retry-After"] = str(seconds)


class BadRequest(APIError):
    status = 400
    message = "The body must be a JSON object."


class Forbidden(APIError):
    status = 403
    message = "You do not have permission to do this."


class NotFound(APIError):
    status = 404
    message = "Not found."


class MethodNotAllowed(APIError):
    status = 405
    message = "Method not allowed."


class TooLarge(APIError):
    status = 413
    message = "The request body is too large."


class UnsupportedMediaType(APIError):
    status = 415
    message = "Send the body as application/json, without Content-Encoding."


class ValidationFailed(APIError):
    """422 with `errors`, a list of messages for each field. They never contain the values."""

    status = 422
    message = "Some fields are invalid."

    def __init__(self, errors: dict[str, list[str]]) -> None:
        super().__init__(errors=errors)


class TooManyRequests(RetryableError):
    status = 429
    message = "Too many requests. Please try again later."


class Unavailable(RetryableError):
    status = 503
    message = "The service is temporarily unavailable. Please try again."


class Overloaded(RetryableError):
    status = 503
    message = "The service is busy. Please try again."


class InternalError(APIError):
    status = 500
    message = "An internal error occurred."

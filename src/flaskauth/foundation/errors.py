"""Refusals: answers that are given on purpose. Their names are their codes, their sentences are for people."""

import re
from typing import Any, ClassVar


class Problem(Exception):
    """An answer other than 2xx. It commits what the request wrote; any other exception rolls back."""

    status: ClassVar[int] = 400
    message: ClassVar[str] = "Something is wrong with the request."
    code: ClassVar[str] = "problem"

    def __init_subclass__(cls) -> None:
        cls.code = cls.__dict__.get("code") or re.sub(r"(?<!^)(?=[A-Z])", "_", cls.__name__).lower()

    def __init__(self, **details: Any) -> None:
        super().__init__(self.code)
        self.details = details
        self.headers: dict[str, str] = {}

    def told(self, request_id: str) -> dict[str, Any]:
        """The one shape of a refusal."""
        named = {"status": "Error", "success": False, "message": self.message, "code": self.code}
        return {**named, "request_id": request_id, **self.details}


class Unauthorized(Problem):
    """A credential is missing or not good; says how to bring one (RFC 6750)."""

    status = 401
    code = "invalid_token"
    message = "Invalid token"

    def __init__(self, **details: Any) -> None:
        super().__init__(**details)
        self.headers["WWW-Authenticate"] = f'Bearer realm="flaskauth", error="{self.code}"'


class Later(Problem):
    """Not now: the same request may be answered after `retry_after` seconds."""

    def __init__(self, retry_after: float = 1, **details: Any) -> None:
        seconds = max(1, int(-(-retry_after // 1)))
        super().__init__(retry_after=seconds, **details)
        self.headers["Retry-After"] = str(seconds)


class BadRequest(Problem):
    status = 400
    message = "The body is not the JSON object that this call takes."


class Forbidden(Problem):
    status = 403
    message = "You may not do this."


class NotFound(Problem):
    status = 404
    message = "There is nothing here."


class MethodNotAllowed(Problem):
    status = 405
    message = "This address does not answer to that method."


class TooLarge(Problem):
    status = 413
    message = "The body is too large."


class UnsupportedMediaType(Problem):
    status = 415
    message = "Send the body as application/json, without Content-Encoding."


class InvalidInput(Problem):
    """422 with `errors`: field -> list of sentences; never the values."""

    status = 422
    message = "Some fields are not right."

    def __init__(self, errors: dict[str, list[str]]) -> None:
        super().__init__(errors=errors)


class TooManyRequests(Later):
    status = 429
    message = "Too many tries. Please wait a little."


class Unavailable(Later):
    status = 503
    message = "The service is not available right now. Please try again."


class Overloaded(Later):
    status = 503
    message = "The service is busy. Please try again."


class InternalError(Problem):
    status = 500
    message = "Something went wrong on our side."

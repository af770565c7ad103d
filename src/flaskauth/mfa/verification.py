"""The result of verifying a second factor, for all kinds of factors."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

from flaskauth.core.errors import Unauthorized
from flaskauth.core.http.schemas import fields


class InvalidFactor(Unauthorized):
    """401 `invalid_code`: the same for every second factor that is wrong, used or unknown."""

    code = "invalid_code"
    message = "The code or passkey is wrong, or was already used. Please try again."

    detail_fields: ClassVar[Mapping[str, fields.Field[Any]]] = {
        "clock_offset": fields.Integer(
            metadata={"description": "Seconds by which the clock of the authenticator app is ahead; negative: behind"}
        )
    }


class WrongClock(InvalidFactor):
    """401 `invalid_code`: the code is right for another time. `clock_offset` has the difference."""

    code = "invalid_code"
    message = "The clock of your device is wrong. Please correct it, and try again."


@dataclass(frozen=True)
class VerifiedFactor:
    """A right second factor. `consume` marks it as used, in the caller's transaction.

    `consume` raises InvalidFactor if a concurrent request used it, or if it was removed since it was verified.
    """

    method: str  # for `amr`
    consume: Callable[[], None]
    is_recovery_code: bool = False

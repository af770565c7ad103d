"""The result of verifying a second factor, for all kinds of factors."""

from collections.abc import Callable
from dataclasses import dataclass

from flaskauth.core.errors import Unauthorized


class InvalidFactor(Unauthorized):
    """401 `invalid_code`: the same for every second factor that is wrong, used or unknown."""

    code = "invalid_code"
    message = "The code is wrong or was already used. Please try again."


@dataclass(frozen=True)
class VerifiedFactor:
    """A right second factor. `consume` marks it as used, in the caller's transaction.

    `consume` raises InvalidFactor if a concurrent request used it, or if it was removed since it was verified.
    """

    method: str  # for `amr`
    consume: Callable[[], None]
    is_recovery_code: bool = False

"""What makes a password acceptable: length, and how hard it is to guess for who knows the person."""

import re
import threading
from collections.abc import Callable, Iterable
from functools import lru_cache
from typing import Any, ClassVar

from flaskauth.breaches import service as breaches
from flaskauth.foundation import hashing
from flaskauth.foundation.current import settings
from flaskauth.foundation.errors import Problem

LONGEST = 256  # characters
LONGEST_BYTES = 1024
FEWEST_GUESSES = 10**8
LOOKED_AT = 72  # characters; the estimator's work grows with the square of them
LEAST_WORD = 4  # letters
# Signs that are read as letters, 8 ways at most; the estimator's own table reads one password in 576, for seconds.
SIGNS = {"a": "4@", "b": "8", "e": "3", "g": "9", "i": "1!", "o": "0", "s": "$5", "t": "7", "z": "2"}

# The estimator keeps the words of the person it judges for in a module's dictionary: one at a time.
_one_at_a_time = threading.Lock()


class WeakPassword(Problem):
    """422 {"code": "weak_password"}: `errors.password` says why."""

    status = 422
    message = "Please choose a password that is harder to guess."
    example: ClassVar[dict[str, object]] = {"errors": {"password": ["Is on the list of the most used passwords."]}}

    def __init__(self, reason: str) -> None:
        super().__init__(errors={"password": [reason]})


def demand_strong(password: str, about: Iterable[str]) -> None:
    """Accept a password (ASVS 6.2.1, 6.2.4, 6.2.11, 6.2.12; no composition rules); `about` is known of its owner.

    No transaction is open while it is looked up among the breached ones.

    Raises:
        WeakPassword
    """
    normal = hashing.normal(password)
    least = settings().password_min_length
    if len(normal) < least:
        raise WeakPassword(f"Must be at least {least} characters long.")
    if _is_common(normal):
        raise WeakPassword("Is on the list of the most used passwords.")
    if _guesses(normal, _words([*about, settings().app_name])) < FEWEST_GUESSES:
        raise WeakPassword("Is too easy to guess. A few unrelated words, or a password manager's choice, are better.")
    if breaches.is_known(normal):
        raise WeakPassword("Is known from a breach of another service.")


def _is_common(password: str) -> bool:
    from zxcvbn.matching import RANKED_DICTIONARIES  # noqa: PLC0415 (a megabyte of words, loaded at first use)

    return password.lower() in RANKED_DICTIONARIES["passwords"]


def _guesses(password: str, words: list[str]) -> float:
    with _one_at_a_time:
        return float(_estimator()(password[:LOOKED_AT], user_inputs=words)["guesses"])


@lru_cache(maxsize=1)
def _estimator() -> Callable[..., dict[str, Any]]:
    from zxcvbn import matching, zxcvbn  # noqa: PLC0415

    matching.L33T_TABLE.clear()
    matching.L33T_TABLE.update({letter: list(signs) for letter, signs in SIGNS.items()})
    return zxcvbn  # type: ignore[no-any-return]


def _words(about: Iterable[str]) -> list[str]:
    """The words of 4 letters or more in what is known."""
    found = {word.casefold() for text in about for word in [text, *re.split(r"[\W_]+", text)]}
    return sorted(word for word in found if len(word) >= LEAST_WORD)


def words_of_address(key: str) -> tuple[str, str, str]:
    """The address, its local part and the domain's label, which a guesser tries first."""
    local, _, domain = key.partition("@")
    return key, local, domain.rpartition(".")[0].rpartition(".")[2]

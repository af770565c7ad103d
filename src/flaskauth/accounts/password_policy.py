"""The password policy: length, common passwords, guessability and known breaches."""

import re
import threading
from collections.abc import Callable, Iterable, Mapping
from functools import lru_cache
from typing import ClassVar

from flaskauth.breached_passwords import service as breached_passwords
from flaskauth.core.context import settings
from flaskauth.core.errors import APIError
from flaskauth.core.passwords import hashes
from flaskauth.core.translations import Text

MAX_LENGTH = 256  # characters
MAX_BYTES = 1024
MIN_GUESSES = 10**8
ESTIMATED_LENGTH = 72  # characters; the estimator's work grows with the square of the length
MIN_WORD_LENGTH = 4  # letters
# At most 8 substitutions. With zxcvbn's own table, the estimator takes seconds for one password in 576.
LEET_SUBSTITUTIONS = {"a": "4@", "b": "8", "e": "3", "g": "9", "i": "1!", "o": "0", "s": "$5", "t": "7", "z": "2"}

# zxcvbn stores the user's words in a module-level dictionary, so only one estimate may run at a time.
_estimator_lock = threading.Lock()


class WeakPassword(APIError):
    """422 `weak_password`: `errors.password` states the reason."""

    status = 422
    message = "Please choose a password that is harder to guess."
    example: ClassVar[dict[str, object]] = {"errors": {"password": ["Is on the list of the most common passwords."]}}

    def __init__(self, reason: str) -> None:
        super().__init__(errors={"password": [reason]})


def validate_password(password: str, *, first_name: str, last_name: str, normalized_email: str) -> None:
    """Check a password against the policy (ASVS 6.2.1, 6.2.4, 6.2.11, 6.2.12; no composition rules).

    The estimator receives the user's name, email address, local part and domain label, and the application's name.
    No transaction is open during the lookup among breached passwords.

    Raises:
        WeakPassword
    """
    from zxcvbn.matching import RANKED_DICTIONARIES  # noqa: PLC0415 (1 MB of words, loaded at first use)

    normalized = hashes.normalize(password)
    min_length = settings().password_min_length
    if len(normalized) < min_length:
        raise WeakPassword(Text("Must be at least {minimum} characters long.", minimum=min_length))
    if normalized.lower() in RANKED_DICTIONARIES["passwords"]:
        raise WeakPassword("Is on the list of the most common passwords.")
    local_part, _, domain = normalized_email.partition("@")
    domain_label = domain.rpartition(".")[0].rpartition(".")[2]
    user_inputs = (first_name, last_name, normalized_email, local_part, domain_label, settings().app_name)
    if _estimate_guesses(normalized, user_inputs) < MIN_GUESSES:
        raise WeakPassword("Is too easy to guess. Use several unrelated words or a password manager.")
    if breached_passwords.is_breached(normalized):
        raise WeakPassword("Appears in a data breach of another service.")


def _estimate_guesses(password: str, user_inputs: Iterable[str]) -> float:
    """Return the guesses of an attacker who knows the user's texts and their words of at least 4 letters."""
    words = {word.casefold() for text in user_inputs for word in [text, *re.split(r"[\W_]+", text)]}
    known_words = sorted(word for word in words if len(word) >= MIN_WORD_LENGTH)
    with _estimator_lock:
        return float(_load_estimator()(password[:ESTIMATED_LENGTH], user_inputs=known_words)["guesses"])


@lru_cache(maxsize=1)
def _load_estimator() -> Callable[..., Mapping[str, float]]:
    """Return zxcvbn with the shorter substitution table."""
    from zxcvbn import matching, zxcvbn  # noqa: PLC0415

    matching.L33T_TABLE.clear()
    matching.L33T_TABLE.update({letter: list(signs) for letter, signs in LEET_SUBSTITUTIONS.items()})
    return zxcvbn  # type: ignore[no-any-return]

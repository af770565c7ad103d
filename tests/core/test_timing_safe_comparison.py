"""Secrets are compared in constant time (ASVS 11.2.4)."""

import ast
from collections.abc import Iterator

from tests.test_conventions import dotted_name, source_trees, used_names

SECRET_WORDS = {
    *("mac", "macs", "digest", "token", "code", "candidate", "candidates", "nonce", "lookup", "lookups", "otp"),
    *("password", "hashed", "stored", "secret", "secrets", "sealed", "signature"),
}
EQUALITY_OPERATORS = ast.Eq | ast.NotEq | ast.In | ast.NotIn
# Comparisons of values that are not secret, or that an attacker does not send.
ALLOWED_COMPARISONS = {
    ("audit/integrity.py", "event.personal_digest == _personal_digest(event, event.salt)"): "both are from stored data",
    ("core/db/session.py", "_error_code(error) != NO_SUCH_TABLE"): "an error code of the database",
    ("core/db/session.py", "_error_code(error) in ABORTED_CODES"): "an error code of the database",
    (
        "core/db/session.py",
        "_error_code(error) in ABORTED_CODES | CONNECTION_LOST_CODES",
    ): "an error code of the database",
    ("core/db/session.py", "_error_code(error) == LOCK_WAIT_CODE"): "an error code of the database",
    ("factor_reset/service.py", "challenge.amr == amr.PASSWORD"): "the name of an authentication method",
    ("login/second_factor.py", "methods == amr.PASSWORD"): "names of authentication methods",
    ("login/service.py", "proof.amr == amr.PASSWORD"): "the name of an authentication method",
    ("login/throttling.py", "attempt.kind == PASSWORD"): "the name of a factor",
    ("mail/smtp.py", "code not in AUTHENTICATION_CODES"): "a reply code of the mail server",
    ("migrations/lock.py", "SQLITE_LOCKED not in str(code)"): "an error code of the database",
    ("migrations/lock.py", "code not in ABORTED_CODES"): "an error code of the database",
    (
        "one_time_codes/links.py",
        "_digest(token) == row.digest",
    ): "both are from stored data: finds the secret of a link",
    ("passwords/service.py", "hashes.normalize(password) == hashes.normalize(current_password)"): "from one request",
    ("sessions/routes.py", "token.session_id in tokens"): "the id of a session",
    ("sessions/service.py", "token.session_id not in by_id"): "the id of a session",
    ("settings/model.py", "bool(self.aws_key_id) != bool(self.aws_secret_key)"): "compares whether both are set",
    ("settings/model.py", "secret in PUBLISHED_SECRETS"): "a published list",
    ("user_admin/import_row.py", "code not in countries"): "a country code",
}


def secret_comparisons() -> Iterator[tuple[str, str]]:
    """Yield every comparison by == or `in` whose names refer to a secret. The database compares columns."""
    for path, tree in source_trees():
        for node in ast.walk(tree):
            if not isinstance(node, ast.Compare) or not any(
                isinstance(operator, EQUALITY_OPERATORS) for operator in node.ops
            ):
                continue
            sides = [node.left, *node.comparators]
            if not any(is_not_secret(side) for side in sides) and any(
                name_words(side) & SECRET_WORDS for side in sides
            ):
                yield path, ast.unparse(node)


def is_not_secret(side: ast.expr) -> bool:
    """Return True for a constant, a length, or a column of a table."""
    if isinstance(side, ast.Call):
        return dotted_name(side.func) == "len"
    if isinstance(side, ast.BinOp):
        return is_not_secret(side.left) or is_not_secret(side.right)
    return isinstance(side, ast.Constant) or (dotted_name(side)[:1].isupper() and "." in dotted_name(side))


def name_words(side: ast.expr) -> set[str]:
    """Return the words of all names in an expression: for `row.token_digest`, `row`, `token` and `digest`."""
    names = (getattr(node, "attr", "") or getattr(node, "id", "") for node in ast.walk(side))
    return {word for name in names for word in name.lower().split("_")}


def test_timing_secrets_never_use_equality_operators() -> None:
    assert set(secret_comparisons()) - set(ALLOWED_COMPARISONS) == set()


def test_every_allowed_comparison_still_exists() -> None:
    assert set(ALLOWED_COMPARISONS) - set(secret_comparisons()) == set()


def test_timing_secrets_are_compared_by_compare_digest() -> None:
    callers = {path for path, tree in source_trees() if "hmac.compare_digest" in used_names(tree)}

    assert callers == {"core/crypto.py", "core/passwords/verifiers.py"}  # the latter for imported hashes

"""What is secret is compared in a time that does not tell where it differs (ASVS 11.2.4)."""

import ast
from collections.abc import Iterator

from tests.test_house_rules import calls, dotted, trees

WORDS = {
    *("mac", "macs", "digest", "token", "code", "candidate", "candidates", "nonce", "lookup", "lookups", "otp"),
    *("password", "hashed", "stored", "secret", "secrets", "sealed", "signature"),
}
EQUAL = ast.Eq | ast.NotEq | ast.In | ast.NotIn
# What is not secret, or is compared with nothing that an attacker sends.
ALLOWED = {
    ("accounts/passwords.py", "password.lower() in RANKED_DICTIONARIES['passwords']"): "a published list",
    ("audit/sealing.py", "transaction(partial(append, clock.now() - SEALED_AFTER)) == MOST"): "how many were sealed",
    ("codes/links.py", "_digest(token) == row.digest"): "both are ours: which secret a stored link was made with",
    ("foundation/db.py", "_code(error) != NO_SUCH_TABLE"): "a database's code",
    ("foundation/db.py", "_code(error) in BROKEN_OFF"): "a database's code",
    ("foundation/db.py", "_code(error) in BROKEN_OFF | GONE"): "a database's code",
    ("mail/smtp.py", "code not in ABOUT_OUR_LOGIN"): "a mail server's code",
    ("passwords/service.py", "hashing.normal(password) == hashing.normal(current)"): "both came in one request",
    ("settings/model.py", "bool(self.aws_key_id) != bool(self.aws_secret_key)"): "whether both are given",
    ("settings/model.py", "key in PUBLISHED_SECRETS"): "a published list",
    ("users/newcomers.py", "code not in countries"): "a country's code",
}


def comparisons() -> Iterator[tuple[str, str]]:
    """Every comparison for equality that has to do with a secret; columns are compared by the database."""
    for path, tree in trees():
        for node in ast.walk(tree):
            if not isinstance(node, ast.Compare) or not any(isinstance(operator, EQUAL) for operator in node.ops):
                continue
            sides = [node.left, *node.comparators]
            if not any(is_harmless(side) for side in sides) and any(words(side) & WORDS for side in sides):
                yield path, ast.unparse(node)


def is_harmless(side: ast.expr) -> bool:
    """A number, a length, or a column of a table."""
    if isinstance(side, ast.Call):
        return dotted(side.func) == "len"
    return isinstance(side, ast.Constant) or (dotted(side)[:1].isupper() and "." in dotted(side))


def words(side: ast.expr) -> set[str]:
    """The words of the names on one side: of `row.token_digest`, `row`, `token` and `digest`."""
    names = (getattr(node, "attr", "") or getattr(node, "id", "") for node in ast.walk(side))
    return {word for name in names for word in name.lower().split("_")}


def test_no_secret_is_compared_letter_by_letter() -> None:
    assert set(comparisons()) - set(ALLOWED) == set()


def test_every_exception_is_still_needed() -> None:
    assert set(ALLOWED) - set(comparisons()) == set()


def test_one_function_compares_secrets_and_takes_the_same_time_for_all() -> None:
    comparing = [path for path, tree in trees() for _ in calls(tree, "compare_digest")]
    same = next(
        node
        for path, tree in trees()
        for node in ast.walk(tree)
        if path == "foundation/crypto.py" and isinstance(node, ast.FunctionDef) and node.name == "same"
    )

    assert set(comparing) == {"foundation/comparisons.py", "foundation/crypto.py"}  # the former for hashes of others
    assert ast.unparse(same.body[-1]) == "return hmac.compare_digest(left, right)"

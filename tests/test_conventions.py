"""Conventions that a program can check: layers, clock, randomness, commits, routes, mails, names and size."""

import ast
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest
from flask import Flask
from importlinter.cli import lint_imports
from tests.openapi.helpers import documented_routes, error_codes, operations
from tests.support.repository import list_files

from flaskauth.audit import EVENTS
from flaskauth.core.errors import APIError
from flaskauth.core.http.request import declared_errors
from flaskauth.mail.templates import languages

ROOT = Path(__file__).parents[1]
SRC = ROOT / "src" / "flaskauth"
TESTS = ROOT / "tests"
WRITE_METHODS = {"post", "put", "patch", "delete"}
MAX_TEST_NAME_LENGTH = 60
MAX_FILE_LENGTH = 400  # lines
MAX_ANY = 200  # uses of typing.Any in src
ON_SQLITE = pytest.mark.parametrize("database", ["sqlite"], indirect=True)

CLOCK_CALLS = {
    *("datetime.now", "datetime.utcnow", "datetime.today", "date.today", "time.time", "time.time_ns", "time.localtime"),
    *("time.gmtime", "time.ctime", "func.now", "func.current_timestamp", "func.utc_timestamp"),
}
RANDOM_SOURCES = {"random", "secrets", "uuid", "os.urandom", "numpy.random"}
UNSAFE_CALLS = {
    *("eval", "exec", "compile", "pickle", "marshal", "shelve", "dill", "yaml.load", "os.system", "os.popen"),
    "structlog.get_logger",  # it would bypass the removal of secrets in core.observability.log
    *("hashlib.md5", "hashlib.sha1", "hashlib.new", "tempfile.mktemp", "input"),
}
ALLOWED_USES = {  # file and name -> reason
    ("core/clock.py", "datetime.now"): "the application's clock",
    ("core/crypto.py", "secrets"): "the application's source of randomness",
    ("breached_passwords/sha1.py", "hashlib.sha1"): "published lists identify passwords by SHA-1; nothing relies on it",
    ("settings/loading.py", "secrets"): "the development server generates SECRET_KEY before an application exists",
}

ALLOWED_ANY = {  # public functions whose signature a library defines
    "accounts/schemas.py::country_code_field": "marshmallow.fields.String: forwards its options",
    "core/http/app.py::loads": "flask.json.provider.JSONProvider",
    "openapi/spec.py::schema_helper": "apispec.BasePlugin",
}

# Identifiers of 0.1.0's first drafts that the field has a standard term for.
COINED_PACKAGES = {"foundation", "throttles", "breaches", "places", "recovery", "doors", "bell", "newcomers"}
COINED_CLASSES = {
    *(
        "Problem",
        "Later",
        "Joining",
        "Brought",
        "Opened",
        "Asked",
        "Try",
        "Welcome",
        "SignedIn",
        "SignedOut",
        "Presented",
    ),
    *(
        "Known",
        "Allowance",
        "Spending",
        "Budget",
        "Alone",
        "Prepared",
        "WorkSession",
        "Embedded",
        "Moment",
        "Gate",
        "Lane",
    ),
    *("Hold", "SentAway", "Shortcuts", "Windows", "Held", "Measures", "Outlet", "Refusal", "Refusals", "Refused"),
    *("BrokenForm", "NotAForm", "DoorField", "HomeSchema", "House", "NotAnAddress", "NotAPicture", "LinkOver"),
    *("CannotOpen", "Ring", "Claimed", "Letter", "Listed", "Correspondence", "Undelivered", "Newcomer", "Unreadable"),
    *("People", "There", "Tally", "Nobody", "Broken", "NothingUsable", "Unanswered", "NoFilter", "Lost", "Pictures"),
    *("PersonSchema", "HeldSessionSchema", "HeldMailSchema", "AddressChange"),
}
COINED_FUNCTIONS = {
    *("is_rehearsal", "let_in", "demand_reset", "end_address_changes", "begin_closing", "end_closing", "closing_at"),
    *(
        "put_off",
        "demand_strong",
        "demand_password",
        "demand_password_of",
        "by_address",
        "demand_uncontested",
        "redeem",
    ),
    *("give_back", "spend", "spend_or_wait", "spend_striped", "key_of", "is_flood", "note_failure", "take_mail_turn"),
    *("give_turn_back", "seconds_to_next_mail", "read_again", "end_all", "end_everything", "end_these", "end_one"),
    *("end_others", "end_everybody", "open_new", "find_same", "mail_again", "close_spent", "spellings", "trade"),
    *("_carry_on", "_end_as_stolen", "is_seen", "take_mail", "auth_to_read", "open_while_closing", "token_in"),
    *("profile_at_once", "refresh_at_once", "at_once", "hang_up", "delete_some", "note_change", "_give_up"),
    *("_is_our_fault", "_is_lost_race", "is_heard", "unseal", "once_more", "moment_in", "client_ip_in"),
    *("right_most_untrusted", "refusal", "refuses", "name_lines", "standing_headers", "_accident", "as_read", "knock"),
    *(
        "_hand_over",
        "_greet",
        "_say_goodbye",
        "to_nobody",
        "disown",
        "_shut",
        "retention_edge",
        "of_person",
        "has_begun",
    ),
    *(
        "in_words",
        "of_driver",
        "lacks_schema",
        "choose_one_door",
        "name_one_country",
        "_tell",
        "_told",
        "_look",
        "_why",
    ),
    *("_asked", "_judged", "_made", "_said"),
}
COINED_FIELDS = {
    *(
        "address_changes",
        "closes_at",
        "signed_in_at",
        "traded_at",
        "ended_at",
        "ends_at",
        "idle_ends_at",
        "waits_until",
    ),
    *("tries", "next_mail_at", "next_try_at", "is_withheld", "withheld", "refresh_grace", "refresh_rotation"),
    *("session_idle_duration", "REFRESH_GRACE", "REFRESH_ROTATION", "REQUEST_LIMITS", "SESSION_IDLE_DURATION"),
}
COINED_VALUES = {
    *("registration_opened", "registration_known", "sign_in_disowned", "sign_in_flood", "session_displaced"),
    *("signing_key_made", "signing_keys_dropped", "people_imported", "accident", "redis_away", "broker_away"),
    *("pictures_away", "picture_left", "cannot_be_erased", "log_lines_lost", "flaskauth_refusals"),
    *("flaskauth_request_seconds", "verification_contested", "wrong_credentials", "wrong_code"),
}
COINED_NAMES = COINED_PACKAGES | COINED_CLASSES | COINED_FUNCTIONS | COINED_FIELDS | COINED_VALUES

TEST_EXCUSES = {
    "monkeypatch",
    "pytest.MonkeyPatch",
    "unittest.mock",
    "mock",
    "pytest.skip",
    "pytest.xfail",
    "mark.skip",
}
ALLOWED_EXCUSES = {  # file and name -> reason
    ("support/shortcuts.py", "pytest.MonkeyPatch"): "cheap Argon2 parameters and shared connection pools",
}


def source_trees(folder: Path = SRC) -> Iterator[tuple[str, ast.Module]]:
    for path in sorted(folder.rglob("*.py")):
        yield path.relative_to(folder).as_posix(), parse(path)


@cache
def parse(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"))


def dotted_name(node: ast.AST) -> str:
    """Return `a.b.c` for an attribute chain, or "" for any other expression."""
    if isinstance(node, ast.Attribute):
        return f"{dotted_name(node.value)}.{node.attr}"
    return node.id if isinstance(node, ast.Name) else ""


def imported_names(tree: ast.AST) -> Iterator[str]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def used_names(tree: ast.AST) -> set[str]:
    """Return the imported and referenced names, also shortened to two parts so that `datetime.now` always matches."""
    referenced = {dotted_name(node) for node in ast.walk(tree) if isinstance(node, ast.Attribute | ast.Name)}
    imported = set(imported_names(tree))
    full_names = referenced | imported
    last_parts = {".".join(name.split(".")[-2:]) for name in full_names}
    return full_names | last_parts | {name.split(".")[0] for name in imported}


def identifiers(tree: ast.AST) -> set[str]:
    """Return every name that a module defines or uses, and every string constant."""
    fields = ("id", "attr", "arg", "name", "value")
    values = {getattr(node, field, None) for node in ast.walk(tree) for field in fields if is_named(node)}
    return {value for value in values if isinstance(value, str)}


def is_named(node: ast.AST) -> bool:
    return isinstance(
        node,
        ast.Name | ast.Attribute | ast.arg | ast.keyword | ast.FunctionDef | ast.ClassDef | ast.alias | ast.Constant,
    )


def violations(forbidden: set[str]) -> set[tuple[str, str]]:
    return {(path, name) for path, tree in source_trees() for name in used_names(tree) & forbidden} - set(ALLOWED_USES)


def find_calls(tree: ast.AST, name: str) -> Iterator[ast.Call]:
    """Yield the calls of functions and methods with this name."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and dotted_name(node.func).rpartition(".")[2] == name:
            yield node


def error_classes(parent: type[APIError] = APIError) -> Iterator[type[APIError]]:
    for child in parent.__subclasses__():
        yield from (child, *error_classes(child))


def public_functions(body: list[ast.stmt]) -> Iterator[ast.FunctionDef]:
    for node in body:
        if isinstance(node, ast.ClassDef | ast.FunctionDef) and not node.name.startswith("_"):
            yield from public_functions(node.body) if isinstance(node, ast.ClassDef) else (node,)


def annotations(function: ast.FunctionDef) -> Iterator[ast.expr]:
    """Yield the types of the parameters and of the result."""
    arguments = function.args
    named = [*arguments.posonlyargs, *arguments.args, *arguments.kwonlyargs, arguments.vararg, arguments.kwarg]
    yield from (argument.annotation for argument in named if argument and argument.annotation)
    if function.returns:
        yield function.returns


def committed_lines() -> Iterator[tuple[str, str]]:
    """Yield every line of the text files in the git repository, with the file name."""
    for name in list_files():
        contents = (ROOT / name).read_bytes()
        if b"\0" not in contents[:1024]:
            yield from ((name, line) for line in contents.decode().splitlines())


def test_import_layers_are_kept() -> None:
    assert lint_imports(str(ROOT / "pyproject.toml"), no_cache=True, no_logo=True) == 0


@pytest.mark.parametrize("forbidden", [CLOCK_CALLS, RANDOM_SOURCES, UNSAFE_CALLS], ids=["clock", "random", "unsafe"])
def test_forbidden_clock_random_and_unsafe_calls_are_absent(forbidden: set[str]) -> None:
    assert violations(forbidden) == set()


def test_every_allowed_use_still_exists() -> None:
    uses = {path: used_names(tree) for path, tree in source_trees()}

    assert [(path, name) for path, name in ALLOWED_USES if name not in uses.get(path, set())] == []


def test_commit_is_called_only_in_core_db() -> None:
    callers = {path for path, tree in source_trees() for _ in find_calls(tree, "commit")}

    assert callers == {"core/db/session.py"}


def test_tls_certificate_verification_is_never_disabled() -> None:
    for path, tree in source_trees():
        for node in ast.walk(tree):
            if isinstance(node, ast.keyword) and node.arg in {"verify", "check_hostname"}:
                assert getattr(node.value, "value", True) is not False, path
        assert not used_names(tree) & {"ssl.CERT_NONE", "ssl._create_unverified_context"}, path


@ON_SQLITE
def test_every_route_declares_public_guarded_or_optional(app: Flask) -> None:
    access = {
        rule.rule: getattr(app.view_functions[rule.endpoint], "access", None) for rule in app.url_map.iter_rules()
    }

    assert {rule for rule, value in access.items() if value not in {"public", "guarded", "optional"}} == set()


@ON_SQLITE
def test_every_public_write_route_has_a_rate_limit(app: Flask) -> None:
    unlimited = {
        route
        for route, view in documented_routes(app)
        if route[1] in WRITE_METHODS and view.access != "guarded" and not getattr(view, "limits", None)
    }

    assert unlimited == set()


@ON_SQLITE
def test_route_error_codes_are_in_openapi(app: Flask) -> None:
    document = operations(app.test_client().get("/openapi.json").get_json())
    for route, view in documented_routes(app):
        documented = {code for codes in error_codes(document[route]).values() for code in codes}
        assert set(declared_errors(view)) <= documented, route


@ON_SQLITE
def test_every_error_code_is_declared_by_a_route(app: Flask) -> None:
    """Every route can return the errors of `core`; an error of any other package is declared by a route."""
    declared = {code for _, view in documented_routes(app) for code in declared_errors(view)}
    codes = {error.code for error in error_classes() if re.match(r"flaskauth\.(?!core\.)", error.__module__)}

    assert codes - declared == set()


def test_mail_templates_exist_in_every_language() -> None:
    """Every mail has a subject, a text part and an HTML part; tests/mail renders each of them."""
    first_arguments = (call.args[0] for _, tree in source_trees() for call in find_calls(tree, "notify"))
    templates = {str(node.value) for node in first_arguments if isinstance(node, ast.Constant)}
    expected = {f"{name}{suffix}" for name in templates for suffix in (".subject.txt", ".txt", ".html")}

    for language in languages():
        paths = SRC.glob(f"*/templates/mail/{language}/*")
        assert {f"{path.parents[3].name}/{path.name}" for path in paths} == expected, language


def test_every_audit_event_is_covered_by_a_test() -> None:
    """`single_event` fails where the event is missing."""
    asserted = {
        argument.value
        for _, tree in source_trees(TESTS)
        for call in find_calls(tree, "single_event")
        for argument in call.args
        if isinstance(argument, ast.Constant)
    }

    assert set(EVENTS) - asserted == set()


def test_recorded_audit_events_match_the_catalog() -> None:
    arguments = [
        call.args[0]
        for path, tree in source_trees()
        if not path.startswith("audit/")
        for call in find_calls(tree, "record")
    ]
    constants = {node.value for argument in arguments for node in ast.walk(argument) if isinstance(node, ast.Constant)}

    assert {value for value in constants if isinstance(value, str)} == set(EVENTS)


def test_names_in_src_are_standard_terms() -> None:
    modules = {part for path in SRC.rglob("*.py") for part in path.relative_to(SRC).with_suffix("").parts}

    assert modules & COINED_NAMES == set()
    assert {(path, name) for path, tree in source_trees() for name in identifiers(tree) & COINED_NAMES} == set()


def test_names_of_tests_are_at_most_60_characters() -> None:
    names = {
        node.name for _, tree in source_trees(TESTS) for node in ast.walk(tree) if isinstance(node, ast.FunctionDef)
    }

    assert {name for name in names if name.startswith("test_") and len(name) > MAX_TEST_NAME_LENGTH} == set()


def test_public_functions_do_not_use_any() -> None:
    """A parameter or result typed `Any` or `Any | None` is not checked at any caller."""
    untyped = {
        f"{path}::{function.name}"
        for path, tree in source_trees()
        for function in public_functions(tree.body)
        for annotation in annotations(function)
        if ast.unparse(annotation) in {"Any", "Any | None"}
    }

    assert untyped == set(ALLOWED_ANY)


def test_src_uses_any_at_most_200_times() -> None:
    uses = [node for _, tree in source_trees() for node in ast.walk(tree) if dotted_name(node) == "Any"]

    assert len(uses) <= MAX_ANY


def test_files_in_src_are_at_most_400_lines() -> None:
    lengths = {path.relative_to(SRC): len(path.read_text(encoding="utf-8").splitlines()) for path in SRC.rglob("*.py")}

    assert {path: length for path, length in lengths.items() if length > MAX_FILE_LENGTH} == {}


def test_committed_files_name_no_package_registry() -> None:
    hosts = "|".join(
        ("py" + "pi", "python" + "hosted", "npm" + "js", "arti" + "factory", "nex" + "us", "docker" + r"\.io")
    )
    registry = re.compile(rf"://[^\s/\"']*({hosts})|(--(extra-)?index-url|--find-links)[ =]\S*://", re.IGNORECASE)
    lines = [*committed_lines()]

    assert [(name, line[:80]) for name, line in lines if registry.search(line)] == []
    assert [name for name, line in lines if name.startswith("requirements") and "://" in line] == []


def test_no_test_patches_skips_or_xfails() -> None:
    uses = {(path, name) for path, tree in source_trees(TESTS) for name in used_names(tree) & TEST_EXCUSES}

    assert uses - set(ALLOWED_EXCUSES) == set()

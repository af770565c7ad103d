"""What holds for every line, route, mail and event; a rule that only people remember is none."""

import ast
import re
import statistics
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any, TypeGuard

import pytest
from flask import Flask
from tests.reference.reading import operations, refused, routes

from flaskauth.audit import EVENTS
from flaskauth.foundation.errors import Problem
from flaskauth.foundation.http import refusals
from flaskauth.mail.rendering import languages

ROOT = Path(__file__).parents[1]
SRC = ROOT / "src" / "flaskauth"
WRITING = {"post", "put", "patch", "delete"}
ON_SQLITE = pytest.mark.parametrize("database", ["sqlite"], indirect=True)

CLOCKS = {
    *("datetime.now", "datetime.utcnow", "datetime.today", "date.today", "time.time", "time.time_ns", "time.localtime"),
    *("time.gmtime", "time.ctime", "func.now", "func.current_timestamp", "func.utc_timestamp"),
}
CHANCE = {"random", "secrets", "uuid", "os.urandom", "numpy.random"}
DANGER = {
    *("eval", "exec", "compile", "pickle", "marshal", "shelve", "dill", "yaml.load", "os.system", "os.popen"),
    *("md5", "hashlib.md5", "sha1", "hashlib.sha1", "hashlib.new", "tempfile.mktemp", "input"),
}
# Where a rule does not hold, and why.
ALLOWED = {
    ("foundation/clock.py", "datetime.now"): "the one clock",
    ("foundation/limits.py", "time.time"): "the windows of its library end by the machine's clock",
    ("foundation/windows.py", "time.time"): "as above",
    ("foundation/crypto.py", "secrets"): "the one source of chance",
    ("breaches/digests.py", "hashlib.sha1"): "what published lists call a password; it protects nothing",
    ("settings/reading.py", "secrets"): "the secret that an embedded server keeps, before there is an application",
}


def trees(folder: Path = SRC) -> Iterator[tuple[str, ast.Module]]:
    for path in sorted(folder.rglob("*.py")):
        yield path.relative_to(folder).as_posix(), ast.parse(path.read_text(encoding="utf-8"))


def dotted(node: ast.AST) -> str:
    """`a.b.c` as it is written."""
    if isinstance(node, ast.Attribute):
        return f"{dotted(node.value)}.{node.attr}"
    return node.id if isinstance(node, ast.Name) else ""


def imported(tree: ast.AST) -> Iterator[str]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def used(tree: ast.AST) -> set[str]:
    """What a module imports and names, each also by its last two parts: `datetime.now` however it was imported."""
    named = {dotted(node) for node in ast.walk(tree) if isinstance(node, ast.Attribute | ast.Name)}
    found = named | set(imported(tree))
    return found | {".".join(name.split(".")[-2:]) for name in found} | {name.split(".")[0] for name in imported(tree)}


def breaches(forbidden: set[str]) -> set[tuple[str, str]]:
    return {(path, name) for path, tree in trees() for name in used(tree) & forbidden} - set(ALLOWED)


def calls(tree: ast.AST, name: str) -> Iterator[ast.Call]:
    """Calls of a function or method of this name."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and dotted(node.func).rpartition(".")[2] == name:
            yield node


def problems(kind: type[Problem] = Problem) -> Iterator[type[Problem]]:
    for child in kind.__subclasses__():
        yield from (child, *problems(child))


def committed() -> Iterator[tuple[str, str]]:
    """Every line that is in the repository, with its file."""
    names = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, check=True, text=True).stdout
    for name in names.split("\0"):
        path = ROOT / name
        if name and path.is_file() and not path.read_bytes()[:1024].count(b"\0"):
            yield from ((name, line) for line in path.read_text(encoding="utf-8").splitlines())


@pytest.mark.parametrize("forbidden", [CLOCKS, CHANCE, DANGER], ids=["clocks", "chance", "danger"])
def test_one_clock_one_chance_and_nothing_dangerous(forbidden: set[str]) -> None:
    assert breaches(forbidden) == set()


def test_every_exception_is_still_needed() -> None:
    uses = {path: used(tree) for path, tree in trees()}

    assert [about for about in ALLOWED if about[1] not in uses[about[0]]] == []


def test_rooms_do_not_commit() -> None:
    commits = {path for path, tree in trees() for _ in calls(tree, "commit")}

    assert commits == {"foundation/db.py"}


def test_nothing_imports_what_stands_above_all_rooms() -> None:
    entries = {"flaskauth.celery", "flaskauth.app", "flaskauth.cli", "flaskauth.serving"}
    importers = {
        path: entries & {part for name in imported(tree) for part in (name, name.rpartition(".")[0])}
        for path, tree in trees()
    }

    doors = {"__init__.py", "celery.py", "cli.py", "serving.py", "commands/terminal.py"}
    assert {path for path, found in importers.items() if found} <= doors


def test_certificates_are_always_verified() -> None:
    for path, tree in trees():
        for node in ast.walk(tree):
            if isinstance(node, ast.keyword) and node.arg in {"verify", "check_hostname"}:
                assert getattr(node.value, "value", True) is not False, path
        assert not used(tree) & {"ssl.CERT_NONE", "ssl._create_unverified_context"}, path


@ON_SQLITE
def test_every_route_is_public_or_guarded(app: Flask) -> None:
    access = {
        rule.rule: getattr(app.view_functions[rule.endpoint], "access", None) for rule in app.url_map.iter_rules()
    }

    assert {rule for rule, said in access.items() if said not in {"public", "guarded", "optional"}} == set()


@ON_SQLITE
def test_everything_that_somebody_unknown_can_write_is_limited(app: Flask) -> None:
    open_doors = {
        route
        for route, view in routes(app)
        if route[1] in WRITING and view.access != "guarded" and not getattr(view, "limits", None)
    }

    assert open_doors == set()


@ON_SQLITE
def test_every_refusal_of_a_route_is_described(app: Flask) -> None:
    described = operations(app.test_client().get("/openapi.json").get_json())
    for route, view in routes(app):
        told = {code for codes in refused(described[route]).values() for code in codes}
        assert set(refusals(view)) <= told, route


@ON_SQLITE
def test_every_refusal_that_there_is_is_some_routes_answer(app: Flask) -> None:
    """What every route may answer is in foundation; what a room refuses, one of its routes declares."""
    declared = {code for _, view in routes(app) for code in refusals(view)}
    of_rooms = {kind.code for kind in problems() if re.match(r"flaskauth\.(?!foundation)", kind.__module__)}

    assert of_rooms - declared == set()


def test_every_mail_that_the_code_writes_is_there_in_each_language_and_no_other() -> None:
    """With a subject, a text and an HTML part; that each renders is held beside the rendering."""
    written = {call.value.value for _, tree in trees() for call in ast.walk(tree) if is_template(call)}
    parts = {f"{name}{ending}" for name in written for ending in (".subject.txt", ".txt", ".html")}

    for language in languages():
        found = SRC.glob(f"*/templates/mail/{language}/*")
        assert {f"{path.parents[3].name}/{path.name}" for path in found} == parts, language


def is_template(node: ast.AST) -> TypeGuard[Any]:
    return isinstance(node, ast.keyword) and node.arg == "template" and isinstance(node.value, ast.Constant)


def test_every_event_is_recorded_by_some_test() -> None:
    """Such a test asks for it by `recorded`, which fails where there is none."""
    looked_for = {
        argument.value
        for path, tree in trees(ROOT / "tests")
        for call in calls(tree, "recorded")
        for argument in call.args
        if isinstance(argument, ast.Constant)
    }

    assert set(EVENTS) - looked_for == set()


def test_every_event_that_is_recorded_has_a_name() -> None:
    names = {call.args[0] for path, tree in trees() if not path.startswith("audit/") for call in calls(tree, "record")}
    said = {literal.value for name in names for literal in ast.walk(name) if isinstance(literal, ast.Constant)}

    assert {name for name in said if isinstance(name, str)} == set(EVENTS)


def lengths() -> list[int]:
    return sorted(
        (node.end_lineno or 0) - node.lineno + 1
        for _, tree in trees()
        for node in ast.walk(tree)
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
    )


def test_functions_are_short() -> None:
    found = lengths()

    assert statistics.median(found) <= 8
    assert found[len(found) * 9 // 10] < 20


def test_files_are_short() -> None:
    long = {path.relative_to(SRC): len(path.read_text().splitlines()) for path in SRC.rglob("*.py")}

    assert {name: length for name, length in long.items() if length > 250} == {}


def test_no_committed_line_names_a_registry() -> None:
    hosts = "|".join(
        ("py" + "pi", "python" + "hosted", "npm" + "js", "arti" + "factory", "nex" + "us", "docker" + r"\.io")
    )
    registry = re.compile(rf"://[^\s/\"']*({hosts})|(--(extra-)?index-url|--find-links)[ =]\S*://", re.IGNORECASE)

    assert [(name, line[:80]) for name, line in committed() if registry.search(line)] == []
    assert [name for name, line in committed() if name.startswith("requirements") and "://" in line] == []


def test_every_test_tells_what_it_holds() -> None:
    """Nothing is patched, skipped or left for later."""
    excuses: dict[str, Any] = {
        path: used(tree)
        & {"monkeypatch", "pytest.MonkeyPatch", "unittest.mock", "mock", "pytest.skip", "pytest.xfail", "mark.skip"}
        for path, tree in trees(ROOT / "tests")
    }

    assert {path: found for path, found in excuses.items() if found} == {}

"""With MFA on, no sign-in starts a session without a second factor, and no change of a credential is overtaken."""

import ast

import pytest
from flask import Flask
from sqlalchemy import select, update
from tests.conftest import MakeApp
from tests.mfa.helpers import SECOND_FACTOR_REQUIRED, MfaUser
from tests.registration.helpers import code_for_id
from tests.support.inspect import error_of, execute_statement, query_all, single_event
from tests.support.users import CLIENT_IP, PASSWORD, UserFactory, forwarded_for
from tests.test_conventions import dotted_name, source_trees

from flaskauth.accounts.models import User
from flaskauth.sessions.models import Session

START = "flaskauth.sessions.service.start"


def test_login_with_mfa_on_requires_second_factor(app: Flask, users: UserFactory) -> None:
    user = users.create_verified()
    execute_statement(app, update(User).values(mfa_enabled=True))
    response = user.login()

    assert error_of(response) == SECOND_FACTOR_REQUIRED
    assert {"challenge_token", "expires_at", "factors", "passkey"} < set(response.get_json())
    assert query_all(app, select(Session)) == []
    assert single_event(app, "second_factor_required").user_id is not None


def test_email_code_with_mfa_on_requires_second_factor(make_app: MakeApp) -> None:
    app = make_app(EMAIL_SIGN_IN="true")
    users = UserFactory(app)
    user = users.create_verified()
    execute_statement(app, update(User).values(mfa_enabled=True))
    sign_in_id = users.client.post("/auth/email-code", json={"email": user.email}).get_json()["sign_in_id"]
    body = {"otp": code_for_id(app, sign_in_id), "sign_in_id": sign_in_id}

    assert error_of(users.client.post("/auth/email-code/verify", json=body)) == SECOND_FACTOR_REQUIRED
    assert query_all(app, select(Session)) == []


def test_public_routes_with_mfa_on_start_no_session(make_app: MakeApp) -> None:
    """Each gets those of its fields that a user without the second factor knows."""
    app = make_app(EMAIL_SIGN_IN="true")
    user, client = MfaUser.create(app), app.test_client()
    document = client.get("/openapi.json").get_json()
    schemas = document["components"]["schemas"]
    sign_in_id = client.post("/auth/email-code", json={"email": user.email}).get_json()["sign_in_id"]
    known = {"email": user.email, "password": PASSWORD, "sign_in_id": sign_in_id, "otp": code_for_id(app, sign_in_id)}
    asking = set()
    for path, operations in document["paths"].items():
        body_of = operations.get("post", {}).get("requestBody", {}).get("content", {}).get("application/json")
        if not body_of or operations["post"].get("security"):
            continue
        fields = schemas[body_of["schema"]["$ref"].rpartition("/")[2]]["properties"].keys() & known.keys()
        # A code is identified by its id or its email address, not by both.
        body = {name: known[name] for name in fields - ({"email"} if "sign_in_id" in fields else set())}
        response = client.post(path, json=body, headers=forwarded_for(CLIENT_IP))
        assert "token" not in response.get_json(), path
        asking |= {path} if "challenge_token" in response.get_json() else set()

    assert asking == {"/auth/login", "/auth/email-code/verify"}
    assert len(query_all(app, select(Session))) == 1


def test_fresh_password_token_is_not_fresh_with_mfa_on(app: Flask, users: UserFactory) -> None:
    token = users.create_verified().login_ok()["token"]
    execute_statement(app, update(User).values(mfa_enabled=True))
    response = users.client.delete("/auth/sessions", headers={"Authorization": f"Bearer {token}"})

    assert error_of(response) == (403, "reauthentication_required")


def find_references(tree: ast.Module, name: str) -> set[str]:
    """Return the functions and classes of a module that refer to a name, by any import or alias of an import."""
    imports = {}
    for node in ast.walk(tree):
        if isinstance(node, ast.Import | ast.ImportFrom):
            prefix = f"{node.module}." if isinstance(node, ast.ImportFrom) else ""
            imports.update({alias.asname or alias.name: prefix + alias.name for alias in node.names})

    def resolve(node: ast.AST) -> str:
        first, _, rest = dotted_name(node).partition(".")
        return ".".join(filter(None, (imports.get(first, first), rest)))

    return {getattr(part, "name", "") for part in tree.body for node in ast.walk(part) if resolve(node) == name}


@pytest.mark.parametrize(
    "module",
    [
        "from flaskauth.sessions import service as other\n\ndef f(): other.start()",
        "from flaskauth.sessions.service import start as begin\n\ndef f(): run(begin)",
        "import flaskauth.sessions.service\n\ndef f(): flaskauth.sessions.service.start()",
        "import flaskauth.sessions.service as other\n\nasync def f(): other.start()",
        "from flaskauth import sessions\n\nclass f:\n    begin = sessions.service.start",
    ],
)
def test_find_references_resolves_imports(module: str) -> None:
    assert find_references(ast.parse(module), START) == {"f"}


def test_sessions_start_is_called_only_by_complete_login() -> None:
    """`testing.py` starts sessions for the tests of applications; it is not part of the server."""
    callers = {(path, name) for path, tree in source_trees() for name in find_references(tree, START)}

    assert callers == {("login/service.py", "complete_login"), ("testing.py", "AuthTester")}

"""A Flask developer adds flaskauth to an application: users, views, an exception, own log lines."""

from contextlib import closing
from pathlib import Path

from tests.docs.code_blocks import block
from tests.docs.shell import Shell
from tests.e2e.http_client import HttpClient
from tests.e2e.processes import Workspace
from tests.servers import free_port
from tests.support.users import PASSWORD

BROKEN = """
from shop import app

@app.get("/broken")
def broken():
    app.logger.warning("own log line")
    raise LookupError("text of the error")

@app.get("/forgets-return")
def forgets_return():
    pass
"""
EMAIL = "grace@example.com"


def test_flask_developer_uses_every_kind_of_view(tmp_path: Path) -> None:
    (tmp_path / "shop.py").write_text(block("docs/how-to/embed-in-a-flask-app.md", "views"))
    (tmp_path / "broken.py").write_text(BROKEN)
    workspace, port = Workspace(tmp_path), free_port()
    create = f"echo '{PASSWORD}' | flask --app shop auth users create {EMAIL} --first-name Grace"
    output = Shell(workspace, port).paste(
        "flaskauth db upgrade", create, block("docs/how-to/embed-in-a-flask-app.md", "commands")
    )
    assert "Manage users." in output
    assert EMAIL in output
    with (
        workspace.start("flask", "--app", "broken", "run", "--debug", "--no-reload", "--port", str(port)) as server,
        closing(HttpClient(port)) as client,
    ):
        server.wait_for_output("Running on")
        body = {"email": EMAIL, "password": PASSWORD}
        token = client.post("/accounts/auth/login", body).expect()["token"]

        for path in ("/me", "/async", "/admin/"):
            assert client.get(path, token).expect() == {"email": EMAIL}
            assert client.get(path).expect(401)["code"] == "invalid_token"
        for method in ("GET", "DELETE"):
            response = client._request(method, "/items/7", None, token)
            assert response.expect() == {"email": EMAIL, "number": 7}
        assert (client.get("/page", token).raw, client.get("/page").raw) == (b"Grace", b"Sign in")

        assert b"Werkzeug Debugger" in client.get("/broken").raw
        assert b"forgets_return" in client.get("/forgets-return").raw
        for text in (
            "own log line",
            "Traceback (most recent call last)",
            "LookupError: text of the error",
            "The view function for 'forgets_return' did not return a valid response",
        ):
            server.wait_for_output(text)
        assert '"GET /me HTTP/1.1" 200' in server.output

"""Each resource has one path, so that a second spelling does not bypass the path rules of a proxy."""

from dataclasses import replace

import pytest
from flask import Flask
from flask.testing import FlaskClient
from tests.conftest import MakeApp
from tests.support.inspect import error_of
from tests.support.route_catalog import all_routes
from tests.support.rsgi import profile_request, rsgi_client
from tests.support.users import UserFactory, bearer
from werkzeug.datastructures import Headers
from werkzeug.test import EnvironBuilder, run_wsgi_app

from flaskauth import mount

NOT_FOUND = (404, "not_found")


def spellings(path: str) -> list[str]:
    """Return other spellings of a path, as the server decodes them."""
    first, _, rest = path[1:].partition("/")
    return [
        *(
            f"/{path}",
            f"//{path}",
            f"/.{path}",
            f"/x/..{path}",
            f"/%2f{path[1:]}",
            f"{path}/",
            f"{path}//",
            f"{path}/.",
        ),
        *(f"{path};x=1", f"{path}.", f"{path}%20", f"{path}%00", f"{path}%2f", f"{path}\\", path.swapcase()),
        *([f"/{first}//{rest}", f"/{first}/./{rest}", f"/{first}\\{rest}"] if rest else []),
    ]


def get_status(app: Flask, method: str, path: str, token: str = "") -> int:
    """Return the status for a request path that the test client does not normalize."""
    environ = EnvironBuilder(method=method, headers=Headers(bearer(token) if token else {})).get_environ()
    environ["REMOTE_ADDR"] = "127.0.0.1"
    environ["PATH_INFO"] = path.replace("%2f", "/").replace("%20", " ").replace("%00", "\x00")
    environ["REQUEST_URI"] = environ["RAW_URI"] = environ["PATH_INFO"]
    return int(run_wsgi_app(app.wsgi_app, environ)[1].split()[0])


def test_other_spelling_of_any_path_is_not_found(app: Flask) -> None:
    for route in all_routes(app):
        for path in spellings(route.path) if route.path != "/" else ("//", "///", "/.", "/;x"):
            assert get_status(app, route.method, path) == 404, f"{route.method} {path!r}"


def test_other_spelling_of_mounted_path_is_not_found(make_app: MakeApp) -> None:
    host = Flask("host")
    mount(host, make_app(PUBLIC_URL="http://localhost/accounts"), "/accounts")
    for path in spellings("/accounts/hello"):
        assert get_status(host, "GET", path) == 404, path

    assert get_status(host, "GET", "/accounts/hello") == 200


def test_other_spelling_of_fast_path_is_not_found(app: Flask) -> None:
    token = UserFactory(app).create_verified().login_ok()["token"]
    with rsgi_client(app) as rsgi:
        assert not rsgi.send(profile_request(token)).is_by_flask
        for path in spellings("/users/profile"):
            decoded = path.replace("%2f", "/").replace("%20", " ").replace("%00", "\x00")
            assert rsgi.send(replace(profile_request(token), path=decoded)).status == 404, path


@pytest.mark.parametrize("session_id", ["01", "+1", "1.0", "\u0661", "\uff11", "1" * 5000, "-1", "0x1"])
def test_other_spelling_of_session_id_is_not_found(client: FlaskClient, session_id: str) -> None:
    assert error_of(client.delete(f"/auth/sessions/{session_id}")) == NOT_FOUND
    assert client.delete("/auth/sessions/1").status_code == 401


@pytest.mark.parametrize("variable", ["REQUEST_URI", "RAW_URI"])
@pytest.mark.parametrize("uri", ["/users%2fprofile", "/users%2Fprofile", "/%75sers/profile", "/users/profil%65?a=/"])
def test_percent_encoded_path_is_not_found(app: Flask, variable: str, uri: str) -> None:
    token = UserFactory(app).create_verified().login_ok()["token"]
    for _ in range(2):
        environ = EnvironBuilder("/users/profile", headers=Headers(bearer(token))).get_environ()
        del environ["REQUEST_URI"], environ["RAW_URI"]
        assert run_wsgi_app(app.wsgi_app, {**environ, "REMOTE_ADDR": "127.0.0.1"})[1] == "200 OK"

        environ = {**environ, "REMOTE_ADDR": "127.0.0.1", variable: uri}
        assert run_wsgi_app(app.wsgi_app, environ)[1] == "404 NOT FOUND"


def test_percent_encoding_is_allowed_where_a_path_needs_it(app: Flask) -> None:
    @app.get("/th\u00e9 vert/<name>")
    def host_view(name: str) -> str:
        return name

    assert app.test_client().get("/th%C3%A9%20vert/a%2520b").text == "a%20b"
    assert app.test_client().get("/hello?next=%2Fusers%2Fprofile").status_code == 200

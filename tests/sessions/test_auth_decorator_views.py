"""The decorators on every kind of view of Flask, and `current_user`, in an extended and in a mounting application."""

import asyncio
import shutil
from collections.abc import Callable, Iterator
from functools import wraps
from pathlib import Path
from typing import Any, ClassVar

import pytest
from flask import Blueprint, Flask, render_template_string
from flask.testing import FlaskClient
from flask.typing import ResponseReturnValue
from flask.views import MethodView, View
from tests.conftest import SECRET
from tests.support.inspect import error_of
from tests.support.users import UserFactory, bearer

from flaskauth import Settings, User, auth_optional, auth_required, create_app, current_user, mount
from flaskauth.core.db.session import dispose_engines
from flaskauth.core.jobs import background

GRACE = "grace@example.com"
INVALID_TOKEN = (401, "invalid_token")

bp = Blueprint("shop", __name__, url_prefix="/shop")


def add_header(view: Callable[..., Any]) -> Callable[..., Any]:
    """Pass a value as the first argument, as decorators of an application do."""

    @wraps(view)
    def wrapper(*args: Any, **kwargs: Any) -> Any:
        return view(*args, **kwargs)

    return wrapper


@bp.get("/function/<int:number>")
@auth_required
def function(user: User, number: int) -> dict[str, object]:
    return {"email": user.email, "number": number}


@bp.get("/async/<int:number>")
@auth_required
async def async_function(user: User, number: int) -> dict[str, object]:
    await asyncio.sleep(0)
    return {"email": user.email, "number": number}


@bp.get("/stacked/<int:number>")
@add_header
@auth_required
@add_header
@auth_optional
def stacked(user: User | None, same_user: User, number: int) -> dict[str, object]:
    return {"email": user.email if user is same_user else None, "number": number}


class DecoratedClass(MethodView):
    decorators: ClassVar = [auth_required]

    def get(self, user: User, number: int) -> dict[str, object]:
        return {"email": user.email, "number": number}

    async def post(self, user: User, number: int) -> dict[str, object]:
        await asyncio.sleep(0)
        return self.get(user, number)

    def put(self, number: int) -> dict[str, object]:
        return self.get(current_user, number)

    def delete(self, account: User, **values: int) -> dict[str, object]:
        return self.get(account, **values)

    @auth_required
    def patch(self, user: User, number: int) -> dict[str, object]:
        return self.get(user, number)


class StackedClass(DecoratedClass):
    decorators: ClassVar = [add_header, auth_optional, add_header, auth_required]
    init_every_request = False


class DecoratedMethods(MethodView):
    @auth_required
    def get(self, user: User, number: int) -> dict[str, object]:
        return {"email": user.email, "number": number}

    @add_header
    @auth_required
    async def post(self, user: User, number: int) -> dict[str, object]:
        return {"email": user.email, "number": number}


class PlainView(View):
    decorators: ClassVar = [auth_required]
    methods: ClassVar = ["GET", "POST"]

    def dispatch_request(self, user: User, number: int) -> ResponseReturnValue:  # type: ignore[override]
        return {"email": user.email, "number": number}


class Controller:
    """A class that is no view: its bound methods are the views."""

    @auth_required
    def show(self, user: User, number: int) -> dict[str, object]:
        assert isinstance(self, Controller)
        return {"email": user.email, "number": number}


for view_class in (DecoratedClass, StackedClass, DecoratedMethods, PlainView):
    bp.add_url_rule(f"/{view_class.__name__}/<int:number>", view_func=view_class.as_view(view_class.__name__))
bp.add_url_rule("/bound/<int:number>", view_func=Controller().show)
VIEWS = [
    *(("GET", path) for path in ("function", "async", "stacked", "bound", "PlainView", "DecoratedMethods")),
    *(("POST", path) for path in ("DecoratedMethods", "PlainView")),
    *((method, "DecoratedClass") for method in ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE")),
    *((method, "StackedClass") for method in ("GET", "POST", "PUT", "PATCH", "DELETE")),
]


@bp.get("/template")
def template() -> str:
    return render_template_string("{% if current_user %}{{ current_user.first_name }}{% else %}guest{% endif %}")


@bp.get("/current")
@auth_optional
def current(user: User | None) -> dict[str, object]:
    return {"same": current_user == user, "is_user": isinstance(current_user, User), "true": bool(current_user)}


guarded_bp = Blueprint("guarded", __name__, url_prefix="/guarded")


@guarded_bp.before_request
@auth_required
def require_user(user: User) -> None:
    """Protect all routes of the blueprint."""


@guarded_bp.get("/")
def guarded() -> dict[str, object]:
    return {"email": current_user.email}


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory, sqlite_template: Path) -> Iterator[Flask]:
    folder = tmp_path_factory.mktemp("views")
    shutil.copy(sqlite_template, folder / "test.db")
    environ = {
        "SECRET_KEY": SECRET,
        "FLASKAUTH_ENV": "development",
        "FLASKAUTH_INSTANCE_PATH": str(folder),
        "SQLALCHEMY_DATABASE_URI": f"sqlite:///{folder}/test.db",
        "TRUSTED_PROXIES": "127.0.0.1",
    }
    server = create_app(Settings.load(environ, folder / "no.env"))
    server.register_blueprint(bp)
    server.register_blueprint(guarded_bp)
    yield server
    server.extensions[background.KEY].stop()
    with server.app_context():
        dispose_engines()


@pytest.fixture(scope="module")
def headers(server: Flask) -> dict[str, str]:
    return bearer(UserFactory(server).create_verified().login_ok()["token"])


@pytest.fixture(scope="module", params=["extended", "mounted"])
def app(request: pytest.FixtureRequest, server: Flask) -> Flask:
    """An application that extends flaskauth, and one that mounts it."""
    if request.param == "extended":
        return server
    app = Flask("shop")
    mount(app, server, "/accounts")
    app.register_blueprint(bp)
    app.register_blueprint(guarded_bp)
    return app


@pytest.fixture
def client(app: Flask) -> FlaskClient:
    return app.test_client()


@pytest.mark.parametrize(("method", "path"), VIEWS)
def test_auth_required_passes_user_to_each_kind_of_view(
    client: FlaskClient, headers: dict[str, str], method: str, path: str
) -> None:
    url = f"/shop/{path}/7"
    response = client.open(url, method=method, headers=headers)

    assert response.status_code == 200
    assert response.get_json(silent=True) == (None if method == "HEAD" else {"email": GRACE, "number": 7})
    assert client.open(url, method=method).status_code == 401
    assert client.open(url, method=method, headers=bearer("nonsense")).status_code == 401


def test_auth_required_before_request_guards_a_blueprint(client: FlaskClient, headers: dict[str, str]) -> None:
    assert client.get("/guarded/", headers=headers).get_json() == {"email": GRACE}
    assert error_of(client.get("/guarded/")) == INVALID_TOKEN


def test_current_user_in_template_is_the_user_or_false(client: FlaskClient, headers: dict[str, str]) -> None:
    assert client.get("/shop/template", headers=headers).text == "Grace"
    for invalid in ({}, bearer("nonsense"), {"Authorization": "Basic Z3JhY2U6eA=="}, {"Authorization": ""}):
        assert client.get("/shop/template", headers=invalid).text == "guest"


def test_current_user_is_the_user_of_auth_optional(client: FlaskClient, headers: dict[str, str]) -> None:
    assert client.get("/shop/current", headers=headers).get_json() == {"same": True, "is_user": True, "true": True}
    assert client.get("/shop/current").get_json() == {"same": True, "is_user": False, "true": False}


def test_current_user_without_request_raises_runtime_error(app: Flask) -> None:
    with app.app_context(), pytest.raises(RuntimeError, match="outside of request context"):
        current_user.email  # noqa: B018

"""Generated pages: `python -m docs.generate` writes them from the code."""

from collections.abc import Callable, Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

from docs.generate import commands, deploy_files, events, limits, performance, routes, settings

from flaskauth import Settings, create_app

ROOT = Path(__file__).parents[2]


def load_openapi() -> routes.JSONObject:
    """Return the OpenAPI document of a server with default settings."""
    with TemporaryDirectory() as folder:
        app = create_app(Settings.load({"FLASKAUTH_INSTANCE_PATH": folder}, Path(folder, "no.env")))
        document: routes.JSONObject = app.test_client().get("/openapi.json").get_json()
        return document


PAGES: dict[str, Callable[[], Iterator[str]]] = {
    "README.md": lambda: performance.page("README.md"),
    ".env.example": settings.example,
    "docs/reference/settings.md": settings.page,
    "docs/reference/routes.md": lambda: routes.page(load_openapi()),
    "docs/reference/commands.md": commands.page,
    "docs/reference/events.md": events.page,
    "docs/reference/limits.md": limits.page,
    "docs/operations/performance.md": lambda: performance.page("docs/operations/performance.md"),
    "docs/operations/scaling.md": lambda: performance.page("docs/operations/scaling.md"),
    "deploy/systemd/flaskauth-.service.d/common.conf": lambda: deploy_files.unit("common"),
    "deploy/systemd/flaskauth-server.service": lambda: deploy_files.unit("server"),
    "deploy/systemd/flaskauth-worker.service": lambda: deploy_files.unit("worker"),
    "deploy/nginx/flaskauth.conf": deploy_files.nginx_site,
}


def render(path: str) -> str:
    """Return the current content of a generated file."""
    return "".join(f"{line}\n" for line in PAGES[path]())

"""The pages that are made from the code: python -m docs.generate writes them again."""

from collections.abc import Callable, Iterator
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from docs.generate import commands, deploying, events, limits, routes, settings

from flaskauth import Settings, create_app

ROOT = Path(__file__).parents[2]


def openapi() -> dict[str, Any]:
    """The API's description, as a server with nothing set gives it."""
    with TemporaryDirectory() as folder:
        app = create_app(Settings.load({"FLASKAUTH_INSTANCE_PATH": folder}, Path(folder, "no.env")))
        description: dict[str, Any] = app.test_client().get("/openapi.json").get_json()
        return description


PAGES: dict[str, Callable[[], Iterator[str]]] = {
    ".env.example": settings.example,
    "docs/reference/settings.md": settings.page,
    "docs/reference/routes.md": lambda: routes.page(openapi()),
    "docs/reference/commands.md": commands.page,
    "docs/reference/events.md": events.page,
    "docs/limits.md": limits.page,
    "deploy/systemd/flaskauth-.service.d/common.conf": lambda: deploying.unit("common"),
    "deploy/systemd/flaskauth-server.service": lambda: deploying.unit("server"),
    "deploy/systemd/flaskauth-worker.service": lambda: deploying.unit("worker"),
    "deploy/nginx/flaskauth.conf": deploying.site,
}


def made(path: str) -> str:
    """What the page holds when it is true."""
    return "".join(f"{line}\n" for line in PAGES[path]())

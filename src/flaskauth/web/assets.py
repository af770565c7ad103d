"""The style sheet, the script and the icon of the pages, and the theme of the operator."""

import mimetypes
from dataclasses import dataclass
from functools import cached_property
from importlib.resources import files
from pathlib import Path

from flask import current_app

from flaskauth.core import crypto
from flaskauth.core.context import settings
from flaskauth.core.http.pages import STYLE_FILE

EXTENSION_KEY = "flaskauth.web.assets"
BUILTIN = ("pages.css", "pages.js", "icon.svg")
LOGOS = ("logo.svg", "logo.png")


@dataclass(frozen=True)
class Asset:
    """A file that browsers cache. Its URL contains the version, which is a digest of the content."""

    name: str
    content: bytes

    @cached_property
    def version(self) -> str:
        return crypto.sha256(self.content)[:6].hex()

    @property
    def media_type(self) -> str:
        return mimetypes.guess_type(self.name)[0] or "application/octet-stream"


def find(name: str) -> Asset | None:
    """Return an asset, or None if there is no file of this name. Changed files require a restart."""
    if EXTENSION_KEY not in current_app.extensions:
        assets = [*map(_load_builtin, BUILTIN), *_load_theme()]
        current_app.extensions[EXTENSION_KEY] = {asset.name: asset for asset in assets}
    loaded: dict[str, Asset] = current_app.extensions[EXTENSION_KEY]
    return loaded.get(name)


def get(name: str) -> Asset:
    """Return an asset that exists."""
    asset = find(name)
    assert asset
    return asset


def logo() -> str | None:
    """Return the name of the operator's logo, or None."""
    return next((name for name in LOGOS if find(name)), None)


def _load_builtin(name: str) -> Asset:
    file = STYLE_FILE if name == STYLE_FILE.name else files("flaskauth.web").joinpath("static", name)
    return Asset(name, file.read_bytes())


def _load_theme() -> list[Asset]:
    """Return the logo and the style sheet of THEME_DIR, and THEME_COLOR as a rule of the style sheet."""
    folder, color = settings().theme_dir, settings().theme_color
    rule = f":root {{ --theme: {color}; }}\n".encode() if color else b""
    logos = [Asset(name, file.read_bytes()) for name in LOGOS if folder and (file := folder / name).is_file()]
    css = rule + _read(folder / "theme.css" if folder else None)
    return [*logos, *([Asset("theme.css", css)] if css else [])]


def _read(file: Path | None) -> bytes:
    return file.read_bytes() if file and file.is_file() else b""

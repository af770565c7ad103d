"""Sphinx: make docs writes build/docs/index.html, without network."""

import re
from importlib import metadata

from sphinx.application import Sphinx

project = "flaskauth"
release = metadata.version("flaskauth")
copyright = "the flaskauth authors"  # noqa: A001 (Sphinx's name)
extensions = ["myst_parser"]
exclude_patterns = ["generate"]
myst_heading_anchors = 3
html_theme = "furo"
html_title = f"flaskauth {release}"
html_show_sphinx = False

# The sidebar. It stands here, and not in index.md, so that GitHub shows the pages without directives.
NAVIGATION = {
    "Begin": ["getting-started", "tutorial"],
    "Understand": [
        *("concepts/attempts", "concepts/sessions", "concepts/passwords", "concepts/addresses", "concepts/avatars"),
        *("concepts/leaving", "concepts/trail", "concepts/keys", "concepts/outbox", "why"),
    ],
    "Use": ["library", "browser", "verifying"],
    "Run": [
        *("production", "deploying", "operations", "performance", "scaling"),
        *("galera", "reliability", "security", "importing", "doctor"),
    ],
    "Look up": ["limits", "reference/settings", "reference/routes", "reference/commands", "reference/events"],
    "Work on it": ["map", "adr/*"],
}


def setup(app: Sphinx) -> None:
    app.connect("source-read", _navigate)


def _navigate(_app: Sphinx, page: str, source: list[str]) -> None:
    # What lies outside of docs/ is no page of the site: its name stays, without the link.
    source[0] = re.sub(rf"\[([^\]]+)\]\((?:\.\./){{{page.count('/') + 1}}}[^)]*\)", r"\1", source[0])
    if page == "index":
        for caption, pages in NAVIGATION.items():
            listed = "\n".join(pages)
            source[0] += f"\n\n```{{toctree}}\n:hidden:\n:glob:\n:caption: {caption}\n\n{listed}\n```"

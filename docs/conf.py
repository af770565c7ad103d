"""Sphinx configuration. `make docs` builds build/docs/index.html without network access."""

import re

from sphinx.application import Sphinx

from flaskauth import __version__

project = "flaskauth"
release = __version__
copyright = "the flaskauth authors"  # noqa: A001 (Sphinx's name)
extensions = ["myst_parser", "sphinx_copybutton"]
myst_enable_extensions = ["deflist"]
exclude_patterns = ["generate"]
myst_heading_anchors = 3
html_theme = "furo"
html_title = f"flaskauth {release}"
html_show_sphinx = False

# The sidebar. It is defined here and not in index.md, so that GitHub displays the page without directives.
NAVIGATION = {
    "Tutorials": ["tutorials/getting-started", "tutorials/account-system", "tutorials/add-a-second-factor"],
    "How-to guides": [
        *(
            "how-to/embed-in-a-flask-app",
            "how-to/test-your-application",
            "how-to/verify-access-tokens",
            "how-to/call-from-a-browser",
        ),
        *("how-to/use-the-pages", "how-to/theme-the-pages"),
        *("how-to/add-passkeys", "how-to/require-second-factors", "how-to/recover-lost-factors"),
        *("how-to/change-the-mails", "how-to/import-users", "how-to/migrate-from-the-tutorial"),
        "how-to/install-extras",
    ],
    "Concepts": [
        *("concepts/registration", "concepts/sessions", "concepts/passwords"),
        *("concepts/second-factors", "concepts/passkeys", "concepts/hosted-pages"),
        *("concepts/email-change", "concepts/avatars", "concepts/account-deletion", "concepts/audit-log"),
        *("concepts/signing-keys", "concepts/outbox", "concepts/design-decisions"),
    ],
    "Reference": [
        *("reference/routes", "reference/settings", "reference/commands", "reference/events"),
        *("reference/limits", "reference/security"),
    ],
    "Operations": [
        *("operations/production", "operations/containers", "operations/maintenance", "operations/galera"),
        *("operations/scaling", "operations/reliability", "operations/performance", "operations/doctor"),
    ],
    "Contributing": ["contributing/architecture", "adr/*"],
}


def setup(app: Sphinx) -> None:
    app.connect("source-read", _navigate)


def _navigate(_app: Sphinx, page: str, source: list[str]) -> None:
    # Files outside docs/ are not pages of the site: replace links to them with the link text.
    source[0] = re.sub(rf"\[([^\]]+)\]\((?:\.\./){{{page.count('/') + 1}}}[^)]*\)", r"\1", source[0])
    if page == "index":
        for caption, pages in NAVIGATION.items():
            entries = "\n".join(pages)
            source[0] += f"\n\n```{{toctree}}\n:hidden:\n:glob:\n:caption: {caption}\n\n{entries}\n```"

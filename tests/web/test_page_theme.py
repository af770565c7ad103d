"""THEME_COLOR, THEME_DIR and templates that replace those of the pages."""

import re
from pathlib import Path

import pytest
from click.testing import CliRunner
from flask import Flask
from tests.conftest import MakeApp
from tests.docs.code_blocks import block
from tests.web.helpers import Browser

from flaskauth import mount
from flaskauth.cli.main import main
from flaskauth.settings import SettingsError
from flaskauth.web import template_check


def test_theme_color_is_a_rule_of_the_theme_style_sheet(make_app: MakeApp) -> None:
    client = make_app(THEME_COLOR="#0b5d1e").test_client()

    [url] = re.findall(r'href="(/pages/\w+/theme\.css)"', client.get("/sign-in").text)

    assert client.get(url).text == ":root { --theme: #0b5d1e; }\n"


@pytest.mark.parametrize("color", ["#ffcc00", "#7f7f7f", "red", "#333"])
def test_theme_color_with_low_contrast_is_rejected(make_app: MakeApp, color: str) -> None:
    with pytest.raises(SettingsError, match="THEME_COLOR"):
        make_app(THEME_COLOR=color)


def test_theme_folder_adds_logo_and_style_sheet_only(make_app: MakeApp, tmp_path: Path) -> None:
    folder = tmp_path / "theme"
    folder.mkdir()
    (tmp_path / "secret.css").write_text("secret")
    (folder / "logo.svg").write_text("<svg xmlns='http://www.w3.org/2000/svg' onload='alert(1)'/>")
    (folder / "theme.css").write_text("main { border-radius: 0; }")
    (folder / "other.css").write_text("")
    client = make_app(THEME_DIR=str(folder)).test_client()

    page = client.get("/sign-in").text
    urls = dict(re.findall(r'(?:href|src)="(/pages/\w+/(logo\.svg|theme\.css))"', page))
    responses = {name: client.get(url) for url, name in urls.items()}

    assert 'alt="flaskauth"' in page
    assert responses["theme.css"].text == "main { border-radius: 0; }"
    assert responses["logo.svg"].mimetype == "image/svg+xml"
    assert responses["logo.svg"].headers["Content-Security-Policy"].startswith("default-src 'none'")
    digest = next(iter(urls)).split("/")[2]
    for name in ("other.css", "../secret.css", "..%2fsecret.css", "%2e%2e/secret.css", "logo.png"):
        assert client.get(f"/pages/{digest}/{name}").status_code == 404, name


def test_page_without_theme_has_no_theme_style_sheet(make_app: MakeApp, tmp_path: Path) -> None:
    page = make_app(THEME_DIR=str(tmp_path / "missing")).test_client().get("/sign-in").text

    assert "theme.css" not in page
    assert "<img" not in page


def test_template_of_operator_replaces_and_extends_a_page(make_app: MakeApp, tmp_path: Path) -> None:
    folder = tmp_path / "templates"
    (folder / "pages").mkdir(parents=True)
    (folder / "pages" / "layout.html").write_text(
        '{% extends "builtin/pages/layout.html" %}{% block footer %}<p>{{ app_name }} & {{ "<b>" }}</p>{% endblock %}'
    )
    browser = Browser(make_app(MAIL_TEMPLATE_FOLDER=str(folder), APP_NAME="Shop"))

    page = browser.open("/sign-in").text

    assert "<p>Shop & &lt;b&gt;</p>" in page
    assert 'name="password"' in page
    assert "hreflang" not in page


def test_layout_of_the_guide_replaces_the_footer(make_app: MakeApp, tmp_path: Path) -> None:
    folder = tmp_path / "pages"
    folder.mkdir()
    (folder / "layout.html").write_text(block("docs/how-to/theme-the-pages.md", "layout"))

    assert "Imprint</a>" in Browser(make_app(MAIL_TEMPLATE_FOLDER=str(tmp_path))).open("/sign-in").text


@pytest.mark.parametrize(
    ("name", "source", "error"),
    [
        ("layout", "{% if %}", "layout.html: line 1: Expected an expression, got 'end of statement block'"),
        ("sign_in", "{{ nope }}", "sign_in.html: no page has the variable nope"),
        ("signin", "Hello", "signin.html: replaces no page"),
        ("error", block("docs/how-to/theme-the-pages.md", "layout"), ""),
    ],
)
def test_check_reports_broken_page_template(
    make_app: MakeApp, tmp_path: Path, name: str, source: str, error: str
) -> None:
    file = tmp_path / "pages" / f"{name}.html"
    file.parent.mkdir()
    file.write_text(source)

    with make_app(MAIL_TEMPLATE_FOLDER=str(tmp_path)).app_context():
        assert template_check.find_errors() == ([f"{file.parent}/{error}"] if error else [])


def test_copied_page_template_is_listed_and_valid(tmp_path: Path) -> None:
    environ = {"FLASKAUTH_ENV": "development", "MAIL_TEMPLATE_FOLDER": str(tmp_path)}
    commands = (["copy", "pages/sign_in.html"], ["list"], ["check"])

    copied, listed, checked = (CliRunner().invoke(main, ["templates", *words], env=environ) for words in commands)

    assert copied.output == f"copied {tmp_path}/pages/sign_in.html\n"
    assert "pages/verify.html" in listed.output
    assert checked.output == "1 replaced template is valid.\n"


def test_template_of_mounting_application_replaces_a_page(make_app: MakeApp, tmp_path: Path) -> None:
    folder = tmp_path / "host" / "flaskauth" / "pages"
    folder.mkdir(parents=True)
    (folder / "error.html").write_text("own error page")
    (folder / "sign_in.html").write_text("own page of {{ app_name }}")
    app, server = Flask("shop", template_folder=str(tmp_path / "host")), make_app()
    mount(app, server, "/accounts")

    assert Browser(app).open("/accounts/sign-in").text == "own page of flaskauth"

"""The pages of the links in security mails change nothing before their button is pressed, and do not leak the token."""

from pathlib import Path

import pytest
from flask import Flask
from tests.conftest import MakeApp
from tests.email_change.helpers import NEW_EMAIL, MailLink, change_email, login_status
from tests.registration.helpers import GRACE_EMAIL
from tests.security_alerts.test_takeover_recovery import newest_link
from tests.support.db_snapshot import row_counts
from tests.support.users import OTHER_IP, UserFactory
from tests.web.helpers import Browser

from flaskauth.one_time_codes import links

PATHS = ("/auth/revert-email-change", "/auth/report-sign-in", "/auth/lost-factor/cancel")
UNKNOWN_TOKEN = "x" * 43


def press(app: Flask, link: MailLink, token: str = "") -> Browser:
    """Open the page of a link and press its button."""
    browser = Browser(app)
    assert f'action="{link.path}/confirm"' in browser.open(link.path).text
    browser.post(f"{link.path}/confirm", token=token or link.token)
    return browser


@pytest.mark.parametrize("path", PATHS)
def test_link_page_get_changes_nothing(app: Flask, path: str) -> None:
    client, before = app.test_client(), row_counts(app)
    assert client.get(path).status_code == client.head(path).status_code == 200
    assert client.get(f"{path}/confirm").headers["Location"] == path

    assert row_counts(app) == before


def test_revert_page_restores_the_address(app: Flask, users: UserFactory) -> None:
    link = change_email(app).revert_link

    browser = press(app, link)

    assert (browser.page.status_code, browser.title()) == (200, "Done")
    assert 'href="/forgot"' in browser.page.text
    assert login_status(users, NEW_EMAIL) == 401
    assert press(app, link).title() == "This link is no longer valid"


def test_report_page_accepts_the_whole_link(app: Flask, users: UserFactory) -> None:
    user = users.create_verified()
    user.login_ok()
    user.login_ok(at=OTHER_IP)  # a new network, so a mail asks whether it was the user
    link = newest_link(app, GRACE_EMAIL)

    browser = press(app, link, token=f" http://localhost:5000{link.path}#{link.token}\n")

    assert browser.title() == "Done"
    assert login_status(users, GRACE_EMAIL) == 401


@pytest.mark.parametrize("path", PATHS)
def test_link_page_with_wrong_token_is_422(app: Flask, path: str) -> None:
    browser = press(app, MailLink(path, UNKNOWN_TOKEN))

    assert (browser.page.status_code, browser.title()) == (422, "This link is no longer valid")
    assert UNKNOWN_TOKEN not in browser.page.text
    assert browser.post(f"{path}/confirm").status_code == 422
    assert "Please fill in this field." in browser.page.text


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize(
    ("accept_language", "expected"), [("pt-BR", "pt"), ("ar", "ar"), ("de", "en"), ("sw;q=0.9, fr", "fr")]
)
def test_link_page_uses_accept_language(app: Flask, path: str, accept_language: str, expected: str) -> None:
    response = app.test_client().get(path, headers={"Accept-Language": accept_language})

    assert f'<html lang="{expected}" dir="{"rtl" if expected == "ar" else "ltr"}">' in response.text
    assert ("If this was you" in response.text) == (expected == "en")
    assert response.headers["Content-Language"] == expected


def test_report_page_fits_every_mail_with_its_link(app: Flask) -> None:
    """Mails about sign-ins, second factors and codes have the same link."""
    assert "The mail says what happened in your account." in Browser(app).open("/auth/report-sign-in").text


def test_link_page_has_the_theme_and_language_links(make_app: MakeApp, tmp_path: Path) -> None:
    (tmp_path / "logo.svg").write_text("<svg/>")
    browser = Browser(make_app(THEME_COLOR="#0b5d1e", THEME_DIR=str(tmp_path)))

    page = browser.open(f"/auth/{links.REPORT_SIGN_IN}")

    assert "/theme.css" in page.text
    assert "/logo.svg" in page.text
    assert 'href="?lang=fr"' in page.text
    assert "script-src 'self'; style-src 'self'" in page.headers["Content-Security-Policy"]


def test_link_page_without_pages_links_to_none_of_them(make_app: MakeApp) -> None:
    app = make_app(PAGES="false")
    link = change_email(app).revert_link

    browser = press(app, link)

    assert browser.title() == "Done"
    assert 'href="/forgot"' not in browser.page.text
    assert 'class="brand" dir="auto" href="/"' in browser.page.text
    assert press(app, link).title() == "This link is no longer valid"

"""The pages of the links change nothing before their button is pressed, and do not leak the token."""

import base64
import hashlib
import re

import pytest
from flask.testing import FlaskClient
from tests.support.db_snapshot import row_counts

PATHS = ("/auth/revert-email-change", "/auth/report-sign-in")


@pytest.mark.parametrize("path", PATHS)
def test_link_page_csp_allows_only_its_own_script(client: FlaskClient, path: str) -> None:
    response = client.get(path)
    policy = response.headers["Content-Security-Policy"]
    for kind, tag in (("script-src", "script"), ("style-src", "style")):
        match = re.search(rf"<{tag}>(.*?)</{tag}>", response.text, re.DOTALL)
        assert match
        digest = base64.b64encode(hashlib.sha256(match.group(1).encode()).digest()).decode()
        assert f"{kind} 'sha256-{digest}'" in policy

    assert policy.startswith("default-src 'none'")
    assert "http" not in re.sub(r"<!doctype.*?>", "", response.text)
    assert (response.headers["Cache-Control"], response.headers["Referrer-Policy"]) == ("no-store", "no-referrer")


@pytest.mark.parametrize("path", PATHS)
def test_link_page_get_changes_nothing(client: FlaskClient, path: str) -> None:
    before = row_counts(client.application)
    assert client.get(path).status_code == client.head(path).status_code == 200

    assert row_counts(client.application) == before


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize(
    ("accept_language", "expected"), [("pt-BR", "pt"), ("ar", "ar"), ("de", "en"), ("sw;q=0.9, fr", "fr")]
)
def test_link_page_uses_accept_language(client: FlaskClient, path: str, accept_language: str, expected: str) -> None:
    response = client.get(path, headers={"Accept-Language": accept_language})

    assert f'<html lang="{expected}" dir="{"rtl" if expected == "ar" else "ltr"}">' in response.text
    assert ("If this was you" in response.text) == (expected == "en")
    assert response.headers["Vary"] == "Accept-Language"
    assert response.headers["Content-Language"] == expected


def test_report_page_fits_every_mail_with_its_link(client: FlaskClient) -> None:
    """Mails about sign-ins, second factors and codes have the same link."""
    assert "The mail says what happened in your account." in client.get("/auth/report-sign-in").text

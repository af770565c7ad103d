"""The pages behind the links do nothing until their button is pressed, and keep the token to themselves."""

import base64
import hashlib
import json
import re

import pytest
from flask.testing import FlaskClient
from tests.tables import counts

from flaskauth.mail.rendering import languages
from flaskauth.recovery.pages import _words

PATHS = ("/auth/undo", "/auth/disown")


@pytest.mark.parametrize("path", PATHS)
def test_nothing_is_fetched_from_elsewhere_and_only_its_own_script_runs(client: FlaskClient, path: str) -> None:
    answer = client.get(path)
    policy = answer.headers["Content-Security-Policy"]
    for kind, tag in (("script-src", "script"), ("style-src", "style")):
        found = re.search(rf"<{tag}>(.*?)</{tag}>", answer.text, re.DOTALL)
        assert found
        digest = base64.b64encode(hashlib.sha256(found.group(1).encode()).digest()).decode()
        assert f"{kind} 'sha256-{digest}'" in policy

    assert policy.startswith("default-src 'none'")
    assert "http" not in re.sub(r"<!doctype.*?>", "", answer.text)
    assert (answer.headers["Cache-Control"], answer.headers["Referrer-Policy"]) == ("no-store", "no-referrer")


@pytest.mark.parametrize("path", PATHS)
def test_looking_changes_nothing(client: FlaskClient, path: str) -> None:
    before = counts(client.application)
    assert client.get(path).status_code == client.head(path).status_code == 200

    assert counts(client.application) == before


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize(("asks_for", "found"), [("pt-BR", "pt"), ("ar", "ar"), ("de", "en"), ("sw;q=0.9, fr", "fr")])
def test_it_speaks_the_readers_language(client: FlaskClient, path: str, asks_for: str, found: str) -> None:
    answer = client.get(path, headers={"Accept-Language": asks_for})

    assert f'<html lang="{found}" dir="{"rtl" if found == "ar" else "ltr"}">' in answer.text
    assert answer.headers["Vary"] == "Accept-Language"
    assert answer.headers["Content-Language"] == found


def test_every_language_says_all_of_it() -> None:
    words = _words()

    assert set(words) == set(languages())
    assert len({json.dumps({part: sorted(said) for part, said in each.items()}) for each in words.values()}) == 1

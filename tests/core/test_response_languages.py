"""The messages of responses follow Accept-Language. `test_translations.py` checks the translations."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from flask import Flask
from flask.testing import FlaskClient
from tests.core.test_translations import CATALOGS
from tests.support.users import UserFactory, bearer, forwarded_for, registration_form

from flaskauth import Settings, create_app
from flaskauth.core.db.session import dispose_engines
from flaskauth.core.jobs import background

LANGUAGES = ["en", "ar", "fr", "pt", "sw"]
FAILED_LOGIN = (
    "Login failed! Invalid email or password. If you have just registered, enter the code from the mail first."
)
EMAIL = "grace@example.com"
CREDENTIALS = {"email": "unknown@example.com", "password": "seven green kettles"}


@pytest.fixture(scope="module")
def app(tmp_path_factory: pytest.TempPathFactory, sqlite_template: Path) -> Iterator[Flask]:
    """An application with one user, shared by the tests of this module."""
    folder = tmp_path_factory.mktemp("languages")
    shutil.copy(sqlite_template, folder / "test.db")
    environ = {
        "FLASKAUTH_ENV": "development",
        "FLASKAUTH_INSTANCE_PATH": str(folder),
        "SQLALCHEMY_DATABASE_URI": f"sqlite:///{folder}/test.db",
        "TRUSTED_PROXIES": "127.0.0.1",
    }
    app = create_app(Settings.load(environ, folder / "no.env"))
    UserFactory(app).create_verified(EMAIL)
    yield app
    app.extensions[background.KEY].stop()
    with app.app_context():
        dispose_engines()


def translation(text: str, language: str) -> str:
    return text if language == "en" else CATALOGS[language][text]


@pytest.mark.parametrize("language", LANGUAGES)
def test_error_message_follows_accept_language(client: FlaskClient, language: str) -> None:
    response = client.post("/auth/login", json=CREDENTIALS, headers={"Accept-Language": language})

    assert (response.status_code, response.get_json()["code"]) == (401, "invalid_credentials")
    assert response.get_json()["message"] == translation(FAILED_LOGIN, language)
    assert response.headers["Content-Language"] == language
    assert "Accept-Language" in response.headers["Vary"]


@pytest.mark.parametrize("language", LANGUAGES)
def test_validation_errors_follow_accept_language(client: FlaskClient, language: str) -> None:
    form = {"email": "grace", "password": "x" * 300, "first_name": None, "last_name": "<", "age": 1, "country": "NGA"}
    response = client.post("/auth/register", json=form, headers={"Accept-Language": language})
    response_to_nothing = client.post("/auth/verify", json={}, headers={"Accept-Language": language})

    errors = response.get_json()["errors"]
    assert errors["email"] == [translation("Invalid Email!", language)]
    length = translation("Must be {minimum} to {maximum} characters long.", language)
    assert errors["password"] == [length.format(minimum=8, maximum=256)]
    exact_length = translation("Must be exactly {count} characters long.", language)
    assert errors["country"] == [exact_length.format(count=2)]
    assert errors["age"] == [translation("Unknown field.", language)]
    required = translation("{field} is required!", language).format(field="otp")
    assert response_to_nothing.get_json()["errors"] == {"otp": [required]}


@pytest.mark.parametrize(
    ("header", "language"),
    [
        ("pt-BR,pt;q=0.9,en;q=0.8", "pt"),
        ("pt_BR", "pt"),
        ("PT-br", "pt"),
        ("de, fr;q=0.5, en;q=0.3", "fr"),
        ("en;q=0.2, sw;q=0.7", "sw"),
        ("fr;q=0", "en"),
        ("de", "en"),
        ("*", "en"),
        ("", "en"),
        (";;,=q", "en"),
        ("x" * 5000, "en"),
        ("é", "en"),
    ],
)
def test_accept_language_selects_an_offered_language(client: FlaskClient, header: str, language: str) -> None:
    response = client.get("/countries", headers={"Accept-Language": header})

    assert response.get_json()["message"] == translation("Countries", language)
    assert response.headers["Content-Language"] == language


def test_success_messages_follow_accept_language(client: FlaskClient) -> None:
    login = client.post("/auth/login", json={**CREDENTIALS, "email": EMAIL}, headers=accept("fr"))
    token = login.get_json()["token"]
    profile = client.get("/users/profile", headers={**bearer(token), **accept("sw")})

    assert login.get_json()["message"] == translation("Login Successful, Welcome Back", "fr")
    assert profile.get_json()["message"] == translation("Profile Details", "sw")
    assert client.get("/", headers=accept("fr")).get_json()["message"] == "Bienvenue sur flaskauth"
    assert client.get("/nope", headers=accept("ar")).get_json()["message"] == translation("Not found.", "ar")
    assert client.delete("/hello", headers=accept("pt")).get_json()["code"] == "method_not_allowed"


def test_weak_password_reason_follows_accept_language(client: FlaskClient) -> None:
    form = registration_form("grace@example.com", password="short")
    response = client.post("/auth/register", json=form, headers=accept("pt"))

    assert response.get_json()["errors"]["password"] == ["Deve ter pelo menos 8 caracteres."]


@pytest.mark.parametrize("path", ["/hello", "/openapi.json", "/.well-known/jwks.json"])
def test_response_without_envelope_is_not_translated(client: FlaskClient, path: str) -> None:
    response = client.get(path, headers=accept("fr"))

    assert response.data == client.get(path).data
    assert "Content-Language" not in response.headers


def test_english_is_the_default(client: FlaskClient) -> None:
    responses = [
        client.post("/auth/verify", json={"otp": "BCDF-2345"}, headers={"X-Request-ID": "1", **headers})
        for headers in ({}, accept("en-GB"), accept("de"))
    ]

    assert len({response.data for response in responses}) == 1
    assert responses[0].get_json()["message"] == "Failed to verify account, Invalid OTP Code"


@pytest.mark.parametrize("language", ["ar", "pt-BR"])
@pytest.mark.parametrize("path", ["/auth/forgot-password", "/auth/resend", "/auth/login", "/auth/register"])
def test_known_and_unknown_emails_get_equal_translations(client: FlaskClient, path: str, language: str) -> None:
    bodies = {"/auth/login": {"password": "wrong green kettles"}, "/auth/register": registration_form(EMAIL)}
    headers = {"X-Request-ID": "1", **accept(language), **forwarded_for("203.0.113.9")}
    known, unknown = (
        client.post(path, json={**bodies.get(path, {}), "email": email}, headers=headers)
        for email in (EMAIL, f"x@{language}.example.com")
    )

    assert len(known.data) == len(unknown.data)
    assert sorted(known.headers) == sorted(unknown.headers)
    texts = [(response.get_json()["message"], response.get_json().get("errors")) for response in (known, unknown)]
    assert texts[0] == texts[1]
    assert texts[0][0] in CATALOGS[language[:2]].values()


def accept(language: str) -> dict[str, str]:
    return {"Accept-Language": language}

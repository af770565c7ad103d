"""The OpenAPI document of flaskauth is valid and matches its routes."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient
from openapi_spec_validator import OpenAPIV31SpecValidator
from tests.conftest import MakeApp
from tests.openapi.helpers import documented_routes, error_codes, json_content, operations, resolve, schema_errors
from tests.support.users import UserFactory, bearer

from flaskauth import create_app
from flaskauth.core.context import KEY
from flaskauth.core.http.request import declared_errors
from flaskauth.mfa.challenges import SecondFactorRequired
from flaskauth.mfa.verification import InvalidFactor
from flaskauth.settings import Settings

WITHOUT_DATABASE = {"/", "/hello", "/health/live", "/.well-known/jwks.json", "/openapi.json"}
OPERATION_IDS = {
    *("register", "verifyEmail", "resendCode", "login", "reauthenticate", "refreshToken", "logout"),
    *("requestEmailCode", "signInWithEmailCode", "requestLostFactorCode", "confirmLostFactor"),
    *("getCancelFactorResetPage", "cancelFactorReset"),
    *("confirmSecondFactor", "getReauthenticationOptions", "listFactors", "startTotp", "confirmTotp", "renameTotp"),
    *("getPasskeySignInOptions", "signInWithPasskey", "getPasskeyCreationOptions", "registerPasskey", "renamePasskey"),
    *("removePasskey", "removePassword", "listRelatedOrigins", "listPasskeyPages"),
    *("removeTotp", "createRecoveryCodes", "setMfa", "forgetRememberedDevices"),
    *("listSessions", "revokeSession", "revokeOtherSessions", "forgotPassword", "resetPassword", "changePassword"),
    *("getProfile", "editProfile", "listActivity", "exportAccount", "changeEmail", "verifyEmailChange"),
    *("getRevertEmailChangePage", "revertEmailChange", "getReportSignInPage", "reportSignIn", "deleteAccount"),
    *("restoreAccount", "replaceAvatar", "removeAvatar", "getAvatar", "listCountries", "listRegions", "getJwks"),
    *("getLiveness", "getReadiness", "getMetrics", "getIndex", "getHello", "getOpenapiDocument"),
}


@pytest.fixture
def document(client: FlaskClient) -> dict[str, Any]:
    document: dict[str, Any] = client.get("/openapi.json").get_json()
    return document


def test_document_is_valid_openapi_3_1(document: dict[str, Any]) -> None:
    assert document["openapi"].startswith("3.1")
    assert list(OpenAPIV31SpecValidator(document).iter_errors()) == []


def test_document_has_title_contact_licence_and_scheme(app: Flask, document: dict[str, Any]) -> None:
    settings: Settings = app.extensions[KEY]

    assert document["info"]["title"] == f"{settings.app_name} API"
    assert document["info"]["contact"] == {"name": settings.app_name, "url": settings.public_url}
    assert document["info"]["license"] == {"name": "MIT", "identifier": "MIT"}
    assert list(document["components"]["securitySchemes"]) == ["bearer"]


@pytest.mark.parametrize(
    ("public_url", "server_url"),
    [
        ("http://localhost:5000", "/"),
        ("http://127.0.0.1:5000/accounts", "/accounts"),
        ("https://auth.example.com", "https://auth.example.com"),
    ],
)
def test_document_server_is_public_url(tmp_path: Path, public_url: str, server_url: str) -> None:
    settings = {"FLASKAUTH_INSTANCE_PATH": str(tmp_path), "PUBLIC_URL": public_url, "APP_NAME": "Bookshop"}
    app = create_app(Settings.load(settings, dotenv=tmp_path / "none"))

    servers = app.test_client().get("/openapi.json").get_json()["servers"]
    assert servers == [{"url": server_url, "description": "Bookshop"}]


def test_every_route_is_documented(app: Flask, document: dict[str, Any]) -> None:
    assert set(operations(document)) == {route for route, _ in documented_routes(app)}


def test_operation_ids_are_function_names(document: dict[str, Any]) -> None:
    names = [operation["operationId"] for operation in operations(document).values()]

    assert len(set(names)) == len(names)
    assert set(names) == OPERATION_IDS


def test_everything_in_the_document_is_described(document: dict[str, Any]) -> None:
    described = [
        *document["tags"],
        *document["servers"],
        *operations(document).values(),
        *(parameter for operation in operations(document).values() for parameter in operation.get("parameters", [])),
    ]

    assert [part for part in described if not part.get("description")] == []
    assert [operation for operation in operations(document).values() if not operation.get("summary")] == []


def test_every_integer_has_64_bits(document: dict[str, Any]) -> None:
    formats = dict(_integer_formats(document))
    [session_id] = operations(document)["/auth/sessions/{session_id}", "delete"]["parameters"]
    cursor, _limit = operations(document)["/users/activity", "get"]["parameters"]

    assert len(formats) > 20
    assert set(formats.values()) == {"int64"}
    assert (session_id["schema"]["format"], cursor["schema"]["format"]) == ("int64", "int64")


def test_messages_and_codes_may_change(document: dict[str, Any]) -> None:
    for name, schema in document["components"]["schemas"].items():
        for field in ("message", "code"):
            assert not {"const", "enum"} & set(schema.get("properties", {}).get(field, {})), name
    login_message = document["components"]["schemas"]["LoginResponse"]["properties"]["message"]
    error = document["components"]["schemas"]["Error"]["properties"]

    assert login_message == {"type": "string", "examples": ["Login Successful, Welcome Back"]}
    assert {"invalid_credentials", "too_many_requests"} <= set(error["code"]["examples"])


def test_unknown_error_code_and_field_match_the_schema(document: dict[str, Any]) -> None:
    body = {"status": "Error", "success": False, "message": "x", "code": "new_code", "request_id": "1", "new": 1}

    assert schema_errors(document, {"$ref": "#/components/schemas/Error"}, body) == []


def test_details_of_declared_errors_are_documented(document: dict[str, Any]) -> None:
    properties = document["components"]["schemas"]["Error"]["properties"]

    assert {*SecondFactorRequired.detail_fields, *InvalidFactor.detail_fields} <= set(properties)
    assert properties["clock_offset"]["type"] == "integer"


def test_every_operation_refers_to_shared_errors(document: dict[str, Any]) -> None:
    for route, operation in operations(document).items():
        errors = {status: response for status, response in operation["responses"].items() if status >= "4"}
        assert "4XX" in errors, route
        for response in errors.values():
            shared = json_content(resolve(document, response))
            assert shared["schema"] == {"$ref": "#/components/schemas/Error"}
    assert len(document["components"]["responses"]) <= 15


def test_every_component_is_used(document: dict[str, Any]) -> None:
    references = set(re.findall(r"#/components/(\w+)/(\w+)", str(document)))
    components = {(kind, name) for kind, parts in document["components"].items() for name in parts}

    assert components - references == {("securitySchemes", "bearer")}


def test_every_declared_error_is_documented(app: Flask, document: dict[str, Any]) -> None:
    documented = {route: error_codes(operation) for route, operation in operations(document).items()}

    for route, view in documented_routes(app):
        for code, error_class in declared_errors(view).items():
            assert code in documented[route][error_class.status], route


def test_every_protected_route_documents_bearer_token(app: Flask, document: dict[str, Any]) -> None:
    expected: dict[str, list[dict[str, list[str]]]] = {
        "public": [],
        "guarded": [{"bearer": []}],
        "optional": [{}, {"bearer": []}],
    }
    documented = {route: operation["security"] for route, operation in operations(document).items()}

    assert documented == {route: expected[view.access] for route, view in documented_routes(app)}


def test_every_error_example_matches_its_schema(document: dict[str, Any]) -> None:
    for operation in operations(document).values():
        for status, codes in error_codes(operation).items():
            response = json_content(resolve(document, operation["responses"][str(status)]))
            examples = {code: example["value"] for code, example in response["examples"].items()}
            assert set(codes) <= set(examples)
            for code, example in examples.items():
                assert example["code"] == code
                assert schema_errors(document, response["schema"], example) == []


@pytest.mark.parametrize("path", ["/", "/hello", "/health/live"])
def test_responses_match_their_schema(client: FlaskClient, document: dict[str, Any], path: str) -> None:
    schema = json_content(operations(document)[path, "get"]["responses"]["200"])["schema"]

    assert schema_errors(document, schema, client.get(path).get_json()) == []
    assert schema_errors(document, schema, {}) != []


def test_only_database_routes_document_503(document: dict[str, Any]) -> None:
    assert {
        path for (path, _), operation in operations(document).items() if 503 not in error_codes(operation)
    } == WITHOUT_DATABASE


def test_tags_are_unique_and_used(document: dict[str, Any]) -> None:
    names = [tag["name"] for tag in document["tags"]]

    assert sorted(names) == sorted({tag for operation in operations(document).values() for tag in operation["tags"]})


def test_document_is_cacheable_for_ten_minutes(client: FlaskClient) -> None:
    assert client.get("/openapi.json").headers["Cache-Control"] == "public, max-age=600"


def _integer_formats(part: Any, path: str = "") -> Iterator[tuple[str, str | None]]:
    """Yield the path and format of every integer in a part of the document."""
    children = part.items() if isinstance(part, dict) else enumerate(part) if isinstance(part, list) else ()
    for key, child in children:
        yield from _integer_formats(child, f"{path}/{key}")
    if isinstance(part, dict) and "integer" in (
        [part["type"]] if isinstance(part.get("type"), str) else part.get("type", [])
    ):
        yield path, part.get("format")


@pytest.mark.parametrize(("path", "method"), [("/users/factors/recovery-codes", "post"), ("/users/password", "delete")])
def test_422_of_a_route_without_body_is_documented(document: dict[str, Any], path: str, method: str) -> None:
    assert error_codes(operations(document)[path, method])[422] == ["validation_failed"]


@pytest.mark.parametrize("path", ["/auth/second-factor", "/auth/reauthenticate", "/auth/email-code/verify"])
def test_examples_of_exclusive_fields_are_valid_requests(make_app: MakeApp, path: str) -> None:
    app = make_app(EMAIL_SIGN_IN="true")
    token = UserFactory(app).create_verified().login_ok()["token"]
    client = app.test_client()
    document = client.get("/openapi.json").get_json()
    examples = json_content(operations(document)[path, "post"]["requestBody"])["examples"]

    assert len(examples) > 1
    for example in examples.values():
        response = client.post(path, json=example["value"], headers=bearer(token))
        assert response.status_code in {200, 401}, response.text


def test_every_operation_has_a_2xx_response(document: dict[str, Any]) -> None:
    for operation, definition in operations(document).items():
        assert any(status.startswith("2") for status in definition["responses"]), operation

"""The OpenAPI document of flaskauth is valid and matches its routes."""

from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient
from openapi_spec_validator import OpenAPIV31SpecValidator
from tests.openapi.helpers import documented_routes, error_codes, json_content, operations, schema_errors

from flaskauth.core.context import KEY
from flaskauth.core.http.request import declared_errors
from flaskauth.settings import Settings

WITHOUT_DATABASE = {"/", "/hello", "/health/live", "/.well-known/jwks.json", "/openapi.json"}


@pytest.fixture
def document(client: FlaskClient) -> dict[str, Any]:
    document: dict[str, Any] = client.get("/openapi.json").get_json()
    return document


def test_document_is_valid_openapi_3_1(document: dict[str, Any]) -> None:
    assert document["openapi"].startswith("3.1")
    assert list(OpenAPIV31SpecValidator(document).iter_errors()) == []


def test_document_has_title_server_and_security_scheme(app: Flask, document: dict[str, Any]) -> None:
    settings: Settings = app.extensions[KEY]

    assert document["info"]["title"] == f"{settings.app_name} API"
    assert document["servers"] == [{"url": settings.public_url}]
    assert list(document["components"]["securitySchemes"]) == ["bearer"]


def test_every_route_is_documented(app: Flask, document: dict[str, Any]) -> None:
    assert set(operations(document)) == {route for route, _ in documented_routes(app)}


def test_operation_ids_are_unique(document: dict[str, Any]) -> None:
    names = [operation["operationId"] for operation in operations(document).values()]

    assert len(set(names)) == len(names)


def test_every_declared_error_is_documented(app: Flask, document: dict[str, Any]) -> None:
    documented = {route: error_codes(operation) for route, operation in operations(document).items()}

    for route, view in documented_routes(app):
        for code, error_class in declared_errors(view).items():
            assert code in documented[route][error_class.status], route


def test_every_protected_route_documents_bearer_token(app: Flask, document: dict[str, Any]) -> None:
    protected = {route for route, view in documented_routes(app) if getattr(view, "access", "public") != "public"}

    assert {route for route, operation in operations(document).items() if "security" in operation} == protected


def test_every_error_example_matches_its_schema(document: dict[str, Any]) -> None:
    for operation in operations(document).values():
        for status, codes in error_codes(operation).items():
            response = json_content(operation["responses"][str(status)])
            examples = {code: example["value"] for code, example in response["examples"].items()}
            assert [example["code"] for example in examples.values()] == list(examples) == codes
            assert [schema_errors(document, response["schema"], example) for example in examples.values()] == [
                [] for _ in codes
            ]


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

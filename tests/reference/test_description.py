"""What the document says of the product as it is."""

from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient
from openapi_spec_validator import OpenAPIV31SpecValidator
from tests.reference.reading import content, faults, operations, refused, routes

from flaskauth.foundation.current import KEY
from flaskauth.foundation.http import refusals
from flaskauth.settings import Settings

WITHOUT_DATABASE = {"/", "/hello", "/health/live", "/.well-known/jwks.json", "/openapi.json"}


@pytest.fixture
def document(client: FlaskClient) -> dict[str, Any]:
    found: dict[str, Any] = client.get("/openapi.json").get_json()
    return found


def test_it_is_openapi_3_1(document: dict[str, Any]) -> None:
    assert document["openapi"].startswith("3.1")
    assert list(OpenAPIV31SpecValidator(document).iter_errors()) == []


def test_it_says_whose_api_it_is_and_where(app: Flask, document: dict[str, Any]) -> None:
    settings: Settings = app.extensions[KEY]

    assert document["info"]["title"] == f"{settings.app_name} API"
    assert document["servers"] == [{"url": settings.public_url}]
    assert list(document["components"]["securitySchemes"]) == ["bearer"]


def test_every_route_is_in_it(app: Flask, document: dict[str, Any]) -> None:
    assert set(operations(document)) == {route for route, _ in routes(app)}


def test_every_operation_has_a_name_of_its_own(document: dict[str, Any]) -> None:
    names = [told["operationId"] for told in operations(document).values()]

    assert len(set(names)) == len(names)


def test_every_refusal_that_a_route_declared_is_in_it(app: Flask, document: dict[str, Any]) -> None:
    described = {route: refused(told) for route, told in operations(document).items()}

    for route, view in routes(app):
        for code, problem in refusals(view).items():
            assert code in described[route][problem.status], route


def test_every_guarded_route_asks_for_a_token(app: Flask, document: dict[str, Any]) -> None:
    guarded = {route for route, view in routes(app) if getattr(view, "access", "public") != "public"}

    assert {route for route, told in operations(document).items() if "security" in told} == guarded


def test_every_example_of_a_refusal_is_what_its_schema_says(document: dict[str, Any]) -> None:
    for told in operations(document).values():
        for status, codes in refused(told).items():
            answer = content(told["responses"][str(status)])
            examples = {code: example["value"] for code, example in answer["examples"].items()}
            assert [example["code"] for example in examples.values()] == list(examples) == codes
            assert [faults(document, answer["schema"], example) for example in examples.values()] == [[] for _ in codes]


@pytest.mark.parametrize("path", ["/", "/hello", "/health/live"])
def test_answers_are_what_their_schema_says(client: FlaskClient, document: dict[str, Any], path: str) -> None:
    schema = content(operations(document)[path, "get"]["responses"]["200"])["schema"]

    assert faults(document, schema, client.get(path).get_json()) == []
    assert faults(document, schema, {}) != []


def test_all_but_a_few_routes_need_the_database(document: dict[str, Any]) -> None:
    assert {path for (path, _), told in operations(document).items() if 503 not in refused(told)} == WITHOUT_DATABASE


def test_its_tags_are_the_used_ones_once(document: dict[str, Any]) -> None:
    names = [tag["name"] for tag in document["tags"]]

    assert sorted(names) == sorted({tag for told in operations(document).values() for tag in told["tags"]})


def test_everybody_may_keep_it_for_ten_minutes(client: FlaskClient) -> None:
    assert client.get("/openapi.json").headers["Cache-Control"] == "public, max-age=600"

"""The page of routes, from the API's own description."""

from collections.abc import Iterator
from typing import Any

ABOUT = """\
# Routes

<!-- Made by `make docs` from the routes themselves: the same as /openapi.json. -->

The running server describes itself at `/openapi.json` (OpenAPI 3.1), and `/docs` is a page that can try every call.

Bodies are JSON objects of at most 64 KiB, sent as `application/json`, unless a call says otherwise; unknown fields are
refused. An answer has `status`, `success`, `message` and what the call gives; a refusal has `code` and `request_id`
beside them, and what the code needs. Any call may also be refused with 404 `not_found`, 405 `method_not_allowed` or
503 `unavailable`."""
EVERYWHERE = {"status", "success", "message"}

Json = dict[str, Any]


def page(description: Json) -> Iterator[str]:
    """The page of the documentation."""
    yield from ABOUT.splitlines()
    for tag in [tag["name"] for tag in description["tags"]]:
        yield from ("", f"## {tag}")
        for path, calls in description["paths"].items():
            for method, call in calls.items():
                if tag in call.get("tags", []):
                    yield from _call(f"{method.upper()} {path}", call, description["components"]["schemas"])
    yield from _codes(description["paths"])


def _call(name: str, call: Json, schemas: Json) -> Iterator[str]:
    yield from ("", f"### `{name}`", "", call["summary"])
    if needed := _credential(call):
        yield from ("", needed)
    yield from _query(call.get("parameters", []))
    if "requestBody" in call:
        yield from _body("Asks for", call["requestBody"])
        yield from _fields("asks for", _resolved(_schema(call["requestBody"]), schemas), schemas, set())
    yield from _body("Answers with", call["responses"]["200"])
    answer = _schema(call["responses"]["200"])
    yield from _fields("answers", _resolved(answer, schemas), schemas, EVERYWHERE)
    yield from _refusals(call["responses"])


def _query(parameters: list[Json]) -> Iterator[str]:
    asked = [parameter for parameter in parameters if parameter["in"] == "query"]
    if asked:
        yield from ("", "| `?` | | |", "|---|---|---|")
    for parameter in asked:
        optional = "" if parameter["required"] else ", optional"
        about = _plain(parameter.get("description", ""))
        yield f"| `{parameter['name']}` | {_range(parameter['schema'])}{optional} | {about} |"


def _range(schema: Json) -> str:
    kind = str(schema.get("type", "any"))
    return f"{kind} from {schema['minimum']} to {schema['maximum']}" if "maximum" in schema else kind


def _credential(call: Json) -> str:
    security = call.get("security", [])
    if not security:
        return ""
    return (
        "With or without `Authorization: Bearer <token>`."
        if {} in security
        else "With `Authorization: Bearer <token>`."
    )


def _schema(part: Json) -> Json:
    """The one schema of a body, whatever its kind."""
    return next((told.get("schema", {}) for told in part.get("content", {}).values()), {})


def _body(heading: str, part: Json) -> Iterator[str]:
    """The kind of a body that is not JSON."""
    for kind in part.get("content", {}):
        if kind != "application/json":
            yield from ("", f"{heading} `{kind}`.")


def _resolved(schema: Json, schemas: Json) -> Json:
    reference = schema.get("$ref", "")
    found: Json = schemas[reference.rpartition("/")[2]] if reference else schema
    return found


def _fields(heading: str, schema: Json, schemas: Json, left_out: set[str]) -> Iterator[str]:
    fields = {name: field for name, field in schema.get("properties", {}).items() if name not in left_out}
    if not fields:
        return
    yield from ("", f"| {heading} | | |", "|---|---|---|")
    for name, field in fields.items():
        optional = "" if name in schema.get("required", []) else ", optional"
        yield f"| `{name}` | {_kind(field, schemas)}{optional} | {_plain(field.get('description', ''))} |"


def _kind(field: Json, schemas: Json) -> str:
    """What a field holds, in words."""
    if kinds := field.get("anyOf"):
        return " or ".join(_kind(kind, schemas) for kind in kinds)
    if isinstance(field.get("type"), list):
        return " or ".join(field["type"])
    if field.get("type") == "array":
        return f"list of {_kind(field['items'], schemas)}"
    if inner := _resolved(field, schemas).get("properties"):
        return "{" + ", ".join(inner) + "}"
    return str(field.get("format") or field.get("type", "any"))


def _refusals(responses: Json) -> Iterator[str]:
    refused = {status: told["description"].partition(": ")[2] for status, told in responses.items() if status > "399"}
    if refused:
        yield from ("", "Refused: " + "; ".join(f"{status} {codes}" for status, codes in sorted(refused.items())) + ".")


def _codes(paths: Json) -> Iterator[str]:
    """Every code that a refusal may have, with a sentence that comes with it."""
    yield from ("", "## Refusals", "", "| status | `code` | `message`, for example |", "|---|---|---|")
    answers = [answer for calls in paths.values() for call in calls.values() for answer in call["responses"].items()]
    told = {
        (status, code): example["value"]["message"]
        for status, answer in reversed(answers)
        for code, example in answer.get("content", {}).get("application/json", {}).get("examples", {}).items()
    }
    yield from (f"| {status} | `{code}` | {_plain(message)} |" for (status, code), message in sorted(told.items()))


def _plain(text: str) -> str:
    return " ".join(text.split()).replace("|", r"\|")

"""OpenAPI links between operations, for sequences of calls. The published document has none."""

from typing import Any

JSONObject = dict[str, Any]

VERIFICATION = {"verification_id": "$response.body#/verification_id"}
REFRESH = {"refresh_token": "$response.body#/refresh_token"}
# `FuzzHooks` fills in existing codes, passwords and email addresses.
PLACEHOLDERS = {"otp": "BCDF-2345", "password": "seven green kettles", "email": "grace@example.com"}
CODE = {"otp": PLACEHOLDERS["otp"]}
CREDENTIALS = {name: PLACEHOLDERS[name] for name in ("email", "password")}

# source operation -> target operation, and its body or parameters
LINKS: dict[str, dict[str, JSONObject]] = {
    "POST /auth/register": {
        "POST /auth/verify": {"requestBody": {**CODE, **VERIFICATION}},
        "POST /auth/resend": {"requestBody": VERIFICATION},
    },
    "POST /auth/verify": {"POST /auth/login": {"requestBody": CREDENTIALS}},
    "POST /auth/login": {
        "GET /users/profile": {},
        "POST /users/edit": {},
        "GET /users/export": {},
        "GET /users/activity": {},
        "GET /auth/sessions": {},
        "DELETE /auth/sessions": {},
        "POST /auth/refresh": {"requestBody": REFRESH},
        "POST /auth/logout": {"requestBody": REFRESH},
        "POST /auth/reauthenticate": {"requestBody": {"password": PLACEHOLDERS["password"]}},
        "POST /users/email": {"requestBody": {"email": "grace.hopper@example.com"}},
        "POST /auth/forgot-password": {"requestBody": {"email": PLACEHOLDERS["email"]}},
        "POST /auth/email-code": {"requestBody": {"email": PLACEHOLDERS["email"]}},
        "DELETE /users/account": {},
    },
    "POST /auth/refresh": {
        "POST /auth/refresh": {"requestBody": REFRESH},
        "POST /auth/logout": {"requestBody": REFRESH},
    },
    "GET /auth/sessions": {
        "DELETE /auth/sessions/{session_id}": {"parameters": {"session_id": "$response.body#/sessions/0/id"}}
    },
    "GET /users/activity": {"GET /users/activity": {"parameters": {"cursor": "$response.body#/next"}}},
    "POST /users/email": {"POST /users/email/verify": {"requestBody": CODE}},
    "POST /auth/forgot-password": {
        "POST /auth/reset-password": {
            "requestBody": {**CODE, "password": PLACEHOLDERS["password"], "reset_id": "$response.body#/reset_id"}
        }
    },
    "POST /auth/email-code": {
        "POST /auth/email-code/verify": {"requestBody": {**CODE, "sign_in_id": "$response.body#/sign_in_id"}}
    },
    "DELETE /users/account": {"POST /users/account/restore": {}, "GET /users/profile": {}},
}


def add_links(document: JSONObject) -> JSONObject:
    """Add the links to the document."""
    for source, targets in LINKS.items():
        links = _operation(document, source)["responses"]["200"].setdefault("links", {})
        for target, content in targets.items():
            links[f"then {target}"] = {"operationId": _operation(document, target)["operationId"], **content}
    return document


def _operation(document: JSONObject, label: str) -> JSONObject:
    method, _, path = label.partition(" ")
    operation: JSONObject = document["paths"][path][method.lower()]
    return operation

"""Where one call leads to another: OpenAPI links, which a description for people does without."""

from typing import Any

Json = dict[str, Any]

ATTEMPT = {"verification_id": "$response.body#/verification_id"}
REFRESH = {"refresh_token": "$response.body#/refresh_token"}
# A code, a password and an address of somebody who is there are filled in by `Visitors`.
TO_FILL_IN = {"otp": "BCDF-2345", "password": "seven green kettles", "email": "grace@example.com"}
CODE = {"otp": TO_FILL_IN["otp"]}
CREDENTIALS = {name: TO_FILL_IN[name] for name in ("email", "password")}

# After which call, to which other, with which body or parameters.
LINKS: dict[str, dict[str, Json]] = {
    "POST /auth/register": {
        "POST /auth/verify": {"requestBody": {**CODE, **ATTEMPT}},
        "POST /auth/resend": {"requestBody": ATTEMPT},
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
        "POST /auth/reauthenticate": {"requestBody": {"password": TO_FILL_IN["password"]}},
        "POST /users/email": {"requestBody": {"email": "grace.hopper@example.com"}},
        "POST /auth/forgot-password": {"requestBody": {"email": TO_FILL_IN["email"]}},
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
            "requestBody": {**CODE, "password": TO_FILL_IN["password"], "reset_id": "$response.body#/reset_id"}
        }
    },
    "DELETE /users/account": {"POST /users/account/restore": {}, "GET /users/profile": {}},
}


def linked(document: Json) -> Json:
    """The description with its links."""
    for source, targets in LINKS.items():
        links = _operation(document, source)["responses"]["200"].setdefault("links", {})
        for target, about in targets.items():
            links[f"then {target}"] = {"operationId": _operation(document, target)["operationId"], **about}
    return document


def _operation(document: Json, label: str) -> Json:
    method, _, path = label.partition(" ")
    found: Json = document["paths"][path][method.lower()]
    return found

"""A service that accepts flaskauth's access tokens: flask --app service run --port 5001"""

import os
from collections.abc import Callable
from functools import wraps
from typing import Any

import jwt
from flask import Flask, Response, jsonify, request

from plain import KeysUnavailable, Verifier

ISSUER = os.environ.get("ISSUER", "http://localhost:5000")  # flaskauth's PUBLIC_URL
AUDIENCE = os.environ.get("AUDIENCE", ISSUER)  # flaskauth's JWT_AUDIENCE, if set
JWKS_URL = os.environ.get("JWKS_URL", f"{ISSUER}/.well-known/jwks.json")

app = Flask(__name__)
verifier = Verifier(JWKS_URL, ISSUER, AUDIENCE)


def token_required(view: Callable[..., Any]) -> Callable[..., Any]:
    """Reject requests without a valid token; pass the claims as the first argument of the view."""

    @wraps(view)
    def wrapper(*args: Any, **kwargs: Any) -> Any:
        kind, _, token = request.headers.get("Authorization", "").partition(" ")
        if kind.lower() != "bearer":
            return error_response(401, "invalid_token", {"WWW-Authenticate": "Bearer"})
        try:
            claims = verifier.verify(token)
        except jwt.InvalidTokenError:
            return error_response(401, "invalid_token", {"WWW-Authenticate": 'Bearer error="invalid_token"'})
        except KeysUnavailable:
            return error_response(503, "unavailable", {"Retry-After": "10"})
        return view(claims, *args, **kwargs)

    return wrapper


def error_response(status: int, code: str, headers: dict[str, str]) -> tuple[Response, int, dict[str, str]]:
    return jsonify(code=code), status, headers


@app.get("/whoami")
@token_required
def whoami(claims: dict[str, Any]) -> dict[str, Any]:
    return {"user": claims["sub"], "session": claims["sid"]}

"""A service whose people sign in at flaskauth: flask --app service run --port 5001"""

import os
from collections.abc import Callable
from functools import wraps
from typing import Any

import jwt
from flask import Flask, Response, jsonify, request

from plain import KeysAway, Verifier

ISSUER = os.environ.get("ISSUER", "http://localhost:5000")  # flaskauth's PUBLIC_URL
AUDIENCE = os.environ.get("AUDIENCE", ISSUER)  # its JWT_AUDIENCE, where that is set
JWKS_URL = os.environ.get("JWKS_URL", f"{ISSUER}/.well-known/jwks.json")

app = Flask(__name__)
verifier = Verifier(JWKS_URL, ISSUER, AUDIENCE)


def token_required(view: Callable[..., Any]) -> Callable[..., Any]:
    """Let only signed-in people in; the view's first argument is what their token says."""

    @wraps(view)
    def answer(*args: Any, **kwargs: Any) -> Any:
        kind, _, token = request.headers.get("Authorization", "").partition(" ")
        if kind.lower() != "bearer":
            return refused(401, "invalid_token", {"WWW-Authenticate": "Bearer"})
        try:
            claims = verifier.verify(token)
        except jwt.InvalidTokenError:
            return refused(401, "invalid_token", {"WWW-Authenticate": 'Bearer error="invalid_token"'})
        except KeysAway:
            return refused(503, "unavailable", {"Retry-After": "10"})
        return view(claims, *args, **kwargs)

    return answer


def refused(status: int, code: str, headers: dict[str, str]) -> tuple[Response, int, dict[str, str]]:
    return jsonify(code=code), status, headers


@app.get("/whoami")
@token_required
def whoami(claims: dict[str, Any]) -> dict[str, Any]:
    return {"person": claims["sub"], "session": claims["sid"]}

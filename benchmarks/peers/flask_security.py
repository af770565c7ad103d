"""Flask-Security: header tokens, rotating refresh tokens and Flask-SQLAlchemy, following its quickstart.

In its favour: no login tracking, no rate limits.
"""

from collections.abc import Callable
from dataclasses import replace

from benchmarks.environment import PASSWORD
from benchmarks.peers.client import (
    ACCESS_TOKEN_COUNT,
    KNOWN_EMAIL,
    REFRESH_TOKEN_COUNT,
    PeerClient,
    Response,
    post_as_any_user,
)
from benchmarks.peers.environments import PythonEnvironment
from benchmarks.peers.peer import Peer
from benchmarks.peers.wsgi import servers
from benchmarks.wrk import Load

LOGIN_PATH = "/login?include_auth_token"


def sign_in(_client: PeerClient) -> Load:
    return post_as_any_user(LOGIN_PATH, email=KNOWN_EMAIL, password=PASSWORD)


def profile(client: PeerClient) -> Load:
    tokens = client.collect_tokens(ACCESS_TOKEN_COUNT, sign_in(client), _token_reader("authentication_token"))
    return Load("GET", "/profile", tokens=tokens, token_header="Authentication-Token", token_prefix="")


def refresh(client: PeerClient) -> Load:
    tokens = client.collect_tokens(REFRESH_TOKEN_COUNT, sign_in(client), _token_reader("refresh_token"))
    load = post_as_any_user("/refresh-token", refresh_token="@TOKEN@")
    return replace(load, tokens=tokens, next_token_pattern='"refresh_token": ?"([^"]+)"')


def _token_reader(name: str) -> Callable[[Response], str]:
    return lambda response: str(response.json["response"]["user"][name])


DEFAULT = Peer(
    name="Flask-Security",
    hash="argon2id m=65536, t=3, p=4, after an HMAC",
    environment=PythonEnvironment(
        "flask-security", ("flask-security", "flask-sqlalchemy", "sqlalchemy", "gunicorn", "granian")
    ),
    commands=servers("app:app"),
    seed_command=("python", "-m", "fill"),
    load_factories={"profile": profile, "refresh": refresh, "sign-in": sign_in},
    rotates_refresh_tokens=True,
)
EQUAL_HASH = replace(
    DEFAULT,
    name="Flask-Security, equal hash",
    hash="argon2id m=19456, t=2, p=1, after an HMAC",
    commands={"granian": DEFAULT.commands["granian"]},
    load_factories={"sign-in": sign_in},
    settings={"EQUAL_HASH": "yes"},
)

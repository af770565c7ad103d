"""FastAPI Users: a JWT as bearer token; SQLAlchemy and asyncmy under uvicorn.

It has no refresh tokens, and it hashes on the event loop. In its favour: no rate limits, no access log.
"""

from dataclasses import replace

from benchmarks.environment import PASSWORD
from benchmarks.peers.client import ACCESS_TOKEN_COUNT, KNOWN_EMAIL, PeerClient, Response, post_as_any_user
from benchmarks.peers.environments import PythonEnvironment
from benchmarks.peers.peer import Peer
from benchmarks.wrk import Load

FORM_HEADERS = {"Content-Type": "application/x-www-form-urlencoded", "Accept": "application/json"}


def sign_in(_client: PeerClient) -> Load:
    body = f"username={KNOWN_EMAIL}&password={PASSWORD.replace(' ', '+')}"
    return replace(post_as_any_user("/auth/login"), body=body, headers=FORM_HEADERS)


def profile(client: PeerClient) -> Load:
    return Load("GET", "/users/me", tokens=client.collect_tokens(ACCESS_TOKEN_COUNT, sign_in(client), _read_token))


def _read_token(response: Response) -> str:
    return str(response.json["access_token"])


JWT = Peer(
    name="FastAPI Users, JWT",
    hash="argon2id m=65536, t=3, p=4",
    environment=PythonEnvironment("fastapi-users", ("fastapi-users", "fastapi", "sqlalchemy", "asyncmy", "uvicorn")),
    commands={
        "uvicorn": (
            "uvicorn",
            "--workers",
            "2",
            "--no-access-log",
            "--host",
            "127.0.0.1",
            "--port",
            "{port}",
            "app:app",
        )
    },
    seed_command=("python", "-m", "fill"),
    load_factories={"profile": profile, "sign-in": sign_in},
)
EQUAL_HASH = replace(
    JWT,
    name="FastAPI Users, equal hash",
    hash="argon2id m=19456, t=2, p=1",
    load_factories={"sign-in": sign_in},
    settings={"EQUAL_HASH": "yes"},
)

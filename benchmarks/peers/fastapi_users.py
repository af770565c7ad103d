"""FastAPI Users: a bearer token that is a JWT, or one that lies in the database; SQLAlchemy and asyncmy under uvicorn.

It has no refresh, and hashes on the event loop. Generous to it: its hooks mail nobody, no limits, no access log.
"""

from dataclasses import replace

from benchmarks.grounds import PASSWORD
from benchmarks.peers.asking import KNOWN, NEW, TO_READ, Answer, Visit, posted
from benchmarks.peers.homes import PythonHome
from benchmarks.peers.peer import Peer
from benchmarks.wrk import Load

FORM = {"Content-Type": "application/x-www-form-urlencoded", "Accept": "application/json"}


def sign_in(_visit: Visit) -> Load:
    body = f"username={KNOWN}&password={PASSWORD.replace(' ', '+')}"
    return replace(posted("/auth/login"), body=body, headers=FORM)


def register(_visit: Visit) -> Load:
    return posted("/auth/register", email=NEW, password=PASSWORD)


def profile(visit: Visit) -> Load:
    return Load("GET", "/users/me", tokens=visit.tokens(TO_READ, sign_in(visit), _token))


def _token(answer: Answer) -> str:
    return str(answer.json["access_token"])


BY_JWT = Peer(
    name="FastAPI Users, JWT",
    hash="argon2id m=65536, t=3, p=4",
    home=PythonHome("fastapi-users", ("fastapi-users", "fastapi", "sqlalchemy", "asyncmy", "uvicorn")),
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
    fill=("python", "-m", "fill"),
    asks={"profile": profile, "sign-in": sign_in, "register": register},
)
BY_DATABASE = replace(BY_JWT, name="FastAPI Users, token in the database", settings={"TOKENS": "database"})
EQUAL = replace(
    BY_JWT,
    name="FastAPI Users, equal hash",
    hash="argon2id m=19456, t=2, p=1",
    asks={"sign-in": sign_in},
    settings={"EQUAL_HASH": "yes"},
)

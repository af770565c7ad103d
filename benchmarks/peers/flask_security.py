"""Flask-Security: tokens in a header, refresh tokens that rotate, Flask-SQLAlchemy, as its quickstart has it.

Generous to it: no mail to who registers, nothing tracked, no limits on requests.
"""

from collections.abc import Callable
from dataclasses import replace

from benchmarks.grounds import PASSWORD
from benchmarks.peers.asking import KNOWN, NEW, TO_READ, TO_TRADE, Answer, Visit, posted
from benchmarks.peers.homes import PythonHome
from benchmarks.peers.peer import Peer
from benchmarks.peers.wsgi import servers
from benchmarks.wrk import Load

SIGN_IN = "/login?include_auth_token"


def sign_in(_visit: Visit) -> Load:
    return posted(SIGN_IN, email=KNOWN, password=PASSWORD)


def register(_visit: Visit) -> Load:
    return posted("/register", email=NEW, password=PASSWORD, password_confirm=PASSWORD)


def profile(visit: Visit) -> Load:
    tokens = visit.tokens(TO_READ, sign_in(visit), _token("authentication_token"))
    return Load("GET", "/profile", tokens=tokens, token_header="Authentication-Token", token_prefix="")


def refresh(visit: Visit) -> Load:
    tokens = visit.tokens(TO_TRADE, sign_in(visit), _token("refresh_token"))
    asked = posted("/refresh-token", refresh_token="@TOKEN@")
    return replace(asked, tokens=tokens, trades='"refresh_token": ?"([^"]+)"')


def _token(kind: str) -> Callable[[Answer], str]:
    return lambda answer: str(answer.json["response"]["user"][kind])


USUAL = Peer(
    name="Flask-Security",
    hash="argon2id m=65536, t=3, p=4, after an HMAC",
    home=PythonHome("flask-security", ("flask-security", "flask-sqlalchemy", "sqlalchemy", "gunicorn", "granian")),
    commands=servers("app:app"),
    fill=("python", "-m", "fill"),
    asks={"profile": profile, "refresh": refresh, "sign-in": sign_in, "register": register},
    rotates=True,
)
EQUAL = replace(
    USUAL,
    name="Flask-Security, equal hash",
    hash="argon2id m=19456, t=2, p=1, after an HMAC",
    asks={"sign-in": sign_in},
    settings={"EQUAL_HASH": "yes"},
)

"""django-allauth headless: clients that are apps, with JWT and refresh tokens that rotate, as its pages have it.

Its answer about the session is the profile: it reads session and account. Generous to it: Argon2 as Django's pages
advise, whose default takes twice as long; connections that are kept, mail into nothing, no limits on requests.
"""

from collections.abc import Callable
from dataclasses import replace

from benchmarks.grounds import PASSWORD
from benchmarks.peers.asking import KNOWN, NEW, TO_READ, TO_TRADE, Answer, Visit, posted
from benchmarks.peers.homes import PythonHome
from benchmarks.peers.peer import Peer
from benchmarks.peers.wsgi import servers
from benchmarks.wrk import Load

API = "/_allauth/app/v1"


def sign_in(_visit: Visit) -> Load:
    return posted(f"{API}/auth/login", email=KNOWN, password=PASSWORD)


def register(_visit: Visit) -> Load:
    return posted(f"{API}/auth/signup", email=NEW, password=PASSWORD)


def profile(visit: Visit) -> Load:
    return Load("GET", f"{API}/auth/session", tokens=visit.tokens(TO_READ, sign_in(visit), _token("access_token")))


def refresh(visit: Visit) -> Load:
    tokens = visit.tokens(TO_TRADE, sign_in(visit), _token("refresh_token"))
    asked = posted(f"{API}/tokens/refresh", refresh_token="@TOKEN@")
    return replace(asked, tokens=tokens, trades='"refresh_token": ?"([^"]+)"')


def _token(kind: str) -> Callable[[Answer], str]:
    return lambda answer: str(answer.json["meta"][kind])


USUAL = Peer(
    name="django-allauth headless, JWT",
    hash="argon2id m=102400, t=2, p=8",
    home=PythonHome("django-allauth", ("django-allauth", "django", "gunicorn", "granian")),
    commands=servers("app:application"),
    fill=("python", "-m", "fill"),
    asks={"profile": profile, "refresh": refresh, "sign-in": sign_in, "register": register},
    rotates=True,
)

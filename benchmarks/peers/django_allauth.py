"""django-allauth headless for app clients, with JWT access tokens and rotating refresh tokens.

The profile is its session response, which reads the session and the account. In its favour: Argon2, as Django's pages
recommend, because Django's default hasher takes twice as long; persistent connections, discarded mail, no rate limits.
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

API = "/_allauth/app/v1"


def sign_in(_client: PeerClient) -> Load:
    return post_as_any_user(f"{API}/auth/login", email=KNOWN_EMAIL, password=PASSWORD)


def profile(client: PeerClient) -> Load:
    return Load(
        "GET",
        f"{API}/auth/session",
        tokens=client.collect_tokens(ACCESS_TOKEN_COUNT, sign_in(client), _token_reader("access_token")),
    )


def refresh(client: PeerClient) -> Load:
    tokens = client.collect_tokens(REFRESH_TOKEN_COUNT, sign_in(client), _token_reader("refresh_token"))
    load = post_as_any_user(f"{API}/tokens/refresh", refresh_token="@TOKEN@")
    return replace(load, tokens=tokens, next_token_pattern='"refresh_token": ?"([^"]+)"')


def _token_reader(name: str) -> Callable[[Response], str]:
    return lambda response: str(response.json["meta"][name])


DEFAULT = Peer(
    name="django-allauth headless, JWT",
    hash="argon2id m=102400, t=2, p=8",
    environment=PythonEnvironment("django-allauth", ("django-allauth", "django", "gunicorn", "granian")),
    commands=servers("app:application"),
    seed_command=("python", "-m", "fill"),
    load_factories={"profile": profile, "refresh": refresh, "sign-in": sign_in},
    rotates_refresh_tokens=True,
)

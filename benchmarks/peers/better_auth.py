"""better-auth on Node: sessions in the database and a cookie, in two processes of node's cluster module.

POST /get-session with deferSessionRefresh and updateAge 0 renews a session: its expiry moves, its token is unchanged.
The cookie cache is off by default, so the profile reads the session, as in flaskauth. The joins that its MySQL page
recommends are on. In its favour: no rate limits, and a warm-up.
"""

from benchmarks.environment import PASSWORD
from benchmarks.peers.client import (
    ACCESS_TOKEN_COUNT,
    KNOWN_EMAIL,
    REFRESH_TOKEN_COUNT,
    PeerClient,
    Response,
    post_as_any_user,
)
from benchmarks.peers.environments import NodeEnvironment
from benchmarks.peers.peer import Peer
from benchmarks.wrk import Load

API = "/api/auth"
COOKIE = "better-auth.session_token="


def sign_in(_client: PeerClient) -> Load:
    return post_as_any_user(f"{API}/sign-in/email", email=KNOWN_EMAIL, password=PASSWORD)


def profile(client: PeerClient) -> Load:
    return _session_load(client, "GET", ACCESS_TOKEN_COUNT)


def refresh(client: PeerClient) -> Load:
    return _session_load(client, "POST", REFRESH_TOKEN_COUNT)


def _session_load(client: PeerClient, method: str, count: int) -> Load:
    headers = {"Origin": f"http://127.0.0.1:{client.port}"}
    tokens = client.collect_tokens(count, sign_in(client), _read_token)
    return Load(method, f"{API}/get-session", None, headers, tokens, token_header="Cookie", token_prefix=COOKIE)


def _read_token(response: Response) -> str:
    return response.headers["set-cookie"].partition(COOKIE)[2].partition(";")[0]


DEFAULT = Peer(
    name="better-auth",
    hash="scrypt N=16384, r=16, p=1",
    environment=NodeEnvironment("better-auth", ("better-auth", "mysql2")),
    commands={"node": ("node", "server.js")},
    seed_command=("node", "fill.js"),
    load_factories={"profile": profile, "refresh": refresh, "sign-in": sign_in},
    warm_up_seconds=5,  # without it, the rate is half as high
)

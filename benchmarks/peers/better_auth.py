"""better-auth on Node: sessions in the database and a cookie, as its pages have it, in two processes by node's cluster.

What renews a session is its POST /get-session, with the settings deferSessionRefresh and updateAge 0: the session's end
moves, its token stays. The cookie cache is off, as it comes: the profile reads the session, as ours does. The joins
that its page about MySQL advises are on. Generous to it: no limits on requests, no mail to who registers, a warm-up.
"""

from benchmarks.grounds import PASSWORD
from benchmarks.peers.asking import KNOWN, NEW, TO_READ, TO_TRADE, Answer, Visit, posted
from benchmarks.peers.homes import NodeHome
from benchmarks.peers.peer import Peer
from benchmarks.wrk import Load

API = "/api/auth"
COOKIE = "better-auth.session_token="


def sign_in(_visit: Visit) -> Load:
    return posted(f"{API}/sign-in/email", email=KNOWN, password=PASSWORD)


def register(_visit: Visit) -> Load:
    return posted(f"{API}/sign-up/email", email=NEW, password=PASSWORD, name="Grace Hopper")


def profile(visit: Visit) -> Load:
    return _session(visit, "GET", TO_READ)


def refresh(visit: Visit) -> Load:
    return _session(visit, "POST", TO_TRADE)


def _session(visit: Visit, method: str, count: int) -> Load:
    headers = {"Origin": f"http://127.0.0.1:{visit.port}"}
    tokens = visit.tokens(count, sign_in(visit), _token)
    return Load(method, f"{API}/get-session", None, headers, tokens, token_header="Cookie", token_prefix=COOKIE)


def _token(answer: Answer) -> str:
    return answer.headers["set-cookie"].partition(COOKIE)[2].partition(";")[0]


USUAL = Peer(
    name="better-auth",
    hash="scrypt N=16384, r=16, p=1",
    home=NodeHome("better-auth", ("better-auth", "mysql2")),
    commands={"node": ("node", "server.js")},
    fill=("node", "fill.js"),
    asks={"profile": profile, "refresh": refresh, "sign-in": sign_in, "register": register},
    warm_up=5,  # cold, it answers half as often
)

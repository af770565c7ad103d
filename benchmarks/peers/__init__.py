"""What others have built, served as their documentation recommends, to be loaded beside ours."""

from benchmarks.peers import better_auth, django_allauth, fastapi_users, flask_security
from benchmarks.peers.peer import Peer, Site

PEERS: tuple[Peer, ...] = (
    flask_security.USUAL,
    flask_security.EQUAL,
    fastapi_users.BY_JWT,
    fastapi_users.BY_DATABASE,
    fastapi_users.EQUAL,
    django_allauth.USUAL,
    better_auth.USUAL,
)

__all__ = ["PEERS", "Peer", "Site"]

"""Peers: other authentication projects, configured as their documentation recommends, to be loaded like flaskauth."""

from benchmarks.peers import better_auth, django_allauth, fastapi_users, flask_security
from benchmarks.peers.peer import LoadTarget, Peer

PEERS: tuple[Peer, ...] = (
    flask_security.DEFAULT,
    flask_security.EQUAL_HASH,
    fastapi_users.JWT,
    fastapi_users.EQUAL_HASH,
    django_allauth.DEFAULT,
    better_auth.DEFAULT,
)

__all__ = ["PEERS", "LoadTarget", "Peer"]

"""What others have built, served as their documentation recommends and loaded beside ours. python -m benchmarks.peers."""

from benchmarks.peers import flask_security
from benchmarks.peers.peer import Peer, Site

PEERS: tuple[Peer, ...] = (flask_security.USUAL, flask_security.EQUAL)

__all__ = ["PEERS", "Peer", "Site"]

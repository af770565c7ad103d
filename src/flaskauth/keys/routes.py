"""The public keys, for services that verify tokens by themselves."""

from flaskauth.foundation.http import Blueprint, cached, public
from flaskauth.keys import service
from flaskauth.keys.schemas import KeySet

bp = Blueprint("keys", __name__, tag="Reference")


@bp.get("/.well-known/jwks.json")
@public
@cached(seconds=600)
@bp.output(KeySet)
def jwks() -> dict[str, object]:
    """The public keys that verify access tokens (RFC 7517); the next one is here an hour before it signs."""
    return {"keys": service.public_jwks()}

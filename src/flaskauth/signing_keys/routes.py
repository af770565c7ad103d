"""The public keys, for services that verify access tokens offline."""

from flaskauth.core.http.request import Blueprint, cached, public
from flaskauth.signing_keys import service
from flaskauth.signing_keys.schemas import JWKSet

bp = Blueprint("signing_keys", __name__, tag="Reference")


@bp.get("/.well-known/jwks.json")
@public
@cached(seconds=600)
@bp.output(JWKSet)
def get_jwks() -> dict[str, object]:
    """Get the public keys that verify access tokens (RFC 7517).

    A new key is listed one hour before it signs.
    """
    return {"keys": service.public_jwks()}

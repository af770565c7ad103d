"""The shape of the public keys (RFC 7517)."""

from flaskauth.foundation.schemas import Schema, fields


class PublicKey(Schema):
    kty = fields.String(required=True)
    crv = fields.String(required=True)
    x = fields.String(required=True)
    y = fields.String(required=True)
    kid = fields.String(required=True)
    alg = fields.String(required=True)
    use = fields.String(required=True)


class KeySet(Schema):
    keys = fields.List(fields.Nested(PublicKey), required=True)

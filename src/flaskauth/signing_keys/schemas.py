"""The JSON Web Key Set (RFC 7517)."""

from flaskauth.core.http.schemas import Schema, fields


class JWK(Schema):
    kty = fields.String(required=True)
    crv = fields.String(required=True)
    x = fields.String(required=True)
    y = fields.String(required=True)
    kid = fields.String(required=True)
    alg = fields.String(required=True)
    use = fields.String(required=True)


class JWKSet(Schema):
    keys = fields.List(fields.Nested(JWK), required=True)

"""Response schemas of countries and regions."""

from marshmallow import Schema, fields

from flaskauth.core.http.schemas import ResponseSchema, message_field


class CountrySchema(Schema):
    id = fields.Integer(required=True, metadata={"description": "ISO 3166-1 number", "example": 566})
    code = fields.String(required=True, metadata={"description": "ISO 3166-1 alpha-2", "example": "NG"})
    name = fields.String(required=True, metadata={"example": "Nigeria"})
    region_id = fields.Integer(
        required=True, allow_none=True, metadata={"description": "Innermost region; null for Antarctica", "example": 11}
    )


class RegionSchema(Schema):
    id = fields.Integer(required=True, metadata={"description": "UN M49 number", "example": 11})
    code = fields.String(required=True, metadata={"description": "UN M49 code, three digits", "example": "011"})
    name = fields.String(required=True, metadata={"example": "Western Africa"})
    parent_id = fields.Integer(
        required=True, allow_none=True, metadata={"description": "Parent region; null for the world", "example": 202}
    )


class CountriesResponse(ResponseSchema):
    message = message_field("Countries")
    countries = fields.List(fields.Nested(CountrySchema), required=True)


class RegionsResponse(ResponseSchema):
    message = message_field("Regions")
    regions = fields.List(fields.Nested(RegionSchema), required=True)

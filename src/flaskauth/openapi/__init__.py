"""The index, the OpenAPI document and its Swagger UI page."""

from apiflask import APIFlask

from flaskauth.openapi import routes, spec
from flaskauth.settings import Settings


def init_app(app: APIFlask, settings: Settings) -> None:
    """Configure the OpenAPI document of the application and register its routes."""
    spec.init_app(app, settings)
    app.register_blueprint(routes.bp)


__all__ = ["init_app"]

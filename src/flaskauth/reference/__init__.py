"""Where to look, and the API's description with a page that can try it."""

from apiflask import APIFlask

from flaskauth.reference import routes, spec
from flaskauth.settings import Settings


def init_app(app: APIFlask, settings: Settings) -> None:
    """Describe what the application answers to, and hook up where that is read."""
    spec.init_app(app, settings)
    app.register_blueprint(routes.bp)


__all__ = ["init_app"]

"""All pages. Each module adds its views to the blueprint."""

from flaskauth.web import password_reset, registration, sign_in
from flaskauth.web.blueprint import bp

__all__ = ["bp", "password_reset", "registration", "sign_in"]

"""The version of the package. Its distribution is named `flaskauth-server`."""

__version__ = "0.1.0"

"""Every event by name: who, what, when, from where."""

from flaskauth.audit.service import EVENTS, record

__all__ = ["EVENTS", "record"]

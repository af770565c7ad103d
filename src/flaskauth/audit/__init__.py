"""The audit log: security events, signed and sealed into a hash chain."""

from flaskauth.audit.service import EVENTS, record

__all__ = ["EVENTS", "record"]

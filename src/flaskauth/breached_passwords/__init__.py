"""Breached passwords: a check against a local filter file or a range API."""

"""Joining: an attempt with a password of its own, a code by mail, and then an account."""

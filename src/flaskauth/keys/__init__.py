"""Signing keys: made, sealed, rotated and retired by themselves; access tokens; the public keys for everybody."""

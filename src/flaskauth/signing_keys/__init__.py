"""Signing keys (created, encrypted, rotated and retired automatically), access tokens and the JWKS."""

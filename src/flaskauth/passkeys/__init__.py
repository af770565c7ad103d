"""Passkeys and security keys: WebAuthn ceremonies, registration, and verification of assertions (WebAuthn Level 3)."""

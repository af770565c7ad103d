"""Second factors: authenticator apps (TOTP), recovery codes, and the challenges of sign-ins that need one."""

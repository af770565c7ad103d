"""Registration: a pending registration, a one-time code by mail, then an account."""

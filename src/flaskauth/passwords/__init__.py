"""Passwords: a new one for who forgot it, by a code from the mail, and for who is signed in."""

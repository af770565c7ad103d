"""Passwords: reset with a mailed code, and change with the current password."""

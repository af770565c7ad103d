"""Secure an account by a link from a mail: revert an email change, or report a sign-in."""

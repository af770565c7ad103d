"""Accounts: the user tables and queries, and the rules for email addresses, names and passwords. No routes."""

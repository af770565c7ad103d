"""Hosted pages: registration, sign-in and the account, as HTML forms on the services of the API."""

"""Passwords that are known from breaches of other services: a list of them in a file, or a service that is asked."""

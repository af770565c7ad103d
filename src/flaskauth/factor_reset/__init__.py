"""Removal of all second factors after a delay, for users who have lost them."""

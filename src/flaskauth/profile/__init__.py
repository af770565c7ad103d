"""Look after one's account: see it, edit it."""

"""The people: who they are, how to find one, what makes an address and a password acceptable. No routes."""

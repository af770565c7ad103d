"""Login with a password. Every login ends in `service.complete_login`."""

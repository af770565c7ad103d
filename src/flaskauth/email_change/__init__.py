"""Email change: verified by a code sent to the new address, and revertible for 7 days by a link to the old one."""

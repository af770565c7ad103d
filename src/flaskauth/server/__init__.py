"""The production server: granian, request buffering, thread pools and the fast path."""

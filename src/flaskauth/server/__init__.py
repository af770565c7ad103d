"""The production server: granian, request buffering, thread pools."""

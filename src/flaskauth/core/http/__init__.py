"""The Flask application class, request data, strict parsing, CORS, request rate limits and the fast path."""

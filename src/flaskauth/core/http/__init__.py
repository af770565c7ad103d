"""The Flask application class, request data, strict parsing, CORS and request rate limits."""

"""The server commands of WSGI peers, with two workers of four threads each."""


def servers(application: str) -> dict[str, tuple[str, ...]]:
    """Return the commands of gunicorn, which the peers document, and granian, which also serves flaskauth."""
    gunicorn = ("--workers", "2", "--worker-class", "gthread", "--threads", "4", "--bind", "127.0.0.1:{port}")
    granian = ("--interface", "wsgi", "--workers", "2", "--blocking-threads", "4", "--host", "127.0.0.1")
    return {
        "gunicorn": ("gunicorn", *gunicorn, application),
        "granian": ("granian", *granian, "--port", "{port}", application),
    }

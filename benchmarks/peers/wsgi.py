"""The servers of peers that speak WSGI, each with two workers and four threads in each."""


def servers(application: str) -> dict[str, tuple[str, ...]]:
    """gunicorn, which their documentation names, and granian, which serves ours."""
    gunicorn = ("--workers", "2", "--worker-class", "gthread", "--threads", "4", "--bind", "127.0.0.1:{port}")
    granian = ("--interface", "wsgi", "--workers", "2", "--blocking-threads", "4", "--host", "127.0.0.1")
    return {
        "gunicorn": ("gunicorn", *gunicorn, application),
        "granian": ("granian", *granian, "--port", "{port}", application),
    }

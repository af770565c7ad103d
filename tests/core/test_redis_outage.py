"""While Redis is unavailable, a process reports it once a minute."""

import json
from datetime import timedelta

import pytest
from flask import Flask
from tests.conftest import MakeApp
from tests.servers import free_port
from tests.support.users import CLIENT_IP, UserFactory, forwarded_for

from flaskauth.core import clock
from flaskauth.core.jobs import background

pytestmark = pytest.mark.parametrize("database", ["sqlite"], indirect=True)


def use_redis(app: Flask) -> None:
    """Send requests that use Redis for rate limits and for mail."""
    users = UserFactory(app)
    users.register()
    for _ in range(3):
        users.client.post("/auth/login", json={"email": "a@example.com"}, headers=forwarded_for(CLIENT_IP))
    app.extensions[background.KEY].stop()  # after the mail


@pytest.mark.usefixtures("stopped_clock")
def test_unavailable_redis_is_reported_once_a_minute(make_app: MakeApp, capsys: pytest.CaptureFixture[str]) -> None:
    redis_url = f"redis://127.0.0.1:{free_port()}/0"
    counts = []
    for delay in (timedelta(days=400), timedelta(seconds=50), timedelta(seconds=11)):
        app = make_app(REDIS_URL=redis_url)  # it also captures what threads of earlier tests log
        clock.travel(delay)
        use_redis(app)
        lines = [json.loads(line) for line in capsys.readouterr().err.splitlines()]
        counts.append([(line["level"], line["error"]) for line in lines if line["event"] == "redis_unavailable"])
        assert [line["event"] for line in lines if "exception" in line] == []

    assert counts == [[("warning", "ConnectionError")], [], [("warning", "ConnectionError")]]

import os
from collections.abc import Callable, Iterator

import pytest
from flask.testing import FlaskClient
from tests.conftest import MakeApp
from tests.mail.helpers import MailHarness, ManualBackgroundWorker
from tests.servers import SmtpSink

from flaskauth.core.jobs import background

MakeHarness = Callable[..., MailHarness]

PRODUCTION = {"FLASKAUTH_ENV": "production", "MAIL_SERVER": "127.0.0.1", "PUBLIC_URL": "https://auth.example.com"}
DEVELOPMENT = {"FLASKAUTH_ENV": "development", "PUBLIC_URL": "http://localhost:5000"}


@pytest.fixture
def smtp_sink() -> Iterator[SmtpSink]:
    with SmtpSink() as sink:
        yield sink


@pytest.fixture
def make_harness(make_app: MakeApp, smtp_sink: SmtpSink) -> MakeHarness:
    """Return a factory of mail harnesses: in production, with the default SMTP sink, unless overridden."""

    def make(server: SmtpSink = smtp_sink, **settings: str) -> MailHarness:
        app = make_app(**{**PRODUCTION, "MAIL_PORT": str(server.port), **settings})
        app.extensions[background.KEY]._pid = os.getpid()  # marks the worker as started, so no request starts it
        app.extensions[background.KEY] = ManualBackgroundWorker(app)
        return MailHarness(app, server)

    return make


@pytest.fixture
def harness(make_harness: MakeHarness) -> MailHarness:
    return make_harness()


@pytest.fixture
def dev_harness(make_harness: MakeHarness) -> MailHarness:
    """A harness in development, without an SMTP server."""
    return make_harness(**DEVELOPMENT, MAIL_SERVER="")


@pytest.fixture
def client(dev_harness: MailHarness) -> FlaskClient:
    return dev_harness.app.test_client()

import os
from collections.abc import Callable, Iterator

import pytest
from flask.testing import FlaskClient
from tests.conftest import MakeApp
from tests.mail.office import Held, Office
from tests.servers import SmtpSink

from flaskauth.foundation import jobs

MakeOffice = Callable[..., Office]

PRODUCTION = {"FLASKAUTH_ENV": "production", "MAIL_SERVER": "127.0.0.1", "PUBLIC_URL": "https://auth.example.com"}
DEVELOPMENT = {"FLASKAUTH_ENV": "development", "PUBLIC_URL": "http://localhost:5000"}


@pytest.fixture
def sink() -> Iterator[SmtpSink]:
    with SmtpSink() as found:
        yield found


@pytest.fixture
def make_office(make_app: MakeApp, sink: SmtpSink) -> MakeOffice:
    """Makes post offices, in production unless said, before a mail server unless another one is given."""

    def make(server: SmtpSink = sink, **given: str) -> Office:
        app = make_app(**{**PRODUCTION, "MAIL_PORT": str(server.port), **given})
        app.extensions[jobs.KEY]._pid = os.getpid()  # as if it ran, so that no request starts it
        app.extensions[jobs.KEY] = Held(app)
        return Office(app, server)

    return make


@pytest.fixture
def office(make_office: MakeOffice) -> Office:
    return make_office()


@pytest.fixture
def home(make_office: MakeOffice) -> Office:
    """A developer's, without a mail server."""
    return make_office(**DEVELOPMENT, MAIL_SERVER="")


@pytest.fixture
def client(home: Office) -> FlaskClient:
    return home.app.test_client()

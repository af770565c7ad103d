"""Where log lines go and in which form: terminal, JSON, or the logging that the application has configured."""

import io
import json
import logging
import logging.config
import re
from collections.abc import Callable, Iterator
from contextlib import redirect_stderr
from pathlib import Path

import pytest
from flask import Flask
from flask.testing import FlaskClient
from tests.conftest import MakeApp

from flaskauth import mount
from flaskauth.core.observability.log import get_logger

pytestmark = pytest.mark.parametrize("database", ["sqlite"], indirect=True)

SECRET_TEXT = "INSERT INTO users VALUES ('grace@example.com')"
PRODUCTION = {
    "FLASKAUTH_ENV": "production",
    "MAIL_SERVER": "mail.example.com",
    "PUBLIC_URL": "https://auth.example.com/accounts",
}
Embed = Callable[[Flask], Flask]
ReadLog = Callable[[], str]


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def client_of_broken_views(app: Flask) -> FlaskClient:
    """Add a view whose exception contains personal data, and a view without `return`."""

    @app.get("/crash")
    def crash() -> str:
        raise LookupError(SECRET_TEXT)

    @app.get("/forgets-return")  # type: ignore[type-var]
    def forgets_return() -> None:
        pass

    return app.test_client()


@pytest.fixture(autouse=True)
def new_loggers() -> Iterator[None]:
    """Remove the handlers and filters that an application, Flask and werkzeug add, and enable all loggers."""
    loggers = [logging.root, *map(logging.getLogger, ("shop", "werkzeug"))]
    levels = [logger.level for logger in loggers]
    yield
    for logger, level in zip(loggers, levels, strict=True):
        logger.handlers, logger.filters = [], []
        logger.setLevel(level)
    for name in list(logging.root.manager.loggerDict):
        logging.getLogger(name).disabled = False


@pytest.fixture
def read_log(capsys: pytest.CaptureFixture[str]) -> Callable[[], str]:
    """Return a function that returns what was written to standard error since its last call."""
    return lambda: capsys.readouterr().err


def extend(server: Flask) -> Flask:
    """Return the application that has flaskauth's routes and its own."""
    return server


def mount_in_host(server: Flask) -> Flask:
    """Return a new application that mounts the server."""
    host = Flask("shop")
    mount(host, server, "/accounts")
    return host


EMBEDDINGS = pytest.mark.parametrize("embed", [extend, mount_in_host])


@EMBEDDINGS
def test_development_exception_shows_traceback_and_text(make_app: MakeApp, read_log: ReadLog, embed: Embed) -> None:
    app = embed(make_app(LOG_FORMAT="console"))
    response = client_of_broken_views(app).get("/crash")

    assert response.status_code == 500
    assert SECRET_TEXT not in response.text
    output = read_log()
    assert "Traceback (most recent call last):\n" in output
    assert f"LookupError: {SECRET_TEXT}\n" in output
    assert "raise LookupError(SECRET_TEXT)\n" in output


@EMBEDDINGS
def test_production_exception_omits_its_text(make_app: MakeApp, read_log: ReadLog, embed: Embed) -> None:
    app = embed(make_app(**PRODUCTION))
    response = client_of_broken_views(app).get("/crash")

    assert response.status_code == 500
    output = read_log()
    assert "LookupError" in output
    assert re.search(r"test_log_destination\.py:\d+ crash", output)
    assert SECRET_TEXT not in output + response.text
    assert "grace@example.com" not in output


def test_production_exception_has_request_id_and_endpoint(make_app: MakeApp, read_log: ReadLog) -> None:
    response = client_of_broken_views(make_app(**PRODUCTION)).get("/crash")

    [line] = [line for line in map(json.loads, read_log().splitlines()) if line["event"] == "unhandled_exception"]
    assert (line["exception"], line["level"], line["endpoint"]) == ("LookupError", "error", "crash")
    assert line["request_id"] == response.get_json()["request_id"]


@pytest.mark.parametrize("settings", [{}, PRODUCTION], ids=["development", "production"])
@EMBEDDINGS
def test_view_without_return_logs_the_name_of_the_view(
    make_app: MakeApp, read_log: ReadLog, embed: Embed, settings: dict[str, str]
) -> None:
    response = client_of_broken_views(embed(make_app(**settings))).get("/forgets-return")

    assert response.status_code == 500
    output = read_log()
    assert "TypeError" in output
    assert "forgets_return" in output


@pytest.mark.parametrize("flag", ["DEBUG", "TESTING", "PROPAGATE_EXCEPTIONS"])
@EMBEDDINGS
def test_exception_propagates_as_in_any_flask_app(make_app: MakeApp, embed: Embed, flag: str) -> None:
    """Flask's debugger and test client show it then."""
    app = embed(make_app())
    app.config[flag] = True
    client = client_of_broken_views(app)

    with pytest.raises(LookupError, match="INSERT"):
        client.get("/crash")
    with pytest.raises(TypeError, match="'forgets_return' did not return a valid response"):
        client.get("/forgets-return")


@pytest.mark.parametrize(
    ("settings", "stream", "is_console"),
    [
        ({}, Terminal(), True),
        ({}, io.StringIO(), False),
        (PRODUCTION, Terminal(), False),
        ({"LOG_FORMAT": "json"}, Terminal(), False),
        ({"LOG_FORMAT": "console"}, io.StringIO(), True),
        ({**PRODUCTION, "LOG_FORMAT": "console"}, io.StringIO(), True),
    ],
    ids=["terminal", "pipe", "production", "json", "console", "production console"],
)
def test_log_format_depends_on_terminal_and_setting(
    make_app: MakeApp, settings: dict[str, str], stream: io.StringIO, is_console: bool
) -> None:
    with redirect_stderr(stream):
        make_app(**settings).test_client().get("/hello")
    last_line = stream.getvalue().splitlines()[-1]

    assert last_line.startswith("{") is not is_console
    assert "request" in last_line
    assert ("\x1b[" in last_line) is (is_console and stream.isatty())


def test_console_log_escapes_control_characters(make_app: MakeApp, read_log: ReadLog) -> None:
    make_app(LOG_FORMAT="console")
    get_logger("flaskauth.test").info("line\nforged", agent="\x1b[2J\u2028x", name="Zoë")

    line = read_log().splitlines()[-1]
    assert "line\\nforged" in line
    assert "Zoë" in line
    assert "\x1b" not in line


def test_log_of_the_application_has_no_control_characters(make_app: MakeApp) -> None:
    own = io.StringIO()
    make_app(**PRODUCTION)
    logging.basicConfig(stream=own, format="%(message)s", level=logging.INFO)

    get_logger("flaskauth.test").warning("line\nforged", agent="\x1b[2J\u2028x")

    assert own.getvalue().startswith("line\\nforged agent=\\x1b[2J\\u2028x")


@pytest.mark.parametrize("is_first", [True, False], ids=["before create_app", "after create_app"])
@EMBEDDINGS
def test_logging_of_the_application_is_kept(make_app: MakeApp, read_log: ReadLog, embed: Embed, is_first: bool) -> None:
    own = io.StringIO()

    def configure() -> None:
        logging.basicConfig(stream=own, format="OWN %(levelname)s %(name)s %(message)s", level=logging.INFO)

    if is_first:
        configure()
    app = embed(make_app(**PRODUCTION))
    if not is_first:
        configure()
    read_log()
    client = client_of_broken_views(app)
    client.get("/crash")
    client.get("/accounts/hello")
    logging.getLogger("shop.orders").info("order 7")
    lines = own.getvalue().splitlines()

    assert read_log() == ""
    assert "OWN INFO shop.orders order 7" in lines
    assert [line for line in lines if line.startswith("OWN INFO flaskauth.core.http.app request method=GET")]
    assert len(logging.root.handlers) == 1


def test_dict_config_before_create_app_keeps_all_events(make_app: MakeApp, read_log: ReadLog) -> None:
    """By default, `dictConfig` disables the loggers that exist: flaskauth's, as soon as it is imported."""
    own = io.StringIO()
    logging.config.dictConfig(
        {
            "version": 1,
            "formatters": {"own": {"format": "OWN %(levelname)s in %(module)s.%(funcName)s: %(message)s"}},
            "handlers": {"own": {"class": "logging.StreamHandler", "stream": own, "formatter": "own"}},
            "root": {"level": "INFO", "handlers": ["own"]},
        }
    )
    make_app().test_client().get("/hello")
    get_logger("flaskauth.test").warning("signal")

    lines = own.getvalue().splitlines()
    assert [line for line in lines if "request method=GET" in line]
    assert [line for line in lines if line.startswith("OWN WARNING in test_log_destination.test_dict_config")]
    assert read_log() == ""


def test_create_app_keeps_levels_that_are_set(make_app: MakeApp, read_log: ReadLog) -> None:
    logger = logging.getLogger("flaskauth")
    level = logger.level
    logger.setLevel(logging.ERROR)
    try:
        make_app().test_client().get("/hello")
        assert read_log() == ""
    finally:
        logger.setLevel(level)


@pytest.mark.parametrize(("embed", "is_shown"), [(extend, False), (mount_in_host, True)])
def test_werkzeug_request_lines_remain_in_a_mounted_app(
    make_app: MakeApp, read_log: ReadLog, embed: Embed, is_shown: bool
) -> None:
    """flaskauth logs its own requests, so that werkzeug's lines would repeat them."""
    embed(make_app())
    werkzeug = logging.getLogger("werkzeug")
    werkzeug.setLevel(logging.INFO)
    werkzeug.info('127.0.0.1 - - [01/Jan/2026 10:00:00] "GET /orders HTTP/1.1" 200 -')
    werkzeug.info(" * Running on http://127.0.0.1:5000")

    output = read_log()
    assert ("GET /orders" in output) is is_shown
    assert "Running on" in output


def test_app_logger_of_an_extended_app_writes_its_lines(make_app: MakeApp, read_log: ReadLog) -> None:
    make_app().logger.info("order %d", 7)

    assert json.loads(read_log().splitlines()[-1])["event"] == "order 7"
    assert logging.getLogger("flaskauth").handlers == []


def test_request_succeeds_after_standard_error_is_closed(make_app: MakeApp) -> None:
    with redirect_stderr(io.StringIO()) as stream:
        client = make_app().test_client()
        stream.close()
        assert client.get("/hello").status_code == 200


def test_exception_text_with_surrogates_is_logged(make_app: MakeApp, tmp_path: Path) -> None:
    with (tmp_path / "log").open("w") as stream, redirect_stderr(stream):
        app = make_app(LOG_FORMAT="console")

        @app.get("/surrogate")
        def surrogate() -> str:
            raise LookupError("\ud800")

        assert app.test_client().get("/surrogate").status_code == 500
    assert "LookupError: \\ud800" in (tmp_path / "log").read_text()

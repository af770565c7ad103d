"""Other machines that are away, silent, strangers, or whose word proves nothing: told in bounded time."""

import secrets
import threading
import time
from collections.abc import Iterator
from datetime import timedelta
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest
from redis import Redis as Client
from tests.doctor.examining import examined, examined_apart, run
from tests.journeys import leaks
from tests.journeys.installation import LOGIN, Installation
from tests.journeys.processes import Place
from tests.servers import Certificate, SmtpSink, free_port

AWAY = "mysql://app:{password}@127.0.0.1:1/none"
OF_DATABASE = {"session", "durability", "tables", "clock", "schema", "signing-keys", "outbox", "schedule"}


@pytest.fixture
def another() -> Iterator[int]:
    """The port of somebody else's web server."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(502 if "/behind" in self.path else 200)
            self.end_headers()
            self.wfile.write(b"<h1>Welcome</h1>" if "/page" in self.path else b'{"message": "Welcome"}')

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 (the library's name)
            """Nothing."""

    with HTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield server.server_port
        server.shutdown()
        thread.join()


def test_a_database_that_is_away(installation: Installation) -> None:
    away = AWAY.format(password=secrets.token_hex())

    told = examined(installation.place.having(SQLALCHEMY_DATABASE_URI=away))

    assert "nobody answers there (2003)" in told.fails_only("database")
    assert told.checks("skipped") >= OF_DATABASE


def test_a_login_that_the_database_refuses(installation: Installation) -> None:
    url = installation.place.settings["SQLALCHEMY_DATABASE_URI"].replace("secret", "wrong")

    told = examined(installation.place.having(SQLALCHEMY_DATABASE_URI=url))

    assert "it refuses the name or the password (1045)" in told.fails_only("database")


def test_a_file_that_is_no_database(tmp_path: Path) -> None:
    (tmp_path / "instance").mkdir()
    (tmp_path / "instance" / "flaskauth.db").write_text("hello" * 1000)

    assert ": DatabaseError" in examined(Place(tmp_path)).fails_only("database")


def test_machines_that_swallow_everything_hold_nobody_up(installation: Installation, deaf: int) -> None:
    begun = time.monotonic()
    told = examined_apart(
        installation.place.having(
            SQLALCHEMY_DATABASE_URI=f"mysql://app:x@127.0.0.1:{deaf}/none",
            REDIS_URL=f"redis://127.0.0.1:{deaf}/0",
            MAIL_PORT=str(deaf),
            PUBLIC_URL=f"https://127.0.0.1:{deaf}",
        ),
        code=1,
    )

    assert time.monotonic() - begun < 20
    assert told.checks("failed") == {"database", "broker", "smtp"}
    assert "public-url" in told.checks("warning")


def test_a_broker_that_is_away(installation: Installation) -> None:
    told = examined(installation.place.having(REDIS_URL="redis://:hidden@127.0.0.1:1/0"))

    assert "Redis does not answer: Connection refused" in told.fails_only("broker")
    assert told.checks("skipped") == {"queue"}


def test_a_broker_that_may_forget(installation: Installation) -> None:
    with Client.from_url(installation.redis.url) as client:
        client.config_set("maxmemory", "100mb")
        client.config_set("maxmemory-policy", "allkeys-lru")
        told = examined(installation.place)
        client.config_set("maxmemory", "0")

    assert "noeviction" in told.warns("broker")


def test_messages_that_nobody_takes(installation: Installation) -> None:
    nobodys = installation.redis.url.removesuffix("0") + "1"
    with Client.from_url(nobodys) as client:
        client.rpush("flaskauth", *range(101))
        told = examined(installation.place.having(REDIS_URL=nobodys))
        client.delete("flaskauth")

    assert "101 messages wait" in told.warns("queue")


def test_a_certificate_that_nobody_vouches_for(installation: Installation) -> None:
    told = examined(installation.place.having(MAIL_CA_FILE=""))

    assert "unable to get local issuer certificate" in told.fails_only("smtp")


@pytest.mark.parametrize(
    ("certificate", "words"),
    [
        (Certificate(lasts=timedelta(days=-1)), "certificate has expired"),
        (Certificate(names=("elsewhere.test",)), "not valid for '127.0.0.1'"),
    ],
    ids=["expired", "another's"],
)
def test_a_certificate_that_proves_nothing(
    installation: Installation, tmp_path: Path, certificate: Certificate, words: str
) -> None:
    authority = tmp_path / "authority.pem"
    authority.write_text(certificate.authority)
    with SmtpSink(tls="starttls", login=LOGIN, certificate=certificate) as sink:
        place = installation.place.having(MAIL_PORT=str(sink.port), MAIL_CA_FILE=str(authority))
        assert words in examined(place).fails_only("smtp")


def test_a_certificate_that_ends_soon(installation: Installation) -> None:
    assert "the certificate of 127.0.0.1 ends at 20" in examined(installation.place).warns("smtp")


def test_a_certificate_that_lasts(installation: Installation, tmp_path: Path) -> None:
    certificate = Certificate(lasts=timedelta(days=90))
    authority = tmp_path / "authority.pem"
    authority.write_text(certificate.authority)
    with SmtpSink(tls="implicit", certificate=certificate) as sink:
        settings = {"MAIL_USE_TLS": "", "MAIL_USE_SSL": "true", "MAIL_USERNAME": "", "MAIL_CA_FILE": str(authority)}
        told = examined(installation.place.having(MAIL_PORT=str(sink.port), **settings))

    assert "takes our mail, over TLS" in told.of("smtp", "ok")


def test_a_login_that_the_mail_server_refuses(installation: Installation) -> None:
    told = examined(installation.place.having(MAIL_PASSWORD="another")).fails_only("smtp")

    assert "login 535" in told
    assert "MAIL_PASSWORD" in told


def test_a_mail_server_that_is_away(installation: Installation) -> None:
    assert "Connection refused (connect)" in examined(installation.place.having(MAIL_PORT="1")).fails_only("smtp")


@pytest.mark.parametrize("path", ["", "/page"])
def test_somebody_else_at_our_address(installation: Installation, another: int, path: str) -> None:
    told = examined(installation.place.having(PUBLIC_URL=f"http://127.0.0.1:{another}{path}"))

    assert "something else answers" in told.fails_only("public-url")


def test_a_proxy_with_nobody_behind_it(installation: Installation, another: int) -> None:
    told = examined(installation.place.having(PUBLIC_URL=f"http://127.0.0.1:{another}/behind"))

    assert "answers with 502" in told.warns("public-url")


def test_an_address_at_which_nobody_answers(installation: Installation) -> None:
    told = examined(installation.place.having(PUBLIC_URL=f"http://127.0.0.1:{free_port()}"))

    assert "does not answer from here: Connection refused" in told.warns("public-url")


def test_no_secret_is_told_however_much_is_wrong(installation: Installation) -> None:
    kept = {name: secrets.token_urlsafe(32) for name in ("SECRET_KEY", "SECRET_KEY_FALLBACKS", "METRICS_TOKEN")}
    kept |= {"MAIL_PASSWORD": secrets.token_urlsafe(32), "AWS_SECRET_KEY": secrets.token_urlsafe(32)}
    database, redis = secrets.token_urlsafe(32), secrets.token_urlsafe(32)
    port = installation.engine.url.port
    place = installation.place.having(**kept)
    wrong = place.having(
        SQLALCHEMY_DATABASE_URI=f"mysql://app:{database}@127.0.0.1:{port}/none",
        REDIS_URL=f"redis://:{redis}@127.0.0.1:{installation.redis.port}/0",
    )
    broken = place.having(SQLALCHEMY_DATABASE_URI=f"postgres://app:{database}@x/y", REDIS_URL=f"amqp://:{redis}@x")

    told = [run(each, *words) for each in (place, wrong, broken) for words in ((), ("--json",))]
    said = "\n".join(output for _code, output in told)

    assert {code for code, _output in told} == {1}
    assert not leaks.leaked({*kept.values(), database, redis}, {"said": said.encode()})
    assert "Traceback" not in said

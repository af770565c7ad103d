"""Signing in to a database server, over TLS and without, and what happens when it falls silent: by every driver."""

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
from sqlalchemy import Connection, NullPool, create_engine, text
from sqlalchemy.exc import DBAPIError, OperationalError
from tests.conftest import SECRET, SERVERS, private_servers
from tests.servers import Certificate, PrivateSqlServer

from flaskauth import Settings
from flaskauth.foundation.engine import ANSWER_TIMEOUT, options

USER, PASSWORD = "keeper", "a:secret/with@signs?&%"
SIGNS_IN_BY = {"mariadb": "mysql_native_password", "mysql": "caching_sha2_password"}
WITHOUT_TLS = {"mariadb": "--skip-ssl", "mysql": "--tls-version="}
CIPHER = "SHOW STATUS LIKE 'Ssl_cipher'"
CERTIFICATE = Certificate()
DISTRUSTED = {
    "of another authority": Certificate(),
    "for another host": Certificate(names=("elsewhere.test",)),
    "that has run out": Certificate(lasts=timedelta(days=-1)),
}
MUCH = 12_000_000  # bytes: more than stands in the buffers between two processes


@dataclass(frozen=True)
class Keeper:
    """Somebody with a password on a server that offers TLS or not, who connects as the product does."""

    server: PrivateSqlServer
    folder: Path

    def connected(self, trusting: Certificate | None = None) -> Connection:
        return create_engine(**self._options(trusting), poolclass=NullPool).connect()

    def asks(self, query: str, trusting: Certificate | None = None, **values: object) -> Any:
        """The one row of the answer."""
        with self.connected(trusting) as connection:
            return connection.execute(text(query), values).one()

    def _options(self, trusting: Certificate | None) -> dict[str, Any]:
        url = f"mysql://{USER}:{quote(PASSWORD, safe='')}@127.0.0.1:{self.server.port}/information_schema"
        if trusting:
            authority = self.folder / "trusted.pem"
            authority.write_text(trusting.authority)
            url = f"{url}?ssl_ca={authority}"
        settings = Settings.load(
            {"SECRET_KEY": SECRET, "FLASKAUTH_ENV": "development", "SQLALCHEMY_DATABASE_URI": url}, self.folder / "none"
        )
        return {name: value for name, value in options(settings).items() if not name.startswith(("pool", "max"))}

    @contextmanager
    def silent(self) -> Iterator[None]:
        """Meanwhile, but not for ever: who waits gets an answer in the end."""
        end = threading.Timer(2 * ANSWER_TIMEOUT, self.server.resume)
        self.server.pause()
        end.start()
        yield
        end.cancel()
        self.server.resume()

    def forgotten(self) -> None:
        """The server knows the password by heart no more, and wants to read it again."""
        self.server.execute("FLUSH PRIVILEGES")

    def is_shown(self, certificate: Certificate) -> None:
        certificate.write(self.folder / "server.pem")
        self.server.restart()


def started(name: str, folder: Path, *options: str) -> Iterator[Keeper]:
    with SERVERS[name](*options) as server:
        server.execute(f"CREATE USER {USER}@'%' IDENTIFIED BY '{PASSWORD}'")
        yield Keeper(server, folder)


@pytest.fixture(scope="module", params=private_servers())
def plain(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Keeper]:
    yield from started(request.param, tmp_path_factory.mktemp("plain"), WITHOUT_TLS[request.param])


@pytest.fixture(scope="module", params=private_servers())
def encrypted(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Keeper]:
    folder = tmp_path_factory.mktemp("encrypted")
    file = folder / "server.pem"
    CERTIFICATE.write(file)
    yield from started(request.param, folder, f"--ssl-cert={file}", f"--ssl-key={file}")


def test_a_user_signs_in_without_tls(plain: Keeper) -> None:
    for _ in range(2):
        plain.forgotten()
        assert plain.asks(CIPHER)[1] == ""
    assert plain.asks("SELECT CURRENT_USER()")[0] == f"{USER}@%"


def test_a_user_signs_in_over_tls(encrypted: Keeper) -> None:
    for _ in range(2):
        encrypted.forgotten()
        assert encrypted.asks(CIPHER, trusting=CERTIFICATE)[1]
    assert encrypted.asks(CIPHER, trusting=CERTIFICATE)[1]


def test_users_sign_in_as_the_server_has_it_by_default(plain: Keeper) -> None:
    plain.server.execute(f"GRANT SELECT ON mysql.* TO {USER}@'%'")

    way = plain.asks("SELECT plugin FROM mysql.user WHERE user = :user", user=USER)[0]
    assert way == SIGNS_IN_BY[plain.server.name]


@pytest.mark.parametrize("certificate", DISTRUSTED.values(), ids=DISTRUSTED)
def test_a_server_that_shows_a_certificate_nobody_should_accept_gets_no_password(
    encrypted: Keeper, certificate: Certificate
) -> None:
    trusted = CERTIFICATE if certificate is DISTRUSTED["of another authority"] else certificate
    encrypted.is_shown(certificate)
    try:
        with pytest.raises(OperationalError, match=r"(?i)certificate|ssl|tls"):
            encrypted.asks("SELECT 1", trusting=trusted)
    finally:
        encrypted.is_shown(CERTIFICATE)


def test_who_names_an_authority_never_speaks_in_clear(plain: Keeper) -> None:
    with pytest.raises(OperationalError, match=r"(?i)ssl|tls"):
        plain.asks("SELECT 1", trusting=CERTIFICATE)


@pytest.mark.parametrize("size", [1, MUCH], ids=["that says nothing", "that takes nothing"])
def test_a_server_is_not_waited_for(plain: Keeper, size: int) -> None:
    with plain.connected() as connection, plain.silent():
        begun = time.monotonic()
        with pytest.raises(DBAPIError) as problem:
            connection.execute(text("SELECT LENGTH(:much)"), {"much": "x" * size})

    assert problem.value.connection_invalidated
    assert time.monotonic() - begun < ANSWER_TIMEOUT + 3

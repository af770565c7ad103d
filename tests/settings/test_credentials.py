"""User names and passwords beyond ASCII work for every service behind the server, or are rejected at the start."""

import secrets
from urllib.parse import quote

import pytest
from celery import Celery
from limits.storage import storage_from_string
from redis import Redis as RedisClient
from sqlalchemy import create_engine, text
from tests.servers import MariaDB, Redis
from tests.settings.test_settings import DEVELOPMENT, load, load_errors

from flaskauth.settings import with_driver

USER, PASSWORD = "grüße", "pässwörd☕почта"


@pytest.mark.parametrize("encode", [quote, str], ids=["encoded", "as typed"])
def test_database_credentials_beyond_ascii_work(mariadb: MariaDB, encode: type[str]) -> None:
    name = f"test_{secrets.token_hex(4)}"
    mariadb.create(name)
    mariadb.execute(f"CREATE OR REPLACE USER '{USER}'@'%' IDENTIFIED BY '{PASSWORD}'")
    mariadb.execute(f"GRANT ALL ON {name}.* TO '{USER}'@'%'")
    host = mariadb.url(name).rpartition("@")[2]
    engine = create_engine(with_driver(f"mysql://{encode(USER)}:{encode(PASSWORD)}@{host}"))
    with engine.connect() as connection:
        assert connection.scalar(text("SELECT CURRENT_USER()")) == f"{USER}@%"
    engine.dispose()
    mariadb.drop(name)


@pytest.mark.parametrize("encode", [quote, str], ids=["encoded", "as typed"])
def test_redis_credentials_beyond_ascii_work(redis: Redis, encode: type[str]) -> None:
    with RedisClient.from_url(redis.url) as admin:
        admin.acl_setuser(USER, enabled=True, passwords=[f"+{PASSWORD}"], keys=["*"], commands=["+@all"])
    url = redis.url.replace("redis://", f"redis://{encode(USER)}:{encode(PASSWORD)}@")
    redis_url = load(**DEVELOPMENT, REDIS_URL=url).redis_url
    assert redis_url

    assert storage_from_string(redis_url.get_secret_value()).check()
    with Celery(broker=redis_url.get_secret_value()).connection_for_write() as connection:
        connection.ensure_connection(max_retries=1, timeout=5)


def test_undecodable_setting_is_rejected() -> None:
    password = b"p\xe4ssw\xf6rd".decode(errors="surrogateescape")  # as Python reads it from the environment

    assert load_errors(**DEVELOPMENT, MAIL_PASSWORD=password) == ["MAIL_PASSWORD: is not valid UTF-8"]


@pytest.mark.parametrize("token", ["pässwörd-pässwörd", "sixteen characters", "sixteen\tcharacters"])
def test_metrics_token_that_no_header_carries_is_rejected(token: str) -> None:
    [error] = load_errors(**DEVELOPMENT, METRICS_TOKEN=token)

    assert error.startswith("METRICS_TOKEN: must contain only ASCII")

"""Look for secrets in whatever somebody who copies the disk would get."""

import base64
import re
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from redis import Redis
from sqlalchemy import Engine, inspect

Secret = str | bytes
Dump = Mapping[str, bytes]
ADDRESS = re.compile(rb"[\w.+-]+@(?!127\.0\.0\.1)[\w-]+\.[\w.-]+")
# base64 of a secret in the middle of something else begins at any of three places of a group.
FIRST_WHOLE_LETTER = (0, 2, 3)


def leaked(secrets: Iterable[Secret], dump: Dump) -> set[str]:
    """Which secrets stand where, clear or in disguise."""
    needles = {secret: [form for part in _parts(secret) for form in _forms(part)] for secret in secrets}
    assert needles
    return {
        f"{secret!r} in {where}"
        for where, contents in dump.items()
        for secret, forms in needles.items()
        if any(form in contents for form in forms)
    }


def addresses(dump: Dump) -> set[bytes]:
    """The full addresses of people."""
    return {address for contents in dump.values() for address in ADDRESS.findall(contents)}


def tables(engine: Engine) -> Iterator[tuple[str, bytes]]:
    """Every value of every table."""
    with engine.connect() as connection:
        for table in inspect(connection).get_table_names():
            rows = connection.exec_driver_sql(f"SELECT * FROM `{table}`")
            yield f"table {table}", b"\n".join(_bytes(value) for row in rows for value in row)


def keys(redis: Redis) -> Iterator[tuple[str, bytes]]:
    """Every key of every kind, with its name: counters, queues, messages handed out and not yet done."""
    for key in redis.scan_iter():
        yield f"key {key!r}", b"\n".join(_bytes(value) for value in (key, *_values(redis, key)))


def files(folder: Path) -> Iterator[tuple[str, bytes]]:
    """Every file: logs, schedules, whatever was left."""
    for path in folder.rglob("*"):
        if path.is_file():
            yield f"file {path.relative_to(folder)}", path.read_bytes()


def _values(client: Redis, key: bytes) -> Any:
    redis: Any = client  # its answers are typed for synchronous and asynchronous clients at once
    kind = redis.type(key)
    if kind == b"string":
        return [redis.get(key) or b""]
    if kind == b"list":
        return redis.lrange(key, 0, -1)
    if kind == b"hash":
        return [part for pair in redis.hgetall(key).items() for part in pair]
    if kind == b"set":
        return redis.smembers(key)
    assert kind in {b"zset", b"none"}, kind
    return redis.zrange(key, 0, -1)


def _bytes(value: object) -> bytes:
    return bytes(value) if isinstance(value, bytes | bytearray) else str(value).encode()


def _parts(secret: Secret) -> Iterator[bytes]:
    """A secret, and what of it would be as good: a code without its dash, a token's MAC, the bytes behind base64url."""
    if isinstance(secret, bytes):
        yield secret
        return
    last = secret.rpartition(".")[2]
    for text in {secret, secret.lower(), secret.replace("-", ""), secret.replace("-", "").lower(), last}:
        yield text.encode()
    if re.fullmatch(r"[\w-]{40,}", last):
        yield base64.urlsafe_b64decode(last + "=" * (-len(last) % 4))


def _forms(part: bytes) -> Iterator[bytes]:
    yield part
    yield part.hex().encode()
    yield part.hex().upper().encode()
    for shift, first in enumerate(FIRST_WHOLE_LETTER):
        whole = slice(first, (shift + len(part)) * 8 // 6)
        yield base64.b64encode(bytes(shift) + part)[whole]
        yield base64.urlsafe_b64encode(bytes(shift) + part)[whole]

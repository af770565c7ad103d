"""Search for secrets in everything that an attacker with a copy of the disk gets."""

import base64
import re
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from redis import Redis
from sqlalchemy import Engine, inspect

Secret = str | bytes
Dump = Mapping[str, bytes]
EMAIL_PATTERN = re.compile(rb"[\w.+-]+@(?!127\.0\.0\.1)[\w-]+\.[\w.-]+")
# base64 of a secret inside longer data starts at one of three offsets of a 4-character group.
BASE64_OFFSETS = (0, 2, 3)


def find_leaks(secrets: Iterable[Secret], dump: Dump) -> set[str]:
    """Return the secrets that the dump contains, in clear or encoded, with their location."""
    needles = {secret: [form for part in _secret_parts(secret) for form in _encodings(part)] for secret in secrets}
    assert needles
    return {
        f"{secret!r} in {where}"
        for where, contents in dump.items()
        for secret, forms in needles.items()
        if any(form in contents for form in forms)
    }


def find_email_addresses(dump: Dump) -> set[bytes]:
    """Return the complete email addresses in the dump."""
    return {address for contents in dump.values() for address in EMAIL_PATTERN.findall(contents)}


def dump_tables(engine: Engine) -> Iterator[tuple[str, bytes]]:
    """Yield every value of every table."""
    with engine.connect() as connection:
        for table in inspect(connection).get_table_names():
            rows = connection.exec_driver_sql(f"SELECT * FROM `{table}`")
            yield f"table {table}", b"\n".join(_to_bytes(value) for row in rows for value in row)


def dump_redis(redis: Redis) -> Iterator[tuple[str, bytes]]:
    """Yield every Redis key of every type with its name: counters, queues, unacknowledged messages."""
    for key in redis.scan_iter():
        yield f"key {key!r}", b"\n".join(_to_bytes(value) for value in (key, *_redis_values(redis, key)))


def dump_files(folder: Path) -> Iterator[tuple[str, bytes]]:
    """Yield every file: logs, schedules and all others."""
    for path in folder.rglob("*"):
        if path.is_file():
            yield f"file {path.relative_to(folder)}", path.read_bytes()


def _redis_values(client: Redis, key: bytes) -> Any:
    redis: Any = client  # results are typed for both synchronous and asynchronous clients
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


def _to_bytes(value: object) -> bytes:
    return bytes(value) if isinstance(value, bytes | bytearray) else str(value).encode()


def _secret_parts(secret: Secret) -> Iterator[bytes]:
    """Yield a secret and its equivalents: a code without its dash, a token's MAC, the bytes behind base64url."""
    if isinstance(secret, bytes):
        yield secret
        return
    last = secret.rpartition(".")[2]
    for text in {secret, secret.lower(), secret.replace("-", ""), secret.replace("-", "").lower(), last}:
        yield text.encode()
    if re.fullmatch(r"[\w-]{40,}", last):
        yield base64.urlsafe_b64decode(last + "=" * (-len(last) % 4))


def _encodings(part: bytes) -> Iterator[bytes]:
    yield part
    yield part.hex().encode()
    yield part.hex().upper().encode()
    for shift, first in enumerate(BASE64_OFFSETS):
        whole = slice(first, (shift + len(part)) * 8 // 6)
        yield base64.b64encode(bytes(shift) + part)[whole]
        yield base64.urlsafe_b64encode(bytes(shift) + part)[whole]

"""Where pictures are kept: a folder of this machine or a bucket, by one way of asking. No answer takes long."""

import re
import threading
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cached_property
from typing import TYPE_CHECKING, Any, cast

import structlog
from flask import current_app

from flaskauth.foundation import crypto
from flaskauth.foundation.current import settings
from flaskauth.foundation.errors import Overloaded, Unavailable
from flaskauth.settings import Settings

if TYPE_CHECKING:
    from obstore.store import ClientConfig, LocalStore, RetryConfig, S3Config, S3Store

KEY = "flaskauth.avatars"
FOLDER = "avatars"
NAME = re.compile(r"[A-Za-z0-9_-]{22}\.webp")
CHUNK = 64 * 1024  # bytes
AT_A_TIME = 1000  # names

# A bucket that does not answer must not take all threads of the server with it.
MOST_AT_ONCE = 8
LONGEST_WAIT = 0.5  # seconds
TIMEOUTS: "ClientConfig" = {"connect_timeout": "2s", "timeout": "4s"}
RETRIES: "RetryConfig" = {"max_retries": 1, "retry_timeout": timedelta(seconds=5)}

log = structlog.get_logger(__name__)


@dataclass(frozen=True)
class Stored:
    """A picture that is there."""

    size: int
    chunks: Iterator[bytes]


class Storage:
    """The pictures, by their names."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._turns = threading.BoundedSemaphore(MOST_AT_ONCE)

    def put(self, picture: bytes) -> str:
        """Keep a picture; its name, which nobody can guess.

        Raises:
            Unavailable, Overloaded
        """
        name = f"{crypto.encode(crypto.random_bytes(16))}.webp"
        with self._asked():
            self._store.put(name, picture, use_multipart=False)
        return name

    def get(self, name: str) -> Stored | None:
        """The picture of this name, if there is one.

        Raises:
            Unavailable, Overloaded
        """
        if not NAME.fullmatch(name):
            return None
        with self._asked(), suppress(FileNotFoundError):
            found = self._store.get(name)
            return Stored(found.meta["size"], (bytes(chunk) for chunk in found.stream(min_chunk_size=CHUNK)))
        return None

    def delete(self, names: Iterable[str]) -> None:
        """Have these be gone, if they were there.

        Raises:
            Unavailable, Overloaded
        """
        for name in names:
            if NAME.fullmatch(name):
                with self._asked(), suppress(FileNotFoundError):
                    self._store.delete(name)

    def older_than(self, moment: datetime) -> Iterator[list[str]]:
        """The names of all pictures that were kept before, some at a time. What is not ours is not among them.

        Raises:
            Unavailable, Overloaded
        """
        with self._asked():
            chunks = iter(self._store.list(chunk_size=AT_A_TIME))
        while chunk := self._next(chunks):
            yield [each["path"] for each in chunk if each["last_modified"] < moment and NAME.fullmatch(each["path"])]

    def _next(self, chunks: Iterator[Sequence[Any]]) -> Sequence[Any] | None:
        with self._asked():
            return next(chunks, None)

    @contextmanager
    def _asked(self) -> Iterator[None]:
        from obstore.exceptions import BaseError  # noqa: PLC0415 (loaded at first use)

        if not self._turns.acquire(timeout=LONGEST_WAIT):
            raise Overloaded
        try:
            yield
        except (BaseError, OSError, ValueError) as error:
            log.warning("pictures_away", reason=str(error).partition("\n")[0][:200])
            raise Unavailable from error
        finally:
            self._turns.release()

    @cached_property
    def _store(self) -> "LocalStore | S3Store":
        """Opened at first use, in the process that uses it: its threads do not outlive a fork."""
        return _bucket(self._settings) if self._settings.aws_bucket else _folder(self._settings)


def storage() -> Storage:
    """The running application's."""
    found = current_app.extensions.get(KEY) or current_app.extensions.setdefault(KEY, Storage(settings()))
    assert isinstance(found, Storage)
    return found


def _folder(settings: Settings) -> "LocalStore":
    from obstore.store import LocalStore  # noqa: PLC0415

    folder = settings.flaskauth_instance_path.absolute() / FOLDER
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    return LocalStore(folder)


def _bucket(settings: Settings) -> "S3Store":
    """By the keys of the settings; without them by those that the machine has (environment, role)."""
    from obstore.store import S3Store  # noqa: PLC0415

    secret = settings.aws_secret_key
    config = {
        "access_key_id": settings.aws_key_id,
        "secret_access_key": secret.get_secret_value() if secret else None,
        "region": settings.aws_region,
        "endpoint": settings.aws_endpoint_url,
        "disable_bulk_delete": True,  # not every S3 has it
    }
    return S3Store(
        settings.aws_bucket,
        prefix=FOLDER,
        config=cast("S3Config", {name: value for name, value in config.items() if value is not None}),
        client_options={**TIMEOUTS, "allow_http": (settings.aws_endpoint_url or "").startswith("http://")},
        retry_config=RETRIES,
    )

"""Store avatars in a local folder or an S3 bucket, through one interface and with short timeouts."""

import re
import threading
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cached_property
from typing import TYPE_CHECKING, Any, cast

from flask import current_app

from flaskauth.core import crypto
from flaskauth.core.context import settings
from flaskauth.core.errors import APIError, Overloaded, Unavailable
from flaskauth.core.observability.log import get_logger
from flaskauth.extras import missing_extra
from flaskauth.settings import Settings

if TYPE_CHECKING:
    from obstore.store import ClientConfig, LocalStore, RetryConfig, S3Config, S3Store

EXTENSION_KEY = "flaskauth.avatars"
FOLDER = "avatars"
NAME_PATTERN = re.compile(r"[A-Za-z0-9_-]{22}\.webp")
CHUNK_SIZE = 64 * 1024  # bytes
LIST_PAGE_SIZE = 1000  # names

# A bucket that does not respond must not block all threads of the server.
MAX_CONCURRENT_CALLS = 8
MAX_WAIT = 0.5  # seconds
TIMEOUTS: "ClientConfig" = {"connect_timeout": "2s", "timeout": "4s"}
RETRIES: "RetryConfig" = {"max_retries": 1, "retry_timeout": timedelta(seconds=5)}

log = get_logger(__name__)


@dataclass(frozen=True)
class StoredImage:
    """An image in the storage; `size` is in bytes."""

    size: int
    chunks: Iterator[bytes]


class AvatarsNotSupported(APIError):
    """501: an optional dependency is not installed. Waiting does not help, so the response has no `Retry-After`."""

    status = 501
    code = "not_supported"
    message = "This server does not support avatars."


class Storage:
    """The stored avatars, by name."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._slots = threading.BoundedSemaphore(MAX_CONCURRENT_CALLS)

    def put(self, image: bytes) -> str:
        """Store an image and return its name, which cannot be guessed.

        Raises:
            Unavailable, Overloaded
        """
        name = f"{crypto.base64url_encode(crypto.random_bytes(16))}.webp"
        with self._store_call():
            self._store.put(name, image, use_multipart=False)
        return name

    def get(self, name: str) -> StoredImage | None:
        """Return the image of this name, or None if there is none.

        Raises:
            Unavailable, Overloaded
        """
        if not NAME_PATTERN.fullmatch(name):
            return None
        with self._store_call(), suppress(FileNotFoundError):
            file = self._store.get(name)
            return StoredImage(file.meta["size"], (bytes(chunk) for chunk in file.stream(min_chunk_size=CHUNK_SIZE)))
        return None

    def delete(self, names: Iterable[str]) -> None:
        """Delete these images. Missing ones are ignored.

        Raises:
            Unavailable, Overloaded
        """
        for name in names:
            if NAME_PATTERN.fullmatch(name):
                with self._store_call(), suppress(FileNotFoundError):
                    self._store.delete(name)

    def older_than(self, cutoff: datetime) -> Iterator[list[str]]:
        """Yield the names of all images stored before the cutoff, in batches. Files with other names are ignored.

        Raises:
            Unavailable, Overloaded
        """
        with self._store_call():
            chunks = iter(self._store.list(chunk_size=LIST_PAGE_SIZE))
        while chunk := self._next_page(chunks):
            yield [
                file["path"]
                for file in chunk
                if file["last_modified"] < cutoff and NAME_PATTERN.fullmatch(file["path"])
            ]

    def _next_page(self, chunks: Iterator[Sequence[Any]]) -> Sequence[Any] | None:
        with self._store_call():
            return next(chunks, None)

    @contextmanager
    def _store_call(self) -> Iterator[None]:
        # Loaded at first use. Only this statement waits for an import of the package in a different thread: a submodule
        # can be imported before its package is complete.
        import obstore  # noqa: PLC0415, F401
        from obstore.exceptions import BaseError  # noqa: PLC0415

        if not self._slots.acquire(timeout=MAX_WAIT):
            raise Overloaded
        try:
            yield
        except (BaseError, OSError, ValueError) as error:
            log.warning("storage_unavailable", reason=str(error).partition("\n")[0][:200])
            raise Unavailable from error
        finally:
            self._slots.release()

    @cached_property
    def _store(self) -> "LocalStore | S3Store":
        """The store, opened at first use in the process that uses it, because its threads do not survive a fork."""
        return _open_s3_store(self._settings) if self._settings.aws_bucket else _open_local_store(self._settings)


def storage() -> Storage:
    """Return the storage of the current application.

    Raises:
        AvatarsNotSupported: the extra is not installed.
    """
    if missing_extra("avatars"):
        raise AvatarsNotSupported
    extension = current_app.extensions.get(EXTENSION_KEY) or current_app.extensions.setdefault(
        EXTENSION_KEY, Storage(settings())
    )
    assert isinstance(extension, Storage)
    return extension


def _open_local_store(settings: Settings) -> "LocalStore":
    from obstore.store import LocalStore  # noqa: PLC0415

    folder = settings.flaskauth_instance_path.absolute() / FOLDER
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    return LocalStore(folder)


def _open_s3_store(settings: Settings) -> "S3Store":
    """Open the bucket with the configured keys, or else with those of the machine (environment, role)."""
    from obstore.store import S3Store  # noqa: PLC0415

    secret = settings.aws_secret_key
    config = {
        "access_key_id": settings.aws_key_id,
        "secret_access_key": secret.get_secret_value() if secret else None,
        "region": settings.aws_region,
        "endpoint": settings.aws_endpoint_url,
        "disable_bulk_delete": True,  # not every S3-compatible service supports it
    }
    return S3Store(
        settings.aws_bucket,
        prefix=FOLDER,
        config=cast("S3Config", {name: value for name, value in config.items() if value is not None}),
        client_options={**TIMEOUTS, "allow_http": (settings.aws_endpoint_url or "").startswith("http://")},
        retry_config=RETRIES,
    )

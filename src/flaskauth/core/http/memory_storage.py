"""Rate limit counters in the memory of a process, shared by its threads."""

import time
from threading import Lock

from limits.storage import Storage

CLEANUP_INTERVAL = 10.0  # seconds


class InMemoryStorage(Storage):
    """Storage of the `limits` library for fixed windows.

    The library's own `MemoryStorage` starts a timer thread per request, and two concurrent starts raise an error.
    """

    STORAGE_SCHEME = None

    def __init__(self) -> None:
        super().__init__()
        self._lock = Lock()
        self._windows: dict[str, tuple[int, float]] = {}  # count, end of the window
        self._next_cleanup_at = 0.0

    def incr(self, key: str, expiry: float, amount: int = 1) -> int:
        """Add `amount` to the counter of the key and return the new count. `expiry` is the window in seconds."""
        with self._lock:
            self._delete_expired()
            count, expires_at = self._current_window(key) or (0, time.time() + expiry)
            self._windows[key] = (count + amount, expires_at)
            return count + amount

    def get(self, key: str) -> int:
        """Return the count of the current window."""
        window = self._current_window(key)
        return window[0] if window else 0

    def get_expiry(self, key: str) -> float:
        """Return the end of the current window as a Unix time, or the current time if there is none."""
        window = self._current_window(key)
        return window[1] if window else time.time()

    def clear(self, key: str) -> None:
        self._windows.pop(key, None)

    def reset(self) -> int:
        count, self._windows = len(self._windows), {}
        return count

    def check(self) -> bool:
        return True

    @property
    def base_exceptions(self) -> type[Exception]:
        return ValueError

    def _current_window(self, key: str) -> tuple[int, float] | None:
        window = self._windows.get(key)
        return window if window and window[1] > time.time() else None

    def _delete_expired(self) -> None:
        """Delete expired windows, at most once per `CLEANUP_INTERVAL`."""
        now = time.time()
        if now >= self._next_cleanup_at:
            self._next_cleanup_at = now + CLEANUP_INTERVAL
            self._windows = {key: window for key, window in self._windows.items() if window[1] > now}

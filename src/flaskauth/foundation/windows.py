"""Requests that this process counts by itself, whichever of its threads answers them."""

import time
from threading import Lock

from limits.storage import Storage

SWEEP_EVERY = 10.0  # seconds


class Windows(Storage):
    """How often each key was counted since its window began.

    The library's own store starts a thread for each request, and two that start at once fail one of them.
    """

    STORAGE_SCHEME = None

    def __init__(self) -> None:
        super().__init__()
        self._turn = Lock()
        self._windows: dict[str, tuple[int, float]] = {}  # how often, and when the window ends
        self._sweep_at = 0.0

    def incr(self, key: str, expiry: float, amount: int = 1) -> int:
        """Count, and say how often it has been."""
        with self._turn:
            self._sweep()
            times, end = self._window(key) or (0, time.time() + expiry)
            self._windows[key] = (times + amount, end)
            return times + amount

    def get(self, key: str) -> int:
        """How often it was counted."""
        window = self._window(key)
        return window[0] if window else 0

    def get_expiry(self, key: str) -> float:
        """When its window ends; now where there is none."""
        window = self._window(key)
        return window[1] if window else time.time()

    def clear(self, key: str) -> None:
        self._windows.pop(key, None)

    def reset(self) -> int:
        forgotten, self._windows = len(self._windows), {}
        return forgotten

    def check(self) -> bool:
        return True

    @property
    def base_exceptions(self) -> type[Exception]:
        return ValueError

    def _window(self, key: str) -> tuple[int, float] | None:
        found = self._windows.get(key)
        return found if found and found[1] > time.time() else None

    def _sweep(self) -> None:
        """Forget what is over, now and then."""
        now = time.time()
        if now >= self._sweep_at:
            self._sweep_at = now + SWEEP_EVERY
            self._windows = {key: window for key, window in self._windows.items() if window[1] > now}

"""Clocks that tests and emulators move by hand."""

from __future__ import annotations

import threading
from datetime import UTC, datetime, timedelta

from crossmarket.clock import Clock, SystemClock


class FakeClock:
    """Stands still until it is moved; `sleep` moves it at once instead of waiting."""

    def __init__(self, start: datetime = datetime(2026, 3, 1, 12, tzinfo=UTC)) -> None:
        self._now = start
        self._lock = threading.Lock()

    def now(self) -> datetime:
        """Return the moment that it stands at."""
        return self._now

    def sleep(self, seconds: float) -> None:
        """Move on by so many seconds, without waiting."""
        self.advance(timedelta(seconds=seconds))

    def advance(self, by: timedelta) -> None:
        """Move on."""
        with self._lock:
            self._now += by


class ShiftedClock:
    """Runs like another clock (the machine's, unless told otherwise), ahead by what it has been advanced."""

    def __init__(self, base: Clock | None = None) -> None:
        self._base = base or SystemClock()
        self._ahead = timedelta()

    def now(self) -> datetime:
        """Return the shifted moment."""
        return self._base.now() + self._ahead

    def sleep(self, seconds: float) -> None:
        """Wait as the other clock waits."""
        self._base.sleep(seconds)

    def advance(self, by: timedelta) -> None:
        """Move ahead."""
        self._ahead += by

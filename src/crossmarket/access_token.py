"""Access tokens: cached until shortly before they expire, fetched by one caller at a time."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from crossmarket.clock import Clock
from crossmarket.errors import MarketplaceError

RETRY_RENEWAL = timedelta(seconds=30)


@dataclass(frozen=True, slots=True)
class AccessToken:
    """A bearer token and the moment (UTC) until which it is good; None where it does not expire."""

    value: str = field(repr=False)
    expires_at: datetime | None


class AccessTokenHolder:
    """Holds one access token for all threads.

    A token is renewed when less than `margin` of its life is left. While one caller fetches, the others wait
    for it and take its result, or its error. A renewal that fails while the old token is still good leaves the
    old one in use, and is tried again half a minute later.

    Args:
        fetch: Gets a new token from where it is issued.
        clock: Tells the time.
        margin: Renew when less than this is left; at most a fifth of the token's life.
    """

    def __init__(
        self, fetch: Callable[[], AccessToken], *, clock: Clock, margin: timedelta = timedelta(minutes=5)
    ) -> None:
        self._fetch = fetch
        self._clock = clock
        self._margin = margin
        self._lock = threading.Lock()
        self._token: AccessToken | None = None
        self._renew_at: datetime | None = None
        self._failures = 0
        self._error: MarketplaceError | None = None

    def __repr__(self) -> str:
        return f"{type(self).__name__}(...)"

    def get(self) -> str:
        """Return a good token.

        Raises:
            MarketplaceError: None can be had, and there is no old one that is still good.
        """
        token = self._good()
        if token is None:
            failures = self._failures
            with self._lock:
                token = self._good()
                if token is None and self._error is not None and self._failures != failures:
                    raise self._error  # of the caller that this one has waited for
                token = token or self._renew()
        return token.value

    def discard(self, value: str) -> None:
        """Forget this token, because the marketplace has refused it; another one that came since stays."""
        with self._lock:
            if self._token is not None and self._token.value == value:
                self._token = None

    def _good(self) -> AccessToken | None:
        token = self._token
        if token is not None and (self._renew_at is None or self._clock.now() < self._renew_at):
            return token
        return None

    def _renew(self) -> AccessToken:
        now = self._clock.now()
        try:
            token = self._fetch()
        except MarketplaceError as error:
            old = self._token
            if old is None or old.expires_at is None or old.expires_at <= now:
                self._failures += 1
                self._error = error
                raise
            self._renew_at = min(now + RETRY_RENEWAL, old.expires_at)
            return old
        self._token = token
        if token.expires_at is None:
            self._renew_at = None
        else:
            self._renew_at = token.expires_at - min(self._margin, (token.expires_at - now) / 5)
        return token

"""Writes whose outcome can get lost, repeated only after the state has been read again."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar

from crossmarket.errors import UnavailableError
from crossmarket.http import attempts_at

if TYPE_CHECKING:
    from collections.abc import Callable

T = TypeVar("T")

ATTEMPTS = 3


def send_once(send: Callable[[], T], done: Callable[[], T | None]) -> T:
    """Send a write that must not be sent twice without looking.

    Args:
        send: Sends it. `UnavailableError` means that nobody knows whether it was done.
        done: Reads the state again, and returns the outcome where the write has been done, None where not.

    Raises:
        UnavailableError: It could not be found out, or not be done, in three attempts.
        MarketplaceError: It was refused, or the state could not be read.
    """
    sent = False
    for attempt in attempts_at(lambda error: isinstance(error, UnavailableError), at_most=ATTEMPTS):
        with attempt:
            if sent:
                outcome = done()
                if outcome is not None:
                    return outcome
            sent = True
            return send()
    raise AssertionError("unreachable")

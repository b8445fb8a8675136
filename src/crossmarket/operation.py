"""Waiting for what a marketplace does on request and not at once."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta

from crossmarket.clock import Clock
from crossmarket.errors import NotFoundError
from crossmarket.models import Operation

FORGIVEN_NOT_FOUND = 3
"""How often a fresh operation may be unknown to a replica (the number in Yandex's own Go SDK)."""


def wait_for(
    operation: Operation,
    fetch: Callable[[], Operation],
    *,
    clock: Clock,
    interval: float | Callable[[], float] = 1.0,
    deadline: float = 30.0,
) -> Operation:
    """Poll an operation until it is final, and return its last form.

    Args:
        operation: What the first answer said; returned at once if it is final.
        fetch: Reads it again. `NotFoundError` is forgiven three times, for replicas that lag.
        clock: Tells the time and waits.
        interval: Seconds between two reads; a callable is asked before each, where the marketplace tells its pace.
        deadline: Seconds after which the operation is returned although it is still pending.

    Raises:
        MarketplaceError: It cannot be read.
    """
    end = clock.now() + timedelta(seconds=deadline)
    forgiven = 0
    while operation.status == "pending" and clock.now() < end:
        clock.sleep(interval() if callable(interval) else interval)
        try:
            operation = fetch()
        except NotFoundError:
            forgiven += 1
            if forgiven > FORGIVEN_NOT_FOUND:
                raise
    return operation

from __future__ import annotations

from collections.abc import Callable, Iterable
from datetime import timedelta

import pytest
from bazaar import NOW, unavailable

from crossmarket.errors import MarketplaceError, NotFoundError
from crossmarket.models import Operation
from crossmarket.operation import wait_for
from crossmarket.testing.clock import FakeClock


def operation(status: str = "pending") -> Operation:
    return Operation(id="op", action="cancel", status=status)


NOT_FOUND = NotFoundError("No.", marketplace="m", operation="o")


def answers(*told: str | Exception) -> Callable[[], Operation]:
    left = list(told)

    def fetch() -> Operation:
        answer = left.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return operation(answer)

    return fetch


def never() -> Operation:
    raise AssertionError("it must not be read")


@pytest.mark.parametrize("status", ["succeeded", "failed"])
def test_a_final_one_is_returned_at_once(clock: FakeClock, status: str) -> None:
    assert wait_for(operation(status), never, clock=clock) == operation(status)
    assert clock.now() == NOW


def test_it_is_read_until_it_is_final(clock: FakeClock) -> None:
    fetch = answers("pending", "pending", "failed")
    assert wait_for(operation(), fetch, clock=clock, interval=2).status == "failed"
    assert clock.now() == NOW + timedelta(seconds=6)


def test_the_interval_may_be_asked_for(clock: FakeClock) -> None:
    paces: Iterable[float] = iter([1.0, 10.0])
    wait_for(operation(), answers("pending", "succeeded"), clock=clock, interval=lambda: next(paces))
    assert clock.now() == NOW + timedelta(seconds=11)


def test_at_the_deadline_it_is_returned_as_it_is(clock: FakeClock) -> None:
    waited = wait_for(operation(), operation, clock=clock, interval=4, deadline=10)
    assert waited.status == "pending"
    assert NOW + timedelta(seconds=10) <= clock.now() <= NOW + timedelta(seconds=14)


def test_no_time_means_no_reading(clock: FakeClock) -> None:
    assert wait_for(operation(), never, clock=clock, deadline=0).status == "pending"


def test_a_replica_may_not_know_it_three_times(clock: FakeClock) -> None:
    fetch = answers(NOT_FOUND, NOT_FOUND, NOT_FOUND, "succeeded")
    assert wait_for(operation(), fetch, clock=clock).status == "succeeded"


def test_a_fourth_time_is_an_error(clock: FakeClock) -> None:
    with pytest.raises(NotFoundError):
        wait_for(operation(), answers(*[NOT_FOUND] * 4), clock=clock)


def test_other_errors_are_not_forgiven(clock: FakeClock) -> None:
    with pytest.raises(MarketplaceError, match="It is down"):
        wait_for(operation(), answers("pending", unavailable()), clock=clock)

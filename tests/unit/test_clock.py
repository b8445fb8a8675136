from __future__ import annotations

import threading
from datetime import UTC, datetime, timedelta

import pytest
from bazaar import NOW

from crossmarket.clock import Clock, SystemClock
from crossmarket.testing.clock import FakeClock, ShiftedClock


@pytest.mark.parametrize("clock", [SystemClock(), FakeClock(), ShiftedClock()], ids=lambda clock: type(clock).__name__)
def test_every_clock_is_one_and_tells_utc(clock: Clock) -> None:
    assert isinstance(clock, Clock)
    assert clock.now().tzinfo is UTC


def test_the_clock_of_the_machine() -> None:
    before = datetime.now(UTC)
    SystemClock().sleep(0)
    assert before <= SystemClock().now() <= datetime.now(UTC)


def test_the_fake_clock_moves_only_when_it_is_told_to(clock: FakeClock) -> None:
    assert clock.now() == clock.now() == NOW
    clock.sleep(2.5)
    assert clock.now() == NOW + timedelta(seconds=2.5)
    clock.advance(timedelta(days=1))
    assert clock.now() == NOW + timedelta(days=1, seconds=2.5)
    assert FakeClock(datetime(2030, 1, 1, tzinfo=UTC)).now().year == 2030


def test_the_fake_clock_loses_no_step_among_threads(clock: FakeClock) -> None:
    threads = [threading.Thread(target=lambda: [clock.sleep(1) for _ in range(100)]) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert clock.now() == NOW + timedelta(seconds=800)


def test_the_shifted_clock_runs_ahead_of_another() -> None:
    base = FakeClock()
    clock = ShiftedClock(base)
    clock.advance(timedelta(hours=2))
    clock.sleep(60)
    assert base.now() == NOW + timedelta(minutes=1)
    assert clock.now() == NOW + timedelta(hours=2, minutes=1)

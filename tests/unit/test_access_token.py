from __future__ import annotations

import threading
import time
from datetime import timedelta

import pytest
from bazaar import HOUR, MINUTE, NOW

from crossmarket.access_token import AccessToken, AccessTokenHolder
from crossmarket.errors import UnavailableError
from crossmarket.testing.clock import FakeClock


class Issuer:
    """Issues `t1`, `t2` and so on, each good for `life`."""

    def __init__(self, clock: FakeClock, life: timedelta | None = HOUR) -> None:
        self.clock, self.life = clock, life
        self.issued = 0
        self.tried = 0
        self.down = False

    def __call__(self) -> AccessToken:
        self.tried += 1
        if self.down:
            raise UnavailableError("It is down.", marketplace="m", operation="token")
        self.issued += 1
        return AccessToken(f"t{self.issued}", self.clock.now() + self.life if self.life is not None else None)


@pytest.fixture
def issuer(clock: FakeClock) -> Issuer:
    return Issuer(clock)


@pytest.fixture
def holder(issuer: Issuer, clock: FakeClock) -> AccessTokenHolder:
    return AccessTokenHolder(issuer, clock=clock)


def test_nothing_is_fetched_before_it_is_needed(holder: AccessTokenHolder, issuer: Issuer) -> None:
    assert issuer.tried == 0
    assert holder.get() == "t1"


@pytest.mark.parametrize(
    ("passed", "token"),
    [(timedelta(0), "t1"), (55 * MINUTE - timedelta(seconds=1), "t1"), (55 * MINUTE, "t2"), (2 * HOUR, "t2")],
)
def test_it_is_renewed_five_minutes_before_its_end(
    holder: AccessTokenHolder, clock: FakeClock, passed: timedelta, token: str
) -> None:
    holder.get()
    clock.advance(passed)
    assert holder.get() == token


def test_the_margin_is_at_most_a_fifth_of_the_life(clock: FakeClock) -> None:
    issuer = Issuer(clock, life=10 * MINUTE)
    holder = AccessTokenHolder(issuer, clock=clock)
    holder.get()
    clock.advance(8 * MINUTE - timedelta(seconds=1))
    assert holder.get() == "t1"
    clock.advance(timedelta(seconds=1))
    assert holder.get() == "t2"


def test_the_margin_can_be_chosen(issuer: Issuer, clock: FakeClock) -> None:
    holder = AccessTokenHolder(issuer, clock=clock, margin=MINUTE)
    holder.get()
    clock.advance(59 * MINUTE - timedelta(seconds=1))
    assert holder.get() == "t1"
    clock.advance(timedelta(seconds=1))
    assert holder.get() == "t2"


def test_a_token_without_end_is_kept(clock: FakeClock) -> None:
    holder = AccessTokenHolder(Issuer(clock, life=None), clock=clock)
    holder.get()
    clock.advance(timedelta(days=9999))
    assert holder.get() == "t1"
    holder.discard("t1")
    assert holder.get() == "t2"


@pytest.mark.parametrize("life", [timedelta(0), -MINUTE])
def test_a_token_that_comes_expired_is_not_kept(clock: FakeClock, life: timedelta) -> None:
    holder = AccessTokenHolder(Issuer(clock, life=life), clock=clock)
    assert [holder.get(), holder.get()] == ["t1", "t2"]


def test_a_discarded_token_is_replaced(holder: AccessTokenHolder) -> None:
    assert holder.get() == "t1"
    holder.discard("t1")
    assert holder.get() == "t2"


def test_only_the_very_token_is_discarded(holder: AccessTokenHolder) -> None:
    holder.discard("t1")
    holder.get()
    holder.discard("t0")
    assert holder.get() == "t1"


def test_a_failing_renewal_keeps_the_old_one_while_it_is_good(
    holder: AccessTokenHolder, issuer: Issuer, clock: FakeClock
) -> None:
    holder.get()
    issuer.down = True
    clock.advance(56 * MINUTE)
    assert [holder.get(), holder.get()] == ["t1", "t1"]
    assert issuer.tried == 2
    clock.advance(timedelta(seconds=30))
    assert holder.get() == "t1"
    assert issuer.tried == 3
    issuer.down = False
    clock.advance(timedelta(seconds=30))
    assert holder.get() == "t2"


def test_a_failing_renewal_of_an_expired_one_is_an_error(
    holder: AccessTokenHolder, issuer: Issuer, clock: FakeClock
) -> None:
    holder.get()
    issuer.down = True
    clock.advance(59 * MINUTE + timedelta(seconds=50))
    assert holder.get() == "t1"
    clock.advance(timedelta(seconds=10))
    with pytest.raises(UnavailableError):
        holder.get()


def test_a_discarded_one_does_not_come_back_when_the_renewal_fails(holder: AccessTokenHolder, issuer: Issuer) -> None:
    holder.get()
    holder.discard("t1")
    issuer.down = True
    with pytest.raises(UnavailableError):
        holder.get()


def run(count: int, work) -> None:
    barrier = threading.Barrier(count)

    def task() -> None:
        barrier.wait(timeout=10)
        work()

    threads = [threading.Thread(target=task) for _ in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=20)


@pytest.mark.parametrize("cold", [True, False])
def test_sixteen_callers_make_one_request(issuer: Issuer, clock: FakeClock, *, cold: bool) -> None:
    def slow() -> AccessToken:
        time.sleep(0.02)
        return issuer()

    holder = AccessTokenHolder(slow, clock=clock)
    if not cold:
        holder.get()
        clock.advance(2 * HOUR)
    tokens: list[str] = []
    run(16, lambda: tokens.append(holder.get()))
    assert tokens == ["t1" if cold else "t2"] * 16
    assert issuer.issued == (1 if cold else 2)


def test_sixteen_callers_share_one_failure_and_the_next_one_tries_again(issuer: Issuer, clock: FakeClock) -> None:
    def slow() -> AccessToken:
        time.sleep(0.05)
        return issuer()

    holder = AccessTokenHolder(slow, clock=clock)
    issuer.down = True
    errors: list[UnavailableError] = []

    def fail() -> None:
        with pytest.raises(UnavailableError) as caught:
            holder.get()
        errors.append(caught.value)

    run(16, fail)
    assert len(errors) == 16
    assert issuer.tried < 4
    issuer.down = False
    assert holder.get() == "t1"


def test_sixteen_callers_that_were_refused_make_one_request(issuer: Issuer, clock: FakeClock) -> None:
    holder = AccessTokenHolder(issuer, clock=clock)
    holder.get()

    def refused() -> None:
        holder.discard("t1")
        assert holder.get() == "t2"

    run(16, refused)
    assert issuer.issued == 2


def test_tokens_are_not_shown(clock: FakeClock) -> None:
    holder = AccessTokenHolder(lambda: AccessToken("hush", NOW + HOUR), clock=clock)
    assert holder.get() == "hush"
    assert "hush" not in repr(holder) + repr(AccessToken("hush", None)) + str(vars(holder))

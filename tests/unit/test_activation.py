# ruff: noqa: ARG002 - the interface has arguments that a small marketplace does not need
from __future__ import annotations

from typing import Any
from uuid import UUID

import pytest
from bazaar import DAY, NOW, Bazaar, alias, unavailable
from pydantic import SecretStr

from crossmarket.activation import Activator
from crossmarket.errors import (
    ConflictError,
    InvalidArgumentError,
    InvalidTokenError,
    MarketplaceError,
    UnsupportedError,
)
from crossmarket.landing import land
from crossmarket.models import Buyer, Facts, Landing, Subscription
from crossmarket.recorder import Recorder
from crossmarket.store.sql import SqlStore
from crossmarket.testing.clock import FakeClock


class Desk:
    """Where accounts are set up, under a claim policy."""

    def __init__(self, store: SqlStore, clock: FakeClock, policy: Any, bazaar: Bazaar) -> None:
        self.store, self.clock, self.bazaar = store, clock, bazaar
        self.recorder = Recorder(store, clock)
        self.activator = Activator(store, self.recorder, clock, policy)

    def land(self, purchase: str = "p1") -> Landing:
        return land(self.bazaar, f"token-{purchase}", store=self.store, recorder=self.recorder, clock=self.clock)

    def activate(self, landing: Landing, account: str) -> Subscription:
        return self.activator.activate(self.bazaar, landing, account)

    def stored(self) -> Subscription:
        (only,) = self.store.list()
        return only

    def actions(self) -> list[tuple[str, str | None]]:
        return [(entry.action, entry.account) for entry in self.store.audit_of(self.stored().id)]

    def read_again(self) -> Subscription:
        stored = self.stored()
        return self.recorder.record(
            self.bazaar, self.bazaar.read(stored), origin="reconcile", action="reconciled", subscription_id=stored.id
        )


@pytest.fixture
def open_desk(store: SqlStore, clock: FakeClock) -> Any:
    def make(policy: str = "refuse", *, bazaar: Bazaar | None = None, status: str = "pending", **more: Any) -> Desk:
        desk = Desk(store, clock, policy, bazaar or Bazaar())
        desk.bazaar.sell("p1", status, **more)
        return desk

    return make


POLICIES = ["refuse", "transfer", "transfer_if_inactive", "share"]


@pytest.mark.parametrize("policy", POLICIES)
def test_the_first_account_is_bound(open_desk: Any, policy: str) -> None:
    desk = open_desk(policy)
    activated = desk.activate(desk.land(), "a")
    assert (activated.status, activated.account, activated.activated_at) == ("active", "a", NOW)
    assert activated == desk.stored()
    assert desk.actions() == [("landed", None), ("activating", "a"), ("activated", "a")]


@pytest.mark.parametrize("policy", POLICIES)
def test_again_for_the_same_account_changes_nothing(open_desk: Any, policy: str) -> None:
    desk = open_desk(policy)
    landing = desk.land()
    first = desk.activate(landing, "a")
    desk.clock.advance(DAY)
    assert desk.activate(landing, "a") == first
    assert desk.activate(desk.land(), "a").version == first.version
    assert desk.stored().activated_at == NOW
    assert len(desk.bazaar.activations) == 1


def test_a_repeated_activation_that_is_still_pending_asks_again(open_desk: Any) -> None:
    class Slow(Bazaar):
        def activate(self, request: Any) -> Facts:
            self.activations.append(request)
            return self.truth["p1"]

    desk = open_desk(bazaar=Slow())
    landing = desk.land()
    assert desk.activate(landing, "a").status == "pending"
    assert desk.activate(landing, "a").account == "a"
    assert len({request.idempotency_key for request in desk.bazaar.activations}) == 1
    assert len(desk.bazaar.activations) == 2


# A second account, by policy and by what the subscription is when it comes

REFUSED = "refused"
SECOND = {
    ("refuse", "active"): REFUSED,
    ("refuse", "suspended"): REFUSED,
    ("refuse", "pending"): REFUSED,
    ("transfer", "active"): ("b", ()),
    ("transfer", "suspended"): ("b", ()),
    ("transfer", "pending"): ("b", ()),
    ("transfer_if_inactive", "active"): REFUSED,
    ("transfer_if_inactive", "pending"): REFUSED,
    ("transfer_if_inactive", "suspended"): ("b", ()),
    ("share", "active"): ("a", ("b",)),
    ("share", "suspended"): ("a", ("b",)),
    ("share", "pending"): ("a", ("b",)),
}


@pytest.mark.parametrize(("policy", "status", "expected"), [(*key, value) for key, value in SECOND.items()])
def test_a_second_account(open_desk: Any, policy: str, status: str, expected: Any) -> None:
    desk = open_desk(policy)
    desk.activate(desk.land(), "a")
    desk.bazaar.change(status=status)
    desk.read_again()
    before = desk.stored()
    asked = len(desk.bazaar.activations)
    if expected == REFUSED:
        with pytest.raises(ConflictError) as caught:
            desk.activate(desk.land(), "b")
        assert (caught.value.code, caught.value.field) == ("held_by_another_account", "account")
        assert "CROSSMARKET_CLAIM_POLICY" in str(caught.value)
        assert "'a'" not in str(caught.value)
        assert desk.stored() == before
        assert desk.actions()[-1] == ("claim_refused", "b")
        assert len(desk.bazaar.activations) == asked
        return
    after = desk.activate(desk.land(), "b")
    assert (after.account, after.shared_with) == expected
    assert after == desk.stored()
    assert ("activating", "b") in desk.actions()
    assert desk.actions()[-1][0] == "activated"
    assert [s.id for s in desk.store.list(account="b")] == [after.id]
    assert bool(desk.store.list(account="a")) is (policy == "share")


def test_an_inactive_one_that_the_marketplace_revives_goes_to_the_account_that_came(open_desk: Any) -> None:
    class Reviving(Bazaar):
        def activate(self, request: Any) -> Facts:
            self.change(status="active")
            return super().activate(request)

    desk = open_desk("transfer_if_inactive", bazaar=Reviving())
    desk.activate(desk.land(), "a")
    desk.bazaar.change(status="suspended")
    assert desk.activate(desk.land(), "b").account == "b"


def test_sharing_twice_is_sharing_once(open_desk: Any) -> None:
    desk = open_desk("share")
    for account in ("a", "b", "b", "c", "a"):
        desk.activate(desk.land(), account)
        desk.clock.advance(DAY)
    assert desk.stored().accounts == ("a", "b", "c")
    assert desk.stored().activated_at == NOW


def test_a_transfer_ends_all_sharing(open_desk: Any, store: SqlStore, clock: FakeClock) -> None:
    desk = open_desk("share")
    for account in ("a", "b"):
        desk.activate(desk.land(), account)
    transferring = Desk(store, clock, "transfer", desk.bazaar)
    assert transferring.activate(transferring.land(), "c").accounts == ("c",)


def test_a_landing_from_before_the_first_account_wins_nothing(open_desk: Any) -> None:
    desk = open_desk()
    landing = desk.land()
    desk.activate(desk.land(), "a")
    with pytest.raises(ConflictError):
        desk.activate(landing, "b")
    assert desk.actions()[-1] == ("claim_refused", "b")
    assert len(desk.bazaar.activations) == 1


def test_of_two_accounts_at_the_same_moment_one_wins(open_desk: Any, store: SqlStore, clock: FakeClock) -> None:
    desk = open_desk()
    landing = desk.land()
    faster = Desk(store, clock, "refuse", desk.bazaar)

    def overtake() -> None:
        desk.bazaar.during = lambda: None
        faster.activate(landing, "a")

    desk.bazaar.during = overtake
    with pytest.raises(ConflictError, match="another account"):
        desk.activate(landing, "b")
    assert desk.stored().accounts == ("a",)
    assert desk.actions()[-1] == ("claim_refused", "b")


def test_of_two_accounts_at_the_same_moment_both_share(open_desk: Any) -> None:
    desk = open_desk("share")
    landing = desk.land()

    def overtake() -> None:
        desk.bazaar.during = lambda: None
        desk.activate(landing, "a")

    desk.bazaar.during = overtake
    desk.activate(landing, "b")
    assert desk.stored().accounts == ("a", "b")


# Where only activation proves the token


def test_unproven_until_activated(open_desk: Any) -> None:
    desk = open_desk(bazaar=Bazaar(landing_proves=False))
    landing = desk.land()
    activated = desk.activate(landing, "a")
    assert (activated.account, activated.marketplace_ids) == ("a", {"purchase": "p1"})
    (request,) = desk.bazaar.activations
    assert (request.known, request.token) == (None, SecretStr("token-p1"))


def test_a_returning_buyer_is_claimed_again(open_desk: Any) -> None:
    desk = open_desk(bazaar=Bazaar(landing_proves=False))
    first = desk.activate(desk.land(), "a")
    again = desk.activate(desk.land(), "a")
    assert again.id == first.id
    assert len(desk.bazaar.activations) == 2


def test_a_forged_token_binds_nothing(open_desk: Any) -> None:
    desk = open_desk(bazaar=Bazaar(landing_proves=False))
    landing = desk.land()
    desk.bazaar.spent.add("p1")
    with pytest.raises(InvalidTokenError):
        desk.activate(landing, "a")
    assert desk.store.list() == []


@pytest.mark.parametrize("policy", ["refuse", "transfer_if_inactive"])
def test_a_second_account_is_refused_before_the_marketplace_is_asked(open_desk: Any, policy: str) -> None:
    desk = open_desk(policy, bazaar=Bazaar(landing_proves=False))
    desk.activate(desk.land(), "a")
    with pytest.raises(ConflictError):
        desk.activate(desk.land(), "b")
    assert len(desk.bazaar.activations) == 1
    assert desk.stored().accounts == ("a",)


def test_what_the_marketplace_has_moved_to_an_account_is_that_accounts(open_desk: Any) -> None:
    desk = open_desk(bazaar=Bazaar(landing_proves=False))
    desk.activate(desk.land(), "a")
    desk.clock.advance(DAY)
    # The new link has ids of its own, so that the landing does not show whose it was.
    landing = desk.land().model_copy(update={"aliases": ()})
    assert desk.activate(landing, "b").accounts == ("b",)
    assert desk.stored().activated_at == NOW + DAY


# Failures


@pytest.mark.parametrize("proves", [True, False])
def test_a_marketplace_that_fails_binds_nothing(open_desk: Any, *, proves: bool) -> None:
    desk = open_desk(bazaar=Bazaar(landing_proves=proves))
    landing = desk.land()
    desk.bazaar.failure = unavailable()
    with pytest.raises(MarketplaceError, match="It is down"):
        desk.activate(landing, "a")
    if proves:
        assert desk.stored().account is None
        assert desk.actions()[1:] == [("activating", "a"), ("activation_failed", "a")]
        failed = desk.store.audit_of(desk.stored().id)[-1]
        assert failed.detail == {"marketplace": "bazaar", "error": "MarketplaceError", "code": "Down"}
    else:
        assert desk.store.list() == []
    desk.bazaar.failure = None
    assert desk.activate(landing, "a").account == "a"


@pytest.mark.parametrize("account", ["", " ", "\n", None, 42])
def test_no_account(open_desk: Any, account: Any) -> None:
    desk = open_desk()
    with pytest.raises(InvalidArgumentError) as caught:
        desk.activate(desk.land(), account)
    assert caught.value.field == "account"
    assert desk.bazaar.activations == []


@pytest.mark.parametrize("policy", POLICIES)
@pytest.mark.parametrize("bound", [True, False])
def test_what_has_ended_is_not_activated(open_desk: Any, policy: str, *, bound: bool) -> None:
    desk = open_desk(policy)
    if bound:
        desk.activate(desk.land(), "a")
    asked = len(desk.bazaar.activations)
    desk.bazaar.change(status="ended")
    with pytest.raises(ConflictError) as caught:
        desk.activate(desk.land(), "a")
    assert caught.value.code == "subscription_ended"
    assert len(desk.bazaar.activations) == asked


def test_what_has_ended_since_the_landing_is_not_activated(open_desk: Any) -> None:
    desk = open_desk()
    landing = desk.land()
    desk.bazaar.change(status="ended")
    desk.read_again()
    with pytest.raises(ConflictError, match="has ended"):
        desk.activate(landing, "a")


# The idempotency key


def keys(desk: Desk) -> list[str]:
    return [request.idempotency_key for request in desk.bazaar.activations]


@pytest.mark.parametrize("proves", [True, False])
def test_the_idempotency_key_is_the_same_for_the_same_attempt(open_desk: Any, *, proves: bool) -> None:
    desk = open_desk("share", bazaar=Bazaar(landing_proves=proves))
    landing = desk.land()
    desk.bazaar.failure = unavailable()
    for account in ("a", "a", "b"):
        with pytest.raises(MarketplaceError):
            desk.activate(landing, account)
    first, second, other = keys(desk)
    assert first == second
    assert first != other
    for key in keys(desk):
        assert UUID(key).version == 4
        assert str(UUID(key)) == key


def test_the_key_does_not_show_the_token(open_desk: Any) -> None:
    desk = open_desk(bazaar=Bazaar(landing_proves=False))
    desk.activate(desk.land(), "a")
    assert "token-p1" not in repr(desk.bazaar.activations)
    details = [repr(entry) for entry in desk.store.audit_of(desk.stored().id)]
    assert details
    assert not any("token-p1" in text for text in details)


# The buyer


class Telling(Bazaar):
    """One that can be asked for the buyer."""

    told: Any = Buyer(email="b1@example.com", details={"puid": "7"})

    def __init__(self) -> None:
        super().__init__(buyer_details=True)

    def buyer(self, known: Facts) -> Buyer:
        if isinstance(self.told, Exception):
            raise self.told
        return self.told


def test_what_else_is_known_of_the_buyer_is_added(open_desk: Any) -> None:
    desk = open_desk(bazaar=Telling(), buyer=Buyer(id="b1", details={"a": "1"}))
    assert desk.activate(desk.land(), "a").buyer == Buyer(
        id="b1", email="b1@example.com", details={"a": "1", "puid": "7"}
    )


@pytest.mark.parametrize("error", [unavailable(), UnsupportedError("Not here.")])
def test_a_buyer_who_cannot_be_had_costs_nothing(open_desk: Any, error: Exception) -> None:
    bazaar = Telling()
    bazaar.told = error
    desk = open_desk(bazaar=bazaar, buyer=Buyer(id="b1"))
    activated = desk.activate(desk.land(), "a")
    assert (activated.buyer, activated.account) == (Buyer(id="b1"), "a")


def test_a_stored_subscription_needs_no_landing(open_desk: Any) -> None:
    desk = open_desk()
    stored = desk.land().subscription
    landing = Landing(marketplace="bazaar", subscription=stored)
    assert desk.activate(landing, "a").account == "a"
    assert desk.bazaar.activations[0].known.aliases == (alias("p1"),)

# ruff: noqa: ARG002 - the powers have arguments that a small marketplace does not need
from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
from bazaar import DAY, NOW, Bazaar, BazaarConfig, ListingBazaar, alias, facts, plugin, unavailable

from crossmarket import Market
from crossmarket.errors import (
    ConflictError,
    InvalidArgumentError,
    InvalidTokenError,
    NotFoundError,
    SignatureError,
    UnknownMarketplaceError,
    UnknownSubscriptionError,
    UnsupportedError,
)
from crossmarket.models import Facts, Lineage, Operation
from crossmarket.plugins import MarketplacePlugin
from crossmarket.testing.clock import FakeClock

pytestmark = pytest.mark.usefixtures("no_settings")

CATALOG = {
    "plan": [
        {"name": "gold", "features": {"sso": True, "seats": 5}, "sold_as": [{"marketplace": "bazaar", "plan": "gold"}]}
    ]
}


class FullBazaar(ListingBazaar):
    """One with the powers to change, whose operations take one more look to succeed."""

    def __init__(self) -> None:
        super().__init__(change_plan=True, change_quantity=True, cancel=True, operations=True)
        self.outcome = "succeeded"
        self.answer: Facts | None = None
        self.action = ""

    def change_plan(self, known: Facts, plan: str) -> Operation:
        return self._begin("change_plan", facts(plan=plan))

    def change_quantity(self, known: Facts, quantity: int) -> Operation:
        return self._begin("change_quantity", facts(quantities={"quantity": quantity}))

    def cancel(self, known: Facts) -> Operation:
        return self._begin("cancel", facts(status="ended"))

    def _begin(self, action: str, answer: Facts) -> Operation:
        self.action, self.answer = action, answer
        return Operation(id="op1", action=action, status="pending")

    def list_operations(self, known: Facts) -> list[Operation]:
        return []

    def get_operation(self, known: Facts, operation_id: str) -> Operation:
        if self.outcome == "succeeded" and self.answer is not None:
            self.truth["p1"] = self.answer
        return Operation(id=operation_id, action=self.action, status=self.outcome, code="C", message="because")

    def update_operation(self, known: Facts, operation_id: str, *, accept: bool) -> None:
        raise AssertionError("nobody asks for that")


@pytest.fixture
def bazaar() -> FullBazaar:
    return FullBazaar()


@pytest.fixture
def market(bazaar: Bazaar, database_url: str, clock: FakeClock) -> Iterator[Market]:
    with Market.open(
        providers=["bazaar"], plugins=[plugin(bazaar)], database_url=database_url, clock=clock, catalog=CATALOG
    ) as market:
        yield market


@pytest.fixture
def bought(market: Market, bazaar: Bazaar) -> Any:
    return market.activate(market.land("bazaar", bazaar.sell()), "acct")


def test_from_landing_to_check(market: Market, bazaar: Bazaar, clock: FakeClock) -> None:
    landing = market.land("bazaar", bazaar.sell())
    assert (landing.subscription.status, landing.subscription.access, landing.returning) == ("pending", False, False)
    assert market.check("acct", "sso").reason == "not_subscribed"
    subscription = market.activate(landing, "acct")
    assert (subscription.status, subscription.access) == ("active", True)
    assert market.check("acct", "seats", quantity=5).allowed
    assert market.check("acct", "seats", quantity=6).reason == "limit_exceeded"
    assert [e.feature for e in market.entitlements("acct")] == ["seats", "sso"]
    assert market.land("bazaar", "token-p1").returning


def test_check_asks_no_marketplace(market: Market, bought: Any, bazaar: Bazaar) -> None:
    bazaar.failure = unavailable()
    assert market.check("acct", "sso").allowed


def test_an_outage_keeps_access_for_the_grace_and_no_longer(
    market: Market, bought: Any, bazaar: Bazaar, clock: FakeClock
) -> None:
    bazaar.failure = unavailable()
    assert market.reconcile(bought.id).kind == "unread"
    clock.advance(timedelta(hours=72) - timedelta(seconds=1))
    assert (market.check("acct", "sso").allowed, market.check("acct", "sso").source) == (True, "grace")
    clock.advance(timedelta(seconds=1))
    assert market.check("acct", "sso").reason == "stale"
    assert market.subscription(bought.id).access is False
    bazaar.failure = None
    market.reconcile(bought.id)
    assert market.check("acct", "sso").source == "fresh"


def test_a_renewal_never_takes_access_away(market: Market, bought: Any, bazaar: Bazaar) -> None:
    told = {"follows": Lineage(alias=alias("p1"), certainty="stated"), "starts_at": NOW}
    bazaar.change("p1", status="ended", reason="renewed_elsewhere", starts_at=NOW - DAY)
    market.reconcile(bought.id)
    assert market.check("acct", "sso").allowed
    market.clock.sleep(1)  # ids of one millisecond have no order
    bazaar.sell("p2", "pending", **told)
    market.reconcile_all()
    assert market.check("acct", "sso").allowed
    bazaar.change("p2", status="active")
    market.reconcile_all()
    assert market.check("acct", "sso").allowed
    old, new = market.subscriptions(account="acct")
    assert (old.access, new.access) == (False, True)
    assert (old.replaced_by.subscription, new.replaces.subscription) == (new.id, old.id)
    bazaar.change("p2", status="ended", reason="customer_cancelled")
    market.reconcile_all()
    assert market.check("acct", "sso").reason == "expired"


def test_a_landing_survives_a_cookie(market: Market, bazaar: Bazaar, clock: FakeClock) -> None:
    sealed = market.land("bazaar", bazaar.sell()).seal()
    assert market.activate(market.unseal(sealed), "acct").account == "acct"
    assert market.unseal(sealed).returning
    assert market.unseal(market.unseal(sealed).seal()).subscription.account == "acct"
    clock.advance(timedelta(minutes=31))
    with pytest.raises(SignatureError):
        market.unseal(sealed)


def test_the_key_is_the_same_for_every_process_of_a_database(market: Market, bazaar: Bazaar, database_url: str) -> None:
    sealed = market.land("bazaar", bazaar.sell()).seal()
    with Market.open(plugins=[plugin(bazaar)], database_url=database_url, clock=market.clock) as other:
        assert other.unseal(sealed).subscription is not None


def test_activation_by_id(market: Market, bazaar: Bazaar) -> None:
    bazaar.sell()
    market.reconcile_all()
    (known,) = market.subscriptions()
    assert market.activate(known.id, "acct").account == "acct"
    with pytest.raises(UnknownSubscriptionError):
        market.activate("nowhere", "acct")


def test_history_and_audit(market: Market, bought: Any, bazaar: Bazaar) -> None:
    bazaar.change(plan="silver")
    market.reconcile(bought.id)
    assert [version.version for version in market.history(bought.id)] == [1, 2, 3]
    assert [entry.action for entry in market.audit(bought.id)] == ["landed", "activating", "activated", "reconciled"]


@pytest.mark.parametrize(
    "method",
    ["subscription", "history", "audit", "reconcile", "plans", "buyer", "operations", "cancel"],
)
def test_an_id_that_nobody_knows(market: Market, method: str) -> None:
    with pytest.raises(UnknownSubscriptionError) as caught:
        getattr(market, method)("nowhere")
    assert caught.value.field == "id"


def test_subscriptions_are_chosen(market: Market, bought: Any, bazaar: Bazaar) -> None:
    assert market.subscriptions(account="acct", marketplace="bazaar", status="active") == [bought]
    assert market.subscriptions(status="ended") == market.subscriptions(account="b") == []
    assert market.subscriptions(after=bought.id) == []
    with pytest.raises(InvalidArgumentError, match="There is no status 'alive'") as caught:
        market.subscriptions(status="alive")
    assert "pending, active, suspended, ended, unknown" in str(caught.value)


def test_changes(market: Market, bought: Any, bazaar: FullBazaar, clock: FakeClock) -> None:
    assert market.change_plan(bought.id, "silver").plan == "silver"
    assert market.change_quantity(bought.id, 7).quantities == {"quantity": 7}
    assert (market.cancel(bought.id).status, market.subscription(bought.id).access) == ("ended", False)
    assert [entry.action for entry in market.audit(bought.id)][-3:] == ["change_plan", "change_quantity", "cancel"]


def test_a_change_that_the_marketplace_fails(market: Market, bought: Any, bazaar: FullBazaar) -> None:
    bazaar.outcome = "failed"
    with pytest.raises(ConflictError, match="did not do it: because") as caught:
        market.change_plan(bought.id, "silver")
    assert caught.value.code == "C"
    assert market.subscription(bought.id).plan == "gold"


def test_a_change_that_takes_longer_is_left_to_the_marketplace(market: Market, bought: Any, bazaar: FullBazaar) -> None:
    bazaar.outcome = "pending"
    assert market.change_plan(bought.id, "silver").plan == "gold"


@pytest.mark.parametrize("quantity", [0, -1, 1.0, 1.5, True, "3", None])
def test_quantities_that_are_none(market: Market, bought: Any, quantity: Any) -> None:
    with pytest.raises(InvalidArgumentError) as caught:
        market.change_quantity(bought.id, quantity)
    assert caught.value.field == "quantity"


@pytest.mark.parametrize("method", ["plans", "buyer"])
def test_powers_that_it_has_not(market: Market, bought: Any, method: str) -> None:
    with pytest.raises(UnsupportedError):
        getattr(market, method)(bought.id)


def test_a_marketplace_that_nobody_knows(market: Market) -> None:
    for call in (market.capabilities, market.marketplace, lambda name: market.land(name, "t")):
        with pytest.raises(UnknownMarketplaceError, match="Did you mean 'bazaar'"):
            call("bazar")


def test_bad_tokens(market: Market) -> None:
    for token in ("", "nothing", "\x00"):
        with pytest.raises(InvalidTokenError):
            market.land("bazaar", token)


class Demanding(BazaarConfig):
    key: str


def demanding(name: str) -> MarketplacePlugin:
    return MarketplacePlugin(name=name, config=Demanding, connect=lambda _: Bazaar())


def test_reconcile_all_passes_by_what_is_installed_and_not_in_use(
    bazaar: FullBazaar, database_url: str, clock: FakeClock
) -> None:
    bazaar.sell(status="active")
    with Market.open(
        providers="bazaar,idle,wrong",
        plugins=[plugin(bazaar), demanding("idle"), demanding("wrong")],
        database_url=database_url,
        clock=clock,
        wrong={"kee": "x"},
    ) as market:
        report = market.reconcile_all()
        assert (report.checked, list(report.errors)) == (1, ["wrong"])
        assert list(market.reconcile_all("idle").errors) == ["idle"]
        assert list(market.reconcile_all("bazar").errors) == ["bazar"]


def test_it_can_be_used_after_it_was_closed(market: Market, bought: Any, bazaar: Bazaar) -> None:
    market.close()
    assert bazaar.closed == 1
    assert market.check("acct", "sso").allowed
    assert market.reconcile(bought.id).kind == "none"


def test_nothing_is_connected_before_it_is_used(database_url: str) -> None:
    def connect(_: Any) -> Bazaar:
        raise AssertionError("too early")

    announced = MarketplacePlugin(name="bazaar", config=BazaarConfig, connect=connect)
    with Market.open(plugins=[announced], database_url=database_url, catalog=CATALOG) as market:
        market.check("acct", "sso")
        assert "bazaar" in repr(market)


def test_an_operation_of_which_there_is_no_trace_leaves_the_truth_to_tell(
    market: Market, bought: Any, bazaar: FullBazaar, monkeypatch: pytest.MonkeyPatch
) -> None:
    def forgotten(known: Facts, operation_id: str) -> Operation:
        bazaar.truth["p1"] = facts(plan="silver")
        raise NotFoundError("There is none.", marketplace="bazaar", operation="get")

    monkeypatch.setattr(bazaar, "get_operation", forgotten)
    assert market.change_plan(bought.id, "silver").plan == "silver"


def test_an_operation_without_an_id_is_not_asked_for(
    market: Market, bought: Any, bazaar: FullBazaar, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[str] = []
    monkeypatch.setattr(bazaar, "cancel", lambda _: Operation(id="", action="cancel", status="pending"))
    monkeypatch.setattr(bazaar, "get_operation", lambda _, operation_id: asked.append(operation_id))
    bazaar.truth["p1"] = facts(status="ended")
    assert market.cancel(bought.id).status == "ended"
    assert asked == []


def test_an_end_is_looked_at_again_for_a_week(
    market: Market, bought: Any, bazaar: FullBazaar, clock: FakeClock
) -> None:
    bazaar.change(status="ended")
    market.reconcile_all()
    assert not market.check("acct", "sso")
    clock.advance(timedelta(days=6))
    bazaar.change(status="active")  # the renewal came late
    market.reconcile_all()
    assert market.check("acct", "sso")
    bazaar.change(status="ended")
    market.reconcile_all()
    clock.advance(timedelta(days=7))
    assert market.reconcile_all().checked == 0

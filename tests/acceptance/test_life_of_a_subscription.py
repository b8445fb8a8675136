"""What the buyer does after the purchase, and what the account may do then."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest

from crossmarket import Catalog
from crossmarket.market import Market
from crossmarket.plugins import Registry
from crossmarket.testing.faults import Fault
from crossmarket.testing.shop import Shop, Subject, open_shop

from .conftest import CATALOG

TWO = {"plan": [{"name": "bronze", "features": {"sso": False}, "sold_as": [{"marketplace": "aws"}]}]}


def test_stopping_the_renewal_keeps_access_until_the_end(shop: Shop) -> None:
    purchase = shop.buy()
    subscription = shop.activate(purchase, "acct_7")
    shop.act(purchase, "turn_renewal_off")
    drift = shop.market.reconcile(subscription.id)
    assert {change.field for change in drift.changes} >= {"will_renew", "cancels_at"}

    end = shop.market.subscription(subscription.id).cancels_at
    assert end is not None
    shop.emulator.pass_time(end - shop.market.clock.now() - timedelta(seconds=1))
    assert shop.market.check("acct_7", "sso")
    shop.emulator.pass_time(timedelta(seconds=1))
    assert shop.market.check("acct_7", "sso").reason == "expired"


def test_an_outage_keeps_the_customer_in_and_the_clock_ends_the_grace(shop: Shop) -> None:
    subscription = shop.activate(shop.buy(), "acct_7")
    shop.emulator.faults.add(Fault(kind="status", status=503, times=0))
    for _ in range(3):
        assert shop.market.reconcile(subscription.id).kind == "unread"
        decision = shop.market.check("acct_7", "sso")
        assert decision
        assert decision.source == "grace"
        shop.emulator.pass_time(timedelta(hours=12))
    shop.emulator.pass_time(timedelta(hours=36))
    assert shop.market.check("acct_7", "sso").reason == "stale"
    assert shop.market.subscription(subscription.id).status == "active"


def test_the_policy_may_let_a_stale_customer_in(name: str, tmp_path: Path) -> None:
    subject = Subject(plugin=Registry()[name])
    with open_shop(subject, tmp_path, catalog=CATALOG, stale_policy="allow", stale_grace_seconds=0) as shop:
        subscription = shop.activate(shop.buy(), "acct_7")
        shop.emulator.faults.add(Fault(kind="reset", times=0))
        shop.market.reconcile(subscription.id)
        assert shop.market.check("acct_7", "sso")


@pytest.mark.parametrize(
    ("policy", "old_holder", "new_holder"),
    [("transfer", False, True), ("share", True, True)],
)
def test_the_claim_policy_decides_about_a_second_account(
    name: str, tmp_path: Path, policy: str, old_holder: bool, new_holder: bool
) -> None:
    subject = Subject(plugin=Registry()[name])
    with open_shop(subject, tmp_path, catalog=CATALOG, claim_policy=policy) as shop:
        purchase = shop.buy()
        subscription = shop.activate(purchase, "acct_7")
        if shop.emulator.can("unlink"):
            # Here the marketplace itself keeps a second account away until the buyer lets the first one go.
            shop.act(purchase, "unlink")
        assert shop.activate(purchase, "acct_8").id == subscription.id
        assert bool(shop.market.check("acct_7", "sso")) is old_holder
        assert bool(shop.market.check("acct_8", "sso")) is new_holder
        actions = [entry.action for entry in shop.market.audit(subscription.id)]
        assert actions.count("activated") == 2


def test_a_new_catalog_changes_earlier_purchases(shop: Shop, tmp_path: Path) -> None:
    shop.activate(shop.buy(), "acct_7")
    assert not shop.market.check("acct_7", "reports")
    line = CATALOG["plan"][0]  # type: ignore[index]
    richer = {**CATALOG, "plan": [{**line, "features": {**line["features"], "reports": True}}]}
    later = Market(
        settings=shop.market.settings,
        store=shop.market.store,
        catalog=Catalog.parse(richer),
        registry=shop.market.registry,
        clock=shop.market.clock,
    )
    assert later.check("acct_7", "reports")


def test_every_version_is_kept(shop: Shop) -> None:
    purchase = shop.buy()
    subscription = shop.activate(purchase, "acct_7")
    shop.act(purchase, "turn_renewal_off")
    shop.market.reconcile(subscription.id)
    versions = shop.market.history(subscription.id)
    assert [item.version for item in versions] == list(range(1, len(versions) + 1))
    assert versions[-1].will_renew is False
    assert versions[0].will_renew is not False

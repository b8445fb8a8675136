"""Part of the conformance kit: what happens to a subscription afterwards."""

from __future__ import annotations

from datetime import timedelta

import pytest

from crossmarket.errors import ConflictError
from crossmarket.models import Status
from crossmarket.testing.shop import (
    ACCOUNT,
    Shop,
)


class Changes:
    """What the buyer, the seller and time do to a subscription, and what is read of it."""

    @pytest.mark.parametrize("action", ["change_plan", "change_quantity"])
    def test_a_change_by_the_buyer_is_seen(self, shop: Shop, action: str) -> None:
        """The next read shows it, as the next version."""
        purchase = shop.buy()
        before = shop.activate(purchase)
        shop.act(purchase, action)
        after = shop.reread(before)
        assert after.version == before.version + 1
        assert (after.plan, after.quantities) != (before.plan, before.quantities)
        shop.agrees(purchase, after)

    @pytest.mark.parametrize(("stop", "resume"), [("suspend", "reinstate"), ("unlink", "relink")])
    def test_a_suspension_ends_access_until_it_is_lifted(self, shop: Shop, stop: str, resume: str) -> None:
        """Suspended is not ended."""
        purchase = shop.buy()
        before = shop.activate(purchase)
        shop.act(purchase, stop)
        suspended = shop.reread(before)
        assert suspended.status is Status.SUSPENDED
        assert shop.market.check(ACCOUNT, "on").reason == "suspended"
        shop.act(purchase, resume)
        lifted = shop.reread(suspended) if shop.emulator.describe(purchase)["live"] else shop.activate(purchase)
        assert lifted.id == before.id
        assert lifted.status is Status.ACTIVE
        assert shop.market.check(ACCOUNT, "on")

    def test_renewal_switched_off_keeps_access_until_the_end(self, shop: Shop) -> None:
        """A scheduled cancellation takes nothing away before its date."""
        purchase = shop.buy()
        before = shop.activate(purchase)
        shop.act(purchase, "turn_renewal_off")
        after = shop.reread(before)
        assert after.status is Status.ACTIVE
        assert shop.market.check(ACCOUNT, "on")
        if not shop.provider.capabilities.renewal_intent:
            return
        assert after.will_renew is False
        assert after.cancels_at is not None
        shop.emulator.pass_time(after.cancels_at - shop.market.clock.now() + timedelta(seconds=1))
        assert shop.market.check(ACCOUNT, "on").reason == "expired"
        assert not shop.reread(after).access

    def test_a_renewal_leaves_no_gap(self, shop: Shop) -> None:
        """Access goes on past the end of the first term."""
        purchase = shop.buy()
        before = shop.activate(purchase)
        shop.act(purchase, "renew")
        if shop.provider.capabilities.renewal == "new_subscription":
            shop.activate(shop.emulator.purchases()[-1])
        after = shop.reread(before)
        assert shop.market.check(ACCOUNT, "on")
        if before.ends_at is not None:
            shop.emulator.pass_time(before.ends_at - shop.market.clock.now() + timedelta(seconds=1))
        shop.market.reconcile_all(shop.name)
        decision = shop.market.check(ACCOUNT, "on")
        assert decision, decision.message
        if shop.provider.capabilities.renewal == "new_subscription":
            assert after.replaced_by is not None

    def test_a_cancellation_ends_access(self, shop: Shop) -> None:
        """Over is over."""
        purchase = shop.buy()
        before = shop.activate(purchase)
        shop.act(purchase, "cancel")
        after = shop.reread(before)
        assert after.status is Status.ENDED
        assert shop.market.check(ACCOUNT, "on").reason == "expired"
        with pytest.raises(ConflictError):
            shop.market.activate(after.id, ACCOUNT)

    def test_an_unchanged_truth_makes_no_version(self, shop: Shop) -> None:
        """Reading again stores only when that was."""
        before = shop.activate(shop.buy())
        shop.market.reconcile(before.id)
        shop.emulator.pass_time(timedelta(minutes=20))
        drift = shop.market.reconcile(before.id)
        after = shop.market.subscription(before.id)
        assert drift.kind == "none", drift
        assert after.observed_at > before.observed_at
        assert len(shop.market.history(before.id)) == after.version

    # What the seller does

    def test_the_seller_changes_the_plan(self, shop: Shop) -> None:
        """Where that is possible, the truth is read afterwards."""
        if not shop.provider.capabilities.change_plan:
            pytest.skip("the seller cannot")
        purchase = shop.buy()
        before = shop.activate(purchase)
        after = shop.market.change_plan(before.id, str(shop.subject.arguments["change_plan"]["plan"]))
        assert after.plan != before.plan
        shop.agrees(purchase, after)

    def test_the_seller_changes_the_quantity(self, shop: Shop) -> None:
        """Where that is possible, the truth is read afterwards."""
        if not shop.provider.capabilities.change_quantity:
            pytest.skip("the seller cannot")
        purchase = shop.buy()
        before = shop.activate(purchase)
        quantity = int(shop.subject.arguments["change_quantity"]["quantity"])
        after = shop.market.change_quantity(before.id, quantity)
        assert quantity in after.quantities.values()
        shop.agrees(purchase, after)

    def test_the_seller_cancels(self, shop: Shop) -> None:
        """Where that is possible; some marketplaces ask the buyer first."""
        if not shop.provider.capabilities.cancel:
            pytest.skip("the seller cannot")
        purchase = shop.buy()
        after = shop.market.cancel(shop.activate(purchase).id)
        assert after.access == shop.emulator.describe(purchase)["live"]

    def test_an_unknown_purchase_is_found(self, shop: Shop) -> None:
        """Where there is a list, a purchase that nobody told us of is found."""
        if not shop.provider.capabilities.list_subscriptions:
            pytest.skip("there is no list")
        purchase = shop.buy()
        report = shop.market.reconcile_all(shop.name)
        assert [drift.kind for drift in report.drift] == ["found"]
        found = shop.market.subscription(report.drift[0].subscription)
        assert found.account is None
        assert not shop.market.reconcile_all(shop.name).drift
        assert shop.activate(purchase).id == found.id

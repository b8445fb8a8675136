"""Part of the conformance kit: faults and outages."""

from __future__ import annotations

import contextlib
import os
from datetime import timedelta
from pathlib import Path

import pytest

from crossmarket.errors import MarketplaceError
from crossmarket.market import Market
from crossmarket.models import Status
from crossmarket.testing.clock import FakeClock
from crossmarket.testing.faults import Fault
from crossmarket.testing.shop import (
    ACCOUNT,
    LIVE,
    NOWHERE,
    Shop,
    Subject,
    open_market,
    token_of,
)

FAULTS = (
    Fault(kind="status", status=429, retry_after=1),
    Fault(kind="status", status=429, retry_after=3600),
    Fault(kind="status", status=500),
    Fault(kind="status", status=503),
    Fault(kind="timeout", seconds=2),
    Fault(kind="slow", seconds=0.01),
    Fault(kind="lost_reply"),
    Fault(kind="reset"),
    Fault(kind="malformed"),
)


class Outages:
    """Faults on the way, and what `doctor` says of them."""

    @pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: f"{fault.kind}-{fault.status}-{fault.retry_after}")
    def test_one_fault_at_landing_is_survived_or_told(self, shop: Shop, fault: Fault) -> None:
        """It is repeated, or it is a MarketplaceError, and coming again works."""
        purchase = shop.buy()
        shop.emulator.faults.add(fault)
        with contextlib.suppress(MarketplaceError):
            shop.activate(purchase)
        shop.emulator.faults.clear()
        assert shop.activate(purchase).status is Status.ACTIVE
        assert len(shop.market.subscriptions()) == 1

    @pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: f"{fault.kind}-{fault.status}-{fault.retry_after}")
    def test_an_outage_takes_nothing_away(self, shop: Shop, fault: Fault) -> None:
        """The snapshot stays, is stale, and gives access for the grace; then the policy applies."""
        before = shop.activate(shop.buy())
        if fault.kind == "slow":
            pytest.skip("slow is not an outage")
        shop.emulator.faults.add(fault.model_copy(update={"times": 0}))
        drift = shop.market.reconcile(before.id)
        after = shop.market.subscription(before.id)
        assert drift.kind == "unread", drift
        assert after.status is Status.ACTIVE
        assert after.version == before.version
        assert after.stale
        decision = shop.market.check(ACCOUNT, "on")
        assert decision
        assert decision.source == "grace"
        shop.emulator.pass_time(timedelta(seconds=shop.market.settings.stale_grace_seconds))
        assert shop.market.check(ACCOUNT, "on").reason == "stale"
        shop.emulator.faults.clear()
        assert not shop.reread(after).stale

    def test_a_marketplace_out_of_reach_is_told(self, subject: Subject, tmp_path: Path) -> None:
        """Nothing listens: a retryable MarketplaceError, quickly."""
        if os.environ.get(LIVE):
            pytest.skip("the real one is in reach")
        emulator = subject.emulator(FakeClock())
        token = token_of(
            emulator.landing(emulator.buy(**subject.purchase)),
            next(iter(subject.plugin.generations.values())).landing_parameter,
        )
        with open_market(subject, emulator, NOWHERE, tmp_path) as market:
            with pytest.raises(MarketplaceError) as caught:
                market.activate(market.land(subject.plugin.name, token), ACCOUNT)
            assert caught.value.retryable
            assert not market.subscriptions()

    def test_diagnose_finds_nothing_wrong(self, anywhere: Market, subject: Subject) -> None:
        """With good credentials and a marketplace in reach, there is no error."""
        findings = list(anywhere.marketplace(subject.plugin.name).diagnose())
        assert findings
        assert not [finding for finding in findings if finding.level == "error"]

    def test_diagnose_names_a_remedy(self, subject: Subject, tmp_path: Path) -> None:
        """With nothing in reach, there is an error with a remedy, and no exception."""
        if os.environ.get(LIVE):
            pytest.skip("the real one is in reach")
        with open_market(subject, subject.emulator(FakeClock()), NOWHERE, tmp_path) as market:
            findings = list(market.marketplace(subject.plugin.name).diagnose())
        errors = [finding for finding in findings if finding.level == "error"]
        assert errors
        assert all(finding.remedy for finding in errors)

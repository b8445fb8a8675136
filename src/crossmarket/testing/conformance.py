"""The conformance kit: what every provider has to do, as tests that a provider's author inherits.

    class TestAcme(MarketplaceConformance):
        @pytest.fixture
        def subject(self) -> Subject:
            return Subject(plugin=crossmarket_marketplace())

Every test goes through `Market`, real HTTP and a real SQLite file. A test that needs a power asks the
capabilities, and one that needs the buyer's side asks the emulator; neither asks for a name. A standard test
may be overridden only with `pytest.mark.xfail` and a reason.

With `CROSSMARKET_LIVE=<marketplace>` in the environment, the tests that need no buyer run against the real
marketplace, with the settings of the environment; all others are skipped.
"""

from __future__ import annotations

import contextlib
import logging
import os
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path

import pytest
from pydantic import BaseModel, SecretStr

from crossmarket.errors import ConflictError, InvalidTokenError, MarketplaceError, UnsupportedError
from crossmarket.market import Market
from crossmarket.models import Status, Subscription
from crossmarket.plugins import API_VERSION
from crossmarket.provider import POWERS
from crossmarket.settings import normal_name
from crossmarket.testing.clock import FakeClock
from crossmarket.testing.faults import Fault
from crossmarket.testing.shop import ACCOUNT, Shop, Subject, open_market, open_shop, token_of

OTHER_ACCOUNT = "acct_2"
LIVE = "CROSSMARKET_LIVE"
NOWHERE = "http://127.0.0.1:9"
"""An address at which nothing listens."""

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


class MarketplaceConformance:
    """Inherit from this, and write the fixture `subject`."""

    @pytest.fixture
    def subject(self) -> Subject:
        """Return what is tested."""
        raise NotImplementedError("write the fixture `subject`")

    @pytest.fixture
    def shop(self, subject: Subject, tmp_path: Path) -> Iterator[Shop]:
        """Open a market whose marketplace is the emulator."""
        if os.environ.get(LIVE):
            pytest.skip(f"needs the buyer's side, and {LIVE} is set")
        with open_shop(subject, tmp_path) as shop:
            yield shop

    @pytest.fixture
    def anywhere(self, subject: Subject, tmp_path: Path) -> Iterator[Market]:
        """Open a market whose marketplace is the real one where that is switched on, else the emulator."""
        live = os.environ.get(LIVE)
        if live:
            if live != subject.plugin.name:
                pytest.skip(f"{LIVE} is set for {live}")
            with Market.open(plugins=[subject.plugin], database_url=f"sqlite:///{tmp_path}/live.db") as market:
                yield market
            return
        with open_shop(subject, tmp_path) as shop:
            yield shop.market

    # What it announces

    def test_no_standard_test_is_overridden_without_a_reason(self) -> None:
        """An override needs an xfail that says why."""
        for name in vars(MarketplaceConformance):
            if name.startswith("test_") and getattr(type(self), name) is not getattr(MarketplaceConformance, name):
                marks = getattr(getattr(type(self), name), "pytestmark", [])
                reasons = [mark.kwargs.get("reason") for mark in marks if mark.name == "xfail"]
                assert any(reasons), f"{name} is overridden without pytest.mark.xfail(reason=...)"

    def test_the_plugin_announces_itself(self, subject: Subject) -> None:
        """Name, version and options are of the expected forms."""
        plugin = subject.plugin
        assert plugin.api_version == API_VERSION
        assert plugin.name == plugin.name.lower().strip()
        assert plugin.name
        assert issubclass(plugin.config, BaseModel)
        assert plugin.generations, "state the capabilities of each generation"

    def test_the_capabilities_are_those_of_a_generation(self, anywhere: Market, subject: Subject) -> None:
        """What the connected marketplace can do is what the plugin announced."""
        assert anywhere.capabilities(subject.plugin.name) in subject.plugin.generations.values()

    @pytest.mark.parametrize("power", sorted(POWERS))
    def test_a_stated_power_has_its_methods(self, anywhere: Market, subject: Subject, power: str) -> None:
        """A capability that is True has the Protocol's methods."""
        provider = anywhere.marketplace(subject.plugin.name)
        if getattr(provider.capabilities, power):
            assert isinstance(provider, POWERS[power])

    def test_a_power_that_is_not_stated_is_refused(self, shop: Shop) -> None:
        """Without the capability, `Market` says so, and the marketplace is not asked."""
        subscription = shop.activate(shop.buy())
        asks: dict[str, Callable[[], object]] = {
            "change_plan": lambda: shop.market.change_plan(subscription.id, "x"),
            "change_quantity": lambda: shop.market.change_quantity(subscription.id, 2),
            "cancel": lambda: shop.market.cancel(subscription.id),
            "list_plans": lambda: shop.market.plans(subscription.id),
            "buyer_details": lambda: shop.market.buyer(subscription.id),
            "operations": lambda: shop.market.operations(subscription.id),
        }
        for power, ask in asks.items():
            if not getattr(shop.provider.capabilities, power):
                before = len(shop.emulator.requests)
                with pytest.raises(UnsupportedError):
                    ask()
                assert len(shop.emulator.requests) == before, power

    # A purchase

    def test_a_purchase_becomes_access(self, shop: Shop) -> None:
        """Buy, land, activate, check."""
        purchase = shop.buy()
        landing = shop.land(purchase)
        assert not shop.market.check(ACCOUNT, "on")
        subscription = shop.market.activate(landing, ACCOUNT)
        assert subscription.status is Status.ACTIVE
        assert subscription.account == ACCOUNT
        assert subscription.access
        decision = shop.market.check(ACCOUNT, "on")
        assert decision, decision.message
        assert decision.source == "fresh"

    def test_landing_proves_what_it_says_it_proves(self, shop: Shop) -> None:
        """A token that is proven at landing gives a subscription; one that is not gives only hints."""
        landing = shop.land(shop.buy())
        assert (landing.subscription is not None) == shop.provider.capabilities.landing_proves
        if landing.subscription is None:
            assert landing.token is not None

    def test_the_snapshot_says_what_the_marketplace_says(self, shop: Shop) -> None:
        """Plan, quantities and access agree with the emulator's own truth."""
        purchase = shop.buy()
        subscription = shop.activate(purchase)
        self._agrees(shop, purchase, subscription)

    def test_a_snapshot_can_be_found_again(self, shop: Shop) -> None:
        """There is at least one exact alias and one marketplace id, and the words are kept verbatim."""
        subscription = shop.activate(shop.buy())
        assert any(alias.exact for alias in subscription.aliases)
        assert subscription.marketplace_ids
        assert subscription.provider_state

    def test_landing_twice_is_one_subscription(self, shop: Shop) -> None:
        """A buyer who comes back finds the same subscription, still bound."""
        purchase = shop.buy()
        first = shop.activate(purchase)
        again = shop.land(purchase)
        if again.subscription is not None:
            assert again.subscription.id == first.id
            assert again.returning
        second = shop.market.activate(again, ACCOUNT)
        assert second.id == first.id
        assert second.account == ACCOUNT
        assert [item.id for item in shop.market.subscriptions()] == [first.id]

    def test_the_same_token_twice_is_one_subscription(self, shop: Shop) -> None:
        """Reloading the landing page does no harm."""
        token = shop.token(shop.buy())
        for _ in range(2):
            shop.market.activate(shop.market.land(shop.name, token), ACCOUNT)
        assert len(shop.market.subscriptions()) == 1

    def test_activating_twice_changes_nothing(self, shop: Shop) -> None:
        """The second activation by id gives the same version."""
        first = shop.activate(shop.buy())
        assert shop.market.activate(first.id, ACCOUNT).version == first.version

    def test_a_second_account_is_refused(self, shop: Shop) -> None:
        """The first holder keeps the subscription."""
        purchase = shop.buy()
        first = shop.activate(purchase)
        with pytest.raises(ConflictError) as caught:
            shop.activate(purchase, OTHER_ACCOUNT)
        assert ACCOUNT not in str(caught.value)
        assert shop.market.subscription(first.id).account == ACCOUNT
        assert not shop.market.check(OTHER_ACCOUNT, "on")
        assert shop.market.check(ACCOUNT, "on")

    def test_a_landing_survives_the_sign_up(self, shop: Shop) -> None:
        """It can be sealed, opened and then activated, and the sealed text shows nothing."""
        purchase = shop.buy()
        token = shop.token(purchase)
        sealed = shop.market.land(shop.name, token).seal()
        assert token not in sealed
        assert shop.market.activate(shop.market.unseal(sealed), ACCOUNT).status is Status.ACTIVE

    def test_two_purchases_are_two_subscriptions(self, shop: Shop) -> None:
        """One account may hold both."""
        if not shop.provider.capabilities.concurrent:
            pytest.skip("a buyer cannot hold two")
        first, second = shop.activate(shop.buy()), shop.activate(shop.buy())
        assert first.id != second.id
        assert {item.id for item in shop.market.subscriptions(account=ACCOUNT)} == {first.id, second.id}

    # Tokens that are not good

    @pytest.mark.parametrize("token", ["", "   ", "nonsense", "%%%", "x" * 9000])
    def test_a_token_that_is_none_is_refused(self, anywhere: Market, subject: Subject, token: str) -> None:
        """It is an InvalidTokenError with a remedy, at landing or, at the latest, at activation."""
        with pytest.raises(InvalidTokenError) as caught:
            anywhere.activate(anywhere.land(subject.plugin.name, token), ACCOUNT)
        assert caught.value.remedy
        assert not anywhere.subscriptions()

    @pytest.mark.parametrize("kind", ["expired", "foreign"])
    def test_a_bad_token_is_refused(self, shop: Shop, kind: str, caplog: pytest.LogCaptureFixture) -> None:
        """Expired, or of another product or seller: one clear error that does not show the token."""
        caplog.set_level(logging.DEBUG)
        token = shop.emulator.expired_token() if kind == "expired" else shop.emulator.foreign_token()
        with pytest.raises(InvalidTokenError) as caught:
            shop.market.activate(shop.market.land(shop.name, token), ACCOUNT)
        assert caught.value.remedy
        assert caught.value.marketplace == shop.name
        assert "CROSSMARKET_" not in caught.value.buyer_message
        assert "please" in caught.value.buyer_message.lower()
        assert token not in f"{caught.value} {caught.value!r} {caplog.text}"
        assert not shop.market.subscriptions(account=ACCOUNT)

    def test_secrets_are_not_shown(self, shop: Shop, caplog: pytest.LogCaptureFixture) -> None:
        """Neither options nor tokens appear in a repr or a log line."""
        caplog.set_level(logging.DEBUG)
        token = shop.token(shop.buy())
        landing = shop.market.land(shop.name, token)
        subscription = shop.market.activate(landing, ACCOUNT)
        config = shop.subject.plugin.config.model_validate(shop.market.settings.options[normal_name(shop.name)])
        hidden = [token] + [value.get_secret_value() for value in dict(config).values() if isinstance(value, SecretStr)]
        shown = f"{landing!r} {subscription!r} {config!r} {config} {shop.provider!r} {shop.market!r} {caplog.text}"
        shown += repr(shop.market.settings)
        for secret in hidden:
            assert secret not in shown

    # What the buyer does afterwards

    @pytest.mark.parametrize("action", ["change_plan", "change_quantity"])
    def test_a_change_by_the_buyer_is_seen(self, shop: Shop, action: str) -> None:
        """The next read shows it, as the next version."""
        purchase = shop.buy()
        before = shop.activate(purchase)
        shop.act(purchase, action)
        after = shop.reread(before)
        assert after.version == before.version + 1
        assert (after.plan, after.quantities) != (before.plan, before.quantities)
        self._agrees(shop, purchase, after)

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
        self._agrees(shop, purchase, after)

    def test_the_seller_changes_the_quantity(self, shop: Shop) -> None:
        """Where that is possible, the truth is read afterwards."""
        if not shop.provider.capabilities.change_quantity:
            pytest.skip("the seller cannot")
        purchase = shop.buy()
        before = shop.activate(purchase)
        quantity = int(shop.subject.arguments["change_quantity"]["quantity"])
        after = shop.market.change_quantity(before.id, quantity)
        assert quantity in after.quantities.values()
        self._agrees(shop, purchase, after)

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

    # Outages

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

    @staticmethod
    def _agrees(shop: Shop, purchase: str, subscription: Subscription) -> None:
        truth = shop.emulator.describe(purchase)
        assert subscription.access == truth["live"]
        assert subscription.quantities == truth["quantities"]
        if subscription.plan is not None:
            assert subscription.plan == truth["plan"]

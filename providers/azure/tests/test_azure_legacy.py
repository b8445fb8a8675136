"""The first generation of the API (2017-04-15), over real sockets."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta

import pytest
from pydantic import SecretStr

from crossmarket.errors import (
    ConflictError,
    InvalidTokenError,
    MarketplaceError,
    NotFoundError,
    RateLimitedError,
    UnsupportedError,
)
from crossmarket.models import Facts, Status
from crossmarket.provider import POWERS
from crossmarket.testing.clock import FakeClock
from crossmarket.testing.faults import Fault
from crossmarket_azure.emulator import AzureEmulator
from crossmarket_azure.marketplace import AzureMarketplace

Connect = Callable[..., AzureMarketplace]
Land = Callable[[AzureMarketplace, str], Facts]
Activate = Callable[[AzureMarketplace, Facts], Facts]
Subscribe = Callable[..., tuple[str, Facts]]
Calls = Callable[..., list[int]]


def test_what_it_cannot_do_is_stated_and_refused(
    emulator: AzureEmulator, legacy: AzureMarketplace, subscribe: Subscribe
) -> None:
    capabilities = legacy.capabilities
    assert {power for power in POWERS if getattr(capabilities, power)} == {
        "list_subscriptions",
        "change_plan",
        "cancel",
    }
    assert (capabilities.quantities, capabilities.landing_token_seconds) == ("none", 3_600)
    assert (capabilities.renewal_intent, capabilities.trial, capabilities.decision_seconds) == (False, False, None)
    _, facts = subscribe(legacy)
    before = len(emulator.requests)
    for ask in (
        lambda: legacy.list_plans(facts),
        lambda: legacy.change_quantity(facts, 3),
        lambda: legacy.list_operations(facts),
        lambda: legacy.update_operation(facts, "x", accept=True),
    ):
        with pytest.raises(UnsupportedError, match="CROSSMARKET_AZURE__API_VERSION"):
            ask()
    assert len(emulator.requests) == before


def test_a_purchase_is_resolved_subscribed_and_read(
    emulator: AzureEmulator, legacy: AzureMarketplace, land: Land, activate: Activate, calls: Calls
) -> None:
    purchase = emulator.buy()
    resolved = land(legacy, purchase)
    assert (resolved.status, resolved.product, resolved.plan) == (Status.PENDING, "contoso", "gold")
    facts = activate(legacy, resolved)
    assert facts.status is Status.ACTIVE
    assert facts.aliases[0].value == purchase
    assert calls("PUT") == [202]
    assert activate(legacy, facts).status is Status.ACTIVE
    assert calls("PUT") == [202]


def test_a_token_is_good_for_one_hour(emulator: AzureEmulator, legacy: AzureMarketplace, clock: FakeClock) -> None:
    token = SecretStr(emulator.landing(emulator.buy()).fields["token"])
    clock.advance(timedelta(minutes=59))
    assert legacy.resolve(token).facts is not None
    clock.advance(timedelta(minutes=1))
    with pytest.raises(InvalidTokenError):
        legacy.resolve(token)


def test_a_dry_run_charges_nobody(emulator: AzureEmulator, connect: Connect, subscribe: Subscribe) -> None:
    emulator.api_version = "2017-04-15"
    purchase, _ = subscribe(connect(dry_run=True))
    assert emulator.sold[purchase].session_mode == "DryRun"
    purchase, _ = subscribe(connect())
    assert emulator.sold[purchase].session_mode == "None"


def test_deactivated_is_suspended(emulator: AzureEmulator, legacy: AzureMarketplace, subscribe: Subscribe) -> None:
    purchase, facts = subscribe(legacy)
    emulator.act(purchase, "say_status", status="Deactivated")
    assert legacy.read(facts).status is Status.SUSPENDED


@pytest.mark.parametrize("count", [0, 1, 3])
def test_the_forms_of_the_list(emulator: AzureEmulator, legacy: AzureMarketplace, count: int) -> None:
    bought = [emulator.buy() for _ in range(count)]
    assert [facts.marketplace_ids["subscription"] for facts in legacy.list_subscriptions()] == bought


def test_a_change_of_plan_is_watched_to_its_end(
    emulator: AzureEmulator, legacy: AzureMarketplace, subscribe: Subscribe
) -> None:
    purchase, facts = subscribe(legacy)
    emulator.operation_reads = 3
    operation = legacy.change_plan(facts, "silver")
    assert (operation.status, operation.action, operation.plan) == ("succeeded", "change_plan", "silver")
    assert emulator.describe(purchase)["plan"] == "silver"
    assert legacy.get_operation(facts, operation.id).status == "succeeded"
    with pytest.raises(NotFoundError):
        legacy.get_operation(facts, emulator.guid())


def test_a_change_that_takes_longer_stays_pending(
    emulator: AzureEmulator, connect: Connect, subscribe: Subscribe
) -> None:
    emulator.api_version = "2017-04-15"
    legacy = connect(activation_wait=2)
    _, facts = subscribe(legacy)
    emulator.operation_reads = 100
    assert legacy.change_plan(facts, "silver").status == "pending"
    with pytest.raises(ConflictError, match="in progress"):
        legacy.change_plan(facts, "basic")


def test_a_change_in_between_is_noticed(
    emulator: AzureEmulator, legacy: AzureMarketplace, subscribe: Subscribe, monkeypatch: pytest.MonkeyPatch
) -> None:
    purchase, facts = subscribe(legacy)
    change = legacy._client.change

    def late(*positional: object, **named: object) -> str:
        emulator.act(purchase, "turn_renewal_off")
        return change(*positional, **named)  # type: ignore[arg-type]

    monkeypatch.setattr(legacy._client, "change", late)
    with pytest.raises(ConflictError, match="changed since it was read") as caught:
        legacy.change_plan(facts, "silver")
    assert caught.value.http_status == 412


def test_the_seller_cancels(emulator: AzureEmulator, legacy: AzureMarketplace, subscribe: Subscribe) -> None:
    purchase, facts = subscribe(legacy)
    assert legacy.cancel(facts).status == "succeeded"
    assert legacy.read(facts).status is Status.ENDED
    assert emulator.describe(purchase)["live"] is False


@pytest.mark.parametrize("kind", ["lost_reply", "reset", "malformed", "status"])
def test_a_subscription_of_unknown_outcome(
    emulator: AzureEmulator, legacy: AzureMarketplace, land: Land, activate: Activate, kind: str
) -> None:
    known = land(legacy, emulator.buy())
    emulator.faults.add(Fault.model_validate({"kind": kind, "match": f"{known.marketplace_ids['subscription']}"}))
    assert activate(legacy, known).status is Status.ACTIVE


def test_a_lost_put_is_read_and_not_sent_again(
    emulator: AzureEmulator, legacy: AzureMarketplace, land: Land, activate: Activate, monkeypatch: pytest.MonkeyPatch
) -> None:
    known = land(legacy, emulator.buy())
    subscribe = legacy._client.subscribe

    def lossy(*positional: object, **named: object) -> str:
        emulator.faults.add(Fault(kind="lost_reply", match=known.marketplace_ids["subscription"]))
        return subscribe(*positional, **named)  # type: ignore[arg-type]

    monkeypatch.setattr(legacy._client, "subscribe", lossy)
    assert activate(legacy, known).status is Status.ACTIVE
    assert len(emulator.sold[known.marketplace_ids["subscription"]].operations) == 1


def test_throttling_is_told(emulator: AzureEmulator, legacy: AzureMarketplace) -> None:
    emulator.faults.add(Fault(kind="status", status=429, retry_after=7200, match="/saas/", times=0))
    with pytest.raises(RateLimitedError) as caught:
        list(legacy.list_subscriptions())
    assert caught.value.retry_after == 7200
    assert caught.value.code == "RequestThrottleId"


def test_a_token_for_the_other_generation_is_refused(emulator: AzureEmulator, connect: Connect) -> None:
    emulator.api_version = "2017-04-15"
    wrong = connect(resource="20e940b3-4c77-4b0b-9a53-9e16a1b010a7")
    with pytest.raises(MarketplaceError, match="different resource"):
        list(wrong.list_subscriptions())

"""The current generation of the API, over real sockets."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta

import pytest
from pydantic import SecretStr

from crossmarket.errors import (
    AuthenticationError,
    ConflictError,
    InvalidArgumentError,
    InvalidTokenError,
    MarketplaceError,
    NotFoundError,
    UnavailableError,
)
from crossmarket.models import Facts, Operation, Reason, Status
from crossmarket.operation import wait_for
from crossmarket.provider import POWERS, Activation
from crossmarket.testing.clock import FakeClock
from crossmarket.testing.faults import Fault
from crossmarket_azure.emulator import AzureEmulator
from crossmarket_azure.marketplace import AzureMarketplace

Connect = Callable[..., AzureMarketplace]
Land = Callable[[AzureMarketplace, str], Facts]
Activate = Callable[[AzureMarketplace, Facts], Facts]
Subscribe = Callable[..., tuple[str, Facts]]
Calls = Callable[..., list[int]]


def test_capabilities_and_methods_agree(azure: AzureMarketplace) -> None:
    capabilities = azure.capabilities
    stated = {power for power in POWERS if getattr(capabilities, power)}
    assert stated == {"list_subscriptions", "list_plans", "change_plan", "change_quantity", "cancel", "operations"}
    assert all(isinstance(azure, POWERS[power]) for power in stated)
    assert (capabilities.landing, capabilities.landing_parameter) == ("GET", "token")
    assert (capabilities.landing_token_seconds, capabilities.activation_lag_seconds) == (86_400, 600)
    assert (capabilities.decision_seconds, capabilities.quantities) == (10, "one")


def test_a_purchase_is_resolved_activated_and_read(
    emulator: AzureEmulator, azure: AzureMarketplace, land: Land, activate: Activate
) -> None:
    purchase = emulator.buy(quantity=7)
    resolved = land(azure, purchase)
    assert resolved.status is Status.PENDING
    assert resolved.quantities == {"quantity": 7}
    facts = activate(azure, resolved)
    assert facts.status is Status.ACTIVE
    assert facts.marketplace_ids["subscription"] == purchase
    assert facts.ends_at is not None
    assert azure.read(facts) == facts
    assert emulator.describe(purchase)["live"] is True


def test_resolve_may_be_repeated_in_any_status(
    emulator: AzureEmulator, azure: AzureMarketplace, land: Land, subscribe: Subscribe
) -> None:
    purchase, _ = subscribe(azure)
    token = SecretStr(emulator.landing(purchase).fields["token"])
    for _ in range(2):
        resolved = azure.resolve(token).facts
        assert resolved is not None
        assert resolved.status is Status.ACTIVE
    emulator.act(purchase, "cancel")
    assert land(azure, purchase).status is Status.ENDED


@pytest.mark.parametrize("kind", ["malformed", "expired", "foreign"])
def test_bad_tokens(emulator: AzureEmulator, azure: AzureMarketplace, kind: str) -> None:
    tokens = {"malformed": lambda: "abc+/=", "expired": emulator.expired_token, "foreign": emulator.foreign_token}
    token = tokens[kind]()
    with pytest.raises(InvalidTokenError) as caught:
        azure.resolve(SecretStr(token))
    assert "Configure account" in str(caught.value)
    assert caught.value.request_id
    assert token not in str(caught.value)


def test_bad_credentials_are_not_taken_for_a_foreign_token(emulator: AzureEmulator, azure: AzureMarketplace) -> None:
    emulator.faults.add(Fault(kind="status", status=403, match="/saas/", times=0))
    with pytest.raises(AuthenticationError, match="CROSSMARKET_AZURE__CLIENT_ID"):
        azure.resolve(SecretStr(emulator.landing(emulator.buy()).fields["token"]))


def test_a_token_of_another_offer_names_the_setting(emulator: AzureEmulator, connect: Connect, land: Land) -> None:
    azure = connect(offers="contoso, adatum")
    with pytest.raises(InvalidTokenError) as caught:
        land(azure, emulator.buy(product="fabrikam"))
    assert caught.value.field == "CROSSMARKET_AZURE__OFFERS"
    assert "CROSSMARKET_AZURE__OFFERS" in str(caught.value)
    preview = land(azure, emulator.buy(product="contoso-preview"))
    assert preview.sandbox
    assert {facts.product for facts in azure.list_subscriptions()} == {"contoso-preview"}


def test_activation_sends_plan_and_quantity(
    emulator: AzureEmulator, azure: AzureMarketplace, subscribe: Subscribe
) -> None:
    seats, _ = subscribe(azure, plan="gold", quantity=3)
    flat, facts = subscribe(azure, plan="flat")
    assert emulator.describe(seats)["quantities"] == {"quantity": 3}
    assert emulator.describe(flat)["quantities"] == {}
    assert facts.quantities == {}


def test_a_slow_activation_is_watched(
    emulator: AzureEmulator, azure: AzureMarketplace, clock: FakeClock, subscribe: Subscribe
) -> None:
    emulator.activation_delay = 3
    before = clock.now()
    _, facts = subscribe(azure)
    assert facts.status is Status.ACTIVE
    assert clock.now() - before == timedelta(seconds=3)


def test_a_very_slow_activation_stays_pending(
    emulator: AzureEmulator, connect: Connect, clock: FakeClock, subscribe: Subscribe
) -> None:
    emulator.activation_delay = 60
    azure = connect(activation_wait=2)
    before = clock.now()
    _, facts = subscribe(azure)
    assert facts.status is Status.PENDING
    assert clock.now() - before == timedelta(seconds=2)
    clock.advance(timedelta(minutes=1))
    assert azure.read(facts).status is Status.ACTIVE


def test_an_activation_that_fails_is_a_conflict(
    emulator: AzureEmulator, azure: AzureMarketplace, subscribe: Subscribe
) -> None:
    emulator.activation_delay = 2
    with pytest.raises(ConflictError, match="has ended"):
        subscribe(azure, activation_fails=True)


def test_activating_again_succeeds(
    azure: AzureMarketplace, activate: Activate, subscribe: Subscribe, calls: Calls
) -> None:
    _, facts = subscribe(azure)
    assert activate(azure, facts).status is Status.ACTIVE
    assert calls("POST", "/activate") == [200, 400]


def test_a_race_with_activation_by_the_marketplace_is_a_success(
    emulator: AzureEmulator, azure: AzureMarketplace, land: Land, activate: Activate
) -> None:
    purchase = emulator.buy(auto_activate=True)
    assert activate(azure, land(azure, purchase)).status is Status.ACTIVE


def test_activating_what_is_suspended_or_ended(
    emulator: AzureEmulator, azure: AzureMarketplace, activate: Activate, subscribe: Subscribe
) -> None:
    purchase, facts = subscribe(azure)
    emulator.act(purchase, "suspend")
    assert activate(azure, facts).status is Status.SUSPENDED
    emulator.act(purchase, "cancel")
    with pytest.raises(ConflictError):
        activate(azure, facts)


def test_activation_without_facts_needs_the_token(emulator: AzureEmulator, azure: AzureMarketplace) -> None:
    token = SecretStr(emulator.landing(emulator.buy()).fields["token"])
    assert azure.activate(Activation(account="a", token=token, idempotency_key="k")).status is Status.ACTIVE
    with pytest.raises(InvalidArgumentError):
        azure.activate(Activation(account="a", idempotency_key="k"))


def test_a_private_offer_is_found_at_activation_and_kept(azure: AzureMarketplace, subscribe: Subscribe) -> None:
    _, facts = subscribe(azure, private_offer="8c1b1a5e-8d2c-4f39-9f4e-3f1f2a6f0b10")
    assert facts.offer == "8c1b1a5e-8d2c-4f39-9f4e-3f1f2a6f0b10"
    assert azure.read(facts).offer == "8c1b1a5e-8d2c-4f39-9f4e-3f1f2a6f0b10"


def test_an_activation_does_not_depend_on_the_private_offer(
    emulator: AzureEmulator, azure: AzureMarketplace, subscribe: Subscribe
) -> None:
    emulator.faults.add(Fault(kind="status", status=500, match="listAvailablePlans", times=0))
    _, facts = subscribe(azure)
    assert (facts.status, facts.offer) == (Status.ACTIVE, None)


@pytest.mark.parametrize("kind", ["lost_reply", "reset", "timeout", "malformed", "status"])
def test_an_activation_of_unknown_outcome(
    emulator: AzureEmulator, connect: Connect, land: Land, activate: Activate, kind: str, calls: Calls
) -> None:
    azure = connect(read_timeout=0.2)
    known = land(azure, emulator.buy())
    emulator.faults.add(Fault.model_validate({"kind": kind, "match": "/activate", "seconds": 1}))
    assert activate(azure, known).status is Status.ACTIVE
    # A reply that was lost is read, and only what was not done is sent again.
    assert len([status for status in calls("POST", "/activate") if status == 200]) <= 2
    reads = calls("GET", known.marketplace_ids["subscription"])
    assert reads[0] == 200


def test_a_lost_reply_is_read_and_not_sent_again(
    emulator: AzureEmulator, azure: AzureMarketplace, subscribe: Subscribe, calls: Calls
) -> None:
    emulator.faults.add(Fault(kind="lost_reply", match="/activate"))
    _, facts = subscribe(azure)
    assert facts.status is Status.ACTIVE
    assert len(calls("POST", "/activate")) == 1


def test_read_of_an_unknown_subscription(emulator: AzureEmulator, azure: AzureMarketplace, land: Land) -> None:
    facts = land(azure, emulator.buy())
    with pytest.raises(NotFoundError, match="proves no end"):
        azure.read(facts.model_copy(update={"marketplace_ids": {"subscription": emulator.guid()}}))
    with pytest.raises(InvalidArgumentError):
        azure.read(facts.model_copy(update={"marketplace_ids": {}}))


def test_an_unknown_status_word(emulator: AzureEmulator, azure: AzureMarketplace, subscribe: Subscribe) -> None:
    purchase, facts = subscribe(azure)
    emulator.act(purchase, "say_status", status="Hibernated")
    now = azure.read(facts)
    assert now.status is Status.UNKNOWN
    assert now.provider_state["saasSubscriptionStatus"] == "Hibernated"


def test_the_list_follows_short_pages_to_their_end(
    emulator: AzureEmulator, azure: AzureMarketplace, calls: Calls
) -> None:
    bought = [emulator.buy(auto_activate=True) for _ in range(23)]
    emulator.act(bought[3], "cancel")
    listed = list(azure.list_subscriptions())
    assert [facts.marketplace_ids["subscription"] for facts in listed] == bought
    assert listed[3].status is Status.ENDED
    assert len(calls("GET", "/subscriptions")) >= 5


def test_the_list_is_read_page_by_page(emulator: AzureEmulator, azure: AzureMarketplace, calls: Calls) -> None:
    for _ in range(12):
        emulator.buy()
    next(azure.list_subscriptions())
    assert calls("GET") == [200]


def test_a_page_that_breaks_off_is_no_end_of_the_list(emulator: AzureEmulator, azure: AzureMarketplace) -> None:
    for _ in range(12):
        emulator.buy()
    emulator.faults.add(Fault(kind="malformed", match="continuationToken", times=0))
    with pytest.raises(UnavailableError):
        list(azure.list_subscriptions())


def test_plans(emulator: AzureEmulator, azure: AzureMarketplace, subscribe: Subscribe, calls: Calls) -> None:
    purchase, facts = subscribe(azure)
    plans = {plan.id: plan for plan in azure.list_plans(facts)}
    assert set(plans) == {"silver", "gold", "platinum", "basic", "flat"}
    assert (plans["gold"].minimum, plans["gold"].maximum) == (1, 1000)
    assert plans["flat"].maximum is None
    emulator.act(purchase, "cancel")
    before = len(calls("GET"))
    assert azure.list_plans(azure.read(facts)) == ()
    assert len(calls("GET")) == before + 1


def test_the_seller_changes_plan_and_quantity(
    emulator: AzureEmulator, azure: AzureMarketplace, subscribe: Subscribe
) -> None:
    purchase, facts = subscribe(azure)
    plan = azure.change_plan(facts, "platinum")
    assert (plan.action, plan.plan, plan.requested_by, plan.status) == ("change_plan", "platinum", "seller", "pending")
    assert azure.get_operation(facts, plan.id).status == "succeeded"
    azure.change_quantity(facts, 9)
    assert emulator.describe(purchase)["plan"] == "platinum"
    assert azure.read(facts).quantities == {"quantity": 9}


def test_an_operation_runs_from_not_started_to_succeeded(
    emulator: AzureEmulator, azure: AzureMarketplace, clock: FakeClock, subscribe: Subscribe
) -> None:
    purchase, facts = subscribe(azure)
    emulator.operation_reads = 3
    started = azure.change_plan(facts, "silver")
    assert [operation.id for operation in azure.list_operations(facts)] == [started.id]
    words: list[str] = []

    def fetch() -> Operation:
        operation = azure.get_operation(facts, started.id)
        words.append(str(operation.provider_state["status"]))
        return operation

    assert wait_for(started, fetch, clock=clock).status == "succeeded"
    assert words == ["NotStarted", "InProgress", "InProgress", "Succeeded"]
    assert emulator.describe(purchase)["plan"] == "silver"
    assert azure.list_operations(facts) == []


def test_a_pending_operation_locks_the_subscription(
    emulator: AzureEmulator, azure: AzureMarketplace, subscribe: Subscribe
) -> None:
    _, facts = subscribe(azure)
    emulator.operation_reads = 5
    azure.change_plan(facts, "silver")
    with pytest.raises(ConflictError, match="in progress"):
        azure.change_quantity(facts, 8)
    with pytest.raises(ConflictError, match="in progress"):
        azure.cancel(facts)


def test_what_is_so_already_is_a_success(azure: AzureMarketplace, subscribe: Subscribe) -> None:
    _, facts = subscribe(azure, quantity=5)
    assert azure.change_plan(facts, "gold").status == "succeeded"
    assert azure.change_quantity(facts, 5).status == "succeeded"


def test_changes_that_are_refused(emulator: AzureEmulator, azure: AzureMarketplace, subscribe: Subscribe) -> None:
    purchase, facts = subscribe(azure)
    for ask in (
        lambda: azure.change_plan(facts, "no-such-plan"),
        lambda: azure.change_quantity(facts, 100_000),
    ):
        with pytest.raises(MarketplaceError) as caught:
            ask()
        assert type(caught.value) is MarketplaceError
        assert caught.value.http_status == 400
        assert not caught.value.retryable
    with pytest.raises(InvalidArgumentError):
        azure.change_quantity(facts, 0)
    with pytest.raises(InvalidArgumentError):
        azure.change_plan(facts, "")
    emulator.act(purchase, "suspend")
    with pytest.raises(MarketplaceError, match="Suspended"):
        azure.change_plan(facts, "silver")


def test_a_purchase_through_a_partner_cannot_be_changed(azure: AzureMarketplace, subscribe: Subscribe) -> None:
    _, facts = subscribe(azure, csp=True)
    for ask in (lambda: azure.change_plan(facts, "silver"), lambda: azure.cancel(facts)):
        with pytest.raises(MarketplaceError, match="only the partner"):
            ask()


@pytest.mark.parametrize("kind", ["lost_reply", "reset", "timeout", "malformed", "status"])
@pytest.mark.parametrize("reads", [0, 2])
def test_a_change_of_unknown_outcome(
    emulator: AzureEmulator, connect: Connect, subscribe: Subscribe, kind: str, reads: int
) -> None:
    azure = connect(read_timeout=0.2)
    purchase, facts = subscribe(azure)
    emulator.operation_reads = reads
    emulator.faults.add(Fault.model_validate({"kind": kind, "match": purchase, "seconds": 1}))
    operation = azure.change_plan(facts, "silver")
    assert operation.status in {"pending", "succeeded"}
    assert operation.plan == "silver"
    assert len(emulator.sold[purchase].operations) == 1
    if reads:
        assert operation.id == emulator.sold[purchase].operations[0].id


@pytest.mark.parametrize("kind", ["lost_reply", "reset", "malformed"])
@pytest.mark.parametrize("reads", [0, 2])
def test_a_cancellation_of_unknown_outcome(
    emulator: AzureEmulator, azure: AzureMarketplace, subscribe: Subscribe, kind: str, reads: int, calls: Calls
) -> None:
    purchase, facts = subscribe(azure)
    emulator.operation_reads = reads
    emulator.faults.add(Fault.model_validate({"kind": kind, "match": purchase}))
    operation = azure.cancel(facts)
    assert operation.action == "cancel"
    assert len(emulator.sold[purchase].operations) == 1


def test_the_seller_cancels(emulator: AzureEmulator, azure: AzureMarketplace, subscribe: Subscribe) -> None:
    purchase, facts = subscribe(azure)
    operation = azure.cancel(facts)
    assert azure.get_operation(facts, operation.id).action == "cancel"
    ended = azure.read(facts)
    assert (ended.status, ended.quantities, ended.will_renew) == (Status.ENDED, {}, False)
    assert azure.cancel(facts).requested_by == "seller"
    assert emulator.describe(purchase)["live"] is False


def test_unknown_operations(emulator: AzureEmulator, azure: AzureMarketplace, subscribe: Subscribe) -> None:
    _, facts = subscribe(azure)
    with pytest.raises(NotFoundError):
        azure.get_operation(facts, emulator.guid())
    with pytest.raises(NotFoundError):
        azure.update_operation(facts, emulator.guid(), accept=True)
    unknown = facts.model_copy(update={"marketplace_ids": {"subscription": emulator.guid()}})
    assert azure.list_operations(unknown) == []


@pytest.mark.parametrize("accept", [True, False])
def test_the_seller_decides_about_a_change_by_the_buyer(
    emulator: AzureEmulator, azure: AzureMarketplace, subscribe: Subscribe, *, accept: bool
) -> None:
    purchase, facts = subscribe(azure)
    emulator.changes_wait = True
    emulator.act(purchase, "change_plan", plan="silver")
    (asked,) = azure.list_operations(facts)
    assert (asked.action, asked.plan, asked.requested_by) == ("change_plan", "silver", "buyer")
    azure.update_operation(facts, asked.id, accept=accept)
    azure.update_operation(facts, asked.id, accept=accept)
    assert azure.read(facts).plan == ("silver" if accept else "gold")
    with pytest.raises(ConflictError, match="decided otherwise"):
        azure.update_operation(facts, asked.id, accept=not accept)


def test_silence_accepts_after_ten_seconds(
    emulator: AzureEmulator, azure: AzureMarketplace, clock: FakeClock, subscribe: Subscribe
) -> None:
    purchase, facts = subscribe(azure)
    emulator.changes_wait = True
    emulator.act(purchase, "change_quantity", quantity=9)
    assert azure.read(facts).quantities == {"quantity": 5}
    clock.advance(timedelta(seconds=10))
    assert azure.read(facts).quantities == {"quantity": 9}


def test_our_own_operations_need_no_acknowledgement(
    emulator: AzureEmulator, azure: AzureMarketplace, subscribe: Subscribe
) -> None:
    _, facts = subscribe(azure)
    emulator.operation_reads = 5
    operation = azure.change_plan(facts, "silver")
    azure.update_operation(facts, operation.id, accept=True)


def test_the_facts_of_a_life(
    emulator: AzureEmulator, azure: AzureMarketplace, clock: FakeClock, subscribe: Subscribe
) -> None:
    purchase, facts = subscribe(azure, trial=True)
    assert facts.trial
    emulator.act(purchase, "turn_renewal_off")
    off = azure.read(facts)
    assert (off.will_renew, off.cancels_at) == (False, facts.ends_at)
    emulator.act(purchase, "turn_renewal_on")
    assert azure.read(off).cancels_at is None
    clock.advance(timedelta(days=31))
    renewed = azure.read(off)
    assert (renewed.status, renewed.trial, renewed.starts_at) == (Status.ACTIVE, False, facts.ends_at)
    emulator.act(purchase, "suspend")
    suspended = azure.read(renewed)
    assert (suspended.status, suspended.reason) == (Status.SUSPENDED, Reason.PAYMENT_FAILED)
    clock.advance(timedelta(days=30))
    ended = azure.read(suspended)
    assert (ended.status, ended.reason) == (Status.ENDED, Reason.MARKETPLACE_CANCELLED)
    assert azure.read(ended).reason is Reason.MARKETPLACE_CANCELLED


def test_a_term_that_is_not_renewed_expires(
    emulator: AzureEmulator, azure: AzureMarketplace, clock: FakeClock, subscribe: Subscribe
) -> None:
    purchase, facts = subscribe(azure)
    emulator.act(purchase, "turn_renewal_off")
    assert facts.ends_at is not None
    clock.advance(facts.ends_at - clock.now() - timedelta(seconds=1))
    assert azure.read(facts).status is Status.ACTIVE
    clock.advance(timedelta(seconds=1))
    ended = azure.read(facts)
    assert (ended.status, ended.reason) == (Status.ENDED, Reason.EXPIRED)


def test_diagnose_when_all_is_well(azure: AzureMarketplace) -> None:
    assert [finding.level for finding in azure.diagnose()] == ["ok", "ok"]


def test_diagnose_names_the_setting_at_fault(emulator: AzureEmulator, connect: Connect) -> None:
    (finding,) = connect(client_secret="wrong").diagnose()
    assert (finding.level, finding.subject) == ("error", "CROSSMARKET_AZURE__CLIENT_SECRET")
    assert finding.remedy
    emulator.faults.add(Fault(kind="status", status=403, match="/saas/"))
    ok, refused = connect().diagnose()
    assert (ok.level, refused.level, refused.subject) == ("ok", "error", "CROSSMARKET_AZURE__CLIENT_ID")


def test_diagnose_warns_of_old_things(emulator: AzureEmulator, connect: Connect) -> None:
    azure = connect(token=emulator.entra.issue("62d94f6c-d599-489b-a797-3e10e42fbe22"), api_version="2017-04-15")
    assert [finding.subject for finding in azure.diagnose() if finding.level == "warning"] == [
        "CROSSMARKET_AZURE__API_VERSION",
        "CROSSMARKET_AZURE__TOKEN",
    ]

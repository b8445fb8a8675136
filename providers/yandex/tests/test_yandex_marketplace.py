from __future__ import annotations

import json
import logging
from collections.abc import Callable
from datetime import timedelta

import pytest
from pydantic import SecretStr

from crossmarket.errors import (
    AuthenticationError,
    ConflictError,
    InvalidTokenError,
    MarketplaceError,
    NotFoundError,
    RateLimitedError,
    UnavailableError,
)
from crossmarket.http import Response
from crossmarket.models import Alias, Buyer, Facts, Reason, Status
from crossmarket.provider import POWERS, Activation
from crossmarket.testing.clock import FakeClock
from crossmarket.testing.faults import Fault
from crossmarket_yandex.capabilities import SAAS
from crossmarket_yandex.client import YandexClient
from crossmarket_yandex.config import YandexConfig
from crossmarket_yandex.emulator import Behaviour, YandexEmulator

from .conftest import KEY, Desk

CLAIM = "POST /marketplace/pim/saas/v1/instances/claim"
ENSURE = "POST /marketplace/license-manager/saas/v1/locks/ensure"
LOOKUP = "GET /marketplace/license-manager/saas/v1/locks:getByResourceID"
PRODUCT_IDS = "CROSSMARKET_YANDEX__PRODUCT_IDS"


# Landing


def test_a_landing_gives_hints_and_no_facts(desk: Desk, clock: FakeClock) -> None:
    purchase = desk.emulator.buy()
    told = desk.emulator.describe(purchase)
    resolved = desk.marketplace.resolve(desk.token(purchase))
    assert resolved.facts is None
    assert resolved.hints == {
        "license_instance_id": told["license_instance_id"],
        "license_template_id": "template-basic",
        "product_instance_id": told["product_instance_id"],
        "exp": "1772367300",
    }
    assert resolved.expires_at == clock.now() + timedelta(minutes=15)
    assert resolved.aliases == (
        Alias(kind="instance", value=str(told["license_instance_id"]), exact=True),
        Alias(kind="product_instance", value=str(told["product_instance_id"]), exact=False),
    )
    assert desk.paths() == []


def test_a_token_that_says_it_has_expired_is_refused_with_the_button_to_press(desk: Desk, clock: FakeClock) -> None:
    token = desk.token(desk.emulator.buy())
    clock.advance(timedelta(minutes=15, seconds=59))
    desk.marketplace.resolve(token)
    clock.advance(timedelta(seconds=1))
    with pytest.raises(InvalidTokenError, match="Go to partner"):
        desk.marketplace.resolve(token)


@pytest.mark.parametrize("raw", ["", "x" * 1001])
def test_a_token_of_impossible_length_is_refused(desk: Desk, raw: str) -> None:
    with pytest.raises(InvalidTokenError):
        desk.marketplace.resolve(SecretStr(raw))


@pytest.mark.parametrize("raw", ["x" * 1000, "nonsense", "a.b.c", "e30.e30.", "..", "e30.W10.c2ln"])
def test_what_cannot_be_decoded_is_opaque(desk: Desk, raw: str) -> None:
    resolved = desk.marketplace.resolve(SecretStr(raw))
    assert (resolved.facts, resolved.hints, resolved.expires_at) == (None, {}, None)


# Claiming


def test_a_claim_links_the_account(desk: Desk) -> None:
    purchase = desk.emulator.buy(plan="template-gold")
    facts = desk.marketplace.activate(desk.request(purchase))
    told = desk.emulator.describe(purchase)
    assert (facts.status, facts.plan, facts.product) == (Status.ACTIVE, "template-gold", "product-emulated")
    assert facts.marketplace_ids == {
        "license_instance_id": told["license_instance_id"],
        "product_instance_id": told["product_instance_id"],
        "lock_id": told["lock_id"],
        "product_id": "product-emulated",
        "template_id": "template-gold",
        "folder_id": told["folder_id"],
        "cloud_id": told["cloud_id"],
        "resource_id": "acct_1",
    }
    assert told["resource_id"] == "acct_1"
    assert desk.paths().count(CLAIM) == 1


@pytest.mark.parametrize("print_defaults", [True, False])
@pytest.mark.parametrize("print_type", [True, False])
@pytest.mark.parametrize("polls", [0, 3])
def test_a_claim_at_once_or_later_and_in_every_dress(
    desk: Desk, clock: FakeClock, polls: int, *, print_type: bool, print_defaults: bool
) -> None:
    behaviour = desk.emulator.behaviour
    behaviour.claim_polls, behaviour.print_type, behaviour.print_defaults = polls, print_type, print_defaults
    start = clock.now()
    facts = desk.marketplace.activate(desk.request(desk.emulator.buy()))
    assert facts.status is Status.ACTIVE
    assert facts.marketplace_ids["lock_id"]
    assert clock.now() - start == timedelta(seconds=polls)
    assert sum("/operations/" in path for path in desk.paths()) == polls


def test_the_marketplace_sets_the_pace(desk: Desk, clock: FakeClock) -> None:
    desk.emulator.behaviour.claim_polls, desk.emulator.behaviour.poll_interval = 2, 7
    start = clock.now()
    desk.marketplace.activate(desk.request(desk.emulator.buy()))
    assert clock.now() - start == timedelta(seconds=14)


def test_a_replica_that_does_not_know_the_operation_yet_is_forgiven(desk: Desk) -> None:
    desk.emulator.behaviour.claim_polls, desk.emulator.behaviour.hidden_polls = 1, 3
    assert desk.marketplace.activate(desk.request(desk.emulator.buy())).status is Status.ACTIVE


def test_a_claim_that_takes_too_long_grants_nothing_and_goes_on_later(desk: Desk) -> None:
    desk.emulator.behaviour.claim_polls = 40
    request = desk.request(desk.emulator.buy())
    with pytest.raises(UnavailableError) as caught:
        desk.marketplace.activate(request)
    assert caught.value.retryable
    assert caught.value.code == "operation_pending"
    assert desk.paths().count(CLAIM) == 1
    assert desk.marketplace.activate(request).status is Status.ACTIVE


@pytest.mark.parametrize("again", ["success", "refuse"])
def test_activating_again_succeeds_whatever_the_second_claim_gets(desk: Desk, again: str) -> None:
    desk.emulator.behaviour.claim_again = again  # type: ignore[assignment]
    purchase = desk.emulator.buy()
    first = desk.marketplace.activate(desk.request(purchase))
    request = desk.request(purchase).model_copy(update={"idempotency_key": "8a3c8f2e-1b1d-4a3e-9e53-0a4d0d0c7b11"})
    assert desk.marketplace.activate(request) == first


def test_activating_again_without_a_token_needs_the_link(desk: Desk) -> None:
    purchase = desk.emulator.buy()
    facts = desk.marketplace.activate(desk.request(purchase))
    known = Activation(account="acct_1", known=facts, idempotency_key=KEY)
    assert desk.marketplace.activate(known) == facts
    for request in (known.model_copy(update={"account": "acct_2"}), known.model_copy(update={"known": None})):
        with pytest.raises(InvalidTokenError, match="Go to partner"):
            desk.marketplace.activate(request)
    desk.emulator.unlink(purchase)
    with pytest.raises(InvalidTokenError, match="Go to partner"):
        desk.marketplace.activate(known)


@pytest.mark.parametrize("in_operation", [True, False])
@pytest.mark.parametrize("polls", [0, 2])
def test_another_account_is_refused_until_the_buyer_unlinks(desk: Desk, polls: int, *, in_operation: bool) -> None:
    desk.emulator.behaviour.errors_in_operation = in_operation
    desk.emulator.behaviour.claim_polls = polls
    purchase = desk.emulator.buy()
    desk.marketplace.activate(desk.request(purchase, "acct_1"))
    with pytest.raises(ConflictError, match="Another account holds") as caught:
        desk.marketplace.activate(desk.request(purchase, "acct_2"))
    assert caught.value.code == "FAILED_PRECONDITION"
    assert "acct_1" not in str(caught.value)
    desk.emulator.unlink(purchase)
    moved = desk.marketplace.activate(desk.request(purchase, "acct_2"))
    assert moved.status is Status.ACTIVE
    assert moved.marketplace_ids["resource_id"] == "acct_2"


def test_the_error_of_a_claim_that_is_rolled_back_is_final(desk: Desk) -> None:
    behaviour = desk.emulator.behaviour
    behaviour.errors_in_operation, behaviour.rollback_shown, behaviour.claim_polls = True, True, 1000
    with pytest.raises(InvalidTokenError):
        desk.marketplace.activate(desk.request("", token=SecretStr(desk.emulator.foreign_token())))


@pytest.mark.parametrize("in_operation", [True, False])
@pytest.mark.parametrize("kind", ["expired_token", "foreign_token"])
@pytest.mark.parametrize("form", ["jwt", "jwt_without_exp", "opaque"])
def test_a_bad_token_is_refused_at_the_claim(desk: Desk, form: str, kind: str, *, in_operation: bool) -> None:
    desk.emulator.behaviour.token = form  # type: ignore[assignment]
    desk.emulator.behaviour.errors_in_operation = in_operation
    token = SecretStr(getattr(desk.emulator, kind)())
    # Without hints nothing can be looked up, and missing rights cannot be told from another seller's token.
    unclear = (form, kind) == ("opaque", "foreign_token")
    with pytest.raises(AuthenticationError if unclear else InvalidTokenError) as caught:
        desk.marketplace.activate(desk.request("", token=token))
    assert caught.value.remedy
    assert token.get_secret_value() not in str(caught.value)


def test_an_opaque_token_can_be_claimed(desk: Desk) -> None:
    desk.emulator.behaviour.token = "opaque"
    facts = desk.marketplace.activate(desk.request(desk.emulator.buy()))
    assert facts.status is Status.ACTIVE
    assert facts.marketplace_ids["product_instance_id"]


def test_an_ended_subscription_cannot_be_claimed(desk: Desk) -> None:
    purchase = desk.emulator.buy()
    desk.emulator.cancel(purchase)
    with pytest.raises(ConflictError):
        desk.marketplace.activate(desk.request(purchase))


def test_a_pending_subscription_is_pending_until_it_starts(desk: Desk) -> None:
    purchase = desk.emulator.buy(pending=True)
    facts = desk.marketplace.activate(desk.request(purchase))
    assert facts.status is Status.PENDING
    desk.emulator.start(purchase)
    assert desk.marketplace.read(facts).status is Status.ACTIVE


def test_a_token_of_the_first_generation_is_ensured(desk: Desk) -> None:
    purchase = desk.emulator.buy(product_instance=False)
    facts = desk.marketplace.activate(desk.request(purchase))
    assert facts.status is Status.ACTIVE
    assert "product_instance_id" not in facts.marketplace_ids
    assert facts.product == "product-emulated"
    assert ENSURE in desk.paths()
    assert CLAIM not in desk.paths()
    assert desk.marketplace.activate(desk.request(purchase)) == facts


def test_a_product_without_a_subscription_is_its_product_instance(desk: Desk) -> None:
    purchase = desk.emulator.buy(subscription=False)
    facts = desk.marketplace.activate(desk.request(purchase))
    assert facts.status is Status.ACTIVE
    assert facts.plan is None
    assert facts.aliases == (Alias(kind="product_instance", value=purchase, exact=True),)
    assert desk.marketplace.activate(desk.request(purchase)) == facts
    with pytest.raises(ConflictError):
        desk.marketplace.activate(desk.request(purchase, "acct_2"))
    desk.emulator.cancel(purchase)
    assert desk.marketplace.read(facts).status is Status.ENDED


# Products


def test_a_foreign_product_is_refused_before_the_claim(desk: Desk) -> None:
    marketplace = desk.connect(product_ids="product-a,product-b")
    purchase = desk.emulator.buy(product="product-c")
    with pytest.raises(InvalidTokenError) as caught:
        marketplace.activate(desk.request(purchase))
    assert caught.value.field == PRODUCT_IDS
    assert PRODUCT_IDS in str(caught.value)
    assert "product-c" in str(caught.value)
    assert desk.emulator.describe(purchase)["linked"] is False


def test_a_foreign_product_that_only_the_claim_shows_is_refused_after_it(desk: Desk) -> None:
    purchase = desk.emulator.buy(product="product-c", subscription=False)
    with pytest.raises(InvalidTokenError, match=PRODUCT_IDS):
        desk.connect(product_ids="product-a").activate(desk.request(purchase))
    assert desk.connect(product_ids=["product-c"]).activate(desk.request(purchase)).status is Status.ACTIVE


# Trouble


@pytest.mark.parametrize(
    "fault",
    [
        Fault(kind="lost_reply", match="/claim"),
        Fault(kind="malformed", match="/claim"),
        Fault(kind="reset", match="/claim"),
        Fault(kind="status", status=503, match="/claim"),
        Fault(kind="status", status=504, match="/claim"),
        Fault(kind="status", status=429, retry_after=1, match="/claim"),
        Fault(kind="status", status=500, match="/operations", times=2),
    ],
    ids=lambda fault: f"{fault.kind}-{fault.status}",
)
def test_one_fault_of_a_claim_is_survived_with_all_ids(desk: Desk, fault: Fault) -> None:
    desk.emulator.behaviour.claim_polls = 1 if "operations" in fault.match else 0
    desk.emulator.faults.add(fault)
    facts = desk.marketplace.activate(desk.request(desk.emulator.buy()))
    assert facts.status is Status.ACTIVE
    assert {"license_instance_id", "lock_id", "product_instance_id", "product_id"} <= set(facts.marketplace_ids)


def test_a_lost_answer_is_looked_up_and_not_claimed_twice(desk: Desk) -> None:
    desk.emulator.faults.add(Fault(kind="lost_reply", match="/claim"))
    desk.marketplace.activate(desk.request(desk.emulator.buy()))
    assert desk.paths().count(CLAIM) == 1
    assert desk.paths().count(LOOKUP) == 1


@pytest.mark.parametrize("status", [500, 503])
def test_a_claim_that_keeps_failing_is_repeated_once_and_stays_retryable(desk: Desk, status: int) -> None:
    desk.emulator.faults.add(Fault(kind="status", status=status, match="/claim", times=0))
    with pytest.raises(UnavailableError) as caught:
        desk.marketplace.activate(desk.request(desk.emulator.buy()))
    assert caught.value.retryable
    assert caught.value.http_status == status
    assert caught.value.request_id
    assert desk.paths().count(CLAIM) == 2


def test_too_many_calls_say_when_to_come_again(desk: Desk) -> None:
    desk.emulator.faults.add(Fault(kind="status", status=429, retry_after=3600, match="/claim", times=0))
    with pytest.raises(RateLimitedError) as caught:
        desk.marketplace.activate(desk.request(desk.emulator.buy()))
    assert caught.value.retry_after == 3600.0


def test_a_forged_token_gains_nothing_by_a_failing_claim(desk: Desk) -> None:
    """Its hints name somebody else's link, and the lookup after the refusal must not fall for them."""
    import jwt

    victim = desk.marketplace.activate(desk.request(desk.emulator.buy(), "acct_victim")).marketplace_ids
    own = desk.marketplace.activate(desk.request(desk.emulator.buy(), "acct_thief")).marketplace_ids
    stolen = jwt.encode({name: victim[name] for name in ("license_instance_id", "product_instance_id")}, "k" * 32)
    with pytest.raises(ConflictError):
        desk.marketplace.activate(desk.request("", "acct_thief", SecretStr(stolen)))
    mixed = {
        "license_instance_id": own["license_instance_id"],
        "product_instance_id": victim["product_instance_id"],
    }
    token = SecretStr(jwt.encode(mixed, "k" * 32))
    facts = desk.marketplace.activate(desk.request("", "acct_thief", token))
    assert facts.marketplace_ids["license_instance_id"] == own["license_instance_id"]
    assert "product_instance_id" not in facts.marketplace_ids


def test_missing_rights_are_not_called_a_bad_token(desk: Desk) -> None:
    desk.emulator.faults.add(Fault(kind="status", status=403, times=0))
    with pytest.raises(AuthenticationError, match=r"productInstances\.saasSupervisor"):
        desk.marketplace.activate(desk.request(desk.emulator.buy()))


def test_a_lock_that_cannot_be_seen_yet_is_pending(desk: Desk) -> None:
    purchase = desk.emulator.buy()
    desk.emulator.faults.add(Fault(kind="status", status=404, match="/locks", times=2))
    facts = desk.marketplace.activate(desk.request(purchase))
    assert facts.status is Status.PENDING
    assert desk.marketplace.read(facts).status is Status.ACTIVE


# Reading


def test_reading_again_finds_the_same(desk: Desk) -> None:
    facts = desk.marketplace.activate(desk.request(desk.emulator.buy()))
    assert desk.marketplace.read(facts) == facts


@pytest.mark.parametrize("shown", ["UNLOCKED", "DELETED", "NOT_FOUND"])
def test_an_unlinked_subscription_is_suspended_and_relinked_under_a_new_lock(desk: Desk, shown: str) -> None:
    desk.emulator.behaviour.unlinked_lock = shown  # type: ignore[assignment]
    purchase = desk.emulator.buy()
    before = desk.marketplace.activate(desk.request(purchase))
    desk.emulator.unlink(purchase)
    gone = desk.marketplace.read(before)
    assert (gone.status, gone.reason) == (Status.SUSPENDED, Reason.UNLINKED)
    assert gone.ends_at == before.ends_at
    desk.emulator.relink(purchase)
    again = desk.marketplace.read(gone)
    assert again.status is Status.ACTIVE
    assert again.marketplace_ids["lock_id"] != before.marketplace_ids["lock_id"]
    assert Alias(kind="lock", value=again.marketplace_ids["lock_id"], exact=True) in again.aliases


def test_cancelled_is_active_until_the_end_and_then_over(desk: Desk, clock: FakeClock) -> None:
    purchase = desk.emulator.buy(days=30)
    facts = desk.marketplace.activate(desk.request(purchase))
    assert facts.will_renew is True
    desk.emulator.turn_renewal_off(purchase)
    cancelled = desk.marketplace.read(facts)
    assert (cancelled.status, cancelled.will_renew) == (Status.ACTIVE, False)
    assert cancelled.cancels_at == cancelled.ends_at == facts.ends_at
    desk.emulator.turn_renewal_on(purchase)
    assert desk.marketplace.read(facts) == facts.model_copy(
        update={"provider_state": desk.marketplace.read(facts).provider_state}
    )
    desk.emulator.turn_renewal_off(purchase)
    clock.advance(timedelta(days=30))
    over = desk.marketplace.read(cancelled)
    assert (over.status, over.reason) == (Status.ENDED, Reason.EXPIRED)


@pytest.mark.parametrize("shown", ["LOCKED", "UNLOCKED", "DELETED", "NOT_FOUND"])
def test_an_expired_subscription_is_over_whatever_its_lock_says(desk: Desk, clock: FakeClock, shown: str) -> None:
    desk.emulator.behaviour.ended_lock = shown  # type: ignore[assignment]
    purchase = desk.emulator.buy(days=1)
    facts = desk.marketplace.activate(desk.request(purchase))
    desk.emulator.turn_renewal_off(purchase)
    clock.advance(timedelta(days=1))
    assert desk.marketplace.read(facts).status is Status.ENDED


@pytest.mark.parametrize("follows", [True, False])
def test_a_renewal_moves_the_end_and_a_lagging_lock_takes_nothing_away(
    desk: Desk, clock: FakeClock, *, follows: bool
) -> None:
    desk.emulator.behaviour.lock_follows_renewal = follows
    purchase = desk.emulator.buy(days=30)
    before = desk.marketplace.activate(desk.request(purchase))
    clock.advance(timedelta(days=31))
    after = desk.marketplace.read(before)
    assert after.status is Status.ACTIVE
    assert before.ends_at is not None
    assert after.ends_at == before.ends_at + timedelta(days=30)
    assert after.marketplace_ids == before.marketplace_ids


def test_a_subscription_is_read_again_before_it_is_called_over(desk: Desk, clock: FakeClock) -> None:
    desk.emulator.behaviour.renews_by_itself = False
    purchase = desk.emulator.buy(days=1)
    facts = desk.marketplace.activate(desk.request(purchase))
    clock.advance(timedelta(days=1))
    desk.emulator.requests.clear()
    assert desk.marketplace.read(facts).status is Status.ENDED
    assert desk.paths().count(f"GET /marketplace/license-manager/saas/v1/instances/{purchase}") == 2


def test_an_operation_of_another_accounts_claim_proves_nothing(desk: Desk) -> None:
    """A marketplace that gives the operation of an idempotency key to another request must not mislead us."""
    purchase = desk.emulator.buy()
    request = desk.request(purchase)
    desk.marketplace.activate(request)
    with pytest.raises(ConflictError, match="Another account holds"):
        desk.marketplace.activate(request.model_copy(update={"account": "acct_2"}))


def test_another_template_and_folder_are_seen(desk: Desk) -> None:
    purchase = desk.emulator.buy()
    facts = desk.marketplace.activate(desk.request(purchase))
    desk.emulator.change_plan(purchase, "template-gold")
    desk.emulator.move_folder(purchase, "b1gother")
    after = desk.marketplace.read(facts)
    assert after.plan == "template-gold"
    assert after.marketplace_ids["folder_id"] == "b1gother"
    assert after.aliases == facts.aliases


def test_a_deleted_subscription_is_over(desk: Desk) -> None:
    purchase = desk.emulator.buy()
    facts = desk.marketplace.activate(desk.request(purchase))
    desk.emulator.cancel(purchase)
    assert desk.marketplace.read(facts).status is Status.ENDED


def test_an_unknown_word_is_unknown(desk: Desk) -> None:
    purchase = desk.emulator.buy()
    facts = desk.marketplace.activate(desk.request(purchase))
    desk.emulator.show_state(purchase, "HIBERNATING")
    after = desk.marketplace.read(facts)
    assert after.status is Status.UNKNOWN
    instance = after.provider_state["instance"]
    assert isinstance(instance, dict)
    assert instance["state"] == "HIBERNATING"


@pytest.mark.parametrize("ids", [{}, {"license_instance_id": "lic-unknown"}, {"product_instance_id": "pin-unknown"}])
def test_an_id_that_nobody_knows_is_not_an_end(desk: Desk, ids: dict[str, str]) -> None:
    with pytest.raises(NotFoundError):
        desk.marketplace.read(Facts(status=Status.ACTIVE, marketplace_ids=ids))


def test_ids_are_no_paths(desk: Desk) -> None:
    with pytest.raises(NotFoundError):
        desk.marketplace.read(Facts(status=Status.ACTIVE, marketplace_ids={"license_instance_id": "../../x?y=1#z"}))


@pytest.mark.parametrize(
    ("fault", "kind"),
    [
        (Fault(kind="status", status=503, times=0), UnavailableError),
        (Fault(kind="status", status=401, times=0), AuthenticationError),
        (Fault(kind="status", status=403, times=0), AuthenticationError),
        (Fault(kind="status", status=429, retry_after=3600, times=0), RateLimitedError),
        (Fault(kind="malformed", times=0), UnavailableError),
        (Fault(kind="reset", times=0), UnavailableError),
    ],
    ids=lambda value: getattr(value, "kind", ""),
)
def test_what_cannot_be_read_is_an_error_and_no_end(desk: Desk, fault: Fault, kind: type[MarketplaceError]) -> None:
    facts = desk.marketplace.activate(desk.request(desk.emulator.buy()))
    desk.emulator.faults.add(fault)
    with pytest.raises(kind):
        desk.marketplace.read(facts)


# The rest


def test_the_buyer_is_told_where_there_is_one(desk: Desk) -> None:
    facts = desk.marketplace.activate(desk.request(desk.emulator.buy()))
    cloud = facts.marketplace_ids["cloud_id"]
    details = {"inn": "7700000000", "kpp": "770001001"}
    assert desk.marketplace.buyer(facts) == Buyer(id=cloud, name="OOO Emulated", details=details)
    desk.emulator.behaviour.user_info = {}
    assert desk.marketplace.buyer(facts) == Buyer(id=cloud)
    desk.emulator.behaviour.user_info = None
    assert desk.marketplace.buyer(facts) == Buyer(id=cloud)
    assert desk.marketplace.buyer(Facts(status=Status.ACTIVE)) == Buyer()


def test_the_capabilities_are_what_the_class_can(desk: Desk) -> None:
    assert desk.marketplace.capabilities is SAAS
    assert {power for power in POWERS if getattr(SAAS, power)} == {"buyer_details"}
    assert {power for power, protocol in POWERS.items() if isinstance(desk.marketplace, protocol)} == {"buyer_details"}
    assert (SAAS.landing, SAAS.landing_parameter, SAAS.landing_token_seconds) == ("GET", "token", 900)
    assert SAAS.landing_proves is False
    assert (SAAS.metering_batch, SAAS.metering_window_seconds) == (25, 3600)


def test_diagnose_tells_what_is_wrong(desk: Desk) -> None:
    assert [finding.level for finding in desk.marketplace.diagnose()] == ["ok"] * 4
    desk.emulator.faults.add(Fault(kind="status", status=403, match="/pim/", times=0))
    (wrong,) = [finding for finding in desk.marketplace.diagnose() if finding.level != "ok"]
    assert wrong.subject == "role marketplace.productInstances.saasSupervisor"
    assert "partner cabinet" in str(wrong.remedy)
    (wrong,) = list(desk.connect(iam_token=None, service_account_key_file="nowhere.json").diagnose())
    assert wrong.level == "error"
    assert wrong.subject == "CROSSMARKET_YANDEX__SERVICE_ACCOUNT_KEY_FILE"


def test_the_marketplace_works_again_after_close(desk: Desk) -> None:
    facts = desk.marketplace.activate(desk.request(desk.emulator.buy()))
    desk.marketplace.close()
    assert desk.marketplace.read(facts) == facts


def test_no_secret_is_shown(desk: Desk, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    token = desk.token(desk.emulator.buy())
    facts = desk.marketplace.activate(desk.request("", token=token))
    shown = f"{facts!r} {desk.marketplace!r} {caplog.text} {json.dumps(facts.provider_state)}"
    assert token.get_secret_value() not in shown
    assert desk.emulator.issuers.fixed not in shown


def test_everything_unpublished_at_its_most_awkward(open_desk: Callable[[YandexEmulator], Desk]) -> None:
    awkward = Behaviour(
        claim_polls=2,
        hidden_polls=2,
        errors_in_operation=True,
        claim_again="refuse",
        unlinked_lock="NOT_FOUND",
        ended_lock="NOT_FOUND",
        lock_follows_renewal=False,
        token="jwt_without_exp",
        print_defaults=True,
        print_type=False,
        user_info=None,
    )
    clock = FakeClock()
    desk = open_desk(YandexEmulator(clock=clock, behaviour=awkward))
    purchase = desk.emulator.buy()
    facts = desk.marketplace.activate(desk.request(purchase))
    request = desk.request(purchase).model_copy(update={"idempotency_key": "8a3c8f2e-1b1d-4a3e-9e53-0a4d0d0c7b11"})
    assert desk.marketplace.activate(request).marketplace_ids == facts.marketplace_ids
    with pytest.raises(ConflictError):
        desk.marketplace.activate(
            request.model_copy(update={"account": "acct_2", "idempotency_key": "11111111-1b1d-4a3e-9e53-0a4d0d0c7b11"})
        )
    clock.advance(timedelta(days=45))
    assert desk.marketplace.read(facts).status is Status.ACTIVE
    desk.emulator.unlink(purchase)
    assert desk.marketplace.read(facts).reason is Reason.UNLINKED
    desk.emulator.relink(purchase)
    desk.emulator.turn_renewal_off(purchase)
    assert desk.marketplace.read(facts).status is Status.ACTIVE
    clock.advance(timedelta(days=60))
    assert desk.marketplace.read(facts).status is Status.ENDED


def test_a_page_that_a_proxy_does_not_find_unlinks_nobody() -> None:
    client = YandexClient(YandexConfig.model_validate({"iam_token": "t1.x.y"}))
    for body, kind in ((b"<html>", UnavailableError), (b"", UnavailableError), (b'{"code": 5}', NotFoundError)):
        assert type(client._classify("Lock.Get", Response(404, {}, body))) is kind
    assert type(client._classify("Instance.Get", Response(404, {}, b""))) is NotFoundError

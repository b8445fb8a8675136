"""The provider against the emulator, through boto3 and a real socket."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import pytest
from pydantic import SecretStr

from crossmarket.errors import ConflictError, InvalidTokenError, NotFoundError, UnavailableError, UnsupportedError
from crossmarket.models import Alias, Buyer, Facts, Lineage, Reason, Status
from crossmarket.provider import Activation
from crossmarket.testing.faults import Fault

if TYPE_CHECKING:
    from providers.aws.tests.conftest import Shop, Wire

START = datetime(2026, 3, 1, 12, tzinfo=UTC)
END = datetime(2027, 3, 1, 12, tzinfo=UTC)
PRODUCT = "crossmarketdemo0000000001"
ARN = "arn:aws:license-manager::222233334444:license:l-00000000000000000000000000000002"


def activation(facts: Facts) -> Activation:
    return Activation(account="acct_1", known=facts, idempotency_key="3f0b1c3e-9a5e-4a57-8f0e-0a8b6f0f7a11")


def aliases(facts: Facts) -> set[tuple[str, str, bool]]:
    return {(alias.kind, alias.value, alias.exact) for alias in facts.aliases}


def test_a_contract_under_concurrent_agreements(shop: Shop) -> None:
    facts = shop.land(shop.emulator.buy(plan="gold", quantity=7))

    assert facts.status is Status.ACTIVE
    assert facts.product == PRODUCT
    assert facts.plan is None
    assert facts.quantities == {"gold": True, "seats": 7}
    assert facts.offer == "offer-public0000001"
    assert facts.will_renew is True
    assert facts.cancels_at is None
    assert (facts.starts_at, facts.ends_at) == (START, END)
    assert facts.trial is False
    assert facts.buyer == Buyer(id="111100000001")
    assert facts.follows is None
    assert facts.marketplace_ids == {
        "agreement_id": "agmt-000000000000000000000002",
        "initial_agreement_id": "agmt-000000000000000000000002",
        "license_arn": ARN,
        "aws_account_id": "111100000001",
        "customer_identifier": "CustId000001",
        "product_code": PRODUCT,
        "product_id": "prod-mo0000000001",
    }
    assert aliases(facts) == {
        ("license", "l-00000000000000000000000000000002", True),
        ("agreement", "agmt-000000000000000000000002", True),
        ("chain", "agmt-000000000000000000000002", False),
        ("customer_product", f"CustId000001:{PRODUCT}", False),
        ("account_product", f"111100000001:{PRODUCT}", False),
    }
    assert facts.provider_state["agreement"]["status"] == "ACTIVE"
    assert [entry["Dimension"] for entry in facts.provider_state["entitlements"]] == ["gold", "seats"]


def test_a_legacy_contract_goes_by_its_customer_identifier(shop: Shop) -> None:
    facts = shop.land(shop.emulator.buy(generation="legacy"))

    assert facts.status is Status.ACTIVE
    assert facts.will_renew is None
    assert facts.ends_at == END
    assert facts.marketplace_ids == {
        "aws_account_id": "111100000001",
        "customer_identifier": "CustId000001",
        "product_code": PRODUCT,
    }
    assert aliases(facts) == {
        ("customer_product", f"CustId000001:{PRODUCT}", True),
        ("account_product", f"111100000001:{PRODUCT}", False),
    }
    assert shop.market.read(facts) == facts
    assert shop.targets() == ["ResolveCustomer", "GetEntitlements", "GetEntitlements"]


def test_pay_as_you_go_is_active_by_its_agreement_alone(shop: Shop) -> None:
    facts = shop.land(shop.emulator.buy(model="subscription"))
    assert facts.status is Status.ACTIVE
    assert facts.quantities == {}
    assert facts.ends_at is None
    assert facts.will_renew is None


def test_pay_as_you_go_without_agreements_waits_for_a_signal_and_is_never_ended(shop: Shop) -> None:
    shop.emulator.modes.agreements = False
    purchase = shop.emulator.buy(model="subscription")
    facts = shop.land(purchase)
    assert facts.status is Status.PENDING
    # A signal has said that it is paid; reading again must neither take that back nor end it.
    told = facts.model_copy(update={"status": Status.ACTIVE})
    assert shop.market.read(told).status is Status.ACTIVE


def test_two_live_agreements_of_one_account_are_two_subscriptions(shop: Shop) -> None:
    first = shop.land(shop.emulator.buy(account="123456789012", dimensions={"seats": 5}))
    second = shop.land(shop.emulator.buy(account="123456789012", dimensions={"seats": 9}))
    assert (first.quantities, second.quantities) == ({"seats": 5}, {"seats": 9})
    exact = {alias for alias in first.aliases if alias.exact} & {alias for alias in second.aliases if alias.exact}
    assert exact == set()
    assert shop.market.read(first).quantities == {"seats": 5}


def test_values_go_by_presence_in_their_own_types(shop: Shop) -> None:
    held = {"zero": 0, "off": False, "tenths": 2.5, "tier": "Enabled", "blank": ""}
    facts = shop.land(shop.emulator.buy(dimensions=held))
    assert facts.status is Status.ACTIVE
    assert facts.quantities == held
    kinds = {name: type(value) for name, value in facts.quantities.items()}
    assert kinds == {"zero": int, "off": bool, "tenths": float, "tier": str, "blank": str}


def test_an_unpaid_contract_is_pending_until_it_is_paid(shop: Shop) -> None:
    purchase = shop.emulator.buy(paid=False)
    facts = shop.land(purchase)
    assert facts.status is Status.PENDING
    assert shop.market.activate(activation(facts)).status is Status.PENDING
    shop.emulator.act(purchase, "pay")
    assert shop.market.activate(activation(facts)).status is Status.ACTIVE
    assert shop.market.activate(activation(facts)).status is Status.ACTIVE


def test_an_unpaid_pay_as_you_go_purchase_is_pending_until_its_agreement_shows(shop: Shop) -> None:
    purchase = shop.emulator.buy(model="subscription", paid=False)
    facts = shop.land(purchase)
    assert facts.status is Status.PENDING
    shop.emulator.act(purchase, "pay")
    assert shop.market.read(facts).status is Status.ACTIVE


@pytest.mark.parametrize(
    ("action", "reason"),
    [
        ("cancel", Reason.CUSTOMER_CANCELLED),
        ("terminate", Reason.MARKETPLACE_CANCELLED),
        ("renew", Reason.RENEWED_ELSEWHERE),
        ("replace", Reason.REPLACED),
    ],
)
def test_ends_with_their_reasons(shop: Shop, action: str, reason: Reason) -> None:
    purchase = shop.emulator.buy()
    facts = shop.land(purchase)
    shop.emulator.act(purchase, action)
    read = shop.market.read(facts)
    assert (read.status, read.reason) == (Status.ENDED, reason)
    assert read.will_renew is None
    assert read.marketplace_ids == facts.marketplace_ids


def test_a_renewal_is_a_new_subscription_that_states_its_chain(shop: Shop) -> None:
    purchase = shop.emulator.buy()
    first = shop.land(purchase)
    shop.emulator.act(purchase, "renew")
    second = shop.land(purchase)
    assert second.status is Status.ACTIVE
    assert second.marketplace_ids["license_arn"] != first.marketplace_ids["license_arn"]
    chain = Alias(kind="chain", value="agmt-000000000000000000000002", exact=False)
    assert second.follows == Lineage(alias=chain, certainty="stated")
    assert chain in first.aliases
    shop.emulator.act(purchase, "replace")
    assert shop.land(purchase).follows == Lineage(alias=chain, certainty="stated")


def test_a_contract_renews_or_expires_when_its_end_comes(shop: Shop) -> None:
    renewing, ending = shop.emulator.buy(), shop.emulator.buy()
    one, other = shop.land(renewing), shop.land(ending)
    shop.emulator.act(ending, "turn_renewal_off")
    scheduled = shop.market.read(other)
    assert (scheduled.will_renew, scheduled.cancels_at, scheduled.status) == (False, END, Status.ACTIVE)
    shop.emulator.act(ending, "turn_renewal_on")
    assert shop.market.read(other).cancels_at is None
    shop.emulator.act(ending, "turn_renewal_off")
    shop.emulator.pass_time(timedelta(days=366))
    assert shop.market.read(one).reason is Reason.RENEWED_ELSEWHERE
    assert shop.market.read(other).reason is Reason.EXPIRED
    assert shop.land(renewing).ends_at == END + timedelta(days=365)


def test_plan_and_quantity_changes(shop: Shop) -> None:
    purchase = shop.emulator.buy(plan="gold", quantity=5)
    facts = shop.land(purchase)
    shop.emulator.act(purchase, "change_plan", plan="platinum")
    shop.emulator.act(purchase, "change_quantity", quantity=50)
    assert shop.market.read(facts).quantities == {"platinum": True, "seats": 50}


def test_a_trial_tells_its_end_and_turns_into_a_paid_subscription(shop: Shop) -> None:
    purchase = shop.emulator.buy(model="subscription", trial=True)
    assert shop.emulator.landing(purchase).fields["x-amzn-marketplace-offer-type"] == "free-trial"
    facts = shop.land(purchase)
    assert (facts.trial, facts.trial_ends_at) == (True, START + timedelta(days=30))
    shop.emulator.pass_time(timedelta(days=31))
    later = shop.market.read(facts)
    assert (later.trial, later.status) == (False, Status.ACTIVE)


def test_a_trial_of_a_contract_ends_in_a_new_agreement(shop: Shop) -> None:
    purchase = shop.emulator.buy(trial=True)
    facts = shop.land(purchase)
    assert (facts.trial, facts.ends_at) == (True, START + timedelta(days=30))
    shop.emulator.pass_time(timedelta(days=31))
    assert shop.market.read(facts).reason is Reason.RENEWED_ELSEWHERE
    assert shop.land(purchase).trial is False


def test_a_legacy_contract_that_had_entitlements_is_over_when_they_are_gone(shop: Shop) -> None:
    purchase = shop.emulator.buy(generation="legacy")
    facts = shop.land(purchase)
    shop.emulator.act(purchase, "cancel")
    read = shop.market.read(facts)
    assert (read.status, read.reason) == (Status.ENDED, Reason.UNKNOWN)
    assert shop.market.read(read).status is Status.ENDED


def test_a_legacy_contract_that_ran_out_is_expired(shop: Shop) -> None:
    purchase = shop.emulator.buy(generation="legacy")
    facts = shop.land(purchase)
    shop.emulator.act(purchase, "turn_renewal_off")
    shop.emulator.pass_time(timedelta(days=366))
    read = shop.market.read(facts)
    assert (read.status, read.reason) == (Status.ENDED, Reason.EXPIRED)


@pytest.mark.parametrize("word", ["PAUSED", "ARCHIVED_BY_COURT", "active-ish"])
def test_unknown_status_words_are_unknown_and_kept(shop: Shop, wire: Wire, word: str) -> None:
    wire.excused.add("is not in the enumeration")
    purchase = shop.emulator.buy()
    facts = shop.land(purchase)
    shop.emulator.act(purchase, "show_status", status=word)
    read = shop.market.read(facts)
    assert read.status is Status.UNKNOWN
    assert read.provider_state["agreement"]["status"] == word


def test_every_page_is_read_and_empty_ones_do_not_end_it(shop: Shop) -> None:
    held = {f"dimension{number:02d}": number for number in range(60)}
    purchase = shop.emulator.buy(dimensions=held)
    shop.emulator.modes.page_size = 7
    shop.emulator.modes.empty_page = True
    assert shop.land(purchase).quantities == held


def test_the_entitlements_key_may_be_missing(shop: Shop) -> None:
    shop.emulator.modes.omit_entitlements = True
    purchase = shop.emulator.buy(generation="legacy", paid=False)
    assert shop.land(purchase).status is Status.PENDING


def test_older_answers_without_agreement_ids_find_the_agreement_by_the_licence(shop: Shop) -> None:
    shop.emulator.modes.newer_members = False
    facts = shop.land(shop.emulator.buy())
    assert facts.status is Status.ACTIVE
    assert facts.marketplace_ids["agreement_id"] == "agmt-000000000000000000000002"
    assert facts.will_renew is None
    assert facts.follows is None
    assert shop.targets() == ["ResolveCustomer", "GetEntitlements", "SearchAgreements"]


def test_an_empty_token_is_refused_without_a_call(shop: Shop) -> None:
    with pytest.raises(InvalidTokenError):
        shop.market.resolve(SecretStr(""))
    assert shop.targets() == []


def test_bad_tokens_say_what_to_do(shop: Shop) -> None:
    with pytest.raises(InvalidTokenError, match="'Set up your account'") as expired:
        shop.market.resolve(SecretStr(shop.emulator.expired_token()))
    assert (expired.value.code, expired.value.http_status) == ("ExpiredTokenException", 400)
    assert expired.value.request_id
    with pytest.raises(InvalidTokenError, match="CROSSMARKET_AWS__PRODUCT_CODES"):
        shop.market.resolve(SecretStr(shop.emulator.foreign_token()))
    with pytest.raises(InvalidTokenError, match="CROSSMARKET_AWS__ROLE_ARN"):
        shop.market.resolve(SecretStr(shop.emulator.foreign_seller_token()))


def test_a_token_runs_out_with_time(shop: Shop) -> None:
    token = shop.token(shop.emulator.buy())
    shop.emulator.pass_time(timedelta(hours=3, minutes=59))
    assert shop.market.resolve(token).facts == shop.market.resolve(token).facts
    shop.emulator.pass_time(timedelta(minutes=1))
    with pytest.raises(InvalidTokenError):
        shop.market.resolve(token)


def test_activating_what_has_ended_is_a_conflict_unless_it_lives_on_elsewhere(shop: Shop) -> None:
    purchase = shop.emulator.buy()
    facts = shop.land(purchase)
    shop.emulator.act(purchase, "renew")
    assert shop.market.activate(activation(facts)).reason is Reason.RENEWED_ELSEWHERE
    second = shop.land(purchase)
    shop.emulator.act(purchase, "cancel")
    with pytest.raises(ConflictError):
        shop.market.activate(activation(second))


def test_a_subscription_without_ids_cannot_be_read(shop: Shop) -> None:
    with pytest.raises(NotFoundError):
        shop.market.read(Facts(status=Status.ACTIVE, product=PRODUCT))


def test_the_listing_has_contracts_pay_as_you_go_legacy_and_ended_ones(shop: Shop) -> None:
    buy = shop.emulator.buy
    renewed, usage, legacy, cancelled = buy(), buy(model="subscription"), buy(generation="legacy"), buy()
    facts = {key: shop.land(key) for key in (renewed, usage, legacy, cancelled)}
    shop.emulator.act(renewed, "renew")
    shop.emulator.act(cancelled, "cancel")
    shop.emulator.modes.page_size = 2

    listed = list(shop.market.list_subscriptions())

    found = {next(alias for alias in each.aliases if alias.exact): each for each in listed}
    assert len(found) == len(listed) == 5
    by_id = {key: found[next(alias for alias in each.aliases if alias.exact)] for key, each in facts.items()}
    assert by_id[renewed].reason is Reason.RENEWED_ELSEWHERE
    assert by_id[usage].status is Status.ACTIVE
    assert by_id[usage].product == PRODUCT  # learnt from the contracts of the same product id
    assert by_id[legacy] == shop.market.read(facts[legacy])
    assert by_id[cancelled].reason is Reason.CUSTOMER_CANCELLED
    assert sum(each.follows is not None for each in listed) == 1


def test_without_agreements_the_listing_has_the_holders_of_entitlements(shop: Shop) -> None:
    shop.emulator.modes.agreements = False
    shop.emulator.buy(dimensions={"a": 1, "b": 2})
    shop.emulator.buy(model="subscription")
    shop.emulator.buy(generation="legacy", dimensions={"c": 3})
    assert [each.quantities for each in shop.market.list_subscriptions()] == [{"a": 1, "b": 2}, {"c": 3}]


def test_a_cancellation_is_asked_for_and_comes_after_seven_days(shop: Shop) -> None:
    purchase = shop.emulator.buy()
    facts = shop.land(purchase)
    operation = shop.market.cancel(facts)
    assert operation.model_dump(include={"id", "action", "status", "requested_by"}) == {
        "id": shop.emulator.describe(purchase)["cancellation_request"],
        "action": "cancel",
        "status": "pending",
        "requested_by": "seller",
    }
    assert shop.market.read(facts).status is Status.ACTIVE
    with pytest.raises(ConflictError) as again:
        shop.market.cancel(facts)
    assert again.value.retryable is False
    shop.emulator.pass_time(timedelta(days=7))
    assert shop.market.read(facts).reason is Reason.CUSTOMER_CANCELLED


def test_the_buyer_answers_a_cancellation_request(shop: Shop) -> None:
    first, second = shop.emulator.buy(), shop.emulator.buy()
    one, other = shop.land(first), shop.land(second)
    shop.market.cancel(one)
    shop.market.cancel(other)
    shop.emulator.act(first, "approve_cancellation")
    shop.emulator.act(second, "reject_cancellation")
    assert shop.market.read(one).status is Status.ENDED
    assert shop.market.read(other).status is Status.ACTIVE


def test_a_legacy_subscription_cannot_be_cancelled(shop: Shop) -> None:
    facts = shop.land(shop.emulator.buy(generation="legacy"))
    with pytest.raises(UnsupportedError):
        shop.market.cancel(facts)


def test_an_agreement_that_aws_does_not_tell_cannot_be_cancelled(shop: Shop) -> None:
    shop.emulator.modes.newer_members = False
    facts = shop.land(shop.emulator.buy(model="subscription", paid=False))
    with pytest.raises(NotFoundError):
        shop.market.cancel(facts)


def test_cancelling_needs_the_agreement_service(shop: Shop) -> None:
    facts = shop.land(shop.emulator.buy())
    with pytest.raises(UnsupportedError, match="CROSSMARKET_AWS__AGREEMENTS"):
        shop.connect(agreements="false").cancel(facts)


def test_capabilities(shop: Shop) -> None:
    capabilities = shop.market.capabilities
    assert (capabilities.landing, capabilities.landing_parameter) == ("POST", "x-amzn-marketplace-token")
    assert capabilities.landing_token_seconds is None
    assert capabilities.renewal == "new_subscription"
    assert capabilities.quantities == "dimensions"
    assert (capabilities.metering_batch, capabilities.metering_window_seconds) == (25, 86400)
    assert capabilities.cancel
    assert capabilities.list_subscriptions
    assert not capabilities.metering
    assert not capabilities.push_signals
    without = shop.connect(agreements=False).capabilities
    assert [without.cancel, without.renewal_intent, without.trial] == [False, False, False]
    assert (without.renewal, without.concurrent) == ("in_place", False)
    shop.emulator.modes.agreements = False
    shop.land(shop.emulator.buy())
    denied = shop.market.capabilities
    assert [denied.cancel, denied.renewal_intent, denied.trial] == [False, False, False]
    assert (denied.renewal, denied.concurrent) == ("new_subscription", True)


def test_an_answer_that_is_no_json_is_not_an_empty_contract(shop: Shop) -> None:
    facts = shop.land(shop.emulator.buy(generation="legacy"))
    shop.emulator.faults.add(Fault(kind="malformed"))
    with pytest.raises(UnavailableError):
        shop.market.read(facts)

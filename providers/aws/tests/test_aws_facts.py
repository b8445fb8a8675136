"""The table of what entitlements and an agreement together mean."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from crossmarket.models import Alias, Facts, Lineage, Quantity, Reason, Status
from crossmarket_aws.facts import Identity, build
from crossmarket_aws.wire import Agreement, Entitlement

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
LATER = datetime(2027, 3, 1, 12, tzinfo=UTC)
BEFORE = datetime(2026, 2, 1, 12, tzinfo=UTC)
IDENTITY = Identity(product="code", account="123456789012", license_arn="l-1", agreement="agmt-1")
SEATS = Entitlement(dimension="seats", value=5, expires_at=LATER)
OVERDUE = Entitlement(dimension="seats", value=5, expires_at=BEFORE)


def agreement(status: str = "ACTIVE", **more: Any) -> Agreement:
    return Agreement(**{"id": "agmt-1", "initial": "agmt-1", "status": status, "ends_at": LATER} | more)


def known(status: Status, quantities: dict[str, Quantity] | None = None, **more: Any) -> Facts:
    return Facts(status=status, quantities=quantities or {}, **more)


def facts(
    entitlements: list[Entitlement],
    read: Agreement | None,
    *,
    before: Facts | None = None,
    contract: bool | None = None,
) -> Facts:
    return build(IDENTITY, entitlements, read, known=before, contract=contract, now=NOW)


HAD = known(Status.ACTIVE, {"seats": 5}, ends_at=LATER)
RAN_OUT = known(Status.ACTIVE, {"seats": 5}, ends_at=BEFORE)


@pytest.mark.parametrize(
    ("entitlements", "read", "before", "contract", "status", "reason"),
    [
        # contracts
        ([SEATS], agreement(), None, None, Status.ACTIVE, None),
        ([SEATS], None, None, None, Status.ACTIVE, None),
        ([OVERDUE, SEATS], None, None, None, Status.ACTIVE, None),
        ([], agreement(), None, True, Status.PENDING, None),
        ([], agreement(), None, None, Status.PENDING, None),
        ([], agreement(starts_at=LATER), None, False, Status.PENDING, None),
        ([], None, None, None, Status.PENDING, None),
        ([], None, known(Status.PENDING), None, Status.PENDING, None),
        # gone: an end without an agreement, but not against one that says active
        ([], None, HAD, None, Status.ENDED, Reason.UNKNOWN),
        ([], None, RAN_OUT, None, Status.ENDED, Reason.EXPIRED),
        ([], agreement(), HAD, True, Status.ACTIVE, None),
        # a date that has passed proves nothing alone
        ([OVERDUE], agreement(), HAD, True, Status.ACTIVE, None),
        ([OVERDUE], None, HAD, None, Status.ACTIVE, None),
        ([OVERDUE], None, None, None, Status.PENDING, None),
        # pay-as-you-go never has entitlements
        ([], agreement(ends_at=None), None, False, Status.ACTIVE, None),
        ([], None, known(Status.ACTIVE), None, Status.ACTIVE, None),
        ([], agreement(), known(Status.ACTIVE), None, Status.ACTIVE, None),
        ([], None, known(Status.ENDED, reason=Reason.EXPIRED), None, Status.ENDED, Reason.EXPIRED),
        # ends, whatever the entitlements still say
        ([SEATS], agreement("CANCELLED"), HAD, None, Status.ENDED, Reason.CUSTOMER_CANCELLED),
        ([SEATS], agreement("TERMINATED"), HAD, None, Status.ENDED, Reason.MARKETPLACE_CANCELLED),
        ([], agreement("EXPIRED"), HAD, None, Status.ENDED, Reason.EXPIRED),
        ([], agreement("RENEWED"), HAD, None, Status.ENDED, Reason.RENEWED_ELSEWHERE),
        ([], agreement("REPLACED"), HAD, None, Status.ENDED, Reason.REPLACED),
        ([], agreement("SUPERSEDED"), HAD, None, Status.ENDED, Reason.REPLACED),
        # words whose effect nobody has documented: never an end
        ([SEATS], agreement("ARCHIVED"), HAD, None, Status.ACTIVE, None),
        ([], agreement("ARCHIVED"), HAD, None, Status.UNKNOWN, None),
        ([], agreement("ROLLED_BACK"), None, None, Status.UNKNOWN, None),
        ([SEATS], agreement("PAUSED"), HAD, None, Status.UNKNOWN, None),
        ([], agreement("PAUSED"), None, False, Status.UNKNOWN, None),
        # an answer without a status says nothing
        ([], agreement(""), HAD, None, Status.ENDED, Reason.UNKNOWN),
        ([], agreement(""), None, None, Status.PENDING, None),
    ],
)
def test_where_a_subscription_stands(
    entitlements: list[Entitlement],
    read: Agreement | None,
    before: Facts | None,
    contract: bool | None,
    status: Status,
    reason: Reason | None,
) -> None:
    told = facts(entitlements, read, before=before, contract=contract)
    assert (told.status, told.reason) == (status, reason)


@pytest.mark.parametrize(
    ("behaviour", "will_renew", "cancels_at"),
    [
        ("RENEW", True, None),
        ("REPLACE", True, None),
        ("EXPIRE", False, LATER),
        ("WAIT", None, None),
        (None, None, None),
    ],
)
def test_what_happens_at_the_end(
    behaviour: str | None,
    will_renew: bool | None,
    cancels_at: datetime | None,
) -> None:
    told = facts([SEATS], agreement(behaviour=behaviour))
    assert (told.will_renew, told.cancels_at, told.ends_at) == (will_renew, cancels_at, LATER)


def test_without_an_agreement_the_end_is_a_renewal_date() -> None:
    told = facts([SEATS], None)
    assert (told.ends_at, told.will_renew, told.cancels_at) == (LATER, None, None)


def test_an_expiration_in_the_year_9999_is_none() -> None:
    endless = Entitlement(dimension="seats", value=1, expires_at=datetime(9999, 1, 1, tzinfo=UTC))
    assert facts([endless], None).ends_at is None


def test_expired_dimensions_do_not_count_beside_live_ones() -> None:
    gone = Entitlement(dimension="sso", value=True, expires_at=BEFORE)
    assert facts([gone, SEATS], agreement()).quantities == {"seats": 5}
    assert facts([gone], agreement()).quantities == {"sso": True}


def test_the_order_of_the_answer_makes_no_difference() -> None:
    first = Entitlement(dimension="a", value=1, expires_at=LATER, raw={"Dimension": "a"})
    second = Entitlement(dimension="b", value=2, expires_at=LATER, raw={"Dimension": "b"})
    assert facts([first, second], None) == facts([second, first], None)


def test_the_later_of_two_entries_of_a_dimension_counts() -> None:
    longer = Entitlement(dimension="seats", value=9, expires_at=datetime(2028, 1, 1, tzinfo=UTC))
    assert facts([longer, SEATS], None).quantities == {"seats": 9}
    assert facts([SEATS, longer], None).quantities == {"seats": 9}


def test_lineage_is_stated_only_where_the_chain_has_another_beginning() -> None:
    assert facts([SEATS], agreement()).follows is None
    assert facts([SEATS], agreement(initial=None)).follows is None
    assert facts([SEATS], agreement(initial="agmt-0")).follows == Lineage(
        alias=Alias(kind="chain", value="agmt-0", exact=False), certainty="stated"
    )


def test_ids_that_the_api_tells_no_longer_are_carried_on() -> None:
    first = facts([SEATS], agreement(initial="agmt-0", offer="offer-1", starts_at=BEFORE, products=("prod-1",)))
    later = build(Identity.of_facts(first), [SEATS], None, known=first, contract=None, now=NOW)
    assert later.marketplace_ids == first.marketplace_ids
    assert (later.offer, later.starts_at, later.follows) == ("offer-1", BEFORE, first.follows)


def test_a_trial_is_one_until_it_ends() -> None:
    told = facts([SEATS], agreement(trial_ends_at=LATER))
    assert (told.trial, told.trial_ends_at) == (True, LATER)
    assert facts([SEATS], agreement(trial_ends_at=BEFORE)).trial is False
    assert facts([], agreement("CANCELLED", trial_ends_at=LATER)).trial is False


def test_a_live_contract_of_which_no_entitlement_is_told_keeps_what_was_bought() -> None:
    assert facts([], agreement(), before=HAD, contract=True).quantities == {"seats": 5}
    assert facts([SEATS], agreement(), before=known(Status.ACTIVE, {"old": 1})).quantities == {"seats": 5}
    assert facts([], None, before=HAD).quantities == {}


def test_an_account_is_exact_only_where_nothing_else_is_told() -> None:
    def exact(identity: Identity) -> dict[str, bool]:
        return {alias.kind: alias.exact for alias in identity.aliases()}

    assert exact(Identity(product="code", account="1")) == {"account_product": True}
    assert exact(Identity(product="code", account="1", license_arn="l-1"))["account_product"] is False
    assert exact(Identity(product="code", account="1", customer="c"))["account_product"] is False

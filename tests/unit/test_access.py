from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from bazaar import DAY, HOUR, NOW, held
from hypothesis import given, settings, strategies as st

from crossmarket.access import AccessPolicy, decide, entitlements, standing
from crossmarket.catalog import Catalog
from crossmarket.errors import InvalidArgumentError
from crossmarket.models import Decision, Link, Reason, Status, Subscription

CATALOG = Catalog.parse(
    {
        "plan": [
            {
                "name": "gold",
                "features": {"sso": True, "seats": 50, "support": "phone", "beta": False},
                "sold_as": [{"marketplace": "bazaar", "plan": "gold"}],
            },
            {"name": "free", "features": {"seats": 3}, "sold_as": [{"marketplace": "bazaar", "plan": "free"}]},
            {"name": "huge", "features": {"seats": True}, "sold_as": [{"marketplace": "bazaar", "plan": "huge"}]},
        ],
        "limit": [{"feature": "rows", "sold_as": [{"marketplace": "bazaar", "dimension": "rows"}]}],
        "listing": {"bazaar": "https://bazaar.example/contoso", "fair": "https://fair.example/contoso"},
    }
)
POLICY = AccessPolicy()
SECOND = timedelta(seconds=1)
STATED = Link(subscription="s2", certainty="stated")


def ask(*subscriptions: Subscription, feature: str = "sso", quantity: float = 1, policy: Any = POLICY) -> Decision:
    return decide("acct", feature, quantity, subscriptions, CATALOG, policy, NOW)


def verdict(*subscriptions: Subscription, **options: Any) -> tuple[bool, str, str]:
    decision = ask(*subscriptions, **options)
    return decision.allowed, decision.reason.value, decision.source


ALLOWED = (True, "entitled", "fresh")
KEPT = (True, "entitled", "grace")

SITUATIONS = {
    "active": (held(), ALLOWED),
    "active within its dates": (held(starts_at=NOW - DAY, ends_at=NOW + DAY), ALLOWED),
    "active from this very second": (held(starts_at=NOW), ALLOWED),
    "active, but starting in a second": (held(starts_at=NOW + SECOND), (False, "pending", "fresh")),
    "cancellation scheduled": (held(cancels_at=NOW + SECOND, will_renew=False), ALLOWED),
    "cancellation due this second": (held(cancels_at=NOW), (False, "expired", "fresh")),
    "renewal off, before the end": (held(will_renew=False, ends_at=NOW + SECOND), ALLOWED),
    "renewal off, at the end": (held(will_renew=False, ends_at=NOW), (False, "expired", "fresh")),
    "Yandex CANCELLED is active until its end": (
        held(will_renew=False, cancels_at=NOW + DAY, ends_at=NOW + DAY, reason="customer_cancelled"),
        ALLOWED,
    ),
    "superseded, successor not seen": (held(status="ended", reason="renewed_elsewhere"), KEPT),
    "replaced, successor not seen": (held(status="ended", reason="replaced"), KEPT),
    "superseded, successor seen": (
        held(status="ended", reason="replaced", replaced_by=STATED),
        (False, "expired", "fresh"),
    ),
    "renewal date passed, not read since": (held(ends_at=NOW - HOUR, observed_at=NOW - DAY), KEPT),
    "renewal date this second, not read since": (held(ends_at=NOW, observed_at=NOW - SECOND), KEPT),
    "renewal date passed and read at that second": (held(ends_at=NOW - HOUR, observed_at=NOW - HOUR), ALLOWED),
    "renewal date passed and read since": (held(ends_at=NOW - HOUR, will_renew=True), ALLOWED),
    "renewal overdue for as long as the grace, less a second": (
        held(ends_at=NOW - 3 * DAY + SECOND, observed_at=NOW - 9 * DAY),
        KEPT,
    ),
    "renewal overdue for as long as the grace": (
        held(ends_at=NOW - 3 * DAY, observed_at=NOW - 9 * DAY),
        (False, "stale", "grace"),
    ),
    "payment issue, still active": (held(billing_issue_since=NOW - DAY, grace_until=NOW + DAY), ALLOWED),
    "suspended": (held(status="suspended", reason="payment_failed"), (False, "suspended", "fresh")),
    "unlinked": (held(status="suspended", reason="unlinked"), (False, "suspended", "fresh")),
    "pending": (held(status="pending"), (False, "pending", "fresh")),
    "unknown from the first": (held(status="unknown"), (False, "pending", "fresh")),
    "unknown later: as before, marked stale": (held(unrecognised=True), KEPT),
    "unknown for a year: still as before": (held(unrecognised=True, observed_at=NOW - 365 * DAY), KEPT),
    "unknown, and then unreadable for too long": (
        held(unrecognised=True, stale_since=NOW - 3 * DAY),
        (False, "stale", "grace"),
    ),
    "read error, within the grace by a second": (held(stale_since=NOW - 3 * DAY + SECOND), KEPT),
    "read error, as old as the grace": (held(stale_since=NOW - 3 * DAY), (False, "stale", "grace")),
    "suspended, and cannot be read": (
        held(status="suspended", stale_since=NOW - HOUR),
        (False, "suspended", "grace"),
    ),
    "a stale snapshot never outlives a decided end": (
        held(stale_since=NOW - HOUR, cancels_at=NOW - HOUR),
        (False, "expired", "grace"),
    ),
    "expired": (held(status="ended", reason="expired"), (False, "expired", "fresh")),
    "cancelled": (held(status="ended", reason="customer_cancelled"), (False, "expired", "fresh")),
    "ended, reason not told": (held(status="ended"), (False, "expired", "fresh")),
    "ended although its term is not over": (
        held(status="ended", ends_at=NOW + DAY, will_renew=True),
        (False, "expired", "fresh"),
    ),
    "refunded, still active": (held(reason="refunded"), ALLOWED),
}


@pytest.mark.parametrize(("subscription", "expected"), SITUATIONS.values(), ids=SITUATIONS.keys())
def test_one_subscription(subscription: Subscription, expected: tuple[bool, str, str]) -> None:
    assert verdict(subscription) == expected
    assert standing(subscription, NOW, POLICY).live is expected[0]
    assert bool(entitlements("acct", [subscription], CATALOG, POLICY, NOW)) is expected[0]


@pytest.mark.parametrize(
    ("policy", "subscription", "expected"),
    [
        ({"stale_policy": "allow"}, held(stale_since=NOW - 300 * DAY), KEPT),
        ({"stale_policy": "allow"}, held(ends_at=NOW - 300 * DAY, observed_at=NOW - 301 * DAY), KEPT),
        ({"stale_policy": "allow"}, held(status="ended"), (False, "expired", "fresh")),
        ({"stale_grace": timedelta(0)}, held(stale_since=NOW), (False, "stale", "grace")),
        ({"stale_grace": timedelta(0)}, held(), ALLOWED),
        ({"suspended_access": True}, held(status="suspended", reason="payment_failed"), ALLOWED),
        ({"suspended_access": True}, held(status="suspended"), ALLOWED),
        ({"suspended_access": True}, held(status="suspended", reason="unlinked"), (False, "suspended", "fresh")),
        # Access that a policy keeps is no better than that of an active subscription.
        ({"suspended_access": True}, held(status="suspended", cancels_at=NOW), (False, "expired", "fresh")),
        ({"suspended_access": True}, held(status="suspended", stale_since=NOW - HOUR), KEPT),
        ({"suspended_access": True}, held(status="suspended", stale_since=NOW - 3 * DAY), (False, "stale", "grace")),
    ],
)
def test_policies(policy: dict[str, Any], subscription: Subscription, expected: tuple[bool, str, str]) -> None:
    assert verdict(subscription, policy=AccessPolicy(**policy)) == expected


def test_overdue_and_stale_counts_from_the_earlier() -> None:
    subscription = held(ends_at=NOW - 3 * DAY, observed_at=NOW - 4 * DAY, stale_since=NOW - DAY)
    assert verdict(subscription) == (False, "stale", "grace")


ENDED = held("s-ended", "ended")
PENDING = held("s-pending", "pending")
SUSPENDED = held("s-suspended", "suspended")
STALE = held("s-stale", stale_since=NOW - 30 * DAY)
LIVE_WITHOUT = held("s-free", plan="free")

SEVERAL = {
    "none at all": ((), "sso", 1, "not_subscribed", ()),
    "live without the feature, expired with it": ((ENDED, LIVE_WITHOUT), "sso", 1, "not_in_plan", ("s-free",)),
    "pending with it, live without it": ((PENDING, LIVE_WITHOUT), "sso", 1, "pending", ("s-pending",)),
    "suspended with it, live without it": ((SUSPENDED, LIVE_WITHOUT), "sso", 1, "suspended", ("s-suspended",)),
    "stale before suspended before pending": ((PENDING, SUSPENDED, STALE), "sso", 1, "stale", ("s-stale",)),
    "suspended before pending": ((PENDING, SUSPENDED), "sso", 1, "suspended", ("s-suspended",)),
    "pending before expired": ((ENDED, PENDING), "sso", 1, "pending", ("s-pending",)),
    "pending and active": ((PENDING, held("s-live")), "sso", 1, "entitled", ("s-live",)),
    "stale and active": ((STALE, held("s-live")), "sso", 1, "entitled", ("s-live",)),
    "superseded and its successor": (
        (held("s1", "ended", reason="replaced", replaced_by=STATED), held("s2")),
        "sso",
        1,
        "entitled",
        ("s2",),
    ),
    "the end of the old after the grant of the new": ((held("s2"), ENDED), "sso", 1, "entitled", ("s2",)),
    "over the limit of each": ((held("s1"), LIVE_WITHOUT), "seats", 51, "limit_exceeded", ("s1", "s-free")),
    "limits are not added up": ((held("s1"), held("s2")), "seats", 51, "limit_exceeded", ("s1", "s2")),
    "only those count that are enough": ((held("s1"), LIVE_WITHOUT), "seats", 50, "entitled", ("s1",)),
    "a limit is a better reason than a pending one": (
        (LIVE_WITHOUT, PENDING),
        "seats",
        4,
        "limit_exceeded",
        ("s-free",),
    ),
    "a feature set to false": ((held("s1"),), "beta", 1, "not_in_plan", ("s1",)),
    "a feature that nobody knows": ((held("s1"),), "ssso", 1, "not_in_plan", ("s1",)),
    "pending, its plan not told yet": ((held("s1", "pending", plan=None),), "sso", 1, "pending", ("s1",)),
    "ended, its plan unknown": ((held("s1", "ended", plan="lost"),), "sso", 1, "expired", ("s1",)),
}


@pytest.mark.parametrize(("subscriptions", "feature", "quantity", "reason", "behind"), SEVERAL.values(), ids=SEVERAL)
def test_several_subscriptions(
    subscriptions: tuple[Subscription, ...], feature: str, quantity: int, reason: str, behind: tuple[str, ...]
) -> None:
    decision = ask(*subscriptions, feature=feature, quantity=quantity)
    assert decision.reason == reason
    assert decision.allowed is (reason == "entitled")
    assert decision.subscriptions == behind


def test_the_decision_says_limit_end_and_version() -> None:
    decision = ask(
        held("s1", version=4, ends_at=NOW + DAY),
        held("s2", plan="free", version=9, ends_at=NOW + 9 * DAY),
        feature="seats",
        quantity=2,
    )
    assert decision.limit == 50
    assert decision.version == 9
    assert decision.ends_at == NOW + 9 * DAY
    assert decision.message == "The account may use 'seats'."
    assert decision.help_url is None


def test_a_decided_cancellation_is_the_end_that_is_told() -> None:
    assert ask(held(cancels_at=NOW + DAY, ends_at=NOW + 30 * DAY)).ends_at == NOW + DAY


def test_one_without_end_makes_the_end_unknown() -> None:
    assert ask(held("s1", ends_at=NOW + DAY), held("s2")).ends_at is None


def test_unlimited_wins() -> None:
    decision = ask(held("s1"), held("s2", plan="huge"), feature="seats", quantity=10**9)
    assert (decision.allowed, decision.limit, decision.subscriptions) == (True, None, ("s2",))


def test_the_limit_is_the_same_however_fresh_the_snapshot_is() -> None:
    decision = ask(held("s1", plan="free"), held("s2", stale_since=NOW), feature="seats")
    assert (decision.limit, decision.source) == (50, "fresh")
    assert ask(held("s1", plan="free"), held("s2", stale_since=NOW), feature="seats", quantity=9).source == "grace"


def test_a_refusal_that_rests_on_a_kept_snapshot_says_so() -> None:
    assert verdict(held("s1"), held("s2", stale_since=NOW), feature="seats", quantity=51) == (
        False,
        "limit_exceeded",
        "grace",
    )


@pytest.mark.parametrize(
    ("quantity", "limit", "message"),
    [
        (51, 50, "The plan has 50 of 'rows', and 51 were asked for."),
        (1_000_001, 1_000_000, "The plan has 1000000 of 'rows', and 1000001 were asked for."),
        (2.5, 2.25, "The plan has 2.25 of 'rows', and 2.5 were asked for."),
        (51.0, 50.0, "The plan has 50 of 'rows', and 51 were asked for."),
        (1, 0, "The plan has 0 of 'rows', and 1 were asked for."),
    ],
)
def test_numbers_in_messages_are_written_out(quantity: float, limit: float, message: str) -> None:
    assert ask(held(quantities={"rows": limit}), feature="rows", quantity=quantity).message == message


def test_a_quantity_of_nothing_asks_whether_the_feature_is_there_at_all() -> None:
    assert ask(held(quantities={"rows": 0}), feature="rows", quantity=0).allowed
    assert not ask(held(quantities={"rows": 0}), feature="rows", quantity=0.5).allowed
    assert not ask(held(), feature="rows", quantity=0).allowed


@pytest.mark.parametrize(
    ("subscriptions", "feature", "message"),
    [
        ((), "sso", "The account has no subscription."),
        ((ENDED,), "sso", "The subscription has ended."),
        ((SUSPENDED,), "sso", "The subscription is suspended on the marketplace."),
        ((PENDING,), "sso", "The subscription is not active yet."),
        ((STALE,), "sso", "The marketplace has not been readable for longer than the grace allows."),
        ((LIVE_WITHOUT,), "sso", "The account's plan does not have 'sso'."),
        ((LIVE_WITHOUT,), "{0}", "The catalog knows no feature '{0}'."),
    ],
)
def test_messages(subscriptions: tuple[Subscription, ...], feature: str, message: str) -> None:
    assert ask(*subscriptions, feature=feature).message == message


@pytest.mark.parametrize(
    ("subscriptions", "url"),
    [
        ((), "https://bazaar.example/contoso"),
        ((ENDED,), "https://bazaar.example/contoso"),
        ((held("s1", "ended", marketplace="fair"),), "https://fair.example/contoso"),
        ((held("s1", "ended", marketplace="elsewhere"),), "https://bazaar.example/contoso"),
        ((ENDED, held("s2", "ended", marketplace="fair")), "https://fair.example/contoso"),
    ],
)
def test_the_buyer_is_sent_where_it_already_buys(subscriptions: tuple[Subscription, ...], url: str) -> None:
    assert ask(*subscriptions).help_url == url


def test_without_a_listing_there_is_no_url() -> None:
    assert decide("acct", "sso", 1, [], Catalog(), POLICY, NOW).help_url is None


@pytest.mark.parametrize(
    ("account", "feature", "quantity", "field"),
    [
        ("", "sso", 1, "account"),
        (" ", "sso", 1, "account"),
        (None, "sso", 1, "account"),
        ("acct", "", 1, "feature"),
        ("acct", 7, 1, "feature"),
        ("acct", "sso", -1, "quantity"),
        ("acct", "sso", -0.001, "quantity"),
        ("acct", "sso", float("nan"), "quantity"),
        ("acct", "sso", float("inf"), "quantity"),
        ("acct", "sso", True, "quantity"),
        ("acct", "sso", "3", "quantity"),
        ("acct", "sso", None, "quantity"),
    ],
)
def test_wrong_arguments(account: Any, feature: Any, quantity: Any, field: str) -> None:
    with pytest.raises(InvalidArgumentError) as caught:
        decide(account, feature, quantity, [held()], CATALOG, POLICY, NOW)
    assert caught.value.field == field
    assert isinstance(caught.value, ValueError)


def test_a_quantity_beyond_all_floats_is_a_number_too() -> None:
    assert ask(held(), feature="seats", quantity=10**400).reason == "limit_exceeded"
    assert ask(held(plan="huge"), feature="seats", quantity=10**400).allowed


def test_entitlements_are_the_union() -> None:
    found = entitlements(
        "acct",
        [
            held("s1", ends_at=NOW + DAY),
            held("s2", plan="free", marketplace="bazaar", ends_at=NOW + 2 * DAY),
            held("s3", "ended", plan="huge"),
            held("s4", plan="none of ours", quantities={"rows": 7}),
        ],
        CATALOG,
        POLICY,
        NOW,
    )
    assert [(e.feature, e.limit, e.value, e.subscriptions, e.ends_at) for e in found] == [
        ("rows", 7, None, ("s4",), None),
        ("seats", 50, None, ("s1", "s2"), NOW + 2 * DAY),
        ("sso", None, None, ("s1",), NOW + DAY),
        ("support", None, "phone", ("s1",), NOW + DAY),
    ]
    assert {e.marketplaces for e in found} == {("bazaar",)}
    assert {e.account for e in found} == {"acct"}


# Properties

moments = st.none() | st.sampled_from([NOW + n * unit for n in (-9, -3, -1, 0, 1, 3) for unit in (DAY, SECOND)])
numbers = st.booleans() | st.integers() | st.floats() | st.text(max_size=3)
links = st.none() | st.sampled_from([STATED, Link(subscription="s9", certainty="guessed")])


@st.composite
def subscriptions(draw: st.DrawFn, **fixed: Any) -> Subscription:
    fields = {
        "name": draw(st.uuids().map(str)),
        "status": draw(st.sampled_from([s.value for s in Status])),
        "reason": draw(st.none() | st.sampled_from(list(Reason))),
        "marketplace": draw(st.sampled_from(["bazaar", "fair"])),
        "plan": draw(st.sampled_from(["gold", "free", "huge", "other", None])),
        "will_renew": draw(st.none() | st.booleans()),
        "cancels_at": draw(moments),
        "starts_at": draw(moments),
        "ends_at": draw(moments),
        "stale_since": draw(moments),
        "observed_at": draw(moments) or NOW,
        "quantities": draw(st.dictionaries(st.sampled_from(["rows", "quantity"]), numbers)),
        "replaced_by": draw(links),
        "version": draw(st.integers(1, 99)),
    }
    return held(**{**fields, **fixed})


policies = st.builds(
    AccessPolicy,
    stale_grace=st.sampled_from([timedelta(0), SECOND, 3 * DAY]),
    stale_policy=st.sampled_from(["deny", "allow"]),
    suspended_access=st.booleans(),
)
features = st.sampled_from(["sso", "seats", "support", "beta", "rows", "nothing"])
quantities = st.integers(0, 100) | st.floats(0, 100)


@given(st.lists(subscriptions(), max_size=4), features, quantities, policies)
@settings(max_examples=150, deadline=None)
def test_any_state_gives_a_decision(held_: list[Subscription], feature: str, quantity: float, policy: Any) -> None:
    decision = decide("acct", feature, quantity, held_, CATALOG, policy, NOW)
    assert decision.allowed is (decision.reason == "entitled")
    assert set(decision.subscriptions) <= {s.id for s in held_}
    assert bool(decision.help_url) is not decision.allowed
    if decision.allowed:
        assert decision.limit is None or decision.quantity <= decision.limit
        granted = {e.feature: e for e in entitlements("acct", held_, CATALOG, policy, NOW)}
        assert set(decision.subscriptions) <= set(granted[feature].subscriptions)


@given(st.lists(subscriptions(), max_size=3), subscriptions(), features, quantities, policies)
@settings(max_examples=150, deadline=None)
def test_one_more_subscription_never_takes_access_away(
    before: list[Subscription], more: Subscription, feature: str, quantity: float, policy: Any
) -> None:
    if decide("acct", feature, quantity, before, CATALOG, policy, NOW).allowed:
        for after in ([*before, more], [more, *before]):
            assert decide("acct", feature, quantity, after, CATALOG, policy, NOW).allowed


@given(st.lists(subscriptions(), max_size=3), st.data(), features, quantities, policies)
@settings(max_examples=150, deadline=None)
def test_what_is_over_not_begun_or_unknown_never_grants(
    before: list[Subscription], data: st.DataObject, feature: str, quantity: float, policy: Any
) -> None:
    more = data.draw(
        st.one_of(
            subscriptions(status="ended", reason=data.draw(st.sampled_from([None, Reason.EXPIRED]))),
            subscriptions(status="pending"),
            subscriptions(status="unknown"),
            subscriptions(status="suspended", reason=Reason.UNLINKED),
        )
    )
    if not decide("acct", feature, quantity, before, CATALOG, policy, NOW).allowed:
        assert not decide("acct", feature, quantity, [*before, more], CATALOG, policy, NOW).allowed


@given(st.lists(subscriptions(quantities={"rows": 5}), max_size=3), features, policies)
@settings(max_examples=80, deadline=None)
def test_check_and_entitlements_say_the_same(before: list[Subscription], feature: str, policy: Any) -> None:
    granted = {e.feature: e for e in entitlements("acct", before, CATALOG, policy, NOW)}
    decision = decide("acct", feature, 1, before, CATALOG, policy, NOW)
    assert decision.allowed is (feature in granted)
    if decision.allowed:
        assert decision.limit == granted[feature].limit

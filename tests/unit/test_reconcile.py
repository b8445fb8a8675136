from __future__ import annotations

import logging
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
from bazaar import DAY, HOUR, MINUTE, NOW, Bazaar, ListingBazaar, alias, facts, held, unavailable
from hypothesis import given, settings, strategies as st

from crossmarket.errors import UnknownSubscriptionError
from crossmarket.models import Buyer, Facts, Lineage, Link, Reason, Status, Subscription
from crossmarket.reconcile import reconcile, reconcile_marketplace
from crossmarket.recorder import Recorder
from crossmarket.snapshot import BOOKKEEPING, Change, changes_between, evolve, next_version
from crossmarket.store.contract import AuditEntry
from crossmarket.store.sql import SqlStore
from crossmarket.testing.clock import FakeClock

LATER = NOW + HOUR


def evolved(previous: Subscription | None, told: Facts, **options: Any) -> Subscription:
    return evolve(previous, told, **{"marketplace": "bazaar", "now": LATER, **options})


# evolve


def test_the_first_version() -> None:
    first = evolved(None, facts(quantities={"quantity": 3}))
    assert (first.version, first.marketplace, first.account, first.stale) == (1, "bazaar", None, False)
    assert first.created_at == first.updated_at == first.observed_at == LATER
    assert dict(first) | dict(facts(quantities={"quantity": 3})) == dict(first)


def test_unchanged_truth_makes_no_version() -> None:
    previous = evolved(None, facts(), now=NOW)
    again = evolved(previous, facts())
    assert again == previous.model_copy(update={"observed_at": LATER})


def test_changed_truth_makes_the_next_version() -> None:
    previous = evolved(None, facts(), now=NOW).model_copy(update={"account": "acct", "version": 7})
    changed = evolved(previous, facts(plan="silver"))
    assert (changed.version, changed.plan, changed.account) == (8, "silver", "acct")
    assert (changed.updated_at, changed.created_at, changed.id) == (LATER, NOW, previous.id)


def test_an_unknown_word_keeps_the_status_and_marks_the_snapshot_stale() -> None:
    previous = held(status="suspended", reason=Reason.UNLINKED, aliases=(alias("p1"),))
    after = evolved(previous, facts(status="unknown", reason=None, provider_state={"state": "NEW_WORD"}))
    assert (after.status, after.reason, after.unrecognised) == ("suspended", "unlinked", True)
    assert (after.stale, after.stale_since) == (True, None)
    assert after.provider_state == {"state": "NEW_WORD"}
    assert after.version == 2
    again = evolved(after, facts(status="unknown", provider_state={"state": "NEW_WORD"}), now=LATER + DAY)
    assert (again.unrecognised, again.version, again.observed_at) == (True, 2, LATER + DAY)
    known = evolved(again, facts(status="active"))
    assert (known.status, known.stale) == ("active", False)


def test_an_unknown_word_does_not_revive_what_has_ended() -> None:
    assert evolved(held(status="ended", reason=Reason.EXPIRED), facts(status="unknown")).status == "ended"


def test_unknown_from_the_first_stays_so_until_it_is_known() -> None:
    first = evolved(None, facts(status="unknown"))
    assert (first.status, first.stale) == ("unknown", False)
    assert evolved(first, facts(status="unknown")).status == "unknown"
    assert evolved(first, facts(status="active")).status == "active"


@pytest.mark.parametrize(
    ("activated", "lag", "status"),
    [
        (LATER - 2 * MINUTE + timedelta(seconds=1), 2 * MINUTE, "active"),
        (LATER - 2 * MINUTE, 2 * MINUTE, "pending"),
        (LATER, timedelta(0), "pending"),
        (None, 2 * MINUTE, "pending"),
    ],
)
def test_a_read_within_the_lag_of_our_own_activation_does_not_win(activated: Any, lag: Any, status: str) -> None:
    previous = held(activated_at=activated, quantities={"quantity": 5})
    after = evolved(previous, facts(status="pending", quantities={}), lag=lag)
    assert after.status == status
    assert (after.quantities == {"quantity": 5}) is (status == "active")
    assert (after.version == 1) is (status == "active")


@pytest.mark.parametrize("status", ["active", "suspended", "ended"])
def test_the_lag_holds_back_nothing_but_pending(status: str) -> None:
    assert evolved(held(activated_at=LATER), facts(status=status), lag=2 * MINUTE).status == status


KNOWN = Buyer(id="b1", user="u1", email="b1@example.com", details={"a": "1", "b": "2"})


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        (KNOWN, None, KNOWN),
        (None, KNOWN, KNOWN),
        (None, None, None),
        (KNOWN, Buyer(), KNOWN),
        (KNOWN, Buyer(id="b1"), KNOWN),
        (
            KNOWN,
            Buyer(email="new@example.com", name="B", details={"b": "3"}),
            Buyer(id="b1", user="u1", email="new@example.com", name="B", details={"a": "1", "b": "3"}),
        ),
        (KNOWN, Buyer(id="b2"), Buyer(id="b2")),
        (Buyer(email="early@example.com"), Buyer(id="b1"), Buyer(id="b1", email="early@example.com")),
    ],
)
def test_what_is_known_of_a_buyer_is_not_wiped(old: Buyer | None, new: Buyer | None, expected: Buyer | None) -> None:
    assert evolved(held(buyer=old), facts(buyer=new)).buyer == expected


def test_old_ids_keep_finding_it() -> None:
    previous = held(aliases=(alias("l1", kind="license"), alias("a1", kind="agreement")))
    told = facts(aliases=(alias("l2", kind="license"), alias("a1", kind="agreement", exact=False)))
    assert evolved(previous, told).aliases == (
        alias("l1", kind="license"),
        alias("a1", kind="agreement", exact=False),
        alias("l2", kind="license"),
    )


def test_facts_never_bring_along_what_is_ours() -> None:
    stored = held("s1", version=5, account="acct", activated_at=NOW)
    old = held("other", "ended", version=1, account="thief", shared_with=("thief",), marketplace="fair")
    after = evolved(stored, old)
    assert (after.id, after.version, after.account, after.shared_with) == ("s1", 6, "acct", ())
    assert (after.marketplace, after.activated_at, after.status) == ("bazaar", NOW, "ended")
    assert evolved(None, old).account is None


statuses = st.sampled_from([status.value for status in Status])


@given(st.lists(statuses, min_size=1, max_size=6))
@settings(deadline=None, max_examples=60)
def test_versions_only_grow_and_unknown_changes_no_status(told: list[str]) -> None:
    subscription = evolved(None, facts(status=told[0]))
    for status in told[1:]:
        before, subscription = subscription, evolved(subscription, facts(status=status))
        assert subscription.version in {before.version, before.version + 1}
        assert subscription.id == before.id
        if status == "unknown":
            assert subscription.status == before.status
        else:
            assert subscription.status == status


# changes_between, next_version


def test_changes_are_told_as_json() -> None:
    before = held(ends_at=NOW, quantities={"seats": 1})
    after = held(ends_at=NOW + DAY, quantities={"seats": True}, status="ended")
    assert changes_between(before, after) == (
        Change(field="status", before="active", after="ended"),
        Change(field="ends_at", before="2026-03-01T12:00:00Z", after="2026-03-02T12:00:00Z"),
        Change(field="quantities", before={"seats": 1}, after={"seats": True}),
    )
    assert changes_between(before, after)[2].after["seats"] is True


def test_a_number_that_is_none_is_the_same_number_again() -> None:
    odd = {"quantities": {"a": float("nan"), "b": float("inf")}, "provider_state": {"x": [float("nan")]}}
    assert changes_between(held(**odd), held(**odd)) == ()
    assert changes_between(held(quantities={"a": 1, "b": 2}), held(quantities={"b": 2, "a": 1})) == ()


def test_bookkeeping_is_no_change() -> None:
    other = held(version=9, observed_at=LATER, stale_since=LATER, updated_at=LATER, access=True)
    assert changes_between(held(), other) == ()
    assert {"version", "observed_at", "stale_since", "updated_at", "access"} == BOOKKEEPING
    assert next_version(held(version=4), other, LATER).version == 4
    assert next_version(held(version=4), other, LATER).updated_at == NOW


# Recorder


@pytest.fixture
def recorder(store: SqlStore, clock: FakeClock) -> Recorder:
    return Recorder(store, clock)


def record(recorder: Recorder, told: Facts, bazaar: Bazaar | None = None, **options: Any) -> Subscription:
    return recorder.record(bazaar or Bazaar(), told, **{"origin": "test", "action": "told", **options})


def bound(account: str) -> Any:
    return lambda subscription: subscription.model_copy(update={"account": account})


def test_a_new_one_is_stored_with_its_audit(recorder: Recorder, store: SqlStore) -> None:
    stored = record(recorder, facts())
    assert store.get(stored.id) == stored
    assert store.audit_of(stored.id) == [
        AuditEntry(action="told", at=NOW, origin="test", subscription=stored.id, version=1, detail={"status": "active"})
    ]


def test_it_is_found_again_by_any_exact_alias(recorder: Recorder) -> None:
    first = record(recorder, facts(aliases=(alias("p1"), alias("l1", kind="license"))))
    second = record(recorder, facts(aliases=(alias("l1", kind="license"), alias("l2", kind="license"))))
    assert second.id == first.id
    assert record(recorder, facts(aliases=(alias("p1"),))).id == first.id
    assert record(recorder, facts(aliases=(alias("l2", kind="license"),))).id == first.id


def test_a_shared_alias_proves_nothing(recorder: Recorder) -> None:
    shared = alias("account-1", kind="account", exact=False)
    first = record(recorder, facts("p1", aliases=(alias("p1"), shared)))
    second = record(recorder, facts("p2", aliases=(alias("p2"), shared)))
    assert first.id != second.id


def test_the_same_id_on_another_marketplace_is_another_thing(recorder: Recorder) -> None:
    class Fair(Bazaar):
        name = "fair"

    assert record(recorder, facts()).id != record(recorder, facts(), Fair()).id


def test_unchanged_truth_is_only_seen(recorder: Recorder, store: SqlStore, clock: FakeClock) -> None:
    first = record(recorder, facts())
    clock.advance(HOUR)
    again = record(recorder, facts())
    assert (again.version, again.observed_at) == (1, LATER)
    assert store.get(first.id) == again
    assert len(store.history(first.id)) == 1
    assert len(store.audit_of(first.id)) == 1


def test_the_audit_tells_which_fields_changed(recorder: Recorder, store: SqlStore) -> None:
    stored = record(recorder, facts())
    record(recorder, facts(plan="silver", quantities={"quantity": 3}))
    assert store.audit_of(stored.id)[1].detail == {"changed": ["plan", "quantities"]}
    assert [version.plan for version in store.history(stored.id)] == ["gold", "silver"]


def test_an_exact_id_stays_with_the_one_that_had_it_first(recorder: Recorder, store: SqlStore) -> None:
    first = record(recorder, facts("p1", aliases=(alias("p1"), alias("l1", kind="license"))))
    second = record(recorder, facts("p2", aliases=(alias("p2"), alias("l2", kind="license"))))
    after = record(recorder, facts("p2", aliases=(alias("p2"), alias("l1", kind="license"))), subscription_id=second.id)
    assert after.id == second.id
    assert alias("l1", kind="license", exact=False) in after.aliases
    assert recorder.owner("bazaar", [alias("l1", kind="license")]).id == first.id
    assert {s.id for s in store.find("bazaar", [alias("l1", kind="license")])} == {first.id, second.id}
    again = record(recorder, facts("p2", aliases=(alias("p2"), alias("l1", kind="license"))), subscription_id=second.id)
    assert again.version == after.version


def test_facts_with_ids_of_two_go_to_the_older(recorder: Recorder, clock: FakeClock) -> None:
    first = record(recorder, facts("p1"))
    clock.advance(MINUTE)
    second = record(recorder, facts("p2"))
    both = record(recorder, facts("p1", aliases=(alias("p2"), alias("p1"))))
    assert both.id == first.id
    assert both.aliases == (alias("p1"), alias("p2", exact=False))
    assert recorder.owner("bazaar", [alias("p2")]).id == second.id


def test_an_id_that_is_not_stored(recorder: Recorder) -> None:
    with pytest.raises(UnknownSubscriptionError):
        record(recorder, facts(), subscription_id="nowhere")


def test_what_also_raises_stores_nothing(recorder: Recorder, store: SqlStore) -> None:
    def refuse(_: Subscription) -> Subscription:
        raise ValueError("no")

    with pytest.raises(ValueError, match="no"):
        record(recorder, facts(), also=refuse)
    assert store.list() == []


def test_the_slower_of_two_writers_decides_again(recorder: Recorder, store: SqlStore, clock: FakeClock) -> None:
    stored = record(recorder, facts())
    other = Recorder(store, clock)
    seen: list[int] = []

    def bind(subscription: Subscription) -> Subscription:
        seen.append(subscription.version)
        if len(seen) == 1:
            record(other, facts(plan="silver"))
        return subscription.model_copy(update={"account": "acct"})

    after = record(recorder, facts(quantities={"quantity": 2}), also=bind)
    assert after == store.get(stored.id)
    assert (after.version, after.account, after.quantities) == (3, "acct", {"quantity": 2})
    assert [version.version for version in store.history(stored.id)] == [1, 2, 3]
    assert len(seen) == 2


def test_two_that_store_the_same_new_purchase_make_one_subscription(
    recorder: Recorder, store: SqlStore, clock: FakeClock
) -> None:
    raced: list[str] = []

    def race(subscription: Subscription) -> Subscription:
        if not raced:
            raced.append(record(Recorder(store, clock), facts()).id)
        return subscription

    assert record(recorder, facts(), also=race).id == raced[0]
    assert len(store.list()) == 1


def test_an_endless_race_ends(recorder: Recorder, store: SqlStore, clock: FakeClock) -> None:
    record(recorder, facts())
    plans = iter(range(100))

    def lose(subscription: Subscription) -> Subscription:
        record(Recorder(store, clock), facts(plan=f"plan-{next(plans)}"))
        return subscription

    with pytest.raises(RuntimeError, match="ten writers"):
        record(recorder, facts(plan="mine"), also=lose)


def test_unread_marks_stale_once_and_makes_no_version(recorder: Recorder, store: SqlStore, clock: FakeClock) -> None:
    stored = record(recorder, facts())
    clock.advance(HOUR)
    recorder.mark_unread(stored)
    clock.advance(HOUR)
    recorder.mark_unread(store.get(stored.id))
    kept = store.get(stored.id)
    assert (kept.version, kept.stale_since, kept.observed_at, kept.status) == (1, LATER, NOW, "active")
    assert record(recorder, facts()).stale_since is None
    assert store.get(stored.id).stale_since is None


def test_the_lag_of_the_marketplace_is_obeyed(recorder: Recorder, clock: FakeClock) -> None:
    bazaar = Bazaar(activation_lag_seconds=120)
    record(recorder, facts(), bazaar, also=lambda s: s.model_copy(update={"activated_at": clock.now()}))
    clock.advance(timedelta(seconds=119))
    assert record(recorder, facts(status="pending"), bazaar).status == "active"
    clock.advance(timedelta(seconds=1))
    assert record(recorder, facts(status="pending"), bazaar).status == "pending"


# Lineage

CHAIN = alias("chain-1", kind="chain", exact=False)


def agreement(purchase: str, certainty: str | None = "stated", *, month: int | None = 0, **more: Any) -> Facts:
    """One agreement of a chain, such as AWS makes at each renewal."""
    follows = Lineage(alias=CHAIN, certainty=certainty) if certainty else None
    starts_at = NOW + month * 30 * DAY if month is not None else None
    return facts(purchase, aliases=(alias(purchase), CHAIN), follows=follows, starts_at=starts_at, **more)


def test_a_stated_successor_inherits_the_account(recorder: Recorder, store: SqlStore) -> None:
    old = record(recorder, agreement("p1"), also=lambda s: s.model_copy(update={"account": "a", "shared_with": ("b",)}))
    new = record(recorder, agreement("p2", month=1))
    assert (new.account, new.shared_with) == ("a", ("b",))
    assert new.replaces == Link(subscription=old.id, certainty="stated")
    closed = store.get(old.id)
    assert closed.replaced_by == Link(subscription=new.id, certainty="stated")
    assert (closed.version, closed.account) == (old.version + 1, "a")
    entry = store.audit_of(old.id)[-1]
    assert (entry.action, entry.version, entry.detail) == ("replaced", 2, {"replaced_by": new.id})
    assert {s.id for s in store.list(account="b")} == {old.id, new.id}


def test_a_guessed_successor_inherits_nothing_and_takes_nothing_away(recorder: Recorder, store: SqlStore) -> None:
    old = record(recorder, agreement("p1"), also=bound("a"))
    new = record(recorder, agreement("p2", "guessed", month=1))
    assert new.account is None
    assert new.replaces == Link(subscription=old.id, certainty="guessed")
    assert store.get(old.id).replaced_by is None
    record(recorder, agreement("p2", "guessed", month=1), also=bound("a"))
    assert store.get(old.id).replaced_by == Link(subscription=new.id, certainty="guessed")


def test_nobody_follows_where_nothing_is_told(recorder: Recorder, store: SqlStore) -> None:
    old = record(recorder, agreement("p1"), also=bound("a"))
    new = record(recorder, agreement("p2", None, month=1))
    assert (new.account, new.replaces, store.get(old.id).replaced_by) == (None, None, None)


@pytest.mark.parametrize("status", ["pending", "unknown"])
def test_the_old_one_stands_until_its_successor_does(recorder: Recorder, store: SqlStore, status: str) -> None:
    old = record(recorder, agreement("p1"), also=bound("a"))
    new = record(recorder, agreement("p2", month=1, status=status))
    assert (new.account, new.replaces.subscription) == ("a", old.id)
    assert store.get(old.id).replaced_by is None
    record(recorder, agreement("p2", month=1))
    assert store.get(old.id).replaced_by.subscription == new.id


def test_a_chain_of_three(recorder: Recorder, store: SqlStore) -> None:
    ids = [record(recorder, agreement("p1"), also=bound("a")).id]
    ids += [record(recorder, agreement(f"p{n}", month=n)).id for n in (2, 3)]
    for month, purchase in enumerate(("p1", "p2", "p3")):
        record(recorder, agreement(purchase, month=month and month + 1))
    stored = [store.get(name) for name in ids]
    assert [s.replaces and s.replaces.subscription for s in stored] == [None, ids[0], ids[1]]
    assert [s.replaced_by and s.replaced_by.subscription for s in stored] == [ids[1], ids[2], None]
    assert [s.account for s in stored] == ["a", "a", "a"]


def test_the_first_of_a_chain_whose_starts_are_not_told_does_not_follow_the_last(
    recorder: Recorder, store: SqlStore
) -> None:
    first = record(recorder, agreement("p1", month=None), also=bound("a"))
    second = record(recorder, agreement("p2", month=None))
    third = record(recorder, agreement("p3", month=None))
    for purchase in ("p1", "p2", "p3"):
        record(recorder, agreement(purchase, month=None))
    assert store.get(first.id).replaces is None
    assert store.get(second.id).replaces.subscription == first.id
    assert store.get(third.id).replaces.subscription == second.id
    assert store.get(third.id).replaced_by is None


def test_a_successor_that_comes_first_is_tied_later(recorder: Recorder, store: SqlStore) -> None:
    new = record(recorder, agreement("p2", month=1))
    old = record(recorder, agreement("p1"), also=bound("a"))
    assert old.replaces is None
    tied = record(recorder, agreement("p2", month=1))
    assert (tied.id, tied.account, tied.replaces.subscription) == (new.id, "a", old.id)
    assert store.get(old.id).replaced_by.subscription == new.id


def test_a_successor_inherits_also_when_the_account_comes_later(recorder: Recorder) -> None:
    record(recorder, agreement("p1"))
    assert record(recorder, agreement("p2", month=1)).account is None
    record(recorder, agreement("p1"), also=bound("a"))
    assert record(recorder, agreement("p2", month=1)).account == "a"


def test_an_account_of_its_own_is_kept(recorder: Recorder) -> None:
    new = record(recorder, agreement("p2", month=1), also=bound("b"))
    record(recorder, agreement("p1"), also=bound("a"))
    assert record(recorder, agreement("p2", month=1)).account == "b"
    assert new.account == "b"


def test_a_crash_between_the_two_versions_heals(
    recorder: Recorder, store: SqlStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    old = record(recorder, agreement("p1"), also=bound("a"))
    save = store.save

    def crash_on_the_old(subscription: Subscription, audit: AuditEntry, *, expected: int) -> None:
        if subscription.id == old.id:
            raise KeyboardInterrupt
        save(subscription, audit, expected=expected)

    monkeypatch.setattr(store, "save", crash_on_the_old)
    with pytest.raises(KeyboardInterrupt):
        record(recorder, agreement("p2", month=1))
    monkeypatch.undo()
    assert store.get(old.id).replaced_by is None
    again = record(recorder, agreement("p2", month=1))
    assert again.version == 1
    assert store.get(old.id).replaced_by.subscription == again.id


# reconcile


def test_reconcile_tells_what_changed(recorder: Recorder, store: SqlStore) -> None:
    bazaar = Bazaar()
    bazaar.sell(status="active")
    stored = record(recorder, bazaar.truth["p1"], bazaar)
    drift = reconcile(bazaar, recorder, stored)
    assert (drift.kind, drift.version, drift.changes) == ("none", 1, ())
    bazaar.change(plan="silver")
    drift = reconcile(bazaar, recorder, stored)
    assert (drift.kind, drift.version, drift.subscription, drift.marketplace) == ("changed", 2, stored.id, "bazaar")
    assert drift.changes == (Change(field="plan", before="gold", after="silver"),)
    assert store.audit_of(stored.id)[-1].action == "reconciled"


@pytest.mark.parametrize("down", [True, False])
def test_unreadable_or_unknown_is_never_ended(
    recorder: Recorder, store: SqlStore, caplog: pytest.LogCaptureFixture, *, down: bool
) -> None:
    bazaar = Bazaar()
    bazaar.sell(status="active")
    stored = record(recorder, bazaar.truth["p1"], bazaar)
    if down:
        bazaar.failure = unavailable()
    else:
        bazaar.truth.clear()
    with caplog.at_level(logging.WARNING):
        drift = reconcile(bazaar, recorder, stored)
    assert (drift.kind, drift.version) == ("unread", 1)
    assert ("It is down." if down else "There is none.") in drift.error
    kept = store.get(stored.id)
    assert (kept.status, kept.version, kept.stale_since) == ("active", 1, NOW)
    assert stored.id in caplog.text


def test_reconcile_marketplace_reads_all_and_finds_the_unknown(recorder: Recorder, store: SqlStore) -> None:
    bazaar = ListingBazaar()
    for purchase in ("p1", "p2", "p3"):
        bazaar.sell(purchase, "active")
    known = [record(recorder, bazaar.truth[purchase], bazaar) for purchase in ("p1", "p2")]
    bazaar.change("p2", plan="silver")
    report = reconcile_marketplace(bazaar, recorder, known)
    assert report.checked == 3
    assert [drift.kind for drift in report.drift] == ["changed", "found"]
    assert report.errors == {}
    found = store.get(report.drift[1].subscription)
    assert (found.marketplace_ids, found.account) == ({"purchase": "p3"}, None)
    assert store.audit_of(found.id)[0].action == "found"
    assert reconcile_marketplace(bazaar, recorder, store.list()).drift == ()


def test_a_marketplace_that_is_down_is_reported_for_each_and_for_its_list(recorder: Recorder) -> None:
    bazaar = ListingBazaar()
    bazaar.sell("p1", "active")
    known = [record(recorder, bazaar.truth["p1"], bazaar)]
    bazaar.failure = unavailable()
    report = reconcile_marketplace(bazaar, recorder, known)
    assert [drift.kind for drift in report.drift] == ["unread"]
    assert list(report.errors) == ["bazaar"]
    assert "It is down." in report.errors["bazaar"]


def test_an_unknown_word_leaves_whatever_access_is_decided_by() -> None:
    previous = held(quantities={"seats": 5}, ends_at=NOW + DAY, marketplace_ids={"purchase": "p1"})
    nothing = evolved(previous, Facts(status=Status.UNKNOWN))
    assert (nothing.plan, nothing.product, nothing.quantities) == ("gold", "contoso", {"seats": 5})
    assert (nothing.ends_at, nothing.marketplace_ids) == (NOW + DAY, {"purchase": "p1"})
    more = evolved(previous, facts(status="unknown", plan="platinum", quantities={"seats": 500}))
    assert (more.plan, more.quantities, more.unrecognised) == ("gold", {"seats": 5}, True)


class Clumsy(ListingBazaar):
    """A provider that lets through what it should not."""

    def read(self, known: Facts) -> Facts:
        if known.marketplace_ids["purchase"] == "p1":
            raise KeyError("hush")
        return super().read(known)

    def list_subscriptions(self) -> Iterator[Facts]:
        raise RuntimeError("hush")


def test_a_provider_that_fails_as_it_should_not_keeps_no_other_from_being_read(
    recorder: Recorder, store: SqlStore, caplog: pytest.LogCaptureFixture
) -> None:
    bazaar = Clumsy()
    for purchase in ("p1", "p2"):
        bazaar.sell(purchase, "active")
    known = [record(recorder, bazaar.truth[purchase], bazaar) for purchase in ("p1", "p2")]
    bazaar.change("p2", plan="silver")
    report = reconcile_marketplace(bazaar, recorder, known)
    assert [drift.kind for drift in report.drift] == ["unread", "changed"]
    assert report.drift[0].error == "The provider failed (KeyError)."
    assert report.errors == {"bazaar": "The provider failed (RuntimeError)."}
    assert store.get(known[0].id).stale
    assert "hush" not in caplog.text


def test_a_slow_read_does_not_overwrite_what_was_stored_in_the_meantime(
    recorder: Recorder, store: SqlStore, clock: FakeClock
) -> None:
    bazaar = Bazaar()
    bazaar.sell(status="active")
    stored = record(recorder, bazaar.truth["p1"], bazaar)
    reads: list[Status] = []

    class Slow(Bazaar):
        """While it is being read the first time, somebody else cancels."""

        def read(self, known: Facts) -> Facts:
            told = bazaar.read(known)
            reads.append(known.status)
            clock.sleep(1)
            if len(reads) == 1:
                bazaar.change(status=Status.ENDED, reason=Reason.SELLER_CANCELLED)
                record(recorder, bazaar.truth["p1"], bazaar)
            clock.sleep(1)
            return told

    drift = reconcile(Slow(), recorder, stored)
    assert (drift.kind, reads) == ("changed", ["active", "ended"])
    kept = store.get(stored.id)
    assert (kept.status, kept.version) == ("ended", 2)

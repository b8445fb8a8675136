"""The store's contract, on both databases."""

from datetime import UTC, datetime, timedelta
from uuid import uuid4

import psycopg
import pytest

from crossmarket.errors import InvalidArgumentError, StoreError
from crossmarket.models import Alias, Buyer, Status, Subscription
from crossmarket.store.contract import AuditEntry, Store, VersionConflictError
from crossmarket.store.sql import SqlStore

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
HOUR = timedelta(hours=1)


@pytest.fixture
def store(store_url):
    store: Store = SqlStore(store_url)
    store.upgrade()
    yield store
    store.close()


def purchase(name="0190-1", **changes) -> Subscription:
    facts = {
        "id": name,
        "marketplace": "azure",
        "status": "active",
        "observed_at": NOON,
        "created_at": NOON,
        "updated_at": NOON,
    }
    return Subscription.model_validate({**facts, **changes})


def because(action="changed", subscription="0190-1", **changes) -> AuditEntry:
    return AuditEntry(action=action, at=NOON, origin="reconcile", subscription=subscription, **changes)


def put(store, *subscriptions: Subscription) -> None:
    for subscription in subscriptions:
        store.save(subscription, because(subscription=subscription.id), expected=subscription.version - 1)


def ids(subscriptions) -> list[str]:
    return [subscription.id for subscription in subscriptions]


def test_what_was_saved_comes_back_whole(store):
    saved = purchase(
        status="suspended",
        reason="payment_failed",
        account="acct_42",
        shared_with=["acct_43"],
        ends_at="2026-04-01T00:00:00.000001Z",
        quantities={"quantity": 5, "sso": True, "gib": 1.0, "tier": "5", "huge": 10**30, "odd": float("inf")},
        aliases=[Alias(kind="subscription", value="aaaa"), Alias(kind="buyer", value="bbbb", exact=False)],
        buyer=Buyer(id="tenant", email="buyer@example.com", details={"puid": "1003"}),
        provider_state={"saasSubscriptionStatus": "Frobnicated", "nul": "a\0b", "half": "\ud800", "n": 1.10},
        observed_at=NOON + HOUR,
        stale_since=NOON + 2 * HOUR,
        updated_at="2026-03-01T12:00:00.000007Z",
    )
    put(store, saved)
    assert store.get("0190-1") == saved
    assert store.history("0190-1") == [saved]
    assert store.list() == [saved]
    assert [type(value) for value in store.get("0190-1").quantities.values()] == [int, bool, float, str, int, float]
    assert store.get("0190-1").observed_at.tzinfo == UTC


def test_what_is_not_there_is_none_or_empty(store):
    assert store.get("0190-9") is None
    assert store.get("\0") is None
    assert store.get("\ud800") is None
    assert store.history("0190-9") == []
    assert store.audit_of("0190-9") == []
    assert store.find("azure", []) == []
    assert store.find("azure", [Alias(kind="subscription", value="aaaa")]) == []
    assert store.list(account="nobody") == []
    assert store.recall_landing("digest", since=NOON) is None


def test_versions_follow_one_another_and_all_are_kept(store):
    put(store, purchase(plan="silver"), purchase(plan="gold", version=2, status="suspended"))
    assert [(past.version, past.plan) for past in store.history("0190-1")] == [(1, "silver"), (2, "gold")]
    assert store.get("0190-1") == purchase(plan="gold", version=2, status="suspended")


@pytest.mark.parametrize(
    ("version", "expected"), [(1, 0), (2, 1), (4, 3)], ids=["new again", "too old", "not there yet"]
)
def test_another_stored_version_is_a_conflict_that_changes_nothing(store, version, expected):
    put(store, purchase(account="first"), purchase(account="first", version=2))
    late = purchase(account="late", version=version, aliases=[Alias(kind="subscription", value="late")])
    with pytest.raises(VersionConflictError):
        store.save(late, because("late"), expected=expected)
    assert store.get("0190-1") == purchase(account="first", version=2)
    assert len(store.history("0190-1")) == 2
    assert store.list(account="late") == []
    assert store.find("azure", late.aliases) == []
    assert [entry.action for entry in store.audit_of("0190-1")] == ["changed", "changed"]


def test_a_version_of_what_is_not_stored_is_a_conflict(store):
    with pytest.raises(VersionConflictError):
        put(store, purchase(version=2))
    assert store.list() == []


@pytest.mark.parametrize(("version", "expected"), [(1, 1), (3, 1), (0, -1)])
def test_a_version_that_does_not_follow_is_refused(store, version, expected):
    with pytest.raises(InvalidArgumentError, match="cannot follow"):
        store.save(purchase(version=version), because(), expected=expected)


def test_an_exact_alias_belongs_to_one_subscription(store):
    mine = Alias(kind="subscription", value="aaaa")
    put(store, purchase("0190-1", aliases=[mine]))
    with pytest.raises(VersionConflictError):
        put(store, purchase("0190-2", aliases=[Alias(kind="other", value="x"), mine]))
    assert ids(store.list()) == ["0190-1"]
    assert store.audit_of("0190-2") == []
    put(
        store,
        purchase("0190-3", marketplace="aws", aliases=[mine]),
        purchase("0190-4", aliases=[Alias(kind="agreement", value="aaaa")]),
    )
    assert ids(store.find("azure", [mine])) == ["0190-1"]
    assert ids(store.find("aws", [mine])) == ["0190-3"]


def test_a_shared_alias_finds_all_that_share_it_oldest_first_and_once(store):
    shared = Alias(kind="customer", value="123456789012", exact=False)
    own = [Alias(kind="license", value=letter) for letter in "cab"]
    put(store, *(purchase(f"0190-{n}", aliases=[shared, alias]) for n, alias in zip((3, 1, 2), own, strict=True)))
    assert ids(store.find("azure", [shared])) == ["0190-1", "0190-2", "0190-3"]
    assert ids(store.find("azure", [*own, shared, shared])) == ["0190-1", "0190-2", "0190-3"]
    exact = Alias(kind="customer", value="123456789012", exact=True)
    assert ids(store.find("azure", [exact])) == ["0190-1", "0190-2", "0190-3"]


def test_kind_and_value_are_looked_for_together(store):
    put(store, purchase("0190-1", aliases=[Alias(kind="a", value="1"), Alias(kind="b", value="2")]))
    assert store.find("azure", [Alias(kind="a", value="2"), Alias(kind="b", value="1")]) == []


def test_old_aliases_keep_finding(store):
    old, new = Alias(kind="license", value="old"), Alias(kind="license", value="new")
    put(store, purchase(aliases=[old]), purchase(version=2, aliases=[new, old, new]), purchase(version=3))
    assert store.find("azure", [old]) == store.find("azure", [new]) == [purchase(version=3)]


def test_an_alias_can_become_exact_but_not_shared_again(store):
    def alias(exact):
        return [Alias(kind="license", value="aaaa", exact=exact)]

    exact = alias(exact=True)
    put(store, purchase(aliases=alias(exact=False)), purchase(version=2, aliases=exact))
    with pytest.raises(VersionConflictError):
        put(store, purchase("0190-2", aliases=exact))
    put(store, purchase(version=3, aliases=alias(exact=False)))
    with pytest.raises(VersionConflictError):
        put(store, purchase("0190-2", aliases=exact))
    put(store, purchase("0190-2", aliases=alias(exact=False)))
    assert ids(store.find("azure", exact)) == ["0190-1", "0190-2"]


def test_many_aliases_at_once(store):
    many = [Alias(kind="license", value=f"{n:05}") for n in range(3000)]
    put(store, purchase("0190-2", aliases=many[:1]), purchase("0190-1", aliases=many[1:]))
    assert ids(store.find("azure", many)) == ["0190-1", "0190-2"]
    assert ids(store.find("azure", many[-1:])) == ["0190-1"]


@pytest.mark.parametrize("value", ["a\0b", "\ud800", "подписка", "\\", "'); --", "v" * 9000, ""], ids=ascii)
def test_odd_text_from_a_marketplace_is_stored_and_found(store, value):
    alias = Alias(kind=value, value=value)
    odd = purchase(aliases=[alias], account=value + "x", shared_with=[value + "y"])
    put(store, odd)
    store.save(odd.model_copy(update={"version": 2}), because(account=value, detail={"said": value}), expected=1)
    assert ids(store.find("azure", [alias])) == ["0190-1"]
    assert ids(store.list(account=value + "y")) == ["0190-1"]
    assert store.get("0190-1").aliases == (alias,)
    assert store.audit_of("0190-1")[-1].detail == {"said": value}
    assert store.find("azure", [Alias(kind=value, value="ab")]) == []


def test_holders_are_those_of_the_newest_version(store):
    put(
        store,
        purchase("0190-1", account="a", shared_with=["b", "b", "a"]),
        purchase("0190-2", account="b"),
        purchase("0190-3"),
    )
    assert ids(store.list(account="a")) == ["0190-1"]
    assert ids(store.list(account="b")) == ["0190-1", "0190-2"]
    put(store, purchase("0190-1", account="c", version=2))
    assert store.list(account="a") == []
    assert ids(store.list(account="b")) == ["0190-2"]
    assert ids(store.list(account="c")) == ["0190-1"]


def test_listing_filters_and_pages(store):
    put(
        store,
        purchase("0190-d", marketplace="aws", account="a"),
        purchase("0190-b", account="a", status="ended"),
        purchase("0190-c", account="b"),
        purchase("0190-a", account="a"),
    )
    assert ids(store.list()) == ["0190-a", "0190-b", "0190-c", "0190-d"]
    assert ids(store.list(account="a")) == ["0190-a", "0190-b", "0190-d"]
    assert ids(store.list(account="a", marketplace="azure")) == ["0190-a", "0190-b"]
    assert ids(store.list(account="a", marketplace="azure", status=Status.ACTIVE)) == ["0190-a"]
    assert ids(store.list(status=Status.ENDED)) == ["0190-b"]
    assert ids(store.list(limit=2)) == ["0190-a", "0190-b"]
    assert ids(store.list(after="0190-b", limit=2)) == ["0190-c", "0190-d"]
    assert store.list(after="0190-d") == []
    assert store.list(limit=0) == []


def test_ids_are_in_the_order_of_their_characters(store):
    put(store, *(purchase(name) for name in ("a-b", "aa", "a_", "B", "a", "é")))
    assert ids(store.list()) == ["B", "a", "a-b", "a_", "aa", "é"]


class TestSeen:
    @pytest.fixture
    def store(self, store):
        put(store, purchase(), purchase("0190-2"))
        return store

    @staticmethod
    def standing(store, name="0190-1"):
        stored = store.get(name)
        assert stored.version == 1
        assert store.list()[0].observed_at == store.get("0190-1").observed_at
        return stored.observed_at, stored.stale_since

    def test_it_moves_on_without_a_version(self, store):
        store.seen(purchase(observed_at=NOON + HOUR, plan="not looked at"))
        assert self.standing(store) == (NOON + HOUR, None)
        assert self.standing(store, "0190-2") == (NOON, None)
        assert store.get("0190-1").plan is None
        assert store.history("0190-1") == [purchase()]
        assert len(store.audit_of("0190-1")) == 1

    def test_an_earlier_look_changes_nothing(self, store):
        store.seen(purchase(observed_at=NOON + HOUR))
        store.seen(purchase(observed_at=NOON, stale_since=NOON + HOUR))
        assert self.standing(store) == (NOON + HOUR, None)

    def test_failing_marks_it_stale_and_looking_again_ends_that(self, store):
        store.seen(purchase(stale_since=NOON + HOUR))
        assert self.standing(store) == (NOON, NOON + HOUR)
        store.seen(purchase(observed_at=NOON + 2 * HOUR))
        assert self.standing(store) == (NOON + 2 * HOUR, None)

    def test_of_two_failures_the_earlier_counts(self, store):
        for hours in (2, 1, 3):
            store.seen(purchase(stale_since=NOON + hours * HOUR))
        assert self.standing(store) == (NOON, NOON + HOUR)

    def test_looking_again_at_the_same_moment_ends_it_too(self, store):
        store.seen(purchase(stale_since=NOON))
        store.seen(purchase())
        assert self.standing(store) == (NOON, None)

    def test_the_next_version_says_what_holds(self, store):
        store.seen(purchase(stale_since=NOON + HOUR))
        put(store, purchase(version=2, observed_at=NOON + 2 * HOUR))
        assert store.get("0190-1") == purchase(version=2, observed_at=NOON + 2 * HOUR)

    def test_what_is_not_stored_stays_away(self, store):
        store.seen(purchase("0190-9"))
        assert store.get("0190-9") is None


def test_audit_entries_come_in_the_order_they_were_made(store):
    landed = because("landed", version=1, account="acct_42", detail={"via": ["landing", None, 1.5]})
    refused = because("claim_refused", account="acct_43").model_copy(update={"at": NOON - HOUR})
    store.save(purchase(), landed, expected=0)
    store.audit(refused)
    store.audit(because("other", subscription="0190-2"))
    store.audit(because("unbound", subscription=None))
    assert store.audit_of("0190-1") == [landed, refused]


def test_a_landing_is_remembered_once(store):
    store.remember_landing("digest", "0190-1", NOON)
    store.remember_landing("digest", "0190-1", NOON + HOUR)
    store.remember_landing("digest", "0190-2", NOON + HOUR)
    assert store.recall_landing("digest", since=NOON) == "0190-1"
    assert store.recall_landing("digest", since=NOON + HOUR) is None
    assert store.recall_landing("other", since=NOON) is None


def test_a_constant_is_made_once(store, store_url):
    assert store.constant("key", lambda: "first") == "first"
    other = SqlStore(store_url)
    assert other.constant("key", lambda: pytest.fail("made again")) == "first"
    assert other.constant("salt", lambda: "second") == "second"
    other.close()


def test_a_constant_made_elsewhere_in_the_meantime_wins(store, store_url):
    def make():
        other = SqlStore(store_url)
        other.constant("key", lambda: "theirs")
        other.close()
        return "ours"

    assert store.constant("key", make) == "theirs"


def test_it_goes_on_after_being_closed(store):
    put(store, purchase())
    store.close()
    store.close()
    assert ids(store.list()) == ["0190-1"]


def test_a_connection_that_the_server_has_ended_is_replaced(postgres_url):
    name = uuid4().hex
    store = SqlStore(f"{postgres_url}&application_name={name}")
    store.upgrade()
    put(store, purchase())
    with psycopg.connect(postgres_url) as connection:
        ended = connection.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = %s", [name]
        ).fetchall()
    assert ended == [(True,)]
    assert ids(store.list()) == ["0190-1"]
    store.close()


def test_without_tables_every_call_says_how_to_make_them(store_url):
    store = SqlStore(store_url)
    for call in (
        lambda: store.get("0190-1"),
        lambda: put(store, purchase()),
        lambda: store.seen(purchase()),
        lambda: store.constant("key", lambda: "value"),
    ):
        with pytest.raises(StoreError, match=r"missing or do not fit.*Run: crossmarket db upgrade"):
            call()
    store.close()

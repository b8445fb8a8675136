"""Versions under competition: no save is lost, none is doubled."""

import threading
import uuid
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import HealthCheck, given, settings, strategies as st

from crossmarket.models import Alias, Subscription
from crossmarket.store.contract import AuditEntry, VersionConflictError
from crossmarket.store.sql import SqlStore

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
WRITERS = 8


@pytest.fixture
def store(store_url):
    store = SqlStore(store_url)
    store.upgrade()
    yield store
    store.close()


def because(subscription: str) -> AuditEntry:
    return AuditEntry(action="changed", at=NOON, origin="reconcile", subscription=subscription)


def purchase(name: str, **changes) -> Subscription:
    facts = {
        "id": name,
        "marketplace": "azure",
        "status": "active",
        "version": 0,
        "observed_at": NOON,
        "created_at": NOON,
        "updated_at": NOON,
    }
    return Subscription.model_validate({**facts, **changes})


STEPS = st.lists(
    st.tuples(st.sampled_from([0, 1]), st.sampled_from(["read", "save", "save", "seen"]), st.integers(0, 9)),
    max_size=25,
)


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(STEPS)
def test_two_writers_never_lose_a_version(store, steps):
    name = str(uuid.uuid4())
    held = [purchase(name), purchase(name)]  # what each writer believes to be stored
    plans: list[str] = []  # what has to be stored, one plan for each version
    seen = NOON
    for number, (writer, step, minutes) in enumerate(steps):
        mine = held[writer]
        at = NOON + timedelta(minutes=minutes)
        if step == "read":
            held[writer] = store.get(name) or mine
        elif step == "seen":
            store.seen(mine.model_copy(update={"observed_at": at}))
            seen = max(seen, at) if plans else seen
        else:
            plan = f"plan {number}"
            new = mine.model_copy(update={"version": mine.version + 1, "plan": plan, "observed_at": at})
            if mine.version == len(plans):
                store.save(new, because(name), expected=mine.version)
                held[writer] = new
                plans.append(plan)
                seen = at
            else:
                with pytest.raises(VersionConflictError):
                    store.save(new, because(name), expected=mine.version)

    history = store.history(name)
    assert [past.version for past in history] == list(range(1, len(plans) + 1))
    assert [past.plan for past in history] == plans
    assert len(store.audit_of(name)) == len(plans)
    newest = store.get(name)
    assert newest == (history[-1].model_copy(update={"observed_at": seen}) if history else None)


def test_threads_that_try_again_all_succeed(store):
    """Each of eight writers stores five changes of one subscription."""
    start = threading.Barrier(WRITERS)
    conflicts: list[int] = []
    failures: list[Exception] = []

    def change_once(writer: int) -> None:
        while True:
            stored = store.get("0190-1") or purchase("0190-1")
            new = stored.model_copy(
                update={
                    "version": stored.version + 1,
                    "account": f"account {writer}",
                    "quantities": {**stored.quantities, str(writer): stored.quantities.get(str(writer), 0) + 1},
                    "aliases": (Alias(kind="writer", value=str(writer)), Alias(kind="all", value="0190-1")),
                }
            )
            try:
                store.save(new, because("0190-1"), expected=stored.version)
            except VersionConflictError:
                conflicts.append(writer)
            else:
                return

    def work(writer: int) -> None:
        try:
            start.wait()
            for _ in range(5):
                change_once(writer)
        except Exception as error:  # noqa: BLE001 - whatever it is, the test shows it
            failures.append(error)

    run(work)
    assert failures == []
    newest = store.get("0190-1")
    assert newest.version == WRITERS * 5
    assert newest.quantities == {str(writer): 5 for writer in range(WRITERS)}
    assert [past.version for past in store.history("0190-1")] == list(range(1, WRITERS * 5 + 1))
    assert store.list(account=newest.account) == [newest]
    assert len(store.find("azure", [Alias(kind="writer", value=str(writer)) for writer in range(WRITERS)])) == 1


def test_one_purchase_that_many_meet_at_once_is_stored_once(store):
    """Landing and first event come at the same time, with the same ids in another order."""
    start = threading.Barrier(WRITERS)
    outcomes: list[object] = []

    def work(writer: int) -> None:
        aliases = [Alias(kind=kind, value="aaaa") for kind in ("agreement", "license", "subscription")]
        new = purchase(f"0190-{writer}", version=1, aliases=aliases[:: 1 if writer % 2 else -1])
        start.wait()
        try:
            store.save(new, because(new.id), expected=0)
        except Exception as error:  # noqa: BLE001 - the test looks at what it is
            outcomes.append(type(error))
        else:
            outcomes.append(new.id)

    run(work)
    assert len(store.list()) == 1
    winner = store.list()[0].id
    assert sorted(map(str, outcomes)) == sorted([winner, *[str(VersionConflictError)] * (WRITERS - 1)])
    assert sum(len(store.history(f"0190-{writer}")) for writer in range(WRITERS)) == 1


def test_a_constant_is_the_same_for_all(store, store_url):
    stores = [SqlStore(store_url) for _ in range(WRITERS)]
    start = threading.Barrier(WRITERS)
    got: list[str] = []

    def work(writer: int) -> None:
        start.wait()
        got.append(stores[writer].constant("key", lambda: str(writer)))

    run(work)
    assert len(got) == WRITERS
    assert len(set(got)) == 1
    for other in stores:
        other.close()


def run(work) -> None:
    threads = [threading.Thread(target=work, args=[writer]) for writer in range(WRITERS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

"""Making and upgrading the tables, on both databases."""

import subprocess
import sys
import threading
from uuid import uuid4

import psycopg
import pytest
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext
from sqlalchemy import column, inspect, table, update

from crossmarket.errors import StoreError
from crossmarket.store.schema import VERSION_TABLE
from crossmarket.store.sql import SqlStore
from crossmarket.store.tables import metadata


@pytest.fixture
def store(store_url):
    store = SqlStore(store_url)
    yield store
    store.close()


def tables(store) -> set[str]:
    with store._database.reading() as connection:
        return set(inspect(connection).get_table_names())


def pretend(store, revision: str) -> None:
    with store._database.writing() as connection:
        connection.execute(update(table(VERSION_TABLE, column("version_num"))).values(version_num=revision))


def test_the_migrations_make_what_the_code_works_with(store):
    store.upgrade()
    with store._database.reading() as connection:
        options = {"version_table": VERSION_TABLE, "compare_server_default": True}
        context = MigrationContext.configure(connection, opts=options)
        assert compare_metadata(context, metadata) == []


def test_they_make_the_same_to_the_conditions_of_indexes_and_the_order_of_text(store):
    """Alembic does not compare these."""

    def details(connection):
        inspector = inspect(connection)
        return {
            (table, index["name"], tuple(index["column_names"]), index["unique"], str(condition))
            for table in metadata.tables
            for index in inspector.get_indexes(table)
            for condition in [None, *index.get("dialect_options", {}).values()]
        } | {
            (table, column["name"], str(column["type"]), column["nullable"])
            for table in metadata.tables
            for column in inspector.get_columns(table)
        }

    with store._database.writing() as connection:
        metadata.create_all(connection)
        wanted = details(connection)
        metadata.drop_all(connection)
    store.upgrade()
    with store._database.reading() as connection:
        made = details(connection)
    # How a condition is spelled is the database's choice; that there is one has to agree.
    assert made == wanted
    assert any(name == "crossmarket_aliases_exact" and str(condition) != "None" for _, name, *_, condition in made)


def test_upgrading_twice_changes_nothing(store):
    assert store.revision() == (None, "0001")
    store.upgrade()
    store.upgrade()
    assert store.revision() == ("0001", "0001")
    assert tables(store) == {*metadata.tables, "crossmarket_alembic_version"}


def test_a_new_database_is_made_on_sqlite_and_refused_on_postgresql(store, store_url):
    if store_url.startswith("sqlite"):
        store.prepare(upgrade=None)
        assert store.revision() == ("0001", "0001")
    else:
        with pytest.raises(StoreError, match=r"has no crossmarket tables\. Run: crossmarket db upgrade$"):
            store.prepare(upgrade=None)
        assert tables(store) == set()


def test_a_new_database_is_made_when_asked_for_and_only_then(store):
    with pytest.raises(StoreError, match="Run: crossmarket db upgrade"):
        store.prepare(upgrade=False)
    assert tables(store) == set()
    store.prepare(upgrade=True)
    store.prepare(upgrade=False)
    store.prepare(upgrade=None)


def test_older_tables_are_told_apart(store, store_url, monkeypatch):
    monkeypatch.setattr("crossmarket.store.schema.REVISIONS", ("0000", "0001"))
    store.upgrade()
    pretend(store, "0000")
    with pytest.raises(StoreError, match=r"tables of revision 0000, not 0001\. Run: crossmarket db upgrade$"):
        store.prepare(upgrade=False)


@pytest.mark.parametrize("upgrade", [None, True, False])
def test_tables_of_a_newer_version_are_left_alone(store, upgrade):
    store.upgrade()
    pretend(store, "9999")
    for call in (lambda: store.prepare(upgrade=upgrade), store.upgrade):
        with pytest.raises(StoreError, match=r"made by a newer crossmarket\. Install that version"):
            call()
    assert store.revision() == ("9999", "0001")


def test_an_upgrade_that_fails_leaves_nothing_behind(store):
    with store._database.writing() as connection:
        connection.exec_driver_sql("CREATE TABLE crossmarket_constants (name text)")
    with pytest.raises(StoreError, match="already exists"):
        store.upgrade()
    assert tables(store) == {"crossmarket_constants"}
    assert store.revision() == (None, "0001")


def test_threads_may_upgrade_at_once(store_url):
    stores = [SqlStore(store_url) for _ in range(4)]
    failed = []

    def upgrade(store):
        try:
            store.prepare(upgrade=True)
        except Exception as error:  # noqa: BLE001 - whatever it is, the test shows it
            failed.append(error)

    threads = [threading.Thread(target=upgrade, args=[store]) for store in stores]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failed == []
    assert stores[0].revision() == ("0001", "0001")
    for store in stores:
        store.close()


def test_an_upgrade_of_postgresql_waits_for_another_one(postgres_url):
    name = uuid4().hex
    store = SqlStore(f"{postgres_url}&application_name={name}")
    waiting = "SELECT 1 FROM pg_stat_activity WHERE application_name = %s AND %s = ANY(pg_blocking_pids(pid))"
    with psycopg.connect(postgres_url) as other:
        other.execute("SELECT pg_advisory_xact_lock(%s)", [int.from_bytes(b"crossmkt", "big")])
        upgrade = threading.Thread(target=store.upgrade)
        upgrade.start()
        with psycopg.connect(postgres_url, autocommit=True) as looker:
            for _ in range(200):
                found = looker.execute(waiting, [name, other.info.backend_pid]).fetchone()
                if found:
                    break
                upgrade.join(0.05)
    upgrade.join()
    assert found == (1,)
    assert store.revision() == ("0001", "0001")
    store.close()


def test_processes_may_upgrade_at_once(store, store_url):
    program = """
import sys
import alembic.command
from crossmarket.store.sql import SqlStore
store = SqlStore(sys.argv[1])
print("ready", flush=True)
sys.stdin.readline()
store.prepare(upgrade=True)
store.close()
"""
    processes = [
        subprocess.Popen(
            [sys.executable, "-W", "error", "-c", program, store_url],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        for _ in range(3)
    ]
    for process in processes:
        assert process.stdout.readline() == "ready\n"
    for process in processes:
        process.stdin.write("go\n")
        process.stdin.flush()
    errors = [process.communicate(timeout=60)[1] for process in processes]
    assert errors == ["", "", ""]
    assert store.revision() == ("0001", "0001")

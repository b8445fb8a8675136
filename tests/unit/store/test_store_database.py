import os
import subprocess
import sys
import threading
import traceback

import pytest

from crossmarket.errors import ConfigurationError, StoreError
from crossmarket.store.database import Database
from crossmarket.store.sql import SqlStore


@pytest.mark.parametrize(
    ("url", "name", "dialect"),
    [
        ("sqlite:///a/b.db", "sqlite:///a/b.db", "sqlite"),
        ("sqlite://", "sqlite://", "sqlite"),
        ("postgresql://me:secret@db/name", "postgresql://me:***@db/name", "postgresql"),
        ("postgres://me:secret@db/name", "postgresql://me:***@db/name", "postgresql"),
        ("postgresql+psycopg://me@db/name?password=secret", "postgresql://me@db/name", "postgresql"),
        ("postgresql://me:secret@/name?host=/run/pg", "postgresql://me:***@/name?host=%2Frun%2Fpg", "postgresql"),
    ],
)
def test_a_database_is_named_without_its_secrets(url, name, dialect):
    database = Database(url)
    assert (database.name, database.dialect) == (name, dialect)
    assert "secret" not in repr(SqlStore(url))


@pytest.mark.parametrize(
    "url",
    [
        "",
        "secret",
        "mysql://me:secret@db/name",
        "postgresql+asyncpg://me:secret@db/name",
        "postgresql://me:secret@db:port/name",
    ],
)
def test_another_url_is_a_configuration_error_without_the_url(url):
    with pytest.raises(ConfigurationError) as caught:
        Database(url)
    assert caught.value.field == "CROSSMARKET_DATABASE_URL"
    assert "postgresql://user:password@host/name" in str(caught.value)
    assert "secret" not in "".join(traceback.format_exception(caught.value))


def test_nothing_is_opened_before_first_use(tmp_path):
    store = SqlStore(f"sqlite:///{tmp_path / 'new.db'}")
    assert list(tmp_path.iterdir()) == []
    store.close()


def test_a_missing_directory_is_named(tmp_path):
    with pytest.raises(StoreError) as caught:
        SqlStore(f"sqlite:///{tmp_path}/nowhere/new.db").get("0190-1")
    assert f"Create the directory {tmp_path}/nowhere" in str(caught.value)


def test_a_file_that_is_no_database(tmp_path):
    (tmp_path / "no.db").write_text("no database " * 100)
    with pytest.raises(StoreError, match="file is not a database"):
        SqlStore(f"sqlite:///{tmp_path / 'no.db'}").prepare(upgrade=None)


def test_a_server_that_does_not_answer_is_a_store_error_without_the_password():
    url = "postgresql://me:secret@127.0.0.1:1/name"
    with pytest.raises(StoreError) as caught:
        SqlStore(url).revision()
    assert "postgresql://me:***@127.0.0.1:1/name cannot be used" in str(caught.value)
    assert "Check CROSSMARKET_DATABASE_URL" in str(caught.value)
    assert "secret" not in "".join(traceback.format_exception(caught.value))


def test_a_missing_driver_gives_the_command(monkeypatch):
    monkeypatch.setitem(sys.modules, "psycopg", None)
    store = SqlStore("postgresql://me@127.0.0.1/name")
    with pytest.raises(ConfigurationError, match=r'Run: pip install "crossmarket\[postgres\]"'):
        store.get("0190-1")


def test_a_long_writer_elsewhere_is_a_store_error(tmp_path):
    url = f"sqlite:///{tmp_path / 'busy.db'}?timeout=0.05"
    one, other = SqlStore(url), SqlStore(url)
    one.upgrade()
    with one._database.writing(), pytest.raises(StoreError, match="Another process is writing for long"):
        other.constant("name", lambda: "value")
    assert other.constant("name", lambda: "value") == "value"
    one.close()
    other.close()


def test_sqlite_is_durable_and_checks_references(tmp_path):
    database = Database(f"sqlite:///{tmp_path / 'new.db'}")
    with database.reading() as connection:
        pragmas = {
            name: connection.exec_driver_sql(f"PRAGMA {name}").scalar_one()
            for name in ("journal_mode", "foreign_keys", "synchronous", "busy_timeout")
        }
    assert pragmas == {"journal_mode": "wal", "foreign_keys": 1, "synchronous": 2, "busy_timeout": 15000}
    database.close()


def test_a_failure_inside_a_transaction_undoes_all_of_it(tmp_path):
    database = Database(f"sqlite:///{tmp_path / 'new.db'}")
    with database.writing() as connection:
        connection.exec_driver_sql("CREATE TABLE kept (a)")

    def fail():
        with database.writing() as connection:
            connection.exec_driver_sql("INSERT INTO kept VALUES (1)")
            connection.exec_driver_sql("CREATE TABLE gone (a)")
            raise RuntimeError

    with pytest.raises(RuntimeError):
        fail()
    with database.reading() as connection:
        assert connection.exec_driver_sql("SELECT name FROM sqlite_master").scalars().all() == ["kept"]
        assert connection.exec_driver_sql("SELECT count(*) FROM kept").scalar_one() == 0
    database.close()


def test_memory_is_shared_by_threads():
    store = SqlStore("sqlite://")
    store.upgrade()
    start = threading.Barrier(4)
    got = []

    def work(writer):
        start.wait()
        for number in range(50):
            store.constant(f"{writer} {number}", lambda: "made")
            got.append(store.constant("shared", lambda: str(writer)))

    threads = [threading.Thread(target=work, args=[writer]) for writer in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(got) == 200
    assert len(set(got)) == 1
    store.close()


@pytest.mark.skipif(not hasattr(os, "fork"), reason="nothing forks here")
def test_a_forked_process_opens_connections_of_its_own(tmp_path):
    # In a process of its own: pytest's has threads, and a fork of those is deprecated.
    program = f"""
import os
from crossmarket.store.sql import SqlStore
store = SqlStore("sqlite:///{tmp_path / "forked.db"}")
store.upgrade()
engine = store._database._engine
with store._database._turn:
    child = os.fork()
    if child == 0:
        answer = store.constant("name", lambda: "child")
        os._exit(0 if answer == "child" and store._database._engine is not engine else 1)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
assert store._database._engine is engine
assert store.constant("name", lambda: "parent") == "child"
store.close()
"""
    subprocess.run([sys.executable, "-W", "error", "-c", program], check=True, timeout=30)

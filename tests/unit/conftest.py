"""Fixtures of the unit tests; `bazaar.py` beside this file is a marketplace kept in memory."""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from crossmarket.store.sql import SqlStore

sys.path.insert(0, str(Path(__file__).parent))  # for `bazaar`: the import mode `importlib` adds no folder


@pytest.fixture(scope="session")
def empty_database(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A SQLite file with the tables and nothing in them, made once because migrations are slow."""
    path = tmp_path_factory.mktemp("template") / "empty.db"
    store = SqlStore(f"sqlite:///{path}")
    store.upgrade()
    store.close()
    return path


@pytest.fixture
def database_url(empty_database: Path, tmp_path: Path) -> str:
    """The URL of an empty SQLite file of this test's own."""
    path = tmp_path / "market.db"
    shutil.copy(empty_database, path)
    return f"sqlite:///{path}"


@pytest.fixture
def store(database_url: str) -> Iterator[SqlStore]:
    """The real store on a file of this test's own."""
    store = SqlStore(database_url)
    yield store
    store.close()


@pytest.fixture
def no_settings(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """No setting from the environment, and an empty working directory, which is returned."""
    for name in list(os.environ):
        if name.upper().startswith("CROSSMARKET_"):
            monkeypatch.delenv(name)
    folder = tmp_path / "work"
    folder.mkdir()
    monkeypatch.chdir(folder)
    return folder

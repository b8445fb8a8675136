"""The command line against emulators on real sockets: as a process where that matters, else in this one."""

from __future__ import annotations

import contextlib
import json
import os
import shlex
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from typer.testing import CliRunner

from crossmarket.cli.main import app
from crossmarket.cli.output import print_table
from crossmarket.plugins import Registry
from crossmarket.settings import as_environment
from crossmarket.testing.emulator import Emulator
from crossmarket.testing.server import serve
from crossmarket.testing.shop import token_of

CATALOG = """
[[plan]]
name = "gold"
features = { sso = true, seats = 25 }
sold_as = [
  { marketplace = "aws", dimension = "gold" },
  { marketplace = "azure", plan = "gold" },
  { marketplace = "yandex", plan = "template-basic" },
]
"""

ONE_LINE = 1


class Done(NamedTuple):
    returncode: int
    stdout: str
    stderr: str


class Shell:
    """Runs commands in a folder of their own, with no settings but those given, each in a new process."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.environment = {
            name: value for name, value in os.environ.items() if not name.startswith(("CROSSMARKET_", "AWS_"))
        }

    def run(self, *words: str, stdin: str = "") -> Done:
        done = subprocess.run(
            [sys.executable, "-m", "crossmarket", *words],
            cwd=self.folder,
            env=self.environment,
            input=stdin,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        return Done(done.returncode, done.stdout, done.stderr)

    def json(self, *words: str, stdin: str = "") -> Any:
        done = self.run(*words, "--json", stdin=stdin)
        assert done.returncode in {0, 3}, done.stderr
        return json.loads(done.stdout)

    def refuses(self, *words: str, stdin: str = "") -> str:
        """Run a command that must fail with exit code 1 and one line, and return the line."""
        done = self.run(*words, stdin=stdin)
        assert done.returncode == 1, done
        assert done.stderr.count("\n") == ONE_LINE, done.stderr
        assert "Traceback" not in done.stderr
        return done.stderr


class QuickShell(Shell):
    """The same without new processes, which take a second each."""

    def run(self, *words: str, stdin: str = "") -> Done:
        with pytest.MonkeyPatch.context() as patch, contextlib.chdir(self.folder):
            for name in os.environ.keys() - self.environment.keys():
                patch.delenv(name)
            for name, value in self.environment.items():
                patch.setenv(name, value)
            result = CliRunner().invoke(app, words, input=stdin, prog_name="crossmarket")
        if result.exception is not None and not isinstance(result.exception, SystemExit):
            raise result.exception
        return Done(result.exit_code, result.stdout, result.stderr)


@pytest.fixture
def shell(tmp_path: Path) -> Shell:
    (tmp_path / "catalog.toml").write_text(CATALOG)
    return QuickShell(tmp_path)


@pytest.fixture
def emulators(shell: Shell) -> Iterator[dict[str, Emulator]]:
    registry, made = Registry(), {}
    with contextlib.ExitStack() as stack:
        for name in registry.names:
            factory = registry[name].emulator
            assert factory is not None
            made[name] = factory()
            url = stack.enter_context(serve(made[name].app))
            shell.environment |= as_environment(name, made[name].options(url))
        yield made


def landing_token(emulator: Emulator) -> str:
    parameter = next(iter(Registry()[emulator.name].generations.values())).landing_parameter
    return token_of(emulator.landing(emulator.buy()), parameter)


def test_help_names_every_command(tmp_path: Path) -> None:
    done = Shell(tmp_path).run("--help")
    assert done.returncode == 0
    for command in [
        "demo",
        "emulate",
        "providers",
        "doctor",
        "land",
        "activate",
        "subscriptions",
        "show",
        "history",
        "check",
        "entitlements",
        "reconcile",
        "db",
    ]:
        assert command in done.stdout
    assert "Exit codes" in done.stdout


def test_a_purchase_by_processes(shell: Shell, emulators: dict[str, Emulator]) -> None:
    processes = Shell(shell.folder)
    processes.environment = shell.environment
    landed = processes.json("land", "yandex", "-", stdin=landing_token(emulators["yandex"]))
    activated = processes.json("activate", "-", "--account", "acct_1", stdin=landed["sealed"])
    assert activated["status"] == "active"
    assert processes.run("check", "acct_1", "sso").returncode == 0
    assert processes.run("check", "acct_1", "reports").returncode == 3


def test_a_purchase_on_every_marketplace(shell: Shell, emulators: dict[str, Emulator]) -> None:
    for name, emulator in emulators.items():
        token = landing_token(emulator)
        landed = shell.json("land", name, "-", stdin=token + "\n")
        assert token not in json.dumps(landed)
        activated = shell.json("activate", "-", "--account", f"acct_{name}", stdin=landed["sealed"])
        assert activated["status"] == "active"

        allowed = shell.run("check", f"acct_{name}", "sso")
        assert allowed.returncode == 0
        assert "entitled" in allowed.stdout
        refused = shell.run("check", f"acct_{name}", "seats", "--quantity", "26")
        assert refused.returncode == 3
        assert "limit_exceeded" in refused.stdout

        shown = shell.json("show", activated["id"])
        assert shown["account"] == f"acct_{name}"
        past = shell.json("history", activated["id"])
        assert past["audit"][-1]["action"] == "activated"

    listed = shell.json("subscriptions")
    assert [item["marketplace"] for item in listed] == list(emulators)
    table = shell.run("subscriptions", "--marketplace", "azure")
    assert "acct_azure" in table.stdout
    assert "acct_aws" not in table.stdout
    report = shell.json("reconcile")
    assert report == {"checked": 3, "drift": [], "errors": {}}
    granted = shell.run("entitlements", "acct_aws")
    assert "sso" in granted.stdout


def test_activate_takes_an_id(shell: Shell, emulators: dict[str, Emulator]) -> None:
    landed = shell.json("land", "azure", landing_token(emulators["azure"]))
    for _ in range(2):
        done = shell.run("activate", landed["subscription"]["id"], "--account", "acct_1")
        assert done.returncode == 0, done.stderr
        assert "acct_1" in done.stdout


def test_doctor_is_content_with_a_good_installation(shell: Shell, emulators: dict[str, Emulator]) -> None:
    assert shell.run("db", "upgrade").returncode == 0
    done = shell.run("doctor")
    assert done.returncode == 0, done.stdout
    assert "ERROR" not in done.stdout
    for name in emulators:
        assert f"ok       {name}:" in done.stdout


def test_doctor_says_what_to_do_in_an_empty_folder(tmp_path: Path) -> None:
    shell = Shell(tmp_path)
    shell.environment["CROSSMARKET_DATABSE_URL"] = "x"
    done = shell.run("doctor")
    assert done.returncode == 0
    assert "Did you mean CROSSMARKET_DATABASE_URL?" in done.stdout
    assert "made, or upgraded, at first use" in done.stdout
    assert list(tmp_path.iterdir()) == []


def test_doctor_finds_the_gap_in_the_catalog(shell: Shell, emulators: dict[str, Emulator]) -> None:
    shell.run("land", "azure", landing_token(emulators["azure"]))
    (shell.folder / "catalog.toml").write_text(CATALOG.replace('plan = "gold"', 'plan = "silver"'))
    done = shell.run("doctor")
    assert "No line is about azure product contoso, plan gold, dimensions quantity" in done.stdout
    assert "Add a sold_as line" in done.stdout


def test_providers_are_listed_with_what_they_can_do(shell: Shell) -> None:
    rows = shell.json("providers")
    assert {row["name"]: row["error"] for row in rows} == {"aws": None, "azure": None, "yandex": None}
    assert all(row["generations"] for row in rows)
    table = shell.run("providers", "--generations")
    assert "change_quantity" in table.stdout
    assert "azure 2017-04-15" in table.stdout


def test_a_broken_provider_is_named_and_disturbs_nobody(tmp_path: Path) -> None:
    shell = Shell(tmp_path)
    site = shell.folder / "site"
    metadata = site / "crossmarket_broken-1.dist-info"
    metadata.mkdir(parents=True)
    (metadata / "METADATA").write_text("Metadata-Version: 2.1\nName: crossmarket-broken\nVersion: 1\n")
    (metadata / "entry_points.txt").write_text("[crossmarket.providers]\nbroken = crossmarket_broken\n")
    (site / "crossmarket_broken.py").write_text("raise SystemExit('no such SDK')\n")
    shell.environment["PYTHONPATH"] = str(site)
    done = shell.run("providers")
    assert done.returncode == 3
    assert "no such SDK" in done.stdout
    rows = shell.json("providers")
    assert [row["name"] for row in rows if not row["error"]] == ["aws", "azure", "yandex"]
    assert "no such SDK" in shell.run("doctor").stdout
    assert shell.run("check", "acct_1", "sso").returncode == 3
    assert "no such SDK" in shell.refuses("land", "broken", "token")
    shell.environment["CROSSMARKET_PROVIDERS"] = "aws,azure,yandex"
    assert shell.run("providers").returncode == 0


def test_the_demo_plays_everywhere(tmp_path: Path) -> None:
    told = Shell(tmp_path).json("demo")
    assert set(told["marketplaces"]) == {"aws", "azure", "yandex"}
    for facts in told["marketplaces"].values():
        assert facts["subscription"]["account"] == "acct_42"
        assert [decision["allowed"] for decision in facts["decisions"]] == [True, False]
        assert facts["after_renewal_was_stopped"]["access"] is True
    assert list(tmp_path.iterdir()) == []


def test_the_demo_shows_no_token_and_can_keep_its_database(tmp_path: Path) -> None:
    shell = Shell(tmp_path)
    done = shell.run("demo", "--keep", "demo.db")
    assert done.returncode == 0, done.stderr
    assert max(len(word) for word in done.stdout.split()) < 110
    shell.environment["CROSSMARKET_DATABASE_URL"] = "sqlite:///demo.db"
    kept = shell.json("subscriptions", "--account", "acct_42")
    assert len(kept) == 3
    shell.environment["CROSSMARKET_CATALOG"] = "demo.toml"
    assert shell.json("check", "acct_42", "seats")["limit"] == 25
    assert "The file demo.db is there already." in shell.refuses("demo", "--keep", "demo.db")
    assert shell.json("subscriptions", "--account", "acct_42") == kept


def test_in_the_demo_each_purchase_answers_for_itself(tmp_path: Path) -> None:
    told = Shell(tmp_path).json("demo")["marketplaces"]
    granted = {name: [decision["limit"] for decision in facts["decisions"]] for name, facts in told.items()}
    assert granted == {"aws": [10, 10], "azure": [20, 20], "yandex": [25, 25]}
    assert told["azure"]["decisions"][0]["subscriptions"] == [told["azure"]["subscription"]["id"]]


def test_emulate_prints_settings_that_work(shell: Shell) -> None:
    process = subprocess.Popen(
        [sys.executable, "-m", "crossmarket", "emulate", "azure", "--port", "0"],
        cwd=shell.folder,
        env=shell.environment | {"PYTHONUNBUFFERED": "1"},
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    try:
        for line in process.stdout:
            if line.startswith("export "):
                name, _, value = line.removeprefix("export ").strip().partition("=")
                shell.environment[name] = shlex.split(value)[0]
            if "Ctrl-C" in line:
                break
        shell.run("db", "upgrade")
        assert "ok       azure:" in shell.run("doctor").stdout
    finally:
        process.terminate()
        process.wait(timeout=10)
        process.stdout.close()


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (("land", "azur", "x"), "Did you mean 'azure'?"),
        (("land", "azure", ""), "The landing token is empty."),
        (("show", "no-such-id"), "There is no subscription 'no-such-id'."),
        (("history", "no-such-id"), "There is no subscription 'no-such-id'."),
        (("reconcile", "no-such-id"), "There is no subscription 'no-such-id'."),
        (("activate", "nonsense", "--account", "acct_1"), "The sealed landing is altered"),
        (("check", " ", "sso"), "The account must be a text that is not empty."),
        (("check", "acct_1", "sso", "--quantity", "-1"), "from 0 up"),
        (("check", "acct_1", "sso", "--quantity", "nan"), "from 0 up"),
        (("activate", "-", "--account", "acct_1"), "There is no landing."),
        (("subscriptions", "--marketplace", "azur"), "Did you mean 'azure'?"),
        (("reconcile", "--marketplace", "azur"), "Did you mean 'azure'?"),
        (("reconcile", "no-such-id", "--marketplace", "aws"), "Leave --marketplace out."),
        (("subscriptions", "--status", "cancelled"), "It is one of: pending, active, suspended, ended, unknown."),
    ],
)
def test_bad_input_is_one_clear_line(
    shell: Shell, emulators: dict[str, Emulator], words: tuple[str, ...], told: str
) -> None:
    assert emulators
    assert told in shell.refuses(*words)


@pytest.mark.parametrize("kind", ["expired_token", "foreign_token"])
def test_a_bad_token_is_not_printed(shell: Shell, emulators: dict[str, Emulator], kind: str) -> None:
    for name, emulator in emulators.items():
        token = getattr(emulator, kind)()
        done = shell.run("land", name, "-", stdin=token)
        if done.returncode == 0:
            sealed = shell.json("land", name, "-", stdin=token)
            line = shell.refuses("activate", "-", "--account", "acct_1", stdin=sealed["sealed"])
        else:
            line = shell.refuses("land", name, "-", stdin=token)
        assert token not in line + done.stdout + done.stderr
        assert shell.json("subscriptions", "--account", "acct_1") == []


def test_missing_credentials_are_named(shell: Shell) -> None:
    for name, setting in (
        ("azure", "CROSSMARKET_AZURE__"),
        ("yandex", "CROSSMARKET_YANDEX__"),
        ("aws", "CROSSMARKET_AWS__PRODUCT_CODES"),
    ):
        assert setting in shell.refuses("land", name, "some-token")


def test_a_misspelt_option_is_named_and_no_value_is_shown(shell: Shell) -> None:
    shell.environment["CROSSMARKET_AZURE__CLIENT_SECRT"] = "hunter2"
    line = shell.refuses("land", "azure", "some-token")
    assert "CROSSMARKET_AZURE__CLIENT_SECRT is not known; did you mean 'client_secret'?" in line
    assert "hunter2" not in line


def test_a_catalog_with_a_typo_is_one_line(shell: Shell) -> None:
    (shell.folder / "catalog.toml").write_text(CATALOG.replace("sold_as", "sold_ass"))
    line = shell.refuses("check", "acct_1", "sso")
    assert "plan[0].sold_ass is not known; did you mean 'sold_as'?" in line
    (shell.folder / "catalog.toml").write_text(CATALOG.replace('"azure"', '"azur"'))
    assert "Did you mean 'azure'?" in shell.refuses("check", "acct_1", "sso")
    (shell.folder / "catalog.toml").write_text("[[plan]\n")
    assert "is not valid TOML" in shell.refuses("check", "acct_1", "sso")


def test_a_database_from_the_future_is_left_alone(shell: Shell) -> None:
    assert shell.run("db", "upgrade").returncode == 0
    assert shell.run("db", "status").returncode == 0
    import sqlite3

    with contextlib.closing(sqlite3.connect(shell.folder / "crossmarket.db")) as connection:
        connection.execute("UPDATE crossmarket_alembic_version SET version_num = '9999'")
        connection.commit()
    line = shell.refuses("subscriptions")
    assert "newer" in line
    assert "newer" in shell.refuses("db", "upgrade")
    assert shell.run("db", "status").returncode == 3


def test_an_unreachable_database_is_told_without_its_password(shell: Shell) -> None:
    shell.environment["CROSSMARKET_DATABASE_URL"] = "postgresql://shop:hunter2@127.0.0.1:9/shop"
    line = shell.refuses("subscriptions")
    assert "127.0.0.1" in line
    assert "hunter2" not in line


def test_postgres_asks_for_the_upgrade_first(shell: Shell, postgres_url: str) -> None:
    shell.environment["CROSSMARKET_DATABASE_URL"] = postgres_url
    assert "crossmarket db upgrade" in shell.refuses("subscriptions")
    assert "crossmarket db upgrade" in shell.run("doctor").stdout
    assert shell.run("db", "upgrade").returncode == 0
    assert "already" in shell.run("db", "upgrade").stdout
    assert shell.json("subscriptions") == []


def test_doctor_names_a_directory_that_is_not_there(shell: Shell) -> None:
    shell.environment["CROSSMARKET_DATABASE_URL"] = "sqlite:////nowhere/shop.db"
    done = shell.run("doctor")
    assert done.returncode == 3
    assert "ERROR    store: There is no directory /nowhere." in done.stdout


def test_doctor_tells_a_remedy_once_and_no_retries(shell: Shell) -> None:
    shell.environment |= {
        "CROSSMARKET_PROVIDERS": "azure",
        "CROSSMARKET_AZURE__TENANT_ID": "tenant",
        "CROSSMARKET_AZURE__CLIENT_ID": "client",
        "CROSSMARKET_AZURE__CLIENT_SECRET": "a-secret-of-ours",
        "CROSSMARKET_AZURE__BASE_URL": "http://127.0.0.1:1",
        "CROSSMARKET_AZURE__AUTHORITY_URL": "http://127.0.0.1:1",
    }
    done = shell.run("doctor")
    assert done.returncode == 3
    assert done.stdout.count("look at the network") == 1
    assert done.stderr == ""


def test_a_provider_that_is_left_out_is_not_called_ok(shell: Shell) -> None:
    shell.environment["CROSSMARKET_PROVIDERS"] = "aws"
    rows = shell.run("providers").stdout.splitlines()
    assert [row.split() for row in rows if row.startswith("azure")] == [
        ["azure", "-", "no", "left", "out", "by", "CROSSMARKET_PROVIDERS"]
    ]


@pytest.mark.parametrize("words", [("providers",), ("providers", "--json")])
def test_a_reader_that_goes_away_is_no_error(shell: Shell, words: tuple[str, ...]) -> None:
    reader, writer = os.pipe()
    os.close(reader)
    try:
        done = subprocess.run(
            [sys.executable, "-m", "crossmarket", *words],
            env=shell.environment,
            stdout=writer,
            stderr=subprocess.PIPE,
            check=False,
        )
    finally:
        os.close(writer)
    assert (done.returncode, done.stderr) == (0, b"")


def test_a_narrow_terminal_shows_ids_whole(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setenv("FORCE_COLOR", "1")
    monkeypatch.setenv("COLUMNS", "40")
    subscription = "01a1fc96-6884-77c9-a3bb-070a7ea230b8"
    print_table(("subscription", "marketplace"), [(subscription, "azure")], empty="")
    assert capsys.readouterr().out == f"subscription  {subscription}\nmarketplace   azure\n\n"
    monkeypatch.setenv("COLUMNS", "80")
    print_table(("subscription", "marketplace"), [(subscription, "azure")], empty="")
    assert len(capsys.readouterr().out.splitlines()) == 3


def test_the_version_is_told(shell: Shell) -> None:
    from importlib.metadata import version

    assert shell.run("--version").stdout.strip() == version("crossmarket")

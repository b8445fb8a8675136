from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from bazaar import NOW, Bazaar, BazaarConfig, held, plugin
from pydantic import SecretStr

from crossmarket.doctor import examine
from crossmarket.errors import UnavailableError
from crossmarket.models import Finding
from crossmarket.plugins import MarketplacePlugin
from crossmarket.store.contract import AuditEntry
from crossmarket.store.sql import SqlStore
from crossmarket.testing.clock import FakeClock

pytestmark = pytest.mark.usefixtures("no_settings")

CATALOG = {
    "plan": [{"name": "gold", "features": {"sso": True}, "sold_as": [{"marketplace": "bazaar", "plan": "gold"}]}],
    "listing": {"bazaar": "https://bazaar.example"},
}


def findings(**arguments: Any) -> list[Finding]:
    """All that is found where nothing but the bazaar may be used."""
    given = {"providers": "bazaar", "catalog": CATALOG, "plugins": [plugin(Bazaar())], "clock": FakeClock()}
    return list(examine(**{**given, "bazaar": {"seller": "me"}, **arguments}))


def of(subject: str, found: list[Finding]) -> list[tuple[str, str]]:
    return [(finding.level, finding.message) for finding in found if finding.subject == subject]


def test_all_is_well(database_url: str) -> None:
    found = findings(database_url=database_url)
    assert {finding.level for finding in found} == {"ok"}
    assert of("bazaar", found) == [("ok", "The bazaar is open.")]
    assert of("store", found) == [("ok", "The database is in reach and of this version.")]
    assert of("catalog", found) == [("ok", "1 plans, 1 features.")]
    assert of("settings", found) == [("ok", "All settings are known.")]


def test_every_trouble_comes_with_a_remedy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CROSSMARKET_DATABSE_URL", "x")
    found = findings(catalog={}, providers="bazaar,bazar,oracle", database_url="mysql://host/db", bazaar={"sller": 1})
    troubles = [finding for finding in found if finding.level != "ok"]
    assert len(troubles) == 6
    assert all(finding.remedy for finding in troubles)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"landing_seconds": 1}, "the argument 'landing_seconds': "),
        ({"databse_url": "x"}, "There is no setting 'databse_url'."),
    ],
)
def test_wrong_settings_end_it(arguments: dict[str, Any], words: str) -> None:
    (found,) = findings(**arguments)
    assert (found.level, found.subject) == ("error", "settings")
    assert words in found.message


def test_a_settings_file_that_is_not_toml() -> None:
    Path("crossmarket.toml").write_text("= 1")
    (found,) = findings()
    assert (found.level, found.subject) == ("error", "settings")
    assert "is not valid TOML" in found.message


def test_variables_without_effect(monkeypatch: pytest.MonkeyPatch, database_url: str) -> None:
    monkeypatch.setenv("CROSSMARKET_BAZAAR_SELLER", "hush")
    monkeypatch.setenv("CROSSMARKET_ZZZZ", "hush")
    found = [finding for finding in findings(database_url=database_url) if finding.subject == "settings"]
    assert [(finding.level, finding.remedy) for finding in found] == [
        ("warning", "Did you mean CROSSMARKET_BAZAAR__SELLER?"),
        ("warning", "Remove it, or install the provider that it is for."),
    ]
    assert "hush" not in repr(found)


@pytest.mark.parametrize(
    ("catalog", "level", "words"),
    [
        ({}, "warning", "There is no catalog, so that check() grants nothing."),
        ({"plans": []}, "error", "plans is not known; did you mean 'plan'?"),
        ("nowhere.toml", "error", "nowhere.toml cannot be read"),
        ({**CATALOG, "listing": {}}, "warning", "It has no listing for 'bazaar'"),
        ({**CATALOG, "listing": {**CATALOG["listing"], "fair": "https://x"}}, "warning", "It sells on 'fair'"),
        ({**CATALOG, "listing": {"bazar": "https://x"}}, "error", "names the marketplace 'bazar'"),
    ],
)
def test_catalogs(database_url: str, catalog: Any, level: str, words: str) -> None:
    found = findings(database_url=database_url, catalog=catalog)
    told = [message for found_level, message in of("catalog", found) if found_level == level]
    assert len(told) == 1
    assert words in told[0]
    assert ("ok", "The bazaar is open.") in of("bazaar", found)


def test_a_database_that_is_not_there_yet_is_not_made(no_settings: Path) -> None:
    found = findings(database_url="sqlite:///new.db")
    assert [level for level, _ in of("store", found)] == ["ok"]
    assert list(no_settings.iterdir()) == []


def test_a_database_that_would_not_be_made(no_settings: Path) -> None:
    found = findings(database_url="sqlite:///new.db", database_upgrade=False)
    assert [level for level, _ in of("store", found)] == ["error"]
    assert list(no_settings.iterdir()) == []


@pytest.mark.parametrize("url", ["mysql://u:hush@host/db", "hush", "sqlite:////nowhere/at/all/x.db", ""])
def test_databases_out_of_reach(url: str) -> None:
    found = findings(database_url=url, database_upgrade=False)
    assert [level for level, _ in of("store", found)] == ["error"]
    assert "hush" not in repr(found)
    assert ("ok", "The bazaar is open.") in of("bazaar", found)


def test_a_file_that_is_no_database(tmp_path: Path) -> None:
    path = tmp_path / "text.db"
    path.write_text("hush " * 100)
    assert [level for level, _ in of("store", findings(database_url=f"sqlite:///{path}"))] == ["error"]


def put(store: SqlStore, name: str, **more: Any) -> None:
    audit = AuditEntry(action="told", at=NOW, origin="test")
    store.save(held(name, **more), audit, expected=0)


def test_what_was_bought_and_is_in_no_line(store: SqlStore, database_url: str) -> None:
    put(store, "s1", plan="silver")
    put(store, "s2", product="none", plan=None, quantities={"b": 0, "a": 0})
    put(store, "s3", plan="silver", status="ended")
    put(store, "s4", plan="gold")
    told = [message for level, message in of("catalog", findings(database_url=database_url)) if level == "warning"]
    assert told == [
        "No line is about bazaar product contoso, plan silver, so that 1 subscription(s) grant nothing.",
        "No line is about bazaar product none, dimensions a, b, so that 1 subscription(s) grant nothing.",
    ]


def test_what_has_not_been_read_for_long(store: SqlStore, database_url: str) -> None:
    put(store, "s1", observed_at=NOW - timedelta(days=2))
    put(store, "s2", observed_at=NOW - timedelta(days=1))
    put(store, "s3", observed_at=NOW - timedelta(days=9), status="ended")
    (told,) = [message for level, message in of("store", findings(database_url=database_url)) if level == "warning"]
    assert told.startswith("1 subscription(s) have not been read")


def test_providers_that_are_not_installed(database_url: str) -> None:
    found = findings(database_url=database_url, providers="bazaar,bazar,oracle")
    troubles = {finding.subject: finding.remedy for finding in found if finding.level == "error"}
    assert troubles == {"bazar": "Did you mean 'bazaar'?", "oracle": "pip install crossmarket-oracle"}


def test_a_provider_without_options(database_url: str) -> None:
    found = findings(database_url=database_url, bazaar={})
    (finding,) = [finding for finding in found if finding.subject == "bazaar"]
    assert (finding.level, finding.message) == ("warning", "It is installed but has no options.")
    assert "CROSSMARKET_BAZAAR__" in finding.remedy


def test_a_provider_with_a_wrong_option(database_url: str) -> None:
    found = findings(database_url=database_url, bazaar={"sellr": "hush"})
    assert of("bazaar", found) == [
        (
            "error",
            (
                "There is something wrong with the options of bazaar: "
                "CROSSMARKET_BAZAAR__SELLR is not known; did you mean 'seller'?"
            ),
        )
    ]


class Bad(Bazaar):
    """One whose examination fails in a way that none may."""

    error: Exception = RuntimeError("hush")

    def diagnose(self) -> Iterator[Finding]:
        yield Finding(level="ok", subject="clock", message="It is right.")
        raise self.error


@pytest.mark.parametrize(
    "error", [RuntimeError("hush"), UnavailableError("hush", marketplace="bazaar", operation="any")]
)
def test_a_provider_that_raises_while_it_is_examined(database_url: str, error: Exception) -> None:
    bad = Bad()
    bad.error = error
    found = findings(database_url=database_url, plugins=[plugin(bad)])
    assert of("bazaar", found)[0] == ("ok", "clock: It is right.")
    assert of("bazaar", found)[1][0] == "error"
    assert "hush" not in repr(found)
    assert bad.closed == 1


def test_a_provider_that_raises_while_it_is_connected(database_url: str) -> None:
    def connect(_: BazaarConfig) -> Bazaar:
        raise RuntimeError(SecretStr("hush"))

    bad = MarketplacePlugin(name="bazaar", config=BazaarConfig, connect=connect)
    found = findings(database_url=database_url, plugins=[bad])
    assert [level for level, _ in of("bazaar", found)] == ["error"]


def test_a_broken_provider(database_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    class Entry:
        name, value = "broken", "nowhere:nothing"

        def load(self) -> None:
            raise SystemExit(1)

    monkeypatch.setattr("crossmarket.plugins.entry_points", lambda **_: [Entry()])
    found = findings(database_url=database_url, providers="bazaar,broken")
    assert [level for level, _ in of("broken", found)] == ["error"]
    assert of("bazaar", found) == [("ok", "The bazaar is open.")]

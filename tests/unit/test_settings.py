from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from crossmarket.access import AccessPolicy
from crossmarket.errors import ConfigurationError
from crossmarket.settings import Settings, load, normal_name, unknown_variables

pytestmark = pytest.mark.usefixtures("no_settings")


def env(monkeypatch: pytest.MonkeyPatch, **variables: str) -> None:
    for name, value in variables.items():
        monkeypatch.setenv(f"CROSSMARKET_{name}", value)


def file(text: str, path: str = "crossmarket.toml") -> None:
    Path(path).write_text(text)


def test_defaults() -> None:
    settings = load()
    assert settings.database_url.get_secret_value() == "sqlite:///crossmarket.db"
    assert (settings.database_upgrade, settings.providers, settings.catalog) == (None, None, None)
    assert (settings.secret_key, settings.landing_seconds, settings.claim_policy) == ((), 1800, "refuse")
    assert settings.options == {}
    assert settings.access_policy == AccessPolicy()
    assert settings.access_policy.stale_grace == timedelta(hours=72)


def test_arguments_before_the_environment_before_the_file(monkeypatch: pytest.MonkeyPatch) -> None:
    file('landing_seconds = 100\nclaim_policy = "share"\nstale_policy = "allow"\n')
    assert load().landing_seconds == 100
    env(monkeypatch, LANDING_SECONDS="200", CLAIM_POLICY="transfer")
    assert load().landing_seconds == 200
    settings = load(landing_seconds=300)
    assert (settings.landing_seconds, settings.claim_policy, settings.stale_policy) == (300, "transfer", "allow")


def test_an_argument_of_none_is_none_at_all(monkeypatch: pytest.MonkeyPatch) -> None:
    env(monkeypatch, LANDING_SECONDS="200")
    assert load(landing_seconds=None, azure=None).landing_seconds == 200


def test_only_arguments(monkeypatch: pytest.MonkeyPatch) -> None:
    file("landing_seconds = 100")
    env(monkeypatch, CLAIM_POLICY="share", AZURE__TENANT_ID="t")
    settings = load(only_arguments=True, stale_policy="allow")
    assert (settings.landing_seconds, settings.claim_policy, settings.options) == (1800, "refuse", {})
    assert settings.stale_policy == "allow"


def test_options_of_a_provider_are_merged_one_by_one(monkeypatch: pytest.MonkeyPatch) -> None:
    file('[azure]\ntenant_id = "file"\nclient_id = "file"\nresource = "file"\n[aws]\nregion = "file"\n')
    env(monkeypatch, AZURE__CLIENT_ID="env", AZURE__RESOURCE="env", YANDEX__METADATA="true")
    settings = load(azure={"resource": "argument"})
    assert settings.options == {
        "azure": {"tenant_id": "file", "client_id": "env", "resource": "argument"},
        "aws": {"region": "file"},
        "yandex": {"metadata": "true"},
    }


@pytest.mark.parametrize("name", ["acme-cloud", "ACME_CLOUD", "acme_cloud"])
def test_a_provider_may_have_a_hyphen(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    env(monkeypatch, ACME_CLOUD__A="1")
    file(f"[{name}]\nb = 2\n")
    expected = {"acme_cloud": {"a": "1", "b": 2, "c": 3}}
    assert load(**{name: {"c": 3}}).options == expected
    assert load(options={name: {"c": 3}}).options == expected


def test_both_ways_of_giving_options_go_together() -> None:
    given = {"azure": {"tenant_id": "t", "client_id": "old"}}
    settings = load(options=given, azure={"client_id": "new"})
    assert settings.options == {"azure": {"tenant_id": "t", "client_id": "new"}}
    assert given == {"azure": {"tenant_id": "t", "client_id": "old"}}


@pytest.mark.parametrize(
    ("text", "providers"),
    [("aws,azure", ("aws", "azure")), (" aws , azure ,", ("aws", "azure")), ("aws", ("aws",))],
)
def test_lists_are_separated_by_commas(monkeypatch: pytest.MonkeyPatch, text: str, providers: Any) -> None:
    assert load(providers=text).providers == providers
    env(monkeypatch, PROVIDERS=text)
    assert load().providers == providers


def test_a_blank_variable_is_none(monkeypatch: pytest.MonkeyPatch) -> None:
    env(monkeypatch, PROVIDERS="", DATABASE_URL="", CATALOG="")
    assert dict(load()) == dict(load(only_arguments=True))


def test_lists_of_the_file_and_of_arguments_are_lists() -> None:
    file('providers = ["aws", "azure"]\nsecret_key = "one,two"\n')
    settings = load()
    assert settings.providers == ("aws", "azure")
    assert [key.get_secret_value() for key in settings.secret_key] == ["one", "two"]
    assert load(providers=["yandex"]).providers == ("yandex",)


@pytest.mark.parametrize("named", ["elsewhere.toml", None])
def test_the_file_can_be_named(monkeypatch: pytest.MonkeyPatch, named: str | None) -> None:
    file("landing_seconds = 100")
    file("landing_seconds = 900", "elsewhere.toml")
    if named:
        env(monkeypatch, CONFIG=named)
    assert load().landing_seconds == (900 if named else 100)


def test_an_empty_name_of_the_file_is_none(monkeypatch: pytest.MonkeyPatch) -> None:
    env(monkeypatch, CONFIG="")
    assert load().landing_seconds == 1800


def test_a_named_file_must_be_there(monkeypatch: pytest.MonkeyPatch) -> None:
    env(monkeypatch, CONFIG="nowhere.toml")
    with pytest.raises(ConfigurationError, match=r"nowhere\.toml is not there") as caught:
        load()
    assert caught.value.field == "CROSSMARKET_CONFIG"


def test_a_file_that_cannot_be_read(monkeypatch: pytest.MonkeyPatch, no_settings: Path) -> None:
    env(monkeypatch, CONFIG=str(no_settings))
    with pytest.raises(ConfigurationError, match="Is a directory"):
        load()


def test_a_file_that_is_not_toml() -> None:
    file("landing_seconds = ")
    with pytest.raises(ConfigurationError, match=r"crossmarket\.toml is not valid TOML"):
        load()


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"databse_url": "hush"}, "There is no setting 'databse_url'. Did you mean 'database_url'?"),
        ({"zzzz": 1}, "There is no setting 'zzzz'."),
        ({"landing_seconds": 59}, "the argument 'landing_seconds': "),
        ({"landing_seconds": 86_401}, "the argument 'landing_seconds': "),
        ({"landing_seconds": "hush"}, "the argument 'landing_seconds': "),
        ({"claim_policy": "hush"}, "the argument 'claim_policy': "),
        ({"stale_policy": "hush"}, "the argument 'stale_policy': "),
        ({"stale_grace_seconds": -1}, "the argument 'stale_grace_seconds': "),
        ({"suspended_access": "hush"}, "the argument 'suspended_access': "),
        ({"database_url": ["hush"]}, "the argument 'database_url': "),
        ({"secret_key": {"hush": "hush"}}, "the argument 'secret_key': "),
    ],
)
def test_a_wrong_argument_is_named_and_no_value_shown(arguments: dict[str, Any], words: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        load(**arguments)
    assert words in str(caught.value)
    assert "hush" not in str(caught.value)
    assert caught.value.__cause__ is None


def test_a_wrong_variable_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    env(monkeypatch, LANDING_SECONDS="hush", CLAIM_POLICY="hush")
    with pytest.raises(ConfigurationError) as caught:
        load()
    assert "CROSSMARKET_LANDING_SECONDS: " in str(caught.value)
    assert "CROSSMARKET_CLAIM_POLICY: " in str(caught.value)
    assert "hush" not in str(caught.value)


def test_an_unknown_name_in_the_file_is_told() -> None:
    file('databse_url = "hush"')
    with pytest.raises(
        ConfigurationError, match=r"'databse_url' in crossmarket\.toml is not known; did you mean 'database_url'\?"
    ):
        load()


def test_secrets_are_not_shown() -> None:
    settings = load(
        database_url="postgresql://u:hush@host/db", secret_key="hush,hush2", azure={"client_secret": "hush"}
    )
    assert "hush" not in repr(settings) + str(settings)


def test_settings_are_frozen() -> None:
    with pytest.raises(ValidationError):
        load().landing_seconds = 60


def test_the_access_policy() -> None:
    settings = load(stale_grace_seconds=60, stale_policy="allow", suspended_access=True)
    assert settings.access_policy == AccessPolicy(
        stale_grace=timedelta(minutes=1), stale_policy="allow", suspended_access=True
    )


def test_variables_that_have_no_effect(monkeypatch: pytest.MonkeyPatch) -> None:
    env(
        monkeypatch,
        DATABASE_URL="x",
        DATABSE_URL="x",
        AZURE__TENANT_ID="x",
        ACME_CLOUD__KEY="x",
        AZUER__TENANT_ID="x",
        AZURE_CLIENT_ID="x",
        QQQQQQQQ="x",
        CONFIG="x",
        LIVE="x",
        TEST_POSTGRES_URL="x",
    )
    assert unknown_variables(("azure", "acme-cloud")) == {
        "CROSSMARKET_AZUER__TENANT_ID": "CROSSMARKET_AZURE__TENANT_ID",
        "CROSSMARKET_AZURE_CLIENT_ID": "CROSSMARKET_AZURE__CLIENT_ID",
        "CROSSMARKET_DATABSE_URL": "CROSSMARKET_DATABASE_URL",
        "CROSSMARKET_QQQQQQQQ": None,
    }


@pytest.mark.parametrize(
    ("name", "normal"), [("ACME-CLOUD", "acme_cloud"), ("acme_cloud", "acme_cloud"), ("aws", "aws")]
)
def test_normal_name(name: str, normal: str) -> None:
    assert normal_name(name) == normal


def test_every_setting_is_documented() -> None:
    for name in Settings.model_fields:
        assert f"\n        {name}: " in (Settings.__doc__ or "") or f"\n    {name}: " in (Settings.__doc__ or "")

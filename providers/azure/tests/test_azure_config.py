"""The options: forms, defaults, and errors that name the setting."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from crossmarket.errors import ConfigurationError
from crossmarket.plugins import Registry
from crossmarket_azure.config import AzureConfig
from crossmarket_azure.plugin import connect, crossmarket_marketplace

GOOD = {"tenant_id": "t", "client_id": "c", "client_secret": "the-secret"}


def test_defaults() -> None:
    config = AzureConfig.model_validate(GOOD)
    assert config.api_version == "2018-08-31"
    assert config.base_url == "https://marketplaceapi.microsoft.com/api"
    assert config.authority_url == "https://login.microsoftonline.com"
    assert config.token_resource == "20e940b3-4c77-4b0b-9a53-9e16a1b010a7"
    assert (config.connect_timeout, config.read_timeout, config.activation_wait) == (3.0, 10.0, 5.0)
    assert config.offers == ()


def test_each_generation_has_its_resource() -> None:
    config = AzureConfig.model_validate({**GOOD, "api_version": "2017-04-15"})
    assert config.legacy
    assert config.token_resource == "62d94f6c-d599-489b-a797-3e10e42fbe22"
    assert AzureConfig.model_validate({**GOOD, "resource": "other"}).token_resource == "other"


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ("http://127.0.0.1:8000", "http://127.0.0.1:8000/api"),
        ("http://127.0.0.1:8000/", "http://127.0.0.1:8000/api"),
        ("https://host/api/saas", "https://host/api"),
        ("https://host/api/saas/", "https://host/api"),
        ("https://host/saas", "https://host/api"),
        ("https://host/other", "https://host/other"),
        ("http://emulator:8000/api", "http://emulator:8000/api"),
        ("http://[::1]:9/api", "http://[::1]:9/api"),
    ],
)
def test_the_address_of_the_api(given: str, expected: str) -> None:
    assert AzureConfig.model_validate({**GOOD, "base_url": given}).base_url == expected


@pytest.mark.parametrize(
    ("option", "value"),
    [
        ("base_url", "http://marketplace.example/api"),
        ("base_url", "ftp://host"),
        ("base_url", "host/api"),
        ("base_url", "https://user:pw@host/api"),
        ("base_url", "https://host/api?x=1"),
        ("authority_url", "http://login.example"),
        ("authority_url", "https://login.example/tenant"),
        ("api_version", "2019-01-01"),
        ("activation_wait", -1),
        ("read_timeout", 0),
        ("no_such_option", 1),
    ],
)
def test_wrong_forms_name_the_option_and_not_the_value(option: str, value: Any) -> None:
    with pytest.raises(ValidationError) as caught:
        AzureConfig.model_validate({**GOOD, option: value})
    assert option in str(caught.value)
    assert "pw@" not in str(caught.value)


@pytest.mark.parametrize("offers", ["contoso, fabrikam ,", ["contoso", "fabrikam"], ("contoso", "fabrikam")])
def test_offers_come_as_text_or_list(offers: Any) -> None:
    config = AzureConfig.model_validate({**GOOD, "offers": offers})
    assert config.offers == ("contoso", "fabrikam")
    assert config.accepts("contoso")
    assert config.accepts("Contoso-preview")
    assert not config.accepts("tailspin")
    assert config.accepts(None)


def test_without_offers_all_are_ours() -> None:
    assert AzureConfig.model_validate(GOOD).accepts("anything")


def test_missing_credentials_are_one_error_that_names_the_settings() -> None:
    with pytest.raises(ConfigurationError) as caught:
        connect(AzureConfig.model_validate({"client_secret": "  "}))
    text = str(caught.value)
    assert caught.value.field == "CROSSMARKET_AZURE__TENANT_ID"
    for setting in ("TENANT_ID", "CLIENT_ID", "CLIENT_SECRET", "CLIENT_CERTIFICATE_FILE"):
        assert f"CROSSMARKET_AZURE__{setting}" in text


def test_a_single_missing_setting() -> None:
    with pytest.raises(ConfigurationError) as caught:
        connect(AzureConfig.model_validate({**GOOD, "client_id": None}))
    assert caught.value.field == "CROSSMARKET_AZURE__CLIENT_ID"
    assert "TENANT_ID" not in caught.value.message


def test_a_secret_and_a_certificate_contradict_one_another() -> None:
    with pytest.raises(ConfigurationError, match="Both CROSSMARKET_AZURE__CLIENT_SECRET"):
        connect(AzureConfig.model_validate({**GOOD, "client_certificate_file": "x.pem"}))


def test_a_fixed_token_needs_nothing_else() -> None:
    connect(AzureConfig.model_validate({"token": "fixed"})).close()


def test_no_secret_is_shown() -> None:
    config = AzureConfig.model_validate(
        {"tenant_id": "t", "client_secret": "s3cret-1", "client_certificate_password": "s3cret-2", "token": "s3cret-3"}
    )
    assert "s3cret" not in repr(config)
    assert "s3cret" not in str(config)
    assert "s3cret" not in repr(connect(config))


def test_the_plugin_is_found_by_its_entry_point() -> None:
    plugin = Registry(allowed=["azure"])["azure"]
    assert plugin == crossmarket_marketplace()
    assert plugin.config is AzureConfig
    assert plugin.title == "Microsoft Marketplace"
    assert plugin.emulator is not None
    assert plugin.emulator().name == "azure"


def test_the_password_file_is_a_path() -> None:
    config = AzureConfig.model_validate({**GOOD, "client_secret": None, "client_certificate_file": "/etc/c.pem"})
    assert config.client_certificate_file == Path("/etc/c.pem")

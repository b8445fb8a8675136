from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from crossmarket.errors import ConfigurationError
from crossmarket.plugins import Registry
from crossmarket_yandex.config import YandexConfig
from crossmarket_yandex.plugin import connect

SECRET = "t1.secret-iam-token.signature"


@pytest.mark.parametrize(
    ("options", "credential"),
    [
        ({"iam_token": SECRET}, "iam_token"),
        ({"service_account_key_file": "key.json"}, "service_account_key_file"),
        ({"metadata": "true"}, "metadata"),
        ({"metadata": "false", "iam_token": SECRET}, "iam_token"),
        ({"iam_token": SECRET, "service_account_key_file": " "}, "iam_token"),
        (
            {"federation_service_account_id": "aje1", "federation_token_file": "token"},
            "federation_service_account_id",
        ),
    ],
)
def test_one_credential_is_chosen(options: dict[str, str], credential: str) -> None:
    assert YandexConfig.model_validate(options).credential == credential


@pytest.mark.parametrize(
    ("options", "named"),
    [
        (
            {},
            [
                "CROSSMARKET_YANDEX__SERVICE_ACCOUNT_KEY_FILE",
                "CROSSMARKET_YANDEX__METADATA",
                "CROSSMARKET_YANDEX__FEDERATION_SERVICE_ACCOUNT_ID",
                "CROSSMARKET_YANDEX__IAM_TOKEN",
            ],
        ),
        ({"iam_token": "", "metadata": ""}, ["CROSSMARKET_YANDEX__IAM_TOKEN"]),
        (
            {"iam_token": SECRET, "metadata": True},
            ["CROSSMARKET_YANDEX__IAM_TOKEN", "CROSSMARKET_YANDEX__METADATA"],
        ),
        ({"federation_service_account_id": "aje1"}, ["CROSSMARKET_YANDEX__FEDERATION_TOKEN_FILE"]),
        ({"federation_token_file": "x"}, ["CROSSMARKET_YANDEX__FEDERATION_SERVICE_ACCOUNT_ID"]),
    ],
)
def test_none_or_several_credentials_are_refused_by_name(options: dict[str, Any], named: list[str]) -> None:
    with pytest.raises(ConfigurationError) as caught:
        connect(YandexConfig.model_validate(options))
    for name in named:
        assert name in str(caught.value)
    assert caught.value.remedy
    assert SECRET not in str(caught.value)


def test_the_defaults_are_the_real_addresses() -> None:
    config = YandexConfig()
    assert config.marketplace_url == "https://marketplace.api.cloud.yandex.net"
    assert config.operation_url == "https://operation.api.cloud.yandex.net"
    assert config.iam_url == "https://iam.api.cloud.yandex.net"
    assert config.federation_url == "https://auth.yandex.cloud"
    assert (config.connect_timeout, config.read_timeout, config.poll_interval) == (3.0, 10.0, 600.0)


@pytest.mark.parametrize("given", ["a,b", " a , b ,", ["a", "b"], ("a", "b")])
def test_products_are_a_list_or_separated_by_commas(given: object) -> None:
    assert YandexConfig.model_validate({"product_ids": given}).product_ids == ("a", "b")


@pytest.mark.parametrize("url", ["marketplace.example", "ftp://x", "https://u:p@x", "https://x?y=1", "https://"])
@pytest.mark.parametrize("option", ["marketplace_url", "operation_url", "iam_url", "federation_url", "metadata_url"])
def test_an_address_that_is_none_is_refused_by_name(option: str, url: str) -> None:
    with pytest.raises(ValidationError) as caught:
        YandexConfig.model_validate({option: url})
    assert option in str(caught.value)
    assert "u:p" not in str(caught.value)


def test_a_misspelt_option_is_refused() -> None:
    with pytest.raises(ValidationError, match="service_account_keyfile"):
        YandexConfig.model_validate({"service_account_keyfile": "x"})


def test_no_secret_is_shown(tmp_path: Path) -> None:
    config = YandexConfig.model_validate({"iam_token": SECRET})
    marketplace = connect(config)
    for shown in (repr(config), str(config), repr(marketplace), repr(vars(marketplace))):
        assert SECRET not in shown


def test_the_entry_point_leads_here() -> None:
    plugin = Registry()["yandex"]
    assert plugin.config is YandexConfig
    assert plugin.title == "Yandex Cloud Marketplace"
    assert list(plugin.generations) == ["saas"]


def test_connecting_imports_no_heavy_library_and_opens_no_socket() -> None:
    code = (
        "import sys, socket\n"
        "socket.socket.connect = None\n"
        "from crossmarket_yandex.plugin import crossmarket_marketplace\n"
        "plugin = crossmarket_marketplace()\n"
        "plugin.connect(plugin.config.model_validate({'iam_token': 'x'}))\n"
        "heavy = {'httpx', 'jwt', 'cryptography', 'starlette', 'google', 'yandex', 'grpc'} & set(sys.modules)\n"
        "assert not heavy, heavy\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("option", ["marketplace_url", "operation_url", "iam_url", "federation_url"])
def test_tokens_do_not_travel_in_plain_text(option: str) -> None:
    with pytest.raises(ValidationError, match="plain text"):
        YandexConfig.model_validate({"iam_token": "t1.x", option: "http://market.example"})
    # The metadata service has no https, by its nature.
    assert YandexConfig.model_validate({"metadata": True, "metadata_url": "http://169.254.169.254"}).metadata

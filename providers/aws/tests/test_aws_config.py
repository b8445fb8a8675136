"""The options: their forms, what must be there, and what is not shown."""

from __future__ import annotations

import subprocess
import sys

import pytest
from pydantic import ValidationError

from crossmarket.errors import ConfigurationError
from crossmarket.plugins import Registry
from crossmarket_aws import AwsConfig, AwsMarketplace
from crossmarket_aws.partition import partition_of


def test_options_come_as_texts_from_the_environment() -> None:
    config = AwsConfig.model_validate(
        {
            "product_codes": " one, two ,",
            "topic_arns": "arn:aws:sns:us-east-1:287250355862:aws-mp-entitlement-notification-one",
            "queue_url": "https://sqs.us-east-1.amazonaws.com/123456789012/marketplace",
            "agreements": "true",
            "connect_timeout": "1.5",
            "role_arn": "",
            "profile": "",
        }
    )
    assert config.product_codes == ("one", "two")
    assert config.topic_arns == ("arn:aws:sns:us-east-1:287250355862:aws-mp-entitlement-notification-one",)
    assert config.agreements is True
    assert config.connect_timeout == 1.5
    assert config.role_arn is None
    assert config.profile is None


def test_defaults() -> None:
    config = AwsConfig()
    assert (config.region, config.agreements, config.max_attempts) == ("us-east-1", "auto", 3)
    assert (config.connect_timeout, config.read_timeout) == (2.0, 5.0)
    assert AwsConfig.model_validate({"agreements": "false"}).agreements is False
    assert AwsConfig.model_validate({"agreements": "auto"}).agreements == "auto"
    assert AwsConfig.model_validate({"product_codes": ["one", "two"]}).product_codes == ("one", "two")


@pytest.mark.parametrize(
    ("option", "value"),
    [
        ("product_codes", "with blank"),
        ("topic_arns", "arn:aws:sqs:us-east-1:287250355862:queue"),
        ("topic_arns", "https://sns.us-east-1.amazonaws.com"),
        ("queue_url", "arn:aws:sqs:us-east-1:287250355862:queue"),
        ("role_arn", "crossmarket"),
        ("region", "Virginia"),
        ("endpoint_url", "127.0.0.1:5000"),
        ("endpoint_url", "https://user@host/"),
        ("agreements", "perhaps"),
        ("connect_timeout", "0"),
        ("read_timeout", "-1"),
        ("max_attempts", "0"),
        ("colour", "red"),
    ],
)
def test_wrong_forms_name_the_option(option: str, value: str) -> None:
    with pytest.raises(ValidationError) as caught:
        AwsConfig.model_validate({option: value})
    assert {error["loc"][0] for error in caught.value.errors()} == {option}


@pytest.mark.parametrize(
    ("options", "field"),
    [
        ({}, "CROSSMARKET_AWS__PRODUCT_CODES"),
        ({"access_key_id": "AKIA"}, "CROSSMARKET_AWS__SECRET_ACCESS_KEY"),
        ({"secret_access_key": "x"}, "CROSSMARKET_AWS__ACCESS_KEY_ID"),
        ({"session_token": "x"}, "CROSSMARKET_AWS__ACCESS_KEY_ID"),
        ({"access_key_id": "AKIA", "secret_access_key": "x", "profile": "p"}, "CROSSMARKET_AWS__PROFILE"),
        ({"external_id": "x1"}, "CROSSMARKET_AWS__ROLE_ARN"),
        ({"region": "us-gov-west-1"}, "CROSSMARKET_AWS__REGION"),
        ({"region": "cn-northwest-1", "agreements": True}, "CROSSMARKET_AWS__AGREEMENTS"),
    ],
)
def test_what_does_not_fit_together_is_told_at_connect(options: dict[str, str], field: str) -> None:
    codes = {} if field.endswith("PRODUCT_CODES") else {"product_codes": "one"}
    config = AwsConfig.model_validate(codes | options)
    with pytest.raises(ConfigurationError) as caught:
        AwsMarketplace(config)
    assert caught.value.field == field
    assert field in (caught.value.remedy or "")


def test_secrets_are_in_no_repr() -> None:
    hidden = {
        "access_key_id": "AKIAHIDDEN",
        "secret_access_key": "hidden-secret",
        "session_token": "hidden-session",
        "external_id": "hidden-external",
    }
    config = AwsConfig.model_validate({"product_codes": "one", "role_arn": "arn:aws:iam::123456789012:role/x"} | hidden)
    shown = f"{config!r} {config} {AwsMarketplace(config)!r} {config.model_dump_json(exclude={'external_id'})}"
    assert not [secret for secret in hidden.values() if secret in shown]


@pytest.mark.parametrize(
    ("region", "name", "home", "agreements"),
    [
        ("eu-central-1", "aws", "us-east-1", True),
        ("cn-northwest-1", "aws-cn", "cn-northwest-1", False),
        ("eusc-de-east-1", "aws-eusc", "eusc-de-east-1", True),
    ],
)
def test_partitions(region: str, name: str, home: str, agreements: bool) -> None:
    partition = partition_of(region)
    assert (partition.name, partition.home, partition.agreements) == (name, home, agreements)


def test_the_plugin_is_found_and_needs_no_sdk() -> None:
    plugin = Registry()["aws"]
    assert (plugin.name, plugin.title, plugin.config) == ("aws", "AWS Marketplace", AwsConfig)
    code = (
        "import sys\n"
        "from crossmarket_aws.plugin import crossmarket_marketplace\n"
        "plugin = crossmarket_marketplace()\n"
        "plugin.connect(plugin.config(product_codes='one')).capabilities\n"
        "print(sorted({name.partition('.')[0] for name in sys.modules} & {'boto3', 'botocore', 'starlette'}))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"

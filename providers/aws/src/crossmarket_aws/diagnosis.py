"""What `crossmarket doctor` asks AWS: one harmless call of each service."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from pydantic import SecretStr

from crossmarket.errors import InvalidTokenError, MarketplaceError
from crossmarket.models import Finding
from crossmarket.provider import failure
from crossmarket_aws.config import PREFIX
from crossmarket_aws.errors import RIGHTS

if TYPE_CHECKING:
    from crossmarket_aws.client import AwsClient
    from crossmarket_aws.config import AwsConfig

NO_TOKEN = SecretStr("crossmarket-doctor-this-is-no-token")
"""A text that AWS must refuse; that it does so shows that the call itself is allowed."""


def diagnose(client: AwsClient, config: AwsConfig) -> Iterator[Finding]:
    """Yield one finding for each service and product. Changes nothing, raises nothing."""
    yield _metering(client, config)
    for product in config.product_codes:
        yield _entitlement(client, product)
    yield _agreement(client, config)


def _metering(client: AwsClient, config: AwsConfig) -> Finding:
    subject = f"AWS metering service in {config.region}"
    try:
        client.resolve_customer(NO_TOKEN)
    except InvalidTokenError:
        return Finding(level="ok", subject=subject, message="It answers, and landing tokens can be resolved.")
    except MarketplaceError as error:
        return failure(subject, error, remedy=RIGHTS)
    return Finding(
        level="warning",
        subject=subject,
        message="It has accepted a text that is no landing token: this is not AWS.",
        remedy=f"Check {PREFIX}ENDPOINT_URL and AWS_ENDPOINT_URL_MARKETPLACE_METERING.",
    )


def _entitlement(client: AwsClient, product: str) -> Finding:
    subject = f"AWS product {product}"
    try:
        found = client.get_entitlements(product, at_most=1)
    except MarketplaceError as error:
        return failure(subject, error, remedy=RIGHTS)
    if found:
        return Finding(level="ok", subject=subject, message="It has customers with entitlements.")
    return Finding(
        level="ok",
        subject=subject,
        message="Nobody has entitlements: so it is for pay-as-you-go, before the first sale, and for a wrong code.",
    )


def _agreement(client: AwsClient, config: AwsConfig) -> Finding:
    subject = "AWS agreement service"
    if config.agreements is False or not config.partition.agreements:
        return Finding(
            level="warning",
            subject=subject,
            message="It is not used: renewals, trials and pay-as-you-go are not told; nothing can be cancelled.",
            remedy=f"Set {PREFIX}AGREEMENTS to auto, where the partition has the service.",
        )
    try:
        next(client.search_agreements(trial=True), None)
    except MarketplaceError as error:
        return failure(subject, error, remedy=RIGHTS, level="error" if config.agreements is True else "warning")
    return Finding(level="ok", subject=subject, message="It answers, and agreements can be searched.")

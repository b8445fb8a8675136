"""What Yandex Cloud Marketplace can do for a SaaS product, as data."""

from __future__ import annotations

from crossmarket.provider import Capabilities

SAAS = Capabilities(
    landing="GET",
    landing_parameter="token",
    landing_token_seconds=900,
    landing_proves=False,
    activation_call=True,
    buyer_details=True,
    suspends=True,
    renewal="in_place",
    renewal_intent=True,
    # Usage cannot be sent through this library yet; the limits are the marketplace's own.
    metering_batch=25,
    metering_window_seconds=3600,
    metering_dry_run=True,
)

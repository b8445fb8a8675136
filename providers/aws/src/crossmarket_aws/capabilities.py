"""What AWS Marketplace can do, as data, by form of the integration."""

from __future__ import annotations

from crossmarket.provider import Capabilities

WITHOUT_AGREEMENTS = Capabilities(
    landing="POST",
    landing_parameter="x-amzn-marketplace-token",
    landing_token_seconds=None,  # AWS's own pages contradict one another: 30 min, 1 h, 4 h
    activation_call=False,
    list_subscriptions=True,
    quantities="dimensions",
    renewal="new_subscription",
    metering_batch=25,
    metering_window_seconds=86400,
)
"""Concurrent Agreements where the account may not read agreements, or the partition has no such service."""

CONCURRENT = WITHOUT_AGREEMENTS.model_copy(update={"cancel": True, "trial": True, "renewal_intent": True})
"""Concurrent Agreements: each purchase has its own licence and agreement."""

LEGACY = WITHOUT_AGREEMENTS.model_copy(update={"renewal": "in_place", "concurrent": False})
"""Listings of the legacy form, with `agreements=false`: one contract for each customer identifier, which stays the
same over renewals."""

GENERATIONS = {"concurrent": CONCURRENT, "without_agreements": WITHOUT_AGREEMENTS, "legacy": LEGACY}
"""All of them by name, the default first."""

"""What each generation of the API can do, as data."""

from __future__ import annotations

from crossmarket.provider import Capabilities
from crossmarket_azure.config import V1, V2

CURRENT = Capabilities(
    landing="GET",
    landing_parameter="token",
    landing_token_seconds=86_400,
    activation_lag_seconds=600,
    list_subscriptions=True,
    list_plans=True,
    change_plan=True,
    change_quantity=True,
    cancel=True,
    operations=True,
    suspends=True,
    quantities="one",
    trial=True,
    renewal="in_place",
    renewal_intent=True,
    decision_seconds=10,
    metering_batch=25,
    metering_window_seconds=86_400,
)

LEGACY = CURRENT.model_copy(
    update={
        "landing_token_seconds": 3_600,
        "list_plans": False,
        "change_quantity": False,
        "operations": False,
        "quantities": "none",
        "trial": False,
        "renewal_intent": False,
        "decision_seconds": None,
    }
)

GENERATIONS = {V2: CURRENT, V1: LEGACY}
"""By the value of the option `api_version`; the first is the default."""

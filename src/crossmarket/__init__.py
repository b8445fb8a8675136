"""Sell one SaaS product on several cloud marketplaces, and ask one question everywhere.

    from crossmarket import Market

    market = Market.open()
    landing = market.land("azure", token)
    subscription = market.activate(landing, account="acct_42")
    decision = market.check("acct_42", "seats", quantity=40)

The names below are the public ones. They are imported on first use, so that `import crossmarket` is quick and
loads no cloud SDK.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from crossmarket.access import AccessPolicy as AccessPolicy
    from crossmarket.catalog import Catalog as Catalog
    from crossmarket.errors import (
        AuthenticationError as AuthenticationError,
    )
    from crossmarket.errors import (
        ConfigurationError as ConfigurationError,
    )
    from crossmarket.errors import (
        ConflictError as ConflictError,
    )
    from crossmarket.errors import (
        CrossmarketError as CrossmarketError,
    )
    from crossmarket.errors import (
        InvalidArgumentError as InvalidArgumentError,
    )
    from crossmarket.errors import (
        InvalidTokenError as InvalidTokenError,
    )
    from crossmarket.errors import (
        MarketplaceError as MarketplaceError,
    )
    from crossmarket.errors import (
        NotFoundError as NotFoundError,
    )
    from crossmarket.errors import (
        PluginError as PluginError,
    )
    from crossmarket.errors import (
        ProviderDisabledError as ProviderDisabledError,
    )
    from crossmarket.errors import (
        RateLimitedError as RateLimitedError,
    )
    from crossmarket.errors import (
        SignatureError as SignatureError,
    )
    from crossmarket.errors import (
        StoreError as StoreError,
    )
    from crossmarket.errors import (
        UnavailableError as UnavailableError,
    )
    from crossmarket.errors import (
        UnknownMarketplaceError as UnknownMarketplaceError,
    )
    from crossmarket.errors import (
        UnknownSubscriptionError as UnknownSubscriptionError,
    )
    from crossmarket.errors import (
        UnsupportedError as UnsupportedError,
    )
    from crossmarket.market import Market as Market
    from crossmarket.models import (
        Buyer as Buyer,
    )
    from crossmarket.models import (
        Decision as Decision,
    )
    from crossmarket.models import (
        DecisionReason as DecisionReason,
    )
    from crossmarket.models import (
        Entitlement as Entitlement,
    )
    from crossmarket.models import (
        Landing as Landing,
    )
    from crossmarket.models import (
        Plan as Plan,
    )
    from crossmarket.models import (
        Reason as Reason,
    )
    from crossmarket.models import (
        Status as Status,
    )
    from crossmarket.models import (
        Subscription as Subscription,
    )
    from crossmarket.provider import Capabilities as Capabilities
    from crossmarket.settings import Settings as Settings

_HOMES = {
    "crossmarket.access": ("AccessPolicy",),
    "crossmarket.catalog": ("Catalog",),
    "crossmarket.errors": (
        "AuthenticationError",
        "ConfigurationError",
        "ConflictError",
        "CrossmarketError",
        "InvalidArgumentError",
        "InvalidTokenError",
        "MarketplaceError",
        "NotFoundError",
        "PluginError",
        "ProviderDisabledError",
        "RateLimitedError",
        "SignatureError",
        "StoreError",
        "UnavailableError",
        "UnknownMarketplaceError",
        "UnknownSubscriptionError",
        "UnsupportedError",
    ),
    "crossmarket.market": ("Market",),
    "crossmarket.models": (
        "Buyer",
        "Decision",
        "DecisionReason",
        "Entitlement",
        "Landing",
        "Plan",
        "Reason",
        "Status",
        "Subscription",
    ),
    "crossmarket.provider": ("Capabilities",),
    "crossmarket.settings": ("Settings",),
}
_HOME_OF = {name: home for home, names in _HOMES.items() for name in names}

__all__ = sorted(_HOME_OF)  # noqa: PLE0605 - derived, so that a name is listed once


if not TYPE_CHECKING:  # a type checker would take any name for an object

    def __getattr__(name: str) -> object:
        if name not in _HOME_OF:
            raise AttributeError(f"module 'crossmarket' has no attribute '{name}'")
        value = getattr(importlib.import_module(_HOME_OF[name]), name)
        globals()[name] = value
        return value


def __dir__() -> list[str]:
    return __all__

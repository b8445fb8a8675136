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
        ConfigurationError as ConfigurationError,
        ConflictError as ConflictError,
        CrossmarketError as CrossmarketError,
        InvalidArgumentError as InvalidArgumentError,
        InvalidTokenError as InvalidTokenError,
        MarketplaceError as MarketplaceError,
        NotFoundError as NotFoundError,
        PluginError as PluginError,
        ProviderDisabledError as ProviderDisabledError,
        RateLimitedError as RateLimitedError,
        SignatureError as SignatureError,
        StoreError as StoreError,
        UnavailableError as UnavailableError,
        UnknownMarketplaceError as UnknownMarketplaceError,
        UnknownSubscriptionError as UnknownSubscriptionError,
        UnsupportedError as UnsupportedError,
    )
    from crossmarket.market import Market as Market
    from crossmarket.models import (
        Buyer as Buyer,
        Decision as Decision,
        DecisionReason as DecisionReason,
        Entitlement as Entitlement,
        Landing as Landing,
        Operation as Operation,
        Plan as Plan,
        Reason as Reason,
        Status as Status,
        Subscription as Subscription,
    )
    from crossmarket.provider import Capabilities as Capabilities
    from crossmarket.reconcile import Drift as Drift, Report as Report
    from crossmarket.settings import Settings as Settings
    from crossmarket.snapshot import Change as Change
    from crossmarket.store.contract import AuditEntry as AuditEntry

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
        "Operation",
        "Plan",
        "Reason",
        "Status",
        "Subscription",
    ),
    "crossmarket.provider": ("Capabilities",),
    "crossmarket.reconcile": ("Drift", "Report"),
    "crossmarket.settings": ("Settings",),
    "crossmarket.snapshot": ("Change",),
    "crossmarket.store.contract": ("AuditEntry",),
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

"""A marketplace that is kept in memory, and short ways to make models."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

from crossmarket.errors import InvalidTokenError, MarketplaceError, NotFoundError
from crossmarket.models import Alias, Facts, Finding, Status, Subscription
from crossmarket.plugins import MarketplacePlugin
from crossmarket.provider import Activation, Capabilities, Marketplace, ProviderConfig, Resolved

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
"""Where the fixture `clock` stands."""

MINUTE, HOUR, DAY = timedelta(minutes=1), timedelta(hours=1), timedelta(days=1)


def alias(value: str, *, kind: str = "purchase", exact: bool = True) -> Alias:
    return Alias(kind=kind, value=value, exact=exact)


def facts(purchase: str = "p1", status: str = "active", **more: Any) -> Facts:
    """What the marketplace says about one purchase."""
    told = {"product": "contoso", "plan": "gold", "marketplace_ids": {"purchase": purchase}, **more}
    return Facts(status=Status(status), **{"aliases": (alias(purchase),), **told})


def held(name: str = "s1", status: str = "active", **more: Any) -> Subscription:
    """A stored subscription that the account `acct` holds."""
    defaults = {
        "marketplace": "bazaar",
        "account": "acct",
        "product": "contoso",
        "plan": "gold",
        "observed_at": NOW,
        "created_at": NOW,
        "updated_at": NOW,
    }
    return Subscription(id=name, status=Status(status), **{**defaults, **more})


def unavailable() -> MarketplaceError:
    return MarketplaceError("It is down.", marketplace="bazaar", operation="any", code="Down", retryable=True)


class Bazaar(Marketplace):
    """Answers from `truth`; raises `failure` while there is one.

    Tokens are `token-<purchase>`. `during` is called in the middle of each activation, to lose a race on purpose.
    """

    name = "bazaar"

    def __init__(self, **capabilities: Any) -> None:
        self.truth: dict[str, Facts] = {}
        self.spent: set[str] = set()
        self.failure: MarketplaceError | None = None
        self.activations: list[Activation] = []
        self.during: Callable[[], object] = lambda: None
        self.closed = 0
        self._capabilities = Capabilities(landing="GET", landing_parameter="token", **capabilities)

    @property
    def capabilities(self) -> Capabilities:
        return self._capabilities

    def sell(self, purchase: str = "p1", status: str = "pending", **more: Any) -> str:
        """Sell, and return a landing token."""
        self.truth[purchase] = facts(purchase, status, **more)
        return f"token-{purchase}"

    def change(self, purchase: str = "p1", **update: Any) -> None:
        self.truth[purchase] = Facts(**{**dict(self.truth[purchase]), **update})

    def resolve(self, token: Any) -> Resolved:
        purchase = self._proven(token)
        if self._capabilities.landing_proves:
            return Resolved(facts=self.truth[purchase])
        return Resolved(hints={"purchase": purchase}, aliases=(alias(purchase),))

    def activate(self, request: Activation) -> Facts:
        self.activations.append(request)
        self._work()
        if request.known is not None:
            purchase = request.known.marketplace_ids["purchase"]
        else:
            purchase = self._proven(request.token)
        self.during()
        if self.truth[purchase].status is Status.PENDING:
            self.change(purchase, status=Status.ACTIVE)
        return self.truth[purchase]

    def read(self, known: Facts) -> Facts:
        self._work()
        purchase = known.marketplace_ids["purchase"]
        if purchase not in self.truth:
            raise NotFoundError("There is none.", marketplace=self.name, operation="read")
        return self.truth[purchase]

    def diagnose(self) -> Iterator[Finding]:
        yield Finding(level="ok", subject=self.name, message="The bazaar is open.")

    def close(self) -> None:
        self.closed += 1

    def _work(self) -> None:
        if self.failure is not None:
            raise self.failure

    def _proven(self, token: Any) -> str:
        self._work()
        purchase: str = token.get_secret_value().removeprefix("token-")
        if purchase not in self.truth or purchase in self.spent:
            raise InvalidTokenError("It is not good.", marketplace=self.name, operation="resolve")
        return purchase


class ListingBazaar(Bazaar):
    """One that can list what it has sold."""

    def __init__(self, **capabilities: Any) -> None:
        super().__init__(list_subscriptions=True, **capabilities)

    def list_subscriptions(self) -> Iterator[Facts]:
        self._work()
        yield from list(self.truth.values())


class BazaarConfig(ProviderConfig):
    seller: str = "me"


def plugin(bazaar: Bazaar) -> MarketplacePlugin:
    return MarketplacePlugin(name="bazaar", config=BazaarConfig, connect=lambda _: bazaar)

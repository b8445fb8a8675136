"""The catalog: what marketplace plans and dimensions mean in features and limits.

It is many to many and applied when a question is asked, so that changing it changes earlier purchases too.
"""

from __future__ import annotations

import math
import tomllib
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from pydantic import Field, ValidationError, model_validator

from crossmarket.errors import ConfigurationError
from crossmarket.models import Facts, Frozen, Quantity, Subscription
from crossmarket.validation import configuration_error, near_miss

DEFAULT_FILE = "catalog.toml"

ONLY_QUANTITY = "quantity"
"""The name under which a marketplace without dimensions keeps its one quantity."""


class SoldAs(Frozen):
    """One way in which a plan is sold. It matches a subscription when every key that it names matches.

    One without plan and dimension matches any subscription of the product, or of the marketplace.

    Attributes:
        marketplace: `aws`, `azure`, `yandex` or a third party's.
        product: AWS product code, Azure offer, Yandex product.
        plan: Azure plan, Yandex template.
        dimension: AWS dimension. It matches where its value is neither 0 nor false.
    """

    marketplace: str = Field(min_length=1)
    product: str | None = None
    plan: str | None = None
    dimension: str | None = None

    def matches(self, marketplace: str, facts: Facts) -> bool:
        """Return whether a subscription was sold this way."""
        return (
            marketplace == self.marketplace
            and (self.product is None or self.product == facts.product)
            and (self.plan is None or self.plan == facts.plan)
            and (self.dimension is None or bool(facts.quantities.get(self.dimension)))
        )


class CountedAs(SoldAs):
    """One way in which a limit or a usage is sold: by dimension, or by the subscription's one quantity.

    Attributes:
        quantity: True where the subscription's one quantity counts (Azure seats).
    """

    quantity: bool = False

    @model_validator(mode="after")
    def _one_count(self) -> CountedAs:
        if self.quantity and self.dimension is not None:
            raise ValueError("name either a dimension or quantity = true, not both")
        return self

    def count(self, marketplace: str, facts: Facts) -> Quantity | None:
        """Return the value that counts; None where the subscription was not sold this way. 0 is a value.

        A number that the marketplace gives as a text (AWS `StringValue`) counts; any other text is no count, and
        must not be taken for one without a limit.
        """
        name = ONLY_QUANTITY if self.quantity else self.dimension
        here = self.model_copy(update={"dimension": None})
        if name is None or not SoldAs.matches(here, marketplace, facts):
            return None
        value = facts.quantities.get(name)
        return _number(value) if isinstance(value, str) else value


class PlanLine(Frozen):
    """A plan of the ISV: a name, the features that it has, and how it is sold.

    A feature's value is true (granted), a number (granted up to that limit), a text (granted with that value)
    or false (not granted, the same as leaving it out).
    """

    name: str = Field(min_length=1)
    features: dict[str, bool | int | float | str]
    sold_as: tuple[SoldAs, ...]


class LimitLine(Frozen):
    """A feature whose limit is the quantity that the buyer bought. It goes before a plan's own number."""

    feature: str = Field(min_length=1)
    sold_as: tuple[CountedAs, ...]

    @model_validator(mode="after")
    def _has_counts(self) -> LimitLine:
        for line in self.sold_as:
            if not line.quantity and line.dimension is None:
                raise ValueError("each sold_as of a limit names a dimension, or says quantity = true")
        return self


class MeterLine(Frozen):
    """A feature whose recorded usage is billed, and the dimension that it is billed as."""

    feature: str = Field(min_length=1)
    sold_as: tuple[CountedAs, ...]


class Grant(Frozen):
    """One feature that one subscription grants.

    Attributes:
        feature: The feature.
        limit: How much of it; None where it is not counted.
        value: The text value, where it is one.
        line: The catalog line that says so, for people, such as `plan gold`.
    """

    feature: str
    limit: int | float | None = None
    value: str | None = None
    line: str


class Catalog(Frozen):
    """The whole catalog.

    Attributes:
        plan: The plans.
        limit: The limits that come from bought quantities.
        meter: What usage is billed as.
        listing: Where the product is listed, by marketplace: the page to subscribe or manage at.
    """

    plan: tuple[PlanLine, ...] = ()
    limit: tuple[LimitLine, ...] = ()
    meter: tuple[MeterLine, ...] = ()
    listing: dict[str, str] = Field(default_factory=dict)

    @classmethod
    def load(cls, path: str | Path) -> Catalog:
        """Read a TOML file.

        Raises:
            ConfigurationError: It is not there, is not TOML, or says something that a catalog cannot.
        """
        try:
            content = tomllib.loads(Path(path).read_text(encoding="utf-8"))
        except OSError as error:
            raise ConfigurationError(
                f"The catalog {path} cannot be read: {error.strerror}.",
                field="catalog",
                remedy="Set CROSSMARKET_CATALOG to the path of the catalog file.",
            ) from error
        except ValueError as error:
            raise ConfigurationError(
                f"The catalog {path} is not valid TOML: {error}.", field="catalog", remedy="Correct that line."
            ) from error
        return cls.parse(content, source=f"the catalog {path}")

    @classmethod
    def parse(cls, content: Mapping[str, Any], *, source: str = "the catalog") -> Catalog:
        """Check a catalog that is given in the shape of the TOML file.

        Raises:
            ConfigurationError: It says something that a catalog cannot; every wrong field is named.
        """
        try:
            catalog = cls.model_validate(content)
        except ValidationError as error:
            raise configuration_error(error, cls, source=source) from None
        names = [line.name for line in catalog.plan]
        if twice := {name for name in names if names.count(name) > 1}:
            raise ConfigurationError(
                f"There is something wrong with {source}: the plan '{min(twice)}' stands in it twice.",
                field="plan.name",
                remedy="Put all its ways of sale into one sold_as list.",
            )
        return catalog

    @classmethod
    def gather(cls, given: Catalog | Mapping[str, Any] | str | Path | None, path: Path | None) -> Catalog:
        """Return the catalog that is given, or the file at the path, or `catalog.toml` if there is one, or none.

        Raises:
            ConfigurationError: It cannot be read, or says something that a catalog cannot.
        """
        if isinstance(given, Catalog):
            return given
        if isinstance(given, Mapping):
            return cls.parse(given)
        if given is not None and not isinstance(given, str | Path):
            raise ConfigurationError("The catalog must be a Catalog, its content or a path.", field="catalog")
        if given is not None or path is not None:
            return cls.load(given or path or DEFAULT_FILE)
        return cls.load(DEFAULT_FILE) if Path(DEFAULT_FILE).exists() else cls()

    @property
    def features(self) -> frozenset[str]:
        """All features that any line names."""
        return frozenset(
            [feature for line in self.plan for feature in line.features]
            + [line.feature for line in self.limit]
            + [line.feature for line in self.meter]
        )

    @property
    def marketplaces(self) -> frozenset[str]:
        """All marketplaces that any line names."""
        return frozenset(line.marketplace for line in self._sold_as()) | frozenset(self.listing)

    def grants(self, subscription: Subscription) -> dict[str, Grant]:
        """Return what a subscription grants while it is live, by feature.

        A bought quantity goes before a plan's own number. Where several lines of one kind grant the same
        feature, the greatest limit counts, and one without a limit is greater than any number.
        """
        grants: dict[str, Grant] = {}
        for plan in self.plan:
            if any(line.matches(subscription.marketplace, subscription) for line in plan.sold_as):
                for feature, value in plan.features.items():
                    _keep_greater(grants, grant_of(feature, value, f"plan {plan.name}"))
        bought: dict[str, Grant] = {}
        for limit in self.limit:
            for line in limit.sold_as:
                count = line.count(subscription.marketplace, subscription)
                if count is not None:
                    grants.pop(limit.feature, None)
                    _keep_greater(bought, grant_of(limit.feature, count, f"limit {limit.feature}"))
        return grants | bought

    def knows(self, subscription: Subscription) -> bool:
        """Return whether any line, metering included, is about how this subscription was sold."""
        return any(
            line.matches(subscription.marketplace, subscription)
            or (isinstance(line, CountedAs) and line.count(subscription.marketplace, subscription) is not None)
            for line in self._sold_as()
        )

    def plan_names(self, subscription: Subscription) -> tuple[str, ...]:
        """Return the ISV's names of the plans that this subscription was sold as."""
        return tuple(
            plan.name
            for plan in self.plan
            if any(line.matches(subscription.marketplace, subscription) for line in plan.sold_as)
        )

    def check_marketplaces(self, installed: Iterable[str]) -> None:
        """Refuse a marketplace's name that is probably a slip of the pen.

        A marketplace for which no provider is installed here is allowed: another process may have it.

        Raises:
            ConfigurationError: A name is no installed provider's, but nearly one.
        """
        there = set(installed)
        for name in sorted(self.marketplaces - there):
            if meant := near_miss(name, there):
                raise ConfigurationError(
                    f"The catalog names the marketplace '{name}', for which there is no provider.",
                    field="marketplace",
                    remedy=f"Did you mean '{meant}'?",
                )

    def _sold_as(self) -> Iterator[SoldAs]:
        lines: tuple[PlanLine | LimitLine | MeterLine, ...] = (*self.plan, *self.limit, *self.meter)
        for line in lines:
            yield from line.sold_as


def grant_of(feature: str, value: Quantity, line: str) -> Grant | None:
    """Return the grant that a value makes: true, a number or a text; None for false."""
    if isinstance(value, bool):
        return Grant(feature=feature, line=line) if value else None
    if isinstance(value, str):
        return Grant(feature=feature, value=value, line=line)
    return Grant(feature=feature, limit=value, line=line)


def _number(text: str) -> int | float | None:
    try:
        number = float(text)
    except ValueError:
        return None
    if not math.isfinite(number):
        return None
    return int(number) if number.is_integer() else number


def _keep_greater(grants: dict[str, Grant], grant: Grant | None) -> None:
    if grant is None:
        return
    held = grants.get(grant.feature)
    if held is None or (held.limit is not None and (grant.limit is None or grant.limit > held.limit)):
        grants[grant.feature] = grant

"""What a marketplace has to do, and what it may do.

A provider subclasses `Marketplace` and, for each power that its marketplace has beyond reading and activating,
adds the methods of the `Protocol` of that power. `Capabilities` says the same as data; the conformance kit of
`crossmarket.testing` holds a provider to both.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any, ClassVar, Literal, Protocol, runtime_checkable

from pydantic import BaseModel, ConfigDict, Field, JsonValue, PrivateAttr, SecretStr

from crossmarket.clock import Clock, SystemClock
from crossmarket.errors import CrossmarketError
from crossmarket.models import Alias, Buyer, Facts, Finding, Frozen, Moment, Operation, Plan


class ProviderConfig(BaseModel):
    """The base of a provider's options: closed, frozen, and silent about its input when that is wrong.

    Options arrive as `CROSSMARKET_<PROVIDER>__<OPTION>`, as a table of `crossmarket.toml`, or as arguments.
    Secrets are `SecretStr`. The clock of the market comes along, so that time can be injected.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)

    _clock: Clock = PrivateAttr(default_factory=SystemClock)

    def model_post_init(self, context: Any, /) -> None:
        """Take the market's clock out of the validation context."""
        if isinstance(context, Mapping) and isinstance(context.get("clock"), Clock):
            self._clock = context["clock"]

    @property
    def clock(self) -> Clock:
        """The clock that everything made from these options goes by."""
        return self._clock


class Capabilities(Frozen):
    """What one marketplace, in the configured generation of its API, can do, as data.

    Attributes:
        landing: How the token arrives: `GET` in the query, `POST` in a form.
        landing_parameter: The name of the query or form field that carries it.
        landing_token_seconds: How long a token is good for; None where that is contradictory or unknown.
        landing_proves: Whether the marketplace proves the token at landing; False where only at activation.
        activation_call: Whether activation is a call; False where it only binds on our side.
        activation_lag_seconds: How long reads may still show the state before our own activation.
        list_subscriptions: All subscriptions can be listed (`ListsSubscriptions`).
        list_plans: The plans can be listed (`ListsPlans`).
        change_plan: The seller may change the plan (`ChangesPlan`).
        change_quantity: The seller may change the quantity (`ChangesQuantity`).
        cancel: The seller may cancel (`Cancels`).
        buyer_details: More about the buyer can be asked for (`TellsBuyer`).
        operations: There are operations to read and acknowledge (`HasOperations`).
        push_signals: The marketplace tells of changes (`PushesSignals`); False where only polling does.
        metering: Usage can be sent through this library (`Meters`).
        suspends: Subscriptions can be suspended and reinstated, or unlinked and linked again.
        quantities: `none`, `one` per subscription, or `dimensions`: one for each.
        trial: Trials are told.
        renewal: `in_place` under the same ids, or `new_subscription`.
        renewal_intent: Whether it will renew can be read.
        concurrent: One buyer can hold several live subscriptions of a product.
        decision_seconds: How long the seller has to refuse a change; None where it cannot.
        metering_batch: Most usage records in one call; None where there is no metering.
        metering_window_seconds: How old usage may be; None where there is no metering.
        metering_dry_run: Whether usage can be sent for trial.
    """

    landing: Literal["GET", "POST"]
    landing_parameter: str
    landing_token_seconds: int | None = None
    landing_proves: bool = True
    activation_call: bool = True
    activation_lag_seconds: int = 0
    list_subscriptions: bool = False
    list_plans: bool = False
    change_plan: bool = False
    change_quantity: bool = False
    cancel: bool = False
    buyer_details: bool = False
    operations: bool = False
    push_signals: bool = False
    metering: bool = False
    suspends: bool = False
    quantities: Literal["none", "one", "dimensions"] = "none"
    trial: bool = False
    renewal: Literal["in_place", "new_subscription"] = "in_place"
    renewal_intent: bool = False
    concurrent: bool = True
    decision_seconds: int | None = None
    metering_batch: int | None = None
    metering_window_seconds: int | None = None
    metering_dry_run: bool = False


class Resolved(Frozen):
    """What a marketplace told for a landing token.

    Attributes:
        facts: The subscription; None where the token is proven only at activation.
        hints: Unproven claims of the token.
        aliases: Unproven ids among the hints, by which a subscription that we know already may be found.
        expires_at: When the token loses its worth (UTC), where known.
    """

    facts: Facts | None = None
    hints: dict[str, str] = Field(default_factory=dict)
    aliases: tuple[Alias, ...] = ()
    expires_at: Moment | None = None


class Activation(Frozen):
    """What a provider is told in order to activate.

    Attributes:
        account: The ISV's account that the subscription is for.
        known: The last known facts; None before the marketplace has proven the token.
        token: The landing token, where the marketplace proves it only now.
        idempotency_key: A UUID (version 4), the same when the same activation is tried again.
    """

    account: str
    known: Facts | None = None
    token: SecretStr | None = None
    idempotency_key: str


class Marketplace(ABC):
    """One marketplace, connected. Methods are synchronous and may be called from several threads.

    Every method raises a `MarketplaceError` of the fitting class on a refusal or failure, and never a bare
    transport error. Nothing with a socket or a thread exists before the first call.
    """

    name: ClassVar[str]
    """The marketplace's name, the same as the plugin's."""

    @property
    @abstractmethod
    def capabilities(self) -> Capabilities:
        """What this marketplace can do, in the configured generation. Does no I/O."""

    @abstractmethod
    def resolve(self, token: SecretStr) -> Resolved:
        """Exchange a landing token, as the browser brought it and decoded once. Nothing is billed.

        Raises:
            InvalidTokenError: It is malformed, expired, used, or of another product or seller.
        """

    @abstractmethod
    def activate(self, request: Activation) -> Facts:
        """Tell the marketplace that the account is set up, and return the truth as read afterwards.

        Repeating it for the same account is safe. The status returned may still be pending.

        Raises:
            InvalidTokenError: The token of the request is not good, or no longer.
            ConflictError: The subscription belongs to another account, or has ended.
        """

    @abstractmethod
    def read(self, known: Facts) -> Facts:
        """Read the whole truth of one subscription that is known by `known.marketplace_ids`.

        Raises:
            NotFoundError: The marketplace does not know it (which proves no end).
        """

    @abstractmethod
    def diagnose(self) -> Iterable[Finding]:
        """Try credentials and reachability for `doctor`, changing nothing. Raises nothing."""

    def close(self) -> None:  # noqa: B027 - a marketplace without connections has nothing to close
        """Close connections. The object may be used again afterwards."""


@runtime_checkable
class ListsSubscriptions(Protocol):
    """All subscriptions of the seller can be listed."""

    def list_subscriptions(self) -> Iterator[Facts]:
        """Yield each, ended ones included, page by page."""


@runtime_checkable
class ListsPlans(Protocol):
    """The plans that a subscription could have can be listed."""

    def list_plans(self, known: Facts) -> Sequence[Plan]:
        """Return the plans that the marketplace offers to this buyer."""


@runtime_checkable
class ChangesPlan(Protocol):
    """The seller may change the plan, with the buyer's consent."""

    def change_plan(self, known: Facts, plan: str) -> Operation:
        """Ask for it; the operation is perhaps still pending."""


@runtime_checkable
class ChangesQuantity(Protocol):
    """The seller may change the quantity, with the buyer's consent."""

    def change_quantity(self, known: Facts, quantity: int) -> Operation:
        """Ask for it; the operation is perhaps still pending."""


@runtime_checkable
class Cancels(Protocol):
    """The seller may cancel, or ask to."""

    def cancel(self, known: Facts) -> Operation:
        """Ask for it; the operation is perhaps still pending, and where the buyer must agree, for days."""


@runtime_checkable
class TellsBuyer(Protocol):
    """More about the buyer can be asked for."""

    def buyer(self, known: Facts) -> Buyer:
        """Return what the marketplace tells; fields that it does not tell are None."""


@runtime_checkable
class HasOperations(Protocol):
    """The marketplace shows its operations."""

    def list_operations(self, known: Facts) -> Sequence[Operation]:
        """Return those that are still pending."""

    def get_operation(self, known: Facts, operation_id: str) -> Operation:
        """Return one.

        Raises:
            NotFoundError: There is none of that id.
        """

    def update_operation(self, known: Facts, operation_id: str, *, accept: bool) -> None:
        """Accept or refuse what the buyer asks for. Repeating it is safe."""


class Signal(Frozen):
    """One hint from a marketplace that something changed, authenticated and parsed.

    Attributes:
        id: What it is deduplicated by.
        kind: The marketplace's own word for it.
        aliases: Ids of the subscriptions that it is about.
        happened_at: When it happened (UTC), where told. A hint only: no order is promised.
        body: What was said, verbatim, with secrets masked.
    """

    id: str
    kind: str
    aliases: tuple[str, ...] = ()
    happened_at: Moment | None = None
    body: dict[str, JsonValue] = Field(default_factory=dict, repr=False)


@runtime_checkable
class PushesSignals(Protocol):
    """The marketplace tells of changes over HTTP."""

    def parse_signal(self, headers: Mapping[str, str], body: bytes) -> Signal:
        """Authenticate and parse one.

        Raises:
            SignatureError: It is forged, altered or too old.
            UnavailableError: The keys to check it cannot be had now: the sender shall try again.
        """


class UsageLine(Frozen):
    """What was used of one dimension in one hour, fixed: it is sent exactly so, and again exactly so.

    Attributes:
        key: Our idempotency key, a UUID.
        known: The last known facts of the subscription.
        dimension: The dimension or SKU, as the marketplace names it.
        quantity: How much, as decimal text.
        hour: The start of the hour (UTC).
    """

    key: str
    known: Facts
    dimension: str
    quantity: str
    hour: datetime


class UsageVerdict(Frozen):
    """What became of one usage line.

    Attributes:
        key: The key of the line.
        verdict: The normalised verdict.
        record_id: The marketplace's id of the record, where it gives one.
        message: The marketplace's reason, verbatim.
    """

    key: str
    verdict: Literal["accepted", "duplicate", "conflict", "rejected", "expired", "unprocessed"]
    record_id: str | None = None
    message: str | None = None


@runtime_checkable
class Meters(Protocol):
    """Usage can be sent."""

    def send_usage(self, lines: Sequence[UsageLine], *, dry_run: bool = False) -> Sequence[UsageVerdict]:
        """Send at most `metering_batch` lines and return one verdict for each."""


def failure(
    subject: str, error: CrossmarketError, *, remedy: str, level: Literal["warning", "error"] = "error"
) -> Finding:
    """Return what `diagnose()` says of an error, with a remedy for the case that the error has none."""
    return Finding(level=level, subject=subject, message=error.message, remedy=error.remedy or remedy)


POWERS: Mapping[str, type] = {
    "list_subscriptions": ListsSubscriptions,
    "list_plans": ListsPlans,
    "change_plan": ChangesPlan,
    "change_quantity": ChangesQuantity,
    "cancel": Cancels,
    "buyer_details": TellsBuyer,
    "operations": HasOperations,
    "push_signals": PushesSignals,
    "metering": Meters,
}
"""The field of `Capabilities` that states a power, and the protocol that carries it."""

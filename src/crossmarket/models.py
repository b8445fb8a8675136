"""The frozen models that the whole library speaks in; see the vocabulary in `docs/concepts.md`."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from enum import StrEnum
from typing import Annotated, Literal

from pydantic import (
    AfterValidator,
    AwareDatetime,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    JsonValue,
    PrivateAttr,
    SecretStr,
)

from crossmarket.errors import ConfigurationError
from crossmarket.tolerant import verbatim


def _to_utc(moment: datetime) -> datetime:
    try:
        return moment.astimezone(UTC)
    except OverflowError:  # at the edge of the calendar: `9999-12-31T23:59:59-08:00` stands for "never"
        return moment.replace(tzinfo=UTC)


Moment = Annotated[AwareDatetime, AfterValidator(_to_utc)]
"""An aware time, kept in UTC."""

Quantity = bool | int | float | str
"""The value of one dimension, in the type that the marketplace gave. `0` and `False` are values."""

Verbatim = Annotated[dict[str, JsonValue], BeforeValidator(verbatim)]
"""The marketplace's own words, as they came."""


class Frozen(BaseModel):
    """The base of all models: immutable, closed, and silent about its input when that is wrong."""

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)


class Status(StrEnum):
    """Where a subscription stands; one of five, on every marketplace."""

    PENDING = "pending"
    ACTIVE = "active"
    SUSPENDED = "suspended"
    ENDED = "ended"
    UNKNOWN = "unknown"


class Reason(StrEnum):
    """Why a subscription stands where it stands."""

    CUSTOMER_CANCELLED = "customer_cancelled"
    SELLER_CANCELLED = "seller_cancelled"
    MARKETPLACE_CANCELLED = "marketplace_cancelled"
    EXPIRED = "expired"
    PAYMENT_FAILED = "payment_failed"
    REPLACED = "replaced"
    RENEWED_ELSEWHERE = "renewed_elsewhere"
    REFUNDED = "refunded"
    UNLINKED = "unlinked"
    TRANSFERRED = "transferred"
    POLICY = "policy"
    UNKNOWN = "unknown"


class Alias(Frozen):
    """One id under which a marketplace knows a subscription.

    Attributes:
        kind: What sort of id it is, in the provider's words, such as `license` or `agreement`.
        value: The id.
        exact: True where the id belongs to one subscription only, so that meeting it again proves that it is
            the same purchase. False for ids that several purchases share (an AWS account and product).
    """

    kind: str
    value: str
    exact: bool = True


class Lineage(Frozen):
    """Which earlier subscription this one continues.

    Attributes:
        alias: An id of the predecessor, or one that the whole chain shares.
        certainty: `stated` where the marketplace says so, `guessed` where we infer it. A guess never moves an
            account from one subscription to another.
    """

    alias: Alias
    certainty: Literal["stated", "guessed"]


class Link(Frozen):
    """A tie to another stored subscription: its id, and how sure the tie is."""

    subscription: str
    certainty: Literal["stated", "guessed"]


class Buyer(Frozen):
    """Who bought, as the marketplace names them. Personal data stay out of `repr`.

    Attributes:
        id: AWS account id, Entra tenant id of the beneficiary, or Yandex cloud id.
        user: The Entra object id of the beneficiary; none elsewhere.
        email: Mail address of the user, where the marketplace tells it.
        name: Name of the organisation, where the marketplace tells it.
        details: Everything else that the marketplace says about the buyer, by its own field names.
    """

    id: str | None = None
    user: str | None = Field(default=None, repr=False)
    email: str | None = Field(default=None, repr=False)
    name: str | None = Field(default=None, repr=False)
    details: dict[str, str] = Field(default_factory=dict, repr=False)


class Facts(Frozen):
    """What the marketplace's API says about one subscription: independent facts, not one status word.

    Attributes:
        status: pending, active, suspended, ended or unknown.
        reason: Why, where the marketplace tells or lets it be derived.
        will_renew: Whether it renews by itself at its end; None where the marketplace does not tell.
        cancels_at: When a cancellation that is already decided takes effect (UTC).
        starts_at: Start of the present term (UTC).
        ends_at: End of the present term, exclusive (UTC). A renewal date where `will_renew` is not False.
        term: Length of a term, in the marketplace's words.
        trial: Whether it is a free trial now.
        trial_ends_at: When the trial ends (UTC).
        billing_issue_since: Since when payment is in trouble (UTC).
        grace_until: Until when the marketplace lets a billing trouble be repaired (UTC).
        product: The product, as the marketplace names it (AWS product code, Azure offer, Yandex product).
        plan: The plan, as the marketplace names it; None where it has only dimensions.
        quantities: Dimension to value. The one quantity of a marketplace without dimensions is `quantity`.
        offer: The private offer behind it, where known.
        marketplace_ids: Every id that the marketplace gave, by name, for people and for later reads.
        aliases: Those of the ids by which it can be found again.
        follows: The earlier subscription that this one continues.
        buyer: Who bought.
        sandbox: Whether it is a test purchase.
        provider_state: The marketplace's own words, verbatim, unknown fields included.
    """

    status: Status
    reason: Reason | None = None
    will_renew: bool | None = None
    cancels_at: Moment | None = None
    starts_at: Moment | None = None
    ends_at: Moment | None = None
    term: str | None = None
    trial: bool = False
    trial_ends_at: Moment | None = None
    billing_issue_since: Moment | None = None
    grace_until: Moment | None = None
    product: str | None = None
    plan: str | None = None
    quantities: dict[str, Quantity] = Field(default_factory=dict)
    offer: str | None = None
    marketplace_ids: dict[str, str] = Field(default_factory=dict)
    aliases: tuple[Alias, ...] = ()
    follows: Lineage | None = None
    buyer: Buyer | None = None
    sandbox: bool = False
    provider_state: Verbatim = Field(default_factory=dict, repr=False)


class Subscription(Facts):
    """One purchase: the snapshot of one subscription at one version.

    Attributes:
        id: Our own id, a time-ordered UUID, the same over renewals in place and relinking.
        marketplace: `aws`, `azure`, `yandex` or a third party's name.
        account: The ISV's own account that holds it; None until it is activated.
        shared_with: Further accounts that hold it, where the claim policy is `share`.
        version: Grows by one with each change; the greater version is the truer one.
        observed_at: When the marketplace was last read (UTC).
        stale_since: Since when the marketplace could not be read (UTC); None while it can.
        unrecognised: Whether the last read said a status word that we do not know, so that the one before stays.
        activated_at: When we told the marketplace that the account is set up (UTC).
        created_at: When we first stored it (UTC).
        updated_at: When this version was stored (UTC).
        access: Whether it gives access at the moment it was asked for, by the rules of `crossmarket.access`.
        replaces: The subscription that this one continues.
        replaced_by: The subscription that continues this one.
    """

    id: str
    marketplace: str
    account: str | None = None
    shared_with: tuple[str, ...] = ()
    version: int = 1
    observed_at: Moment
    stale_since: Moment | None = None
    unrecognised: bool = False
    activated_at: Moment | None = None
    created_at: Moment
    updated_at: Moment
    access: bool = False
    replaces: Link | None = None
    replaced_by: Link | None = None

    @property
    def stale(self) -> bool:
        """Whether this may be out of date: the last read failed, or said a status word that we do not know."""
        return self.stale_since is not None or self.unrecognised

    @property
    def accounts(self) -> tuple[str, ...]:
        """All accounts that hold it, the first holder first."""
        return (*((self.account,) if self.account else ()), *self.shared_with)


class Landing(Frozen):
    """A buyer has come with a landing token. Nothing is billed yet.

    Attributes:
        marketplace: Where the buyer comes from.
        subscription: The subscription that the token stands for; None where the marketplace proves the token
            only at activation (Yandex).
        hints: Unproven claims of the token, such as `license_instance_id`. Never base access on them.
        aliases: Unproven ids among the hints, by which a subscription that is known already may be found.
        expires_at: When the token loses its worth (UTC), where known.
        token: The token, kept only where activation needs it again. Never shown.
    """

    marketplace: str
    subscription: Subscription | None = None
    hints: dict[str, str] = Field(default_factory=dict)
    aliases: tuple[Alias, ...] = ()
    expires_at: Moment | None = None
    token: SecretStr | None = None

    _sealer: Callable[[Landing], str] | None = PrivateAttr(default=None)

    @property
    def returning(self) -> bool:
        """Whether an account already holds the subscription: a buyer who comes back to manage it."""
        return self.subscription is not None and self.subscription.account is not None

    def seal(self) -> str:
        """Return this landing as encrypted, signed, short-lived text for a cookie; `Market.unseal()` opens it.

        Raises:
            ConfigurationError: The landing was not made by a `Market`, so no key is at hand.
        """
        if self._sealer is None:
            raise ConfigurationError(
                "This landing cannot be sealed.", remedy="Seal landings that Market.land() returned."
            )
        return self._sealer(self)


class Entitlement(Frozen):
    """One feature granted to one account.

    Attributes:
        feature: What the application asks for.
        account: Whose it is.
        limit: How much of it; None where it is unlimited or not counted.
        value: A text value from the catalog, where the feature is one.
        ends_at: When it ends (UTC) if nothing renews it; None where no end is known.
        subscriptions: Ids of the subscriptions that it comes from.
        marketplaces: The marketplaces that these subscriptions are on.
    """

    feature: str
    account: str
    limit: int | float | None = None
    value: str | None = None
    ends_at: Moment | None = None
    subscriptions: tuple[str, ...] = ()
    marketplaces: tuple[str, ...] = ()


class DecisionReason(StrEnum):
    """Why `check()` answered as it did."""

    ENTITLED = "entitled"
    NOT_SUBSCRIBED = "not_subscribed"
    NOT_IN_PLAN = "not_in_plan"
    LIMIT_EXCEEDED = "limit_exceeded"
    PENDING = "pending"
    SUSPENDED = "suspended"
    EXPIRED = "expired"
    STALE = "stale"


class Decision(Frozen):
    """The answer of `check()`. It is truthy when the account may use the feature.

    Attributes:
        allowed: The answer.
        reason: Why.
        account: Who was asked about.
        feature: What was asked for.
        quantity: How much was asked for.
        limit: How much the account may have; None where it is unlimited or nothing is granted.
        ends_at: When the grant ends (UTC) if nothing renews it.
        source: `fresh` from a snapshot whose marketplace can be read, `grace` from one that is kept although
            it cannot, `cached` from memory while the store cannot be asked.
        version: The greatest version of the snapshots behind the answer; 0 where there is none.
        subscriptions: Ids of the subscriptions behind the answer.
        message: One sentence for a person.
        help_url: Where the buyer can subscribe or repair it, where the catalog tells.
    """

    allowed: bool
    reason: DecisionReason
    account: str
    feature: str
    quantity: int | float = 1
    limit: int | float | None = None
    ends_at: Moment | None = None
    source: Literal["fresh", "cached", "grace"] = "fresh"
    version: int = 0
    subscriptions: tuple[str, ...] = ()
    message: str = ""
    help_url: str | None = None

    def __bool__(self) -> bool:
        """Return whether the account may use the feature."""
        return self.allowed


class Plan(Frozen):
    """One plan that the marketplace offers for a subscription.

    Attributes:
        id: The plan's id on the marketplace.
        name: Its display name.
        private: Whether it is for chosen buyers only.
        minimum: Smallest quantity, where it is sold by quantity.
        maximum: Greatest quantity, where it is sold by quantity.
        provider_state: The marketplace's own words, verbatim.
    """

    id: str
    name: str | None = None
    private: bool = False
    minimum: int | None = None
    maximum: int | None = None
    provider_state: Verbatim = Field(default_factory=dict, repr=False)


class Operation(Frozen):
    """Something that a marketplace does on request and not at once.

    Attributes:
        id: Its id on the marketplace.
        action: `activate`, `change_plan`, `change_quantity`, `cancel`, `reinstate`, `suspend`, `renew` or,
            for words that we do not know, the marketplace's own in lower case.
        status: pending, succeeded or failed. A word that we do not know is pending: it is asked for again.
        plan: The plan asked for.
        quantity: The quantity asked for.
        requested_by: `seller` for our own request, `buyer` for the marketplace's side, None where unknown.
        message: What the marketplace says of a failure.
        code: The marketplace's error code of a failure.
        provider_state: The marketplace's own words, verbatim.
    """

    id: str
    action: str
    status: Literal["pending", "succeeded", "failed"]
    plan: str | None = None
    quantity: int | None = None
    requested_by: Literal["seller", "buyer"] | None = None
    message: str | None = None
    code: str | None = None
    provider_state: Verbatim = Field(default_factory=dict, repr=False)


class Finding(Frozen):
    """One thing that `doctor` has to say.

    Attributes:
        level: ok, warning or error.
        subject: What it is about: a setting, a marketplace, the store, the catalog.
        message: What was found.
        remedy: What to do about it.
    """

    level: Literal["ok", "warning", "error"]
    subject: str
    message: str
    remedy: str | None = None

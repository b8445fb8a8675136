"""What the emulated AWS Marketplace remembers: purchases, their agreements, licences and tokens."""

from __future__ import annotations

import itertools
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Literal

from crossmarket.models import Quantity

Generation = Literal["concurrent", "legacy"]
Model = Literal["contract", "subscription"]

CANCELLATION_PERIOD = timedelta(days=7)
"""After which AWS approves a seller's cancellation request that the buyer has not answered."""

SELLER_ACCOUNT = "222233334444"


@dataclass(slots=True)
class Modes:
    """Quirks that the emulator can be told to show.

    Attributes:
        agreements: Whether the seller's credentials may use the agreement service; False answers AccessDenied.
        omit_entitlements: Leaves the key `Entitlements` out where there are none.
        empty_page: Begins every listing of entitlements with an empty page that has a next one.
        page_size: Most entries of one page.
        newer_members: False leaves out what AWS has added since 2026: licences and agreement ids of
            ResolveCustomer, `initialAgreementId`, `endTimeBehavior`, trials.
        product_codes_checked: Whether an unknown product code is an error instead of an empty answer.
        role_required: Whether only credentials of the assumed role may call.
    """

    agreements: bool = True
    omit_entitlements: bool = False
    empty_page: bool = False
    page_size: int = 25
    newer_members: bool = True
    product_codes_checked: bool = False
    role_required: bool = False


@dataclass(slots=True)
class AgreementState:
    """One agreement and its licence.

    Attributes:
        id: The agreement's id.
        initial: The first agreement of the chain.
        license: The licence's `l-...`.
        offer: The offer accepted.
        starts_at: When it began (UTC).
        ends_at: When it ends (UTC); None for pay-as-you-go.
        updated_at: When it last changed (UTC).
        dimensions: What is entitled: dimension to value; empty for pay-as-you-go.
        status: AWS's word.
        auto_renew: Whether it renews at its end.
        opted_out: Who has switched the renewal off.
        trial_ends_at: When the free trial ends (UTC).
        request: The id of the seller's cancellation request that waits for the buyer.
        requested_at: When it was made (UTC).
    """

    id: str
    initial: str
    license: str
    offer: str
    starts_at: datetime
    ends_at: datetime | None
    updated_at: datetime
    dimensions: dict[str, Quantity]
    status: str = "ACTIVE"
    auto_renew: bool = True
    opted_out: Literal["ACCEPTOR_RENEW_OPTED_OUT", "PROPOSER_RENEW_OPTED_OUT"] = "ACCEPTOR_RENEW_OPTED_OUT"
    trial_ends_at: datetime | None = None
    request: str | None = None
    requested_at: datetime | None = None


@dataclass(slots=True)
class Purchase:
    """What one buyer has bought, over all renewals: the newest agreement is the last one.

    Attributes:
        id: The purchase's id in the emulator; no API shows it.
        generation: `concurrent` has licences and agreements, `legacy` only a customer identifier.
        model: `contract` has entitlements, `subscription` is pay-as-you-go.
        product: The product code.
        account: The buyer's AWS account.
        customer: The customer identifier.
        plan: The dimension that stands for the plan; None for pay-as-you-go.
        term: How long a contract lasts; None for pay-as-you-go.
        paid: Whether AWS has arranged the payment.
        agreements: All agreements, oldest first.
    """

    id: str
    generation: Generation
    model: Model
    product: str
    account: str
    customer: str
    plan: str | None
    term: timedelta | None
    paid: bool
    agreements: list[AgreementState] = field(default_factory=list)

    @property
    def current(self) -> AgreementState:
        """The newest agreement."""
        return self.agreements[-1]

    @property
    def live(self) -> bool:
        """Whether the buyer has access."""
        return self.paid and self.current.status == "ACTIVE"


@dataclass(frozen=True, slots=True)
class Token:
    """What a landing token stands for, and since when."""

    purchase: str
    issued_at: datetime
    product: str | None = None


class Ledger:
    """All purchases, and the ids that are given to them. Not locked: the emulator does that."""

    def __init__(self) -> None:
        self.purchases: dict[str, Purchase] = {}
        self.tokens: dict[str, Token] = {}
        self._numbers = itertools.count(1)

    def number(self) -> int:
        """Return the next number; ids are made of it, so that they are the same in every run."""
        return next(self._numbers)

    def open(self, purchase: Purchase, dimensions: dict[str, Quantity], now: datetime, *, offer: str) -> None:
        """Give a purchase its first agreement, or one that follows the present one under the same chain."""
        number = self.number()
        agreement = f"agmt-{number:024x}"
        purchase.agreements.append(
            AgreementState(
                id=agreement,
                initial=purchase.agreements[0].id if purchase.agreements else agreement,
                license=f"l-{number:032x}",
                offer=offer,
                starts_at=now,
                ends_at=now + purchase.term if purchase.term else None,
                updated_at=now,
                dimensions=dict(dimensions),
            )
        )

    def close(self, purchase: Purchase, status: str, now: datetime) -> None:
        """End the newest agreement."""
        agreement = purchase.current
        agreement.status, agreement.updated_at, agreement.request = status, now, None

    def settle(self, now: datetime) -> None:
        """Let happen what time alone brings: approvals, renewals, expiry, and the end of unpaid trials."""
        for purchase in self.purchases.values():
            while self._settle_one(purchase, now):
                continue

    def _settle_one(self, purchase: Purchase, now: datetime) -> bool:
        """Take one step of one purchase; return whether another may be due."""
        agreement = purchase.current
        if agreement.status != "ACTIVE":
            return False
        if agreement.requested_at and agreement.request and now >= agreement.requested_at + CANCELLATION_PERIOD:
            self.close(purchase, "CANCELLED", agreement.requested_at + CANCELLATION_PERIOD)
            return False
        if agreement.ends_at is None or now < agreement.ends_at:
            return False
        ended_at = agreement.ends_at
        if not agreement.auto_renew or not purchase.paid:
            self.close(purchase, "EXPIRED", ended_at)
            return False
        self.close(purchase, "RENEWED", ended_at)
        self.open(purchase, agreement.dimensions, ended_at, offer=agreement.offer)
        return True

"""What entitlements and an agreement together say about one subscription. Pure."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from pydantic import JsonValue

from crossmarket.models import Alias, Buyer, Facts, Lineage, Quantity, Reason, Status
from crossmarket_aws.wire import NEVER, Agreement, Customer, Entitlement, license_id

ENDED: Mapping[str, Reason] = {
    "CANCELLED": Reason.CUSTOMER_CANCELLED,
    "EXPIRED": Reason.EXPIRED,
    "TERMINATED": Reason.MARKETPLACE_CANCELLED,
    "RENEWED": Reason.RENEWED_ELSEWHERE,
    "REPLACED": Reason.REPLACED,
    "SUPERSEDED": Reason.REPLACED,
}
"""The status words of an agreement that is over, and why. The last three have a successor."""

UNCLEAR = frozenset({"ARCHIVED", "ROLLED_BACK"})
"""Words of AWS whose effect on access is not documented: the entitlements decide, and never that it has ended."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Identity:
    """The ids of one subscription, as far as they are known.

    Attributes:
        product: The product code.
        product_id: The product id, which only agreements tell.
        account: The buyer's AWS account.
        customer: The legacy customer identifier.
        license_arn: The licence, in full as AWS wrote it.
        agreement: The agreement.
        initial: The first agreement of the chain.
    """

    product: str | None = None
    product_id: str | None = None
    account: str | None = None
    customer: str | None = None
    license_arn: str | None = None
    agreement: str | None = None
    initial: str | None = None

    @classmethod
    def of_customer(cls, customer: Customer) -> Identity:
        """Return the ids that ResolveCustomer told."""
        return cls(
            product=customer.product,
            account=customer.account,
            customer=customer.customer,
            license_arn=customer.license_arn,
            agreement=customer.agreement,
        )

    @classmethod
    def of_facts(cls, known: Facts) -> Identity:
        """Return the ids that were stored."""
        ids = known.marketplace_ids
        return cls(
            product=ids.get("product_code") or known.product,
            product_id=ids.get("product_id"),
            account=ids.get("aws_account_id") or (known.buyer.id if known.buyer else None),
            customer=ids.get("customer_identifier"),
            license_arn=ids.get("license_arn"),
            agreement=ids.get("agreement_id"),
            initial=ids.get("initial_agreement_id"),
        )

    def with_agreement(self, agreement: Agreement | None) -> Identity:
        """Return the ids, completed by what an agreement tells; what is known already stays."""
        if agreement is None:
            return self
        return replace(
            self,
            product_id=self.product_id or next(iter(agreement.products), None),
            account=self.account or agreement.account,
            license_arn=self.license_arn or (agreement.licenses[0] if len(agreement.licenses) == 1 else None),
            agreement=self.agreement or agreement.id,
            initial=agreement.initial or self.initial,
        )

    def with_entitlements(self, entitlements: Sequence[Entitlement]) -> Identity:
        """Return the ids, completed by what the entitlements agree on."""
        return replace(
            self,
            product=self.product or _one({entry.product for entry in entitlements}),
            account=self.account or _one({entry.account for entry in entitlements}),
            customer=self.customer or _one({entry.customer for entry in entitlements}),
        )

    @property
    def legacy(self) -> bool:
        """Whether it is known by the customer identifier alone, as before Concurrent Agreements."""
        return self.license_arn is None and self.agreement is None

    def as_ids(self) -> dict[str, str]:
        """Return every id by the name under which it is stored."""
        named = {
            "agreement_id": self.agreement,
            "initial_agreement_id": self.initial,
            "license_arn": self.license_arn,
            "aws_account_id": self.account,
            "customer_identifier": self.customer,
            "product_code": self.product,
            "product_id": self.product_id,
        }
        return {name: value for name, value in named.items() if value}

    def aliases(self) -> tuple[Alias, ...]:
        """Return the ids by which the subscription can be found again.

        A customer identifier is exact only in the legacy form, which has one contract for each customer and
        product; an account only where AWS tells nothing else to tell two purchases apart by. `chain` is shared by
        an agreement, its renewals and its replacements; one without a predecessor opens the chain of its own id.
        """
        found = []
        if license_ := license_id(self.license_arn):
            found.append(Alias(kind="license", value=license_))
        if self.agreement:
            found.append(Alias(kind="agreement", value=self.agreement))
            found.append(Alias(kind="chain", value=self.initial or self.agreement, exact=False))
        if self.customer and self.product:
            found.append(Alias(kind="customer_product", value=f"{self.customer}:{self.product}", exact=self.legacy))
        if self.account and self.product:
            only = self.legacy and not self.customer
            found.append(Alias(kind="account_product", value=f"{self.account}:{self.product}", exact=only))
        return tuple(found)


def live(entitlements: Sequence[Entitlement], now: datetime) -> list[Entitlement]:
    """Return the entitlements whose date has not passed, or that have none."""
    return [entry for entry in entitlements if entry.expires_at is None or entry.expires_at > now]


def judge(
    entitlements: Sequence[Entitlement],
    agreement: Agreement | None,
    *,
    known: Facts | None,
    contract: bool | None,
    now: datetime,
) -> tuple[Status, Reason | None]:
    """Say where a subscription stands, and why.

    Args:
        entitlements: All that AWS returned for it.
        agreement: Its agreement; None where it may not be read or is not there yet.
        known: What was known before.
        contract: Whether it buys entitlements in advance; False for pay-as-you-go, None where unknown.
        now: The present (UTC).

    An empty answer of GetEntitlements means an end only for a contract that had entitlements, and only where no
    agreement says otherwise. An entitlement's date is a renewal date: that it has passed proves nothing alone.
    """
    word = agreement.status if agreement else ""
    current = live(entitlements, now)
    if word in ENDED:
        return Status.ENDED, ENDED[word]
    if word and word != "ACTIVE" and word not in UNCLEAR:
        return Status.UNKNOWN, None
    if current:
        return Status.ACTIVE, None
    if word in UNCLEAR:
        return Status.UNKNOWN, None
    if agreement and word:
        return _active_without_entitlements(entitlements, agreement, known=known, contract=contract, now=now)
    return _without_agreement(entitlements, known=known, now=now)


def _active_without_entitlements(
    entitlements: Sequence[Entitlement],
    agreement: Agreement,
    *,
    known: Facts | None,
    contract: bool | None,
    now: datetime,
) -> tuple[Status, Reason | None]:
    if agreement.starts_at is not None and agreement.starts_at > now:
        return Status.PENDING, None
    # Overdue entitlements of a live agreement: the renewal is under way.
    if contract is False or entitlements or _had_entitlements(known):
        return Status.ACTIVE, None
    if known is not None and known.status is Status.ACTIVE:
        return Status.ACTIVE, None
    return Status.PENDING, None


def _without_agreement(
    entitlements: Sequence[Entitlement], *, known: Facts | None, now: datetime
) -> tuple[Status, Reason | None]:
    if known is None:
        return Status.PENDING, None
    if _had_entitlements(known) and not entitlements:
        passed = known.ends_at is not None and known.ends_at <= now
        return Status.ENDED, Reason.EXPIRED if passed else Reason.UNKNOWN
    # Nothing speaks for or against what was known: pay-as-you-go without access to its agreement.
    return known.status, known.reason


def _had_entitlements(known: Facts | None) -> bool:
    return known is not None and bool(known.quantities)


def build(
    identity: Identity,
    entitlements: Sequence[Entitlement],
    agreement: Agreement | None,
    *,
    known: Facts | None,
    contract: bool | None,
    now: datetime,
) -> Facts:
    """Put together all that AWS says about one subscription; the arguments are those of `judge`."""
    # AWS promises no order, and a mere change of order is no news; of one dimension twice the later end counts.
    entitlements = sorted(entitlements, key=_order)
    identity = identity.with_agreement(agreement).with_entitlements(entitlements)
    status, reason = judge(entitlements, agreement, known=known, contract=contract, now=now)
    counted = live(entitlements, now) or entitlements
    trial_ends_at = agreement.trial_ends_at if agreement else None
    ends_at = _end(counted, agreement, known)
    will_renew = _will_renew(agreement) if status is not Status.ENDED else None
    return Facts(
        status=status,
        reason=reason,
        will_renew=will_renew,
        cancels_at=ends_at if will_renew is False else None,
        starts_at=agreement.starts_at if agreement else known.starts_at if known else None,
        ends_at=ends_at,
        trial=trial_ends_at is not None and trial_ends_at > now and status is not Status.ENDED,
        trial_ends_at=trial_ends_at,
        product=identity.product,
        quantities=_quantities(counted, status, known),
        offer=agreement.offer if agreement and agreement.offer else known.offer if known else None,
        marketplace_ids=identity.as_ids(),
        aliases=identity.aliases(),
        follows=_follows(identity),
        buyer=Buyer(id=identity.account) if identity.account else None,
        provider_state=_state(entitlements, agreement),
    )


def _quantities(counted: Sequence[Entitlement], status: Status, known: Facts | None) -> dict[str, Quantity]:
    """Return what was bought. Of a live contract none at all is no answer: what was known before stays."""
    if not counted and known is not None and status is Status.ACTIVE:
        return known.quantities
    return {entry.dimension: entry.value for entry in counted if entry.dimension and entry.value is not None}


def _order(entry: Entitlement) -> tuple[str, float, str]:
    end = entry.expires_at.timestamp() if entry.expires_at else math.inf
    return entry.dimension or "", end, entry.license_arn or ""


def _end(entitlements: Sequence[Entitlement], agreement: Agreement | None, known: Facts | None) -> datetime | None:
    if agreement and agreement.status:
        return agreement.ends_at
    dates = [entry.expires_at for entry in entitlements if entry.expires_at]
    if dates:
        latest = max(dates)
        return latest if latest < NEVER else None
    return known.ends_at if known else None


def _will_renew(agreement: Agreement | None) -> bool | None:
    """Return whether something follows by itself; REPLACE brings another offer, such as the public one."""
    match agreement.behaviour if agreement else None:
        case "RENEW" | "REPLACE":
            return True
        case "EXPIRE":
            return False
        case _:
            return None


def _follows(identity: Identity) -> Lineage | None:
    if identity.initial is None or identity.agreement is None or identity.initial == identity.agreement:
        return None
    return Lineage(alias=Alias(kind="chain", value=identity.initial, exact=False), certainty="stated")


def _state(entitlements: Sequence[Entitlement], agreement: Agreement | None) -> dict[str, JsonValue]:
    state: dict[str, JsonValue] = {"entitlements": [dict(entry.raw) for entry in entitlements]}
    if agreement is not None:
        state["agreement"] = dict(agreement.raw)
    return state


def _one(values: set[str | None]) -> str | None:
    """Return the only value, or None where there is none or several."""
    found = {value for value in values if value}
    return found.pop() if len(found) == 1 else None

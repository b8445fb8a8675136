"""What the emulated marketplace knows: purchases, plans and operations, moving on with its clock."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from pydantic import JsonValue

PENDING = "PendingFulfillmentStart"
SUBSCRIBED = "Subscribed"
SUSPENDED = "Suspended"
UNSUBSCRIBED = "Unsubscribed"

SUSPENSION = timedelta(days=30)
UNACTIVATED = timedelta(days=30)
DECISION = timedelta(seconds=10)
LONGEST_OPERATION = timedelta(minutes=5)

MONTHS = {"P1M": 1, "P1Y": 12, "P2Y": 24, "P3Y": 36, "P4Y": 48, "P5Y": 60, "P18M": 18}

V1_STATUS = {PENDING: "Pending"}
V1_OPERATION = {"NotStarted": "In Progress", "InProgress": "In Progress", "Conflict": "Failed"}


@dataclass(slots=True)
class EmulatedPlan:
    """One plan of an offer; sold by seats, or for a flat rate (then it has no quantity)."""

    id: str
    seats: bool
    private: bool = False
    minimum: int = 1
    maximum: int = 1000


@dataclass(slots=True)
class EmulatedOperation:
    """Something that the marketplace does on request."""

    id: str
    activity: str
    action: str
    source: Literal["Azure", "Partner"]
    created: datetime
    status: str = "NotStarted"
    plan: str | None = None
    quantity: int | None = None
    reads_left: int = 0

    @property
    def running(self) -> bool:
        """Whether it has not come to its end."""
        return self.status in {"NotStarted", "InProgress"}


@dataclass(slots=True)
class Person:
    """An Entra user, as the marketplace names one."""

    email: str
    object_id: str
    tenant_id: str
    puid: str = "10032001A1B2C3D4"

    def wire(self) -> dict[str, JsonValue]:
        """Return the form on the wire."""
        return {
            "emailId": self.email,
            "objectId": self.object_id,
            "tenantId": self.tenant_id,
            "puid": self.puid,
        }


@dataclass(slots=True)
class Purchase:
    """One subscription, as Microsoft keeps it."""

    id: str
    name: str
    publisher: str
    offer: str
    plan: str
    quantity: int | None
    created: datetime
    beneficiary: Person
    purchaser: Person
    term_unit: str = "P1M"
    status: str = PENDING
    starts_on: datetime | None = None
    ends_on: datetime | None = None
    """The last valid day: inclusive."""
    auto_renew: bool = True
    trial: bool = False
    test: bool = False
    session_mode: str = "None"
    private_offer: str | None = None
    allowed: tuple[str, ...] = ("Delete", "Update", "Read")
    activating_until: datetime | None = None
    activation_fails: bool = False
    suspended_at: datetime | None = None
    said_status: str | None = None
    """A status word to say instead of the true one."""
    operations: list[EmulatedOperation] = field(default_factory=list)

    def start(self, today: datetime) -> None:
        """Begin the first term."""
        self.status, self.activating_until = SUBSCRIBED, None
        self.begin_term(today.astimezone(UTC).replace(hour=0, minute=0, second=0, microsecond=0))

    def begin_term(self, first_day: datetime) -> None:
        """Set the dates of a term that begins on this day."""
        self.starts_on = first_day
        self.ends_on = months_after(first_day, MONTHS.get(self.term_unit, 1)) - timedelta(days=1)

    def renew(self) -> None:
        """Begin the term after this one; a trial is then over."""
        if self.ends_on is not None:
            self.begin_term(self.ends_on + timedelta(days=1))
        self.trial = False

    def end(self) -> None:
        """Unsubscribe: final. The quantity is then told no more."""
        self.status, self.quantity, self.activating_until = UNSUBSCRIBED, None, None
        for operation in self.operations:
            if operation.running:
                operation.status = "Succeeded" if operation.action == "Unsubscribe" else "Failed"

    def move_on(self, now: datetime) -> None:
        """Let happen what has become due."""
        if self.status == PENDING and self.activating_until is not None and now >= self.activating_until:
            if self.activation_fails:
                self.end()
            else:
                self.start(now)
        if self.status == PENDING and self.activating_until is None and now >= self.created + UNACTIVATED:
            self.end()
        if self.status == SUSPENDED and self.suspended_at is not None and now >= self.suspended_at + SUSPENSION:
            self.end()
        while self.status == SUBSCRIBED and self.ends_on is not None and now >= self.ends_on + timedelta(days=1):
            if self.auto_renew:
                self.renew()
            else:
                self.end()
        for operation in self.operations:
            silent = DECISION if operation.source == "Azure" else LONGEST_OPERATION
            if operation.running and now >= operation.created + silent:
                self.finish(operation)

    def finish(self, operation: EmulatedOperation) -> None:
        """Let an operation succeed, and apply it."""
        operation.status = "Succeeded"
        if operation.action == "ChangePlan" and operation.plan is not None:
            self.plan = operation.plan
        if operation.action == "ChangeQuantity" and operation.quantity is not None:
            self.quantity = operation.quantity
        if operation.action == "Unsubscribe":
            self.end()

    def running(self) -> EmulatedOperation | None:
        """Return the operation that locks the subscription."""
        return next((operation for operation in self.operations if operation.running), None)

    def operation(self, operation_id: str) -> EmulatedOperation | None:
        """Return one operation."""
        return next((operation for operation in self.operations if operation.id == operation_id), None)

    def wire(self) -> dict[str, JsonValue]:
        """Return the object of the second generation."""
        term: dict[str, JsonValue] = {"termUnit": self.term_unit}
        if self.starts_on is not None and self.ends_on is not None:
            term |= {"startDate": day(self.starts_on), "endDate": day(self.ends_on)}
        return {
            "id": self.id,
            "name": self.name,
            "publisherId": self.publisher,
            "offerId": self.offer,
            "planId": self.plan,
            **({"quantity": self.quantity} if self.quantity is not None else {}),
            "beneficiary": self.beneficiary.wire(),
            "purchaser": self.purchaser.wire(),
            "term": term,
            "autoRenew": self.auto_renew,
            "isTest": self.test,
            "isFreeTrial": self.trial,
            "allowedCustomerOperations": list(self.allowed),
            "sandboxType": "None",
            "sessionMode": self.session_mode,
            "saasSubscriptionStatus": self.said_status or self.status,
            "created": instant(self.created),
            "lastModified": "0001-01-01T00:00:00",
        }

    def wire_v1(self) -> dict[str, JsonValue]:
        """Return the object of the first generation."""
        return {
            "id": self.id,
            "saasSubscriptionName": self.name,
            "offerId": self.offer,
            "planId": self.plan,
            "saasSubscriptionStatus": self.said_status or V1_STATUS.get(self.status, self.status),
            "created": instant(self.created),
            "lastModified": instant(self.created),
        }

    def wire_operation(self, operation: EmulatedOperation) -> dict[str, JsonValue]:
        """Return an operation in the form of the second generation."""
        quantity = self.quantity if operation.quantity is None else operation.quantity
        return {
            "id": operation.id,
            "activityId": operation.activity,
            "subscriptionId": self.id,
            "offerId": self.offer,
            "publisherId": self.publisher,
            "planId": operation.plan or self.plan,
            **({"quantity": quantity} if quantity is not None else {}),
            "action": operation.action,
            "timeStamp": instant(operation.created),
            "status": operation.status,
            "operationRequestSource": operation.source,
        }

    def wire_operation_v1(self, operation: EmulatedOperation, location: str) -> dict[str, JsonValue]:
        """Return an operation in the form of the first generation."""
        return {
            "id": operation.id,
            "status": V1_OPERATION.get(operation.status, operation.status),
            **({"resourceLocation": location} if operation.action != "Unsubscribe" else {}),
            "created": instant(operation.created),
            "lastModified": instant(operation.created),
        }

    @property
    def etag(self) -> str:
        """A strong validator of the present state."""
        return '"' + hashlib.sha256(json.dumps(self.wire(), sort_keys=True).encode()).hexdigest()[:16] + '"'


def day(moment: datetime) -> str:
    """Return a term date as Microsoft writes it."""
    return moment.strftime("%Y-%m-%dT00:00:00Z")


def instant(moment: datetime) -> str:
    """Return a time as .NET writes it: seven digits of a second, `Z`."""
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%f") + "7Z"


def months_after(moment: datetime, months: int) -> datetime:
    """Return the same day so many months later, or the last one of a shorter month."""
    place = moment.year * 12 + moment.month - 1 + months
    first = moment.replace(year=place // 12, month=place % 12 + 1, day=1)
    following = first.replace(day=28) + timedelta(days=4)
    last = (following - timedelta(days=following.day)).day
    return first.replace(day=min(moment.day, last))

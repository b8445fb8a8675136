"""What the emulated marketplace knows, and how it writes that as JSON."""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Literal

from pydantic import JsonValue

from crossmarket.clock import Clock

PERIOD = timedelta(days=30)
SELLER = "seller-emulated"

Gone = Literal["UNLOCKED", "DELETED", "NOT_FOUND"]
Message = dict[str, JsonValue]


@dataclass
class Behaviour:
    """What is not published about the real marketplace, or varies there. Change it at any time.

    Attributes:
        claim_polls: How many reads of the operation of a claim show it unfinished; 0 finishes it at once.
        hidden_polls: How many first reads of a fresh operation answer NOT_FOUND, as a replica that lags.
        poll_interval: What `x-operation-poll-interval` says; None leaves the header out.
        errors_in_operation: Refuse a claim by a failed operation instead of at once.
        rollback_shown: Show the error of an unfinished operation before it is done.
        claim_again: What a second claim by the same resource gets: success or ALREADY_EXISTS.
        unlinked_lock: What `Lock.Get` shows of a lock that the buyer has undone.
        ended_lock: What it shows of the lock of a subscription that has ended; LOCKED keeps its past end.
        lock_follows_renewal: Whether the end of the lock moves together with that of the subscription.
        token: The form of landing tokens: a JWT with `exp`, one without, or no JWT at all.
        print_defaults: Print fields that have their default value.
        print_type: Print `@type` in the metadata and response of operations.
        renews_by_itself: Renew a subscription when its end passes and renewal is on.
        user_info: What `GetUserInfo` answers; None answers NOT_FOUND.
    """

    claim_polls: int = 0
    hidden_polls: int = 0
    poll_interval: int | None = None
    errors_in_operation: bool = False
    rollback_shown: bool = False
    claim_again: Literal["success", "refuse"] = "success"
    unlinked_lock: Gone = "UNLOCKED"
    ended_lock: Literal["LOCKED", "UNLOCKED", "DELETED", "NOT_FOUND"] = "LOCKED"
    lock_follows_renewal: bool = True
    token: Literal["jwt", "jwt_without_exp", "opaque"] = "jwt"  # noqa: S105 - a form, not a token
    print_defaults: bool = False
    print_type: bool = True
    renews_by_itself: bool = True
    user_info: dict[str, str] | None = field(
        default_factory=lambda: {"name": "OOO Emulated", "inn": "7700000000", "kpp": "770001001"}
    )


@dataclass
class Lock:
    """A link between a subscription and a resource of the seller."""

    id: str
    resource_id: str
    start: datetime
    end: datetime
    state: str = "LOCKED"


@dataclass
class Purchase:
    """What a buyer has bought: a subscription, a product instance, or, as usual, both."""

    product_id: str
    template_id: str
    bought: datetime
    end: datetime
    cloud_id: str
    folder_id: str
    license_instance_id: str | None
    product_instance_id: str | None
    seller: str = SELLER
    state: str = "ACTIVE"
    product_state: str = "PENDING_ACTIVATION"
    prolongation: bool = True
    resource_id: str | None = None
    locks: list[Lock] = field(default_factory=list)
    updated: datetime | None = None

    @property
    def id(self) -> str:
        """The purchase's id: that of the subscription where there is one."""
        return self.license_instance_id or self.product_instance_id or ""

    @property
    def lock(self) -> Lock | None:
        """The lock that was made last."""
        return self.locks[-1] if self.locks else None

    @property
    def over(self) -> bool:
        """Whether the subscription has ended."""
        return self.state in {"EXPIRED", "DELETED"}

    @property
    def linked(self) -> bool:
        """Whether there is an active link."""
        return not self.over and self.lock is not None and self.lock.state == "LOCKED"

    @property
    def live(self) -> bool:
        """Whether the buyer has access."""
        if self.license_instance_id is None:
            return self.product_state == "ACTIVATED"
        return self.linked and self.state in {"ACTIVE", "CANCELLED"}

    def pass_time(self, now: datetime, behaviour: Behaviour) -> None:
        """Renew or expire what has come to its end."""
        while self.license_instance_id and self.state in {"ACTIVE", "CANCELLED"} and self.end <= now:
            if self.state == "ACTIVE" and self.prolongation and behaviour.renews_by_itself:
                self.renew(behaviour)
            else:
                self.state = "EXPIRED"

    def renew(self, behaviour: Behaviour) -> None:
        """Move the end on by one period."""
        self.end += PERIOD
        if self.lock is not None and behaviour.lock_follows_renewal:
            self.lock.end = self.end

    def attach(self, resource_id: str, now: datetime) -> None:
        """Link with a resource, and activate the product."""
        self.resource_id = resource_id
        if self.product_instance_id is not None:
            self.product_state = "ACTIVATED"
        if self.license_instance_id is not None and not self.linked:
            self.locks.append(Lock(new_id("lock"), resource_id, now, self.end))


@dataclass
class Claim:
    """An operation under way, or done."""

    id: str
    made: datetime
    metadata_type: str
    metadata: Message
    purchase: Purchase | None
    resource_id: str
    response: Literal["product_instance", "lock"]
    polls_left: int
    hidden_left: int
    error: Message | None = None
    done: bool = False

    def finish(self, now: datetime) -> None:
        """Do what was asked for."""
        self.done = True
        if self.error is None and self.purchase is not None:
            self.purchase.attach(self.resource_id, now)
            if self.purchase.lock is not None:
                self.metadata["lockId"] = self.purchase.lock.id


@dataclass(frozen=True)
class IssuedToken:
    """A landing token that was handed to a buyer."""

    purchase: Purchase
    expires_at: datetime


class Shop:
    """All that the emulated marketplace knows. Whoever uses it holds `lock`.

    Args:
        clock: Tells the time.
        behaviour: How it behaves where that is unpublished.
        lock: Guards it.
    """

    def __init__(self, clock: Clock, behaviour: Behaviour, lock: AbstractContextManager[bool]) -> None:
        self.clock = clock
        self.behaviour = behaviour
        self.lock = lock
        self.purchases: dict[str, Purchase] = {}
        self.tokens: dict[str, IssuedToken] = {}
        self.claims: dict[str, Claim] = {}
        self.claim_of_key: dict[str, str] = {}

    def now(self) -> datetime:
        """Return the present moment (UTC)."""
        return self.clock.now()

    def find(self, purchase_id: str) -> Purchase | None:
        """Return a purchase as it stands now."""
        purchase = self.purchases.get(purchase_id)
        if purchase is not None:
            purchase.pass_time(self.now(), self.behaviour)
        return purchase

    def all(self) -> Iterator[Purchase]:
        """Return all purchases as they stand now."""
        for purchase in self.purchases.values():
            purchase.pass_time(self.now(), self.behaviour)
            yield purchase


def new_id(kind: str) -> str:
    """Return a fresh id of 20 characters, as Yandex Cloud has them."""
    return (kind[:4] + secrets.token_hex(10))[:20]


def stamp(moment: datetime) -> str:
    """Write a timestamp with nine fraction digits, as some services do."""
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%f000Z")


def instance_message(purchase: Purchase) -> Message:
    """Write `licensemanager.v1.Instance`."""
    return {
        "id": purchase.license_instance_id,
        "cloudId": purchase.cloud_id,
        "folderId": purchase.folder_id,
        "templateId": purchase.template_id,
        "templateVersionId": f"{purchase.template_id}-v1",
        "startTime": stamp(purchase.bought),
        "endTime": stamp(purchase.end),
        "createdAt": stamp(purchase.bought),
        "updatedAt": stamp(purchase.updated or purchase.bought),
        "state": purchase.state,
        "locks": [lock_message(purchase, lock) for lock in purchase.locks if lock.state == "LOCKED"],
        "licenseTemplate": {
            "id": purchase.template_id,
            "versionId": f"{purchase.template_id}-v1",
            "name": purchase.template_id,
            "publisherId": purchase.seller,
            "productId": purchase.product_id,
            "tariffId": "tariff-emulated",
            "licenseSkuId": "sku-emulated",
            "period": "1m",
            "createdAt": stamp(purchase.bought),
            "updatedAt": stamp(purchase.bought),
            "state": "ACTIVE",
        },
        "description": "",
        "prolongation": purchase.prolongation,
    }


def lock_message(purchase: Purchase, lock: Lock, *, state: str | None = None) -> Message:
    """Write `licensemanager.v1.Lock`."""
    return {
        "id": lock.id,
        "instanceId": purchase.license_instance_id,
        "resourceId": lock.resource_id,
        "startTime": stamp(lock.start),
        "endTime": stamp(lock.end),
        "createdAt": stamp(lock.start),
        "updatedAt": stamp(lock.start),
        "state": state or lock.state,
        "templateId": purchase.template_id,
        "instanceProlongation": purchase.prolongation,
    }


def product_instance_message(purchase: Purchase) -> Message:
    """Write `pim.v1.saas.ProductInstance`."""
    return {
        "id": purchase.product_instance_id,
        "resourceId": purchase.resource_id or "",
        "resourceType": "SAAS",
        "resourceMetadata": {},
        "state": purchase.product_state,
        "createdAt": stamp(purchase.bought),
        "updatedAt": stamp(purchase.updated or purchase.bought),
    }


def operation_message(claim: Claim, behaviour: Behaviour) -> Message:
    """Write `operation.Operation`."""
    message: Message = {
        "id": claim.id,
        "description": "",
        "createdAt": stamp(claim.made),
        "createdBy": "service-account-emulated",
        "modifiedAt": stamp(claim.made),
        "done": claim.done,
        "metadata": _any(claim.metadata_type, claim.metadata, behaviour),
    }
    if claim.error is not None and (claim.done or behaviour.rollback_shown):
        message["error"] = claim.error
    elif claim.done and claim.purchase is not None:
        purchase = claim.purchase
        if claim.response == "product_instance":
            name, body = "yandex.cloud.marketplace.pim.v1.saas.ProductInstance", product_instance_message(purchase)
        else:
            name = "yandex.cloud.marketplace.licensemanager.v1.Lock"
            body = lock_message(purchase, purchase.lock) if purchase.lock else {}
        message["response"] = _any(name, body, behaviour)
    return message


def without_defaults(message: Message) -> Message:
    """Leave out what a writer of protobuf's JSON leaves out: empty, zero and false, at every depth."""
    return {
        name: without_defaults(value) if isinstance(value, dict) else value
        for name, value in message.items()
        if value not in ("", 0, [], {}, None)
    }


def _any(name: str, message: Message, behaviour: Behaviour) -> Message:
    return {"@type": f"type.googleapis.com/{name}", **message} if behaviour.print_type else message

"""Pure: the JSON of Yandex Cloud Marketplace -> our models. Errors are in `errors.py`.

Reading is tolerant, as the JSON form of protobuf asks for: camelCase or snake_case, default values printed or
left out, enums by name or number, 64-bit integers as text, timestamps with 0 to 9 fraction digits.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Literal

from pydantic import JsonValue

from crossmarket import tolerant
from crossmarket.models import Alias, Buyer, Facts, Operation, Reason, Status

Message = Mapping[str, JsonValue]

LONGEST_TOKEN = 1000
"""Most characters of a landing token."""

LONGEST_ID = 50
"""Most characters of an id."""

UNSPECIFIED = "STATE_UNSPECIFIED"
INSTANCE_STATES = (UNSPECIFIED, "PENDING", "ACTIVE", "CANCELLED", "EXPIRED", "DEPRECATED", "DELETED")
LOCK_STATES = (UNSPECIFIED, "UNLOCKED", "LOCKED", "DELETED")
PRODUCT_INSTANCE_STATES = (
    UNSPECIFIED,
    "ACTIVATED",
    "DEACTIVATED",
    "PENDING_ACTIVATION",
    "DEPRECATED",
    "DELETED",
)

_STANDING: Mapping[str, tuple[Status, Reason | None]] = {
    "PENDING": (Status.PENDING, None),
    "EXPIRED": (Status.ENDED, Reason.EXPIRED),
    "DELETED": (Status.ENDED, Reason.UNKNOWN),
}
"""Instance states that decide alone."""

_PRODUCT_STANDING: Mapping[str, tuple[Status, Reason | None]] = {
    "ACTIVATED": (Status.ACTIVE, None),
    "PENDING_ACTIVATION": (Status.PENDING, None),
    "DEACTIVATED": (Status.ENDED, Reason.UNKNOWN),
    "DELETED": (Status.ENDED, Reason.UNKNOWN),
}
"""The same for product instances without a subscription; the meaning of DEPRECATED is not documented."""


def value(message: Message, name: str) -> JsonValue:
    """Return the field of that protocol name (`lock_id`), in whichever spelling it came, or None."""
    first, *rest = name.split("_")
    camel = first + "".join(word.capitalize() for word in rest)
    found = message.get(camel)
    return message.get(name) if found is None else found


def text(message: Message, name: str) -> str | None:
    """Return a text field; None where it is empty, missing or something else. Numbers become text."""
    return tolerant.text(value(message, name))


def child(message: Message, name: str) -> Message:
    """Return a message field; empty where it is missing or something else."""
    return tolerant.mapping(value(message, name))


def moment(message: Message, name: str) -> datetime | None:
    """Return a timestamp field in UTC, cut to microseconds; None where it is missing or unreadable."""
    return tolerant.moment(value(message, name))


def state(message: Message, words: Sequence[str]) -> str:
    """Return the enum field `state` as a word; one that we do not know comes back as it is."""
    found = value(message, "state")
    if isinstance(found, int) and not isinstance(found, bool):
        return words[found] if 0 <= found < len(words) else str(found)
    return found if isinstance(found, str) and found else UNSPECIFIED


def hints(token: str) -> dict[str, str]:
    """Return what a landing token claims, unproven: nobody but the marketplace can verify it.

    Its form beyond the documented claims is unpublished. One that cannot be decoded is opaque and gives
    nothing; values that no id can have are left out.
    """
    import jwt  # noqa: PLC0415 - slow to import

    try:
        claims = jwt.decode(token, options={"verify_signature": False})
    except (jwt.PyJWTError, ValueError, RecursionError):
        return {}
    names = ("license_instance_id", "license_template_id", "product_instance_id")
    found = {name: text(claims, name) for name in names}
    found["exp"] = _seconds(claims.get("exp"))
    return {name: hint for name, hint in found.items() if hint and len(hint) <= LONGEST_ID}


def expiry(claimed: Mapping[str, str]) -> datetime | None:
    """Return the moment (UTC) in the hint `exp`; None where there is none that makes sense."""
    raw = claimed.get("exp", "")
    try:
        return datetime.fromtimestamp(int(raw), UTC) if raw.isdecimal() else None
    except (ValueError, OverflowError, OSError):
        return None


def operation(message: Message) -> Operation:
    """Return an operation of ours: a claim.

    An error may be there before `done` (while the marketplace rolls back) and is final. Done without an error
    is success, whether or not there is a response.
    """
    error = child(message, "error")
    status: Literal["pending", "succeeded", "failed"] = "pending"
    if error:
        status = "failed"
    elif value(message, "done") is True:
        status = "succeeded"
    return Operation(
        id=text(message, "id") or "",
        action="activate",
        status=status,
        requested_by="seller",
        message=text(error, "message"),
        code=text(error, "code"),
        provider_state=dict(message),
    )


def claimed_ids(message: Message) -> dict[str, str]:
    """Return the ids that the operation of a claim tells, `@type` or not.

    The ids of a claim stand in its metadata; the response is the product instance (Claim) or the lock (Ensure).
    """
    metadata = child(message, "metadata")
    response = child(message, "response")
    names = ("product_id", "product_instance_id", "license_instance_id", "lock_id")
    found = {name: text(metadata, name) for name in names}
    found["license_instance_id"] = found["license_instance_id"] or text(response, "instance_id")
    return {name: each for name, each in found.items() if each}


def claimed_for(message: Message, resource_id: str) -> bool:
    """Whether the operation of a claim does not say that it was for another resource."""
    return _agrees(child(message, "response"), "resource_id", resource_id)


def locked(lock: Message | None, *, resource_id: str | None = None, instance_id: str | None = None) -> bool:
    """Whether a lock is locked, and does not say that it is of another resource or subscription."""
    if lock is None or state(lock, LOCK_STATES) != "LOCKED":
        return False
    return _agrees(lock, "resource_id", resource_id) and _agrees(lock, "instance_id", instance_id)


def aliases(ids: Mapping[str, str]) -> tuple[Alias, ...]:
    """Return the ids by which a subscription can be found again.

    A product instance can get another subscription later, so it is exact only where there is none behind it.
    """
    kinds = {"instance": "license_instance_id", "lock": "lock_id", "product_instance": "product_instance_id"}
    return tuple(
        Alias(kind=kind, value=ids[name], exact=kind != "product_instance" or "license_instance_id" not in ids)
        for kind, name in kinds.items()
        if ids.get(name)
    )


def held_elsewhere(instance: Message, resource_id: str) -> bool:
    """Whether the subscription shows a lock of another resource."""
    locks = value(instance, "locks")
    return any(
        isinstance(lock, dict) and locked(lock) and text(lock, "resource_id") not in {None, resource_id}
        for lock in (locks if isinstance(locks, list) else ())
    )


def product_of(instance: Message) -> str | None:
    """Return the product that a subscription is of, where its template tells."""
    return text(child(instance, "license_template"), "product_id")


def ended_by_date(instance: Message, now: datetime) -> bool:
    """Whether the subscription's end has passed."""
    end = moment(instance, "end_time")
    return end is not None and end <= now


def facts_of_instance(
    known: Mapping[str, str],
    instance: Message,
    lock: Message | None,
    *,
    now: datetime,
    just_claimed: bool = False,
) -> Facts:
    """Build the facts of a subscription.

    Args:
        known: Marketplace ids known so far; those that the answers do not repeat stay.
        instance: The subscription (`licensemanager.v1.Instance`).
        lock: Its lock with our resource; None where there is none.
        now: When both were read (UTC).
        just_claimed: The marketplace has just said that the link is made; a lock that cannot be seen yet then
            means pending, not unlinked.
    """
    template = child(instance, "license_template")
    ids = _merged(
        known,
        license_instance_id=text(instance, "id"),
        lock_id=text(lock or {}, "id"),
        product_id=text(template, "product_id"),
        template_id=text(instance, "template_id") or text(lock or {}, "template_id"),
        folder_id=text(instance, "folder_id"),
        cloud_id=text(instance, "cloud_id"),
    )
    status, reason = _standing(instance, lock, ids.get("resource_id"), now)
    if just_claimed and reason is Reason.UNLINKED:
        status, reason = Status.PENDING, None
    word = state(instance, INSTANCE_STATES)
    ends_at = moment(instance, "end_time")
    if status is Status.ACTIVE and ended_by_date(instance, now):
        ends_at = moment(lock or {}, "end_time")
    renews = value(instance, "prolongation")
    return Facts(
        status=status,
        reason=reason,
        will_renew=False
        if renews is None or word == "CANCELLED" or status is Status.ENDED
        else (renews if isinstance(renews, bool) else None),
        cancels_at=ends_at if word == "CANCELLED" else None,
        starts_at=moment(instance, "start_time"),
        ends_at=ends_at,
        term=text(template, "period"),
        product=ids.get("product_id"),
        plan=ids.get("template_id"),
        marketplace_ids=ids,
        aliases=aliases(ids),
        buyer=_buyer(ids),
        provider_state=_verbatim(instance=instance, lock=lock),
    )


def facts_of_product_instance(known: Mapping[str, str], product_instance: Message) -> Facts:
    """Build the facts of a product that is sold without a subscription behind it: there is no end and no plan."""
    ids = _merged(known, product_instance_id=text(product_instance, "id"))
    status, reason = _PRODUCT_STANDING.get(state(product_instance, PRODUCT_INSTANCE_STATES), (Status.UNKNOWN, None))
    return Facts(
        status=status,
        reason=reason,
        product=ids.get("product_id"),
        marketplace_ids=ids,
        aliases=aliases(ids),
        provider_state=_verbatim(product_instance=product_instance),
    )


def buyer(message: Message, cloud_id: str | None) -> Buyer:
    """Return what `GetUserInfo` tells: name, INN and KPP of a Russian legal person, of others nothing."""
    details = {name: text(message, name) for name in ("inn", "kpp")}
    return Buyer(
        id=cloud_id,
        name=text(message, "name"),
        details={name: each for name, each in details.items() if each},
    )


def _standing(
    instance: Message, lock: Message | None, resource_id: str | None, now: datetime
) -> tuple[Status, Reason | None]:
    word = state(instance, INSTANCE_STATES)
    if word not in {"ACTIVE", "CANCELLED", "DEPRECATED"}:
        return _STANDING.get(word, (Status.UNKNOWN, None))
    linked = locked(lock, resource_id=resource_id, instance_id=text(instance, "id"))
    lock_end = moment(lock, "end_time") if lock is not None and linked else None
    if ended_by_date(instance, now) and (lock_end is None or lock_end <= now):
        return Status.ENDED, Reason.EXPIRED
    if not linked:
        known = lock is None or state(lock, LOCK_STATES) in LOCK_STATES[1:]
        return (Status.SUSPENDED, Reason.UNLINKED) if known else (Status.UNKNOWN, None)
    if word == "DEPRECATED" and moment(instance, "end_time") is None:
        return Status.UNKNOWN, None
    return Status.ACTIVE, Reason.CUSTOMER_CANCELLED if word == "CANCELLED" else None


def _seconds(found: JsonValue) -> str | None:
    """Return a NumericDate of a token, which may have a fraction, as whole seconds."""
    if isinstance(found, bool) or not isinstance(found, int | float):
        return None
    return str(int(found)) if math.isfinite(found) else None


def _agrees(message: Message, name: str, expected: str | None) -> bool:
    found = text(message, name)
    return expected is None or found is None or found == expected


def _merged(known: Mapping[str, str], **fresh: str | None) -> dict[str, str]:
    return {**known, **{name: each for name, each in fresh.items() if each}}


def _buyer(ids: Mapping[str, str]) -> Buyer | None:
    if "cloud_id" not in ids:
        return None
    return Buyer(id=ids["cloud_id"], details={"folder_id": ids["folder_id"]} if ids.get("folder_id") else {})


def _verbatim(**messages: Message | None) -> dict[str, JsonValue]:
    return {name: dict(message) for name, message in messages.items() if message is not None}

"""Pure: Microsoft's JSON to our models, for both generations of the API.

Unknown words, extra and missing fields never raise (see `values`); the object stays whole in `provider_state`.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Literal
from urllib.parse import unquote, urlsplit

from pydantic import JsonValue

from crossmarket.models import Alias, Buyer, Facts, Operation, Plan, Reason, Status
from crossmarket.tolerant import flag, moment, objects, text, whole
from crossmarket_azure.values import day_after, tidy

SUBSCRIPTION = "subscription"
"""The name of the subscription's GUID among `marketplace_ids`, and its kind among aliases."""

QUANTITY = "quantity"

SUSPENSION = timedelta(days=30)
"""How long Microsoft keeps a subscription suspended at the most before it unsubscribes it."""

STATUSES = {
    "pendingfulfillmentstart": Status.PENDING,
    "notstarted": Status.PENDING,
    "pending": Status.PENDING,
    "subscribed": Status.ACTIVE,
    "suspended": Status.SUSPENDED,
    # 2017-04-15: the customer's Azure subscription is disabled; no access, but it can come back.
    "deactivated": Status.SUSPENDED,
    "unsubscribed": Status.ENDED,
}

ACTIONS = {
    "subscribe": "activate",
    "activate": "activate",
    "changeplan": "change_plan",
    "update": "change_plan",
    "changequantity": "change_quantity",
    "unsubscribe": "cancel",
    "delete": "cancel",
    "suspend": "suspend",
    "reinstate": "reinstate",
    "renew": "renew",
}

OUTCOMES: dict[str, Literal["pending", "succeeded", "failed"]] = {
    "succeeded": "succeeded",
    "succeed": "succeeded",
    "success": "succeeded",
    "failed": "failed",
    "failure": "failed",
    "conflict": "failed",
}


def parse_facts(raw: JsonValue, *, now: datetime, known: Facts | None = None) -> Facts:
    """Turn a subscription object, of either generation, into facts.

    Args:
        raw: The object, or None where there is none.
        now: The present moment (UTC), against which the end of the term is held.
        known: What was known before: ids, offer, plan, buyer and private offer that the object leaves out are
            taken from it, and it tells since when payment is in trouble and why a subscription has ended.
    """
    told = tidy(raw)
    term = tidy(told.get("term"))
    status = STATUSES.get((text(told.get("saassubscriptionstatus")) or "").lower(), Status.UNKNOWN)
    starts_at, ends_at = moment(term.get("startdate")), day_after(term.get("enddate"))
    # Subscribed is running, whatever the date: it may be the buyer's, east of us, or of a term renewed in advance.
    early = status is Status.ACTIVE and starts_at is not None and starts_at > now
    will_renew = False if status is Status.ENDED else flag(told.get("autorenew"))
    quantity = whole(told.get("quantity"))
    trouble = _trouble(status, now=now, known=known)
    ids = _ids(told, known)
    offer = text(told.get("offerid")) or (known.product if known is not None else None)
    return Facts(
        status=status,
        reason=_reason(status, ends_at, now=now, known=known),
        will_renew=will_renew,
        cancels_at=ends_at if will_renew is False and status is not Status.ENDED else None,
        starts_at=None if early else starts_at,
        ends_at=ends_at,
        term=text(term.get("termunit")),
        trial=flag(told.get("isfreetrial")) or False,
        billing_issue_since=trouble,
        grace_until=trouble + SUSPENSION if trouble is not None else None,
        product=offer,
        plan=text(told.get("planid")) or (known.plan if known is not None else None),
        quantities={QUANTITY: quantity} if quantity is not None else {},
        offer=known.offer if known is not None else None,
        marketplace_ids=ids,
        aliases=(Alias(kind=SUBSCRIPTION, value=ids[SUBSCRIPTION]),) if SUBSCRIPTION in ids else (),
        buyer=parse_buyer(told) or (known.buyer if known is not None else None),
        sandbox=_sandbox(told, offer),
        provider_state=raw if isinstance(raw, dict) else {},
    )


def parse_resolved(raw: JsonValue, *, now: datetime) -> Facts:
    """Turn an answer of Resolve into facts.

    The nested `subscription` is the truth where it is there; the flat fields beside it fill what it leaves out.
    Without it (2017-04-15) no status is told, so that the facts say `unknown` and must be read.
    """
    told = tidy(raw)
    nested = told.get("subscription")
    inner: dict[str, JsonValue] = dict(nested) if isinstance(nested, dict) else {}
    there = tidy(inner)
    for key, name in (("id", "id"), ("offerid", "offerId"), ("planid", "planId"), (QUANTITY, QUANTITY)):
        if there.get(key) in (None, "") and told.get(key) not in (None, ""):
            inner = {k: v for k, v in inner.items() if k.strip().lower() != key} | {name: told[key]}
    return parse_facts(inner, now=now)


def parse_buyer(told: dict[str, JsonValue]) -> Buyer | None:
    """Return who bought: the beneficiary, who uses it, with the purchaser, who pays, among the details."""
    beneficiary, purchaser = tidy(told.get("beneficiary")), tidy(told.get("purchaser"))
    details = {
        f"{role}.{name}": word
        for role, person, names in (
            ("beneficiary", beneficiary, ("puid",)),
            ("purchaser", purchaser, ("tenantId", "objectId", "emailId", "puid")),
        )
        for name in names
        if (word := text(person.get(name.lower()))) is not None
    }
    buyer = Buyer(
        id=text(beneficiary.get("tenantid")),
        user=text(beneficiary.get("objectid")),
        email=text(beneficiary.get("emailid")),
        details=details,
    )
    return buyer if buyer != Buyer() else None


def parse_subscriptions(body: JsonValue) -> list[dict[str, JsonValue]]:
    """Return the objects of one page: `{"subscriptions": []}`, a bare array, a bare object, or nothing."""
    if isinstance(body, dict):
        listed = tidy(body).get("subscriptions")
        if listed is None:
            return [body] if "id" in tidy(body) else []
        return objects(listed)
    return objects(body)


def parse_next_link(body: JsonValue) -> str | None:
    """Return the link to the next page; None where this page is the last one, however short pages are."""
    return text(tidy(body).get("@nextlink"))


def continuation_token(link: str) -> str | None:
    """Return the continuation token of a link, decoded once; None where it has none.

    Only the query is looked at: the host of the link is another one (and in Microsoft's own sample malformed).
    """
    for pair in link.partition("?")[2].partition("#")[0].split("&"):
        name, _, value = pair.partition("=")
        if name.strip().lower() == "continuationtoken" and value:
            return unquote(value)
    return None


def parse_plans(body: JsonValue) -> list[Plan]:
    """Return the plans of an answer; what has no id is left out."""
    listed = tidy(body).get("plans") if isinstance(body, dict) else body
    plans = []
    for raw in objects(listed):
        told = tidy(raw)
        identity = text(told.get("planid"))
        if identity is not None:
            plans.append(
                Plan(
                    id=identity,
                    name=text(told.get("displayname")),
                    private=flag(told.get("isprivate")) or False,
                    minimum=whole(told.get("minquantity")),
                    maximum=whole(told.get("maxquantity")),
                    provider_state=raw,
                )
            )
    return plans


def parse_private_offer(body: JsonValue) -> str | None:
    """Return the id of the private offer behind a plan; told only where the plan was asked for by its id."""
    for plan in parse_plans(body):
        for source in objects(tidy(plan.provider_state).get("sourceoffers")):
            offer = text(tidy(source).get("externalid"))
            if offer is not None:
                return offer
    return None


def parse_operation(raw: JsonValue, *, operation_id: str = "", action: str = "unknown") -> Operation:
    """Turn an operation object, of either generation, into an operation.

    Args:
        raw: The object.
        operation_id: Its id, where the object leaves it out.
        action: What it does, where the object leaves it out (2017-04-15 does).
    """
    told = tidy(raw)
    word = (text(told.get("action")) or "").lower()
    # 2017-04-15 writes "In Progress", with a blank.
    status = (text(told.get("status")) or "").lower().replace(" ", "")
    source = (text(told.get("operationrequestsource")) or text(told.get("operationrequestedsource")) or "").lower()
    return Operation(
        id=text(told.get("id")) or operation_id,
        action=ACTIONS.get(word, word) or action,
        status=OUTCOMES.get(status, "pending"),
        plan=text(told.get("planid")),
        quantity=whole(told.get("quantity")),
        requested_by="seller" if source == "partner" else "buyer" if source == "azure" else None,
        message=text(told.get("errormessage")),
        code=text(told.get("errorstatuscode")),
        provider_state=raw if isinstance(raw, dict) else {},
    )


def parse_operations(body: JsonValue) -> list[Operation]:
    """Return the operations of an answer: `{"operations": []}`, a bare array, or nothing."""
    listed = tidy(body).get("operations") if isinstance(body, dict) else body
    return [parse_operation(raw) for raw in objects(listed)]


def accepted_operation_id(headers: dict[str, str]) -> str:
    """Return the id of the operation that a 202 has started, from headers with lower-case names.

    The host of `operation-location` is another one and is never called: only the last part of its path counts.
    Where both headers are missing, `x-ms-requestid` equals the id if the request had none. Empty if all are.
    """
    try:
        path = urlsplit(headers.get("operation-location", "").strip()).path
    except ValueError:  # brackets that enclose no address
        path = ""
    return (
        headers.get("operation-id", "").strip()
        or unquote(path.rstrip("/").rpartition("/")[2])
        or headers.get("x-ms-requestid", "").strip()
    )


def _ids(told: dict[str, JsonValue], known: Facts | None) -> dict[str, str]:
    new = {SUBSCRIPTION: text(told.get("id")), "tenant": text(tidy(told.get("beneficiary")).get("tenantid"))}
    old = dict(known.marketplace_ids) if known is not None else {}
    return old | {name: value for name, value in new.items() if value is not None}


def _trouble(status: Status, *, now: datetime, known: Facts | None) -> datetime | None:
    """Return since when payment is in trouble: Microsoft does not tell, so from the first read that shows it."""
    if known is None or status is not Status.SUSPENDED:
        return None
    return known.billing_issue_since or (now if known.status is Status.ACTIVE else None)


def _reason(status: Status, ends_at: datetime | None, *, now: datetime, known: Facts | None) -> Reason | None:
    """Return why, as far as it can be known: the object itself tells no reason.

    An end is a guess for nobody: without anything that was known before, or in the middle of a term, it may be
    the customer's, our own or the marketplace's, so that None is returned.
    """
    if status is Status.SUSPENDED:
        return Reason.PAYMENT_FAILED
    if status is not Status.ENDED or known is None:
        return None
    if known.status is Status.ENDED:
        return known.reason
    if known.status is Status.SUSPENDED:
        over = known.grace_until is not None and known.grace_until <= now
        return Reason.MARKETPLACE_CANCELLED if over else Reason.PAYMENT_FAILED
    if ends_at is not None and ends_at <= now:
        return Reason.EXPIRED
    return None


def _sandbox(told: dict[str, JsonValue], offer: str | None) -> bool:
    words = {(text(told.get(name)) or "none").lower() for name in ("sessionmode", "sandboxtype")}
    return flag(told.get("istest")) is True or words != {"none"} or (offer or "").lower().endswith("-preview")

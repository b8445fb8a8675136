"""The part of the emulator that stands for the SaaS fulfilment API; the query's `api-version` picks the generation."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import timedelta
from typing import TYPE_CHECKING, Any, Literal
from urllib.parse import quote
from uuid import uuid4

from starlette.responses import HTMLResponse, JSONResponse, PlainTextResponse, Response
from starlette.routing import BaseRoute, Route

from crossmarket_azure.config import RESOURCES, V1, V2
from crossmarket_azure.emulator_state import (
    PENDING,
    SUBSCRIBED,
    UNSUBSCRIBED,
    EmulatedOperation,
    EmulatedPlan,
    Purchase,
)

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from pydantic import JsonValue
    from starlette.requests import Request

    from crossmarket_azure.emulator import AzureEmulator

FOREIGN_HOST = "https://main.prod.marketplaceapi.azure.com/api"
"""Where Microsoft's own links point: never the host that was called."""

ROOT = "/api/saas/subscriptions"


@dataclass(frozen=True, slots=True)
class Call:
    """One authenticated call."""

    path: Mapping[str, str]
    query: Mapping[str, str]
    headers: Mapping[str, str] = field(repr=False)
    body: bytes = field(repr=False)
    version: str

    @property
    def json(self) -> JsonValue:
        """The body as JSON; None where it is empty, or is not JSON."""
        try:
            value: JsonValue = json.loads(self.body)
        except ValueError:
            return None
        return value


Handler = Callable[[Call], Response]


def refuse(status: int, code: str, message: str, *, headers: Mapping[str, str] | None = None) -> Response:
    """Answer a refusal. Microsoft's bodies have many forms; each status here has one of those that were seen."""
    problem = {"message": message, "target": "request", "code": code}
    response: Response
    match status:
        case 401:
            response = Response()
        case 404:
            response = JSONResponse(message)
        case 409:
            response = JSONResponse({"code": code, "message": message})
        case 412:
            response = PlainTextResponse(message)
        case 502 | 503 | 504:
            response = HTMLResponse(f"<html><body><h1>{status} Service Unavailable</h1></body></html>")
        case 400:
            response = JSONResponse({**problem, "details": [problem]})
        case _:
            response = JSONResponse({"error": {"code": code, "message": message}})
    response.status_code = status
    response.headers.update(headers or {})
    return response


class FulfilmentApi:
    """Handlers of both generations, over the state of an emulator."""

    def __init__(self, emulator: AzureEmulator) -> None:
        self._emulator = emulator

    def routes(self) -> Sequence[BaseRoute]:
        """Return the routes."""
        one = ROOT + "/{id}"
        handlers: list[tuple[str, str, dict[str, Handler]]] = [
            ("POST", f"{ROOT}/resolve", {V1: self._resolve, V2: self._resolve}),
            ("GET", ROOT, {V1: self._list_v1, V2: self._list}),
            ("GET", f"{ROOT}/", {V1: self._list_v1, V2: self._list}),
            ("GET", one, {V1: self._get, V2: self._get}),
            ("PUT", one, {V1: self._subscribe}),
            ("PATCH", one, {V1: self._change, V2: self._change}),
            ("DELETE", one, {V1: self._delete, V2: self._delete}),
            ("POST", f"{one}/activate", {V2: self._activate}),
            ("GET", f"{one}/listAvailablePlans", {V2: self._plans}),
            ("GET", f"{one}/operations", {V2: self._operations}),
            ("GET", f"{one}/operations/{{operation}}", {V2: self._operation}),
            ("PATCH", f"{one}/operations/{{operation}}", {V2: self._acknowledge}),
            ("GET", "/api/saas/operations/{operation}", {V1: self._operation_v1}),
        ]
        return [Route(path, self._endpoint(by_version), methods=[verb]) for verb, path, by_version in handlers]

    def _endpoint(self, by_version: Mapping[str, Handler]) -> Callable[[Request], Any]:
        async def endpoint(request: Request) -> Response:
            body = await request.body()
            version = request.query_params.get("api-version", "")
            call = Call(request.path_params, request.query_params, request.headers, body, version)
            with self._emulator.lock:
                self._emulator.move_on()
                response = self._authenticated(call) or _versioned(by_version, call) or by_version[version](call)
            for name in ("x-ms-requestid", "x-ms-correlationid", "x-ms-activityid"):
                response.headers.setdefault(name, request.headers.get(name) or str(uuid4()))
            response.headers["mise-correlation-id"] = str(uuid4())
            return response

        return endpoint

    def _authenticated(self, call: Call) -> Response | None:
        scheme, _, bearer = call.headers.get("authorization", "").partition(" ")
        token = self._emulator.entra.issued.get(bearer) if scheme.lower() == "bearer" else None
        if token is None:
            return refuse(403, "Forbidden", "The token is invalid, expired, or was issued for a different app id.")
        if self._emulator.clock.now() >= token.expires_at:
            return refuse(401, "Unauthorized", "")
        # The second generation also takes tokens for the first one's resource; not the other way round.
        if token.resource not in {RESOURCES[V1], RESOURCES.get(call.version, RESOURCES[V2])}:
            return refuse(403, "Forbidden", "The token was issued for a different resource.")
        return None

    def _find(self, call: Call) -> Purchase | None:
        return self._emulator.sold.get(call.path["id"])

    def _resolve(self, call: Call) -> Response:
        token = call.headers.get("x-ms-marketplace-token", "")
        minted = self._emulator.tokens.get(token)
        life = timedelta(hours=1) if call.version == V1 else timedelta(hours=24)
        if minted is None or self._emulator.clock.now() >= minted.at + life:
            return refuse(400, "BadArgument", f"The token is missing, malformed or expired: {token}")
        if minted.foreign:
            return refuse(
                403, "Forbidden", "The purchase does not belong to the publisher, or the app id is different."
            )
        purchase = self._emulator.sold[minted.purchase]
        flat: dict[str, JsonValue] = {
            "id": purchase.id,
            "subscriptionName": purchase.name,
            "offerId": purchase.offer,
            "planId": purchase.plan,
        }
        if call.version == V1:
            return JSONResponse(flat)
        if purchase.quantity is not None:
            flat["quantity"] = purchase.quantity
        return JSONResponse({**flat, "subscription": purchase.wire()})

    def _get(self, call: Call) -> Response:
        purchase = self._find(call)
        if purchase is None:
            return refuse(404, "NotFound", "The subscription is not found.")
        body = purchase.wire_v1() if call.version == V1 else purchase.wire()
        return JSONResponse(body, headers={"ETag": purchase.etag})

    def _list(self, call: Call) -> Response:
        sold = list(self._emulator.sold.values())
        place = 0
        token = call.query.get("continuationToken")
        if token is not None:
            try:
                place = int(json.loads(token)[0]["range"]["min"], 16)
            except (ValueError, TypeError, LookupError):
                return refuse(400, "BadArgument", "The continuation token is not valid.")
        following = place + self._emulator.page_length()
        page: dict[str, JsonValue] = {"subscriptions": [purchase.wire() for purchase in sold[place:following]]}
        if following < len(sold):
            mark = json.dumps([{"token": None, "range": {"min": f"{following:06X}", "max": "FF"}}])
            page["@nextLink"] = (
                f"{FOREIGN_HOST}/saas/subscriptions/?continuationToken={quote(mark, safe='')}&api-version={V2}"
            )
        return JSONResponse(page)

    def _list_v1(self, _: Call) -> Response:
        sold = [purchase.wire_v1() for purchase in self._emulator.sold.values()]
        return JSONResponse(sold[0] if len(sold) == 1 else sold)

    def _plans(self, call: Call) -> Response:
        purchase = self._find(call)
        if purchase is None:
            return refuse(404, "NotFound", "The subscription is not found.")
        if purchase.status == UNSUBSCRIBED:
            return refuse(403, "Forbidden", "The plans of an unsubscribed subscription cannot be listed.")
        wanted = call.query.get("planId")
        plans = [plan for plan in self._emulator.plans_of(purchase.offer).values() if wanted in {None, plan.id}]
        return JSONResponse({"plans": [_wire_plan(plan, purchase, named=wanted is not None) for plan in plans]})

    def _activate(self, call: Call) -> Response:
        purchase = self._find(call)
        if purchase is None or purchase.status == UNSUBSCRIBED:
            return refuse(404, "NotFound", "The subscription is not found, or is unsubscribed.")
        if call.body.strip() and not isinstance(call.json, dict):
            return refuse(400, "BadArgument", "The body is not a JSON object.")
        if purchase.status != PENDING:
            return refuse(400, "BadArgument", f"The subscription is {purchase.status} and cannot be activated.")
        self._emulator.activate(purchase)
        return Response(status_code=200)

    def _subscribe(self, call: Call) -> Response:
        purchase = self._find(call)
        if purchase is None or purchase.status == UNSUBSCRIBED:
            return refuse(404, "NotFound", "The subscription is not found.")
        refusal = _precondition(call, purchase) or _locked(purchase, 409)
        if refusal is not None:
            return refusal
        body = call.json
        if not isinstance(body, dict) or body.get("planId") != purchase.plan or purchase.status != PENDING:
            return refuse(400, "BadArgument", "The plan is not the one that was bought, or the status does not fit.")
        if call.headers.get("x-ms-marketplace-session-mode", "").lower() == "dryrun":
            purchase.session_mode = "DryRun"
        self._emulator.activate(purchase)
        return self._accepted(call, purchase, self._emulator.open_operation(purchase, "Subscribe"))

    def _change(self, call: Call) -> Response:
        purchase = self._find(call)
        if purchase is None:
            return refuse(404, "NotFound", "The subscription is not found.")
        body = call.json if isinstance(call.json, dict) else {}
        refusal = (
            _precondition(call, purchase)
            or _locked(purchase, 409 if call.version == V1 else 400)
            or self._unfit(call, purchase, body)
        )
        if refusal is not None:
            return refusal
        plan, quantity = body.get("planId"), body.get("quantity")
        action: Literal["ChangePlan", "ChangeQuantity"] = "ChangePlan" if plan is not None else "ChangeQuantity"
        operation = self._emulator.open_operation(
            purchase,
            action,
            plan=plan if isinstance(plan, str) else None,
            quantity=quantity if isinstance(quantity, int) else None,
        )
        return self._accepted(call, purchase, operation)

    def _unfit(self, call: Call, purchase: Purchase, body: Mapping[str, JsonValue]) -> Response | None:
        """Check a change against the subscription; None where it fits."""
        plan, quantity = body.get("planId"), body.get("quantity")
        plans = self._emulator.plans_of(purchase.offer)
        own = plans[purchase.plan]
        problem = None
        if (plan is None) == (quantity is None) or (quantity is not None and call.version == V1):
            problem = "Exactly one of planId and quantity must be given."
        elif purchase.status != SUBSCRIBED:
            problem = f"The subscription is {purchase.status}."
        elif "Update" not in purchase.allowed:
            problem = "Update is not in allowedCustomerOperations."
        elif plan is not None and (plan not in plans or plan == purchase.plan):
            problem = "The plan is unknown or unchanged."
        elif quantity is not None and (
            not isinstance(quantity, int)
            or not own.seats
            or quantity == purchase.quantity
            or not own.minimum <= quantity <= own.maximum
        ):
            problem = "The quantity is unchanged, out of range, or the plan has none."
        return refuse(400, "BadArgument", problem) if problem else None

    def _delete(self, call: Call) -> Response:
        purchase = self._find(call)
        if purchase is None:
            return refuse(404, "NotFound", "The subscription is not found.")
        if "Delete" not in purchase.allowed:
            return refuse(400, "BadArgument", "Delete is not in allowedCustomerOperations.")
        refusal = _locked(purchase, 400)
        if refusal is not None:
            return refusal
        return self._accepted(call, purchase, self._emulator.open_operation(purchase, "Unsubscribe"))

    def _accepted(self, call: Call, purchase: Purchase, operation: EmulatedOperation) -> Response:
        place = f"operations/{operation.id}"
        if call.version == V2:
            place = f"subscriptions/{purchase.id}/{place}"
        headers = {
            "Operation-Location": f"{FOREIGN_HOST}/saas/{place}?api-version={call.version}",
            "Retry-After": "10",
        }
        if call.version == V2:
            headers["Operation-Id"] = operation.id
        if "x-ms-requestid" not in call.headers:
            headers["x-ms-requestid"] = operation.id
        return Response(status_code=202, headers=headers)

    def _operations(self, call: Call) -> Response:
        purchase = self._find(call)
        if purchase is None:
            # Documented is 404; the live service answers 200 with nothing in it.
            return JSONResponse({})
        running = [purchase.wire_operation(operation) for operation in purchase.operations if operation.running]
        return JSONResponse({"operations": running})

    def _operation(self, call: Call) -> Response:
        purchase = self._find(call)
        operation = purchase.operation(call.path["operation"]) if purchase is not None else None
        if purchase is None or operation is None:
            return refuse(400, "BadArgument", "The operation is not found.")
        response = JSONResponse(purchase.wire_operation(operation))
        _advance(purchase, operation)
        return response

    def _operation_v1(self, call: Call) -> Response:
        for purchase in self._emulator.sold.values():
            operation = purchase.operation(call.path["operation"])
            if operation is not None:
                location = f"{FOREIGN_HOST}/saas/subscriptions/{purchase.id}"
                response = JSONResponse(purchase.wire_operation_v1(operation, location), headers={"Retry-After": "10"})
                _advance(purchase, operation)
                return response
        return refuse(404, "NotFound", "The operation is not found.")

    def _acknowledge(self, call: Call) -> Response:
        purchase = self._find(call)
        operation = purchase.operation(call.path["operation"]) if purchase is not None else None
        if purchase is None or operation is None:
            return refuse(400, "BadArgument", "The operation is not found.")
        if operation.source == "Partner":
            return refuse(500, "InternalServerError", "An unexpected error has happened.")
        if not operation.running:
            return refuse(409, "Conflict", "The operation has been fulfilled already.")
        body = call.json
        # The live service does not check the word: all but Failure accepts.
        if isinstance(body, dict) and body.get("status") == "Failure":
            operation.status = "Failed"
        else:
            purchase.finish(operation)
        return Response(status_code=200)


def _versioned(by_version: Mapping[str, Handler], call: Call) -> Response | None:
    if call.version in by_version:
        return None
    if call.version in {V1, V2}:
        return refuse(404, "NotFound", "The resource is not found.")
    code = "UnsupportedApiVersion" if call.version else "ApiVersionUnspecified"
    error = {"Code": code, "Message": "An api-version that is supported must be given."}
    return JSONResponse({"Error": error}, status_code=400)


def _precondition(call: Call, purchase: Purchase) -> Response | None:
    match = call.headers.get("if-match")
    if match is not None and match not in {"*", purchase.etag}:
        return refuse(412, "PreconditionFailed", "The subscription has been changed.")
    return None


def _locked(purchase: Purchase, status: int) -> Response | None:
    if purchase.running() is None:
        return None
    return refuse(status, "OperationInProgress", "The subscription is locked by a pending operation.")


def _advance(purchase: Purchase, operation: EmulatedOperation) -> None:
    """Let a read bring our own operation nearer to its end."""
    if not operation.running or operation.source == "Azure":
        return
    operation.reads_left -= 1
    if operation.reads_left > 0:
        operation.status = "InProgress"
    else:
        purchase.finish(operation)


def _wire_plan(plan: EmulatedPlan, purchase: Purchase, *, named: bool) -> dict[str, JsonValue]:
    private = named and plan.id == purchase.plan and purchase.private_offer is not None
    return {
        "planId": plan.id,
        "displayName": plan.id.title(),
        "isPrivate": plan.private,
        "description": f"The plan {plan.id}.",
        **({"minQuantity": plan.minimum, "maxQuantity": plan.maximum} if plan.seats else {}),
        "hasFreeTrials": True,
        "isPricePerSeat": plan.seats,
        "isStopSell": False,
        "market": "US",
        "planComponents": {
            "recurrentBillingTerms": [
                {"currency": "USD", "price": 12.5, "termUnit": "P1M", "termDescription": "One month"}
            ],
            "meteringDimensions": [],
        },
        **({"sourceOffers": [{"externalId": purchase.private_offer}]} if private else {}),
    }

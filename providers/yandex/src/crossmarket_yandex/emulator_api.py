"""The API side of the emulator: requests in, answers out, checked as strictly as the real one is known to be."""

from __future__ import annotations

import secrets
import uuid
from typing import TYPE_CHECKING, Any

from starlette.responses import JSONResponse, Response
from starlette.routing import BaseRoute, Route

from crossmarket_yandex import emulator_state as shapes
from crossmarket_yandex.emulator_auth import Issuers, RefusedError
from crossmarket_yandex.emulator_state import SELLER, Claim, Message, Purchase, Shop, new_id
from crossmarket_yandex.errors import RULES

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from starlette.requests import Request

LONGEST_TOKEN = 1000
PIM = "yandex.cloud.marketplace.pim.v1.saas"
LICENSES = "yandex.cloud.marketplace.licensemanager.saas.v1"


class Refusal(Exception):  # noqa: N818 - an answer of the API, not an error of ours
    """A call is refused with this gRPC code and text."""

    def __init__(self, code: int, text: str) -> None:
        super().__init__(text)
        self.code = code
        self.text = text


class Api:
    """The five services on one address; no two of them have a path in common.

    Args:
        shop: What the marketplace knows.
        issuers: Who issues and knows IAM tokens.
    """

    def __init__(self, shop: Shop, issuers: Issuers) -> None:
        self._shop = shop
        self._issuers = issuers

    def routes(self) -> Sequence[BaseRoute]:
        """Return the routes of all five services."""
        licenses, pim = "/marketplace/license-manager/saas/v1", "/marketplace/pim/saas/v1"
        served: list[tuple[str, str, Callable[[Request, Message], Message]]] = [
            ("POST", f"{pim}/instances/claim", self._claim),
            ("GET", f"{pim}/instances/{{product_instance_id}}", self._get_product_instance),
            ("GET", f"{licenses}/instances/{{instance_id}}", self._get_instance),
            ("GET", f"{licenses}/instances/{{instance_id}}/user_info", self._get_user_info),
            ("GET", f"{licenses}/locks:getByResourceID", self._get_lock_by_resource),
            ("POST", f"{licenses}/locks/ensure", self._ensure),
            ("GET", f"{licenses}/locks/{{lock_id}}", self._get_lock),
            ("GET", "/operations/{operation_id}", self._get_operation),
        ]
        return [
            *(Route(path, self._served(handler), methods=[verb]) for verb, path, handler in served),
            Route("/iam/v1/tokens", self._create_token, methods=["POST"]),
            Route("/computeMetadata/v1/instance/service-accounts/default/token", self._metadata_token),
            Route("/oauth/token", self._federation_token, methods=["POST"]),
        ]

    def _served(self, handler: Callable[[Request, Message], Message]) -> Callable[[Request], Any]:
        async def serve(request: Request) -> Response:
            body = await request.body()
            headers = _trace_headers()
            if self._shop.behaviour.poll_interval is not None:
                headers["x-operation-poll-interval"] = str(self._shop.behaviour.poll_interval)
            try:
                self._authorize(request)
                message = await _json(request) if body else {}
                with self._shop.lock:
                    answer = handler(request, message)
            except Refusal as refusal:
                return status_response(refusal.code, refusal.text, headers=headers)
            kept = answer if self._shop.behaviour.print_defaults else shapes.without_defaults(answer)
            return JSONResponse(kept, headers=headers)

        return serve

    def _claim(self, request: Request, body: Message) -> Message:
        token = _field(body, "token", required=True)
        if len(token) > LONGEST_TOKEN:
            raise Refusal(3, "token: length must be at most 1000")
        resource_id = _field(body, "resourceId") or secrets.token_hex(10)
        return self._link(request, token, resource_id, "product_instance", f"{PIM}.ClaimProductInstanceMetadata")

    def _ensure(self, request: Request, body: Message) -> Message:
        token = _field(body, "instanceToken", required=True)
        resource_id = _field(body, "resourceId", required=True)
        return self._link(request, token, resource_id, "lock", f"{LICENSES}.EnsureLockMetadata")

    def _link(self, request: Request, token: str, resource_id: str, response: Any, metadata_type: str) -> Message:
        key = request.headers.get("idempotency-key", "")
        if key:
            try:
                uuid.UUID(key)
            except ValueError:
                raise Refusal(3, "Idempotency-Key must be a UUID") from None
        if key in self._shop.claim_of_key:
            return shapes.operation_message(self._shop.claims[self._shop.claim_of_key[key]], self._shop.behaviour)
        purchase, metadata, error = None, Message(), None
        try:
            purchase = self._linkable(token, resource_id, response)
            metadata = self._metadata(purchase, response)
        except Refusal as refusal:
            if not self._shop.behaviour.errors_in_operation:
                raise
            error = _status_message(refusal.code, refusal.text)
        claim = Claim(
            id=new_id("op"),
            made=self._shop.now(),
            metadata_type=metadata_type,
            metadata=metadata,
            purchase=purchase,
            resource_id=resource_id,
            response=response,
            polls_left=self._shop.behaviour.claim_polls,
            hidden_left=self._shop.behaviour.hidden_polls,
            error=error,
        )
        if not claim.polls_left:
            claim.finish(self._shop.now())
        self._shop.claims[claim.id] = claim
        if key:
            self._shop.claim_of_key[key] = claim.id
        return shapes.operation_message(claim, self._shop.behaviour)

    def _linkable(self, token: str, resource_id: str, response: str) -> Purchase:
        issued = self._shop.tokens.get(token)
        if issued is None or issued.expires_at <= self._shop.now():
            raise Refusal(3, "The token is invalid or has expired")
        purchase = issued.purchase
        if purchase.seller != SELLER:
            raise Refusal(7, "Permission denied")
        purchase.pass_time(self._shop.now(), self._shop.behaviour)
        if response == "product_instance" and purchase.product_instance_id is None:
            raise Refusal(3, "The token has no product instance")
        if response == "lock" and purchase.license_instance_id is None:
            raise Refusal(3, "The token has no subscription")
        if purchase.over or purchase.product_state in {"DEACTIVATED", "DELETED"}:
            raise Refusal(9, "The subscription has ended")
        taken = purchase.linked or (purchase.product_state == "ACTIVATED" and purchase.license_instance_id is None)
        if taken and purchase.resource_id != resource_id:
            raise Refusal(9, "The subscription is locked by another resource")
        if taken and self._shop.behaviour.claim_again == "refuse":
            raise Refusal(6, "The subscription is claimed already")
        return purchase

    def _metadata(self, purchase: Purchase, response: str) -> Message:
        lock_id = purchase.lock.id if purchase.linked and purchase.lock else ""
        if response == "lock":
            return {"lockId": lock_id}
        return {
            "productId": purchase.product_id,
            "productInstanceId": purchase.product_instance_id,
            "licenseInstanceId": purchase.license_instance_id or "",
            "lockId": lock_id,
        }

    def _get_operation(self, request: Request, _: Message) -> Message:
        claim = self._shop.claims.get(request.path_params["operation_id"])
        if claim is None:
            raise Refusal(5, "Operation not found")
        if claim.hidden_left:
            claim.hidden_left -= 1
            raise Refusal(5, "Operation not found")
        if not claim.done:
            claim.polls_left -= 1
            if claim.polls_left <= 0:
                claim.finish(self._shop.now())
        return shapes.operation_message(claim, self._shop.behaviour)

    def _get_product_instance(self, request: Request, _: Message) -> Message:
        wanted = request.path_params["product_instance_id"]
        for purchase in self._shop.all():
            if purchase.product_instance_id == wanted:
                return shapes.product_instance_message(purchase)
        raise Refusal(5, "Product instance not found")

    def _get_instance(self, request: Request, _: Message) -> Message:
        return shapes.instance_message(self._license(request.path_params["instance_id"]))

    def _get_user_info(self, request: Request, _: Message) -> Message:
        self._license(request.path_params["instance_id"])
        if self._shop.behaviour.user_info is None:
            raise Refusal(5, "User info not found")
        return dict(self._shop.behaviour.user_info)

    def _get_lock(self, request: Request, _: Message) -> Message:
        for purchase in self._shop.all():
            for lock in purchase.locks:
                if lock.id == request.path_params["lock_id"]:
                    ended = purchase.over and lock.state == "LOCKED"
                    state = self._shop.behaviour.ended_lock if ended else lock.state
                    if state == "NOT_FOUND":
                        raise Refusal(5, "Lock not found")
                    return shapes.lock_message(purchase, lock, state=state)
        raise Refusal(5, "Lock not found")

    def _get_lock_by_resource(self, request: Request, _: Message) -> Message:
        query = dict(request.query_params)
        resource_id, instance_id = query.pop("resourceId", ""), query.pop("instanceId", "")
        if query:
            raise Refusal(3, f"Unknown query parameter: {next(iter(query))}")
        if not resource_id or not instance_id:
            raise Refusal(3, "resource_id and instance_id are required")
        for purchase in self._shop.all():
            lock = purchase.lock
            if purchase.license_instance_id == instance_id and purchase.linked and lock is not None:
                if lock.resource_id == resource_id:
                    return shapes.lock_message(purchase, lock)
                break
        raise Refusal(5, "Lock not found")

    async def _create_token(self, request: Request) -> Response:
        try:
            body = await _json(request)
            assertion = _field(body, "jwt", required=True)
            # The real audience too, for clients that do not derive it from the address.
            audiences = (str(request.url), "https://iam.api.cloud.yandex.net/iam/v1/tokens")
            token, end = self._issuers.exchange_assertion(assertion, audiences)
        except Refusal as refusal:
            return status_response(refusal.code, refusal.text)
        except RefusedError as refused:
            return status_response(16, str(refused))
        return JSONResponse({"iamToken": token, "expiresAt": shapes.stamp(end)})

    async def _metadata_token(self, request: Request) -> Response:
        try:
            return JSONResponse(self._issuers.metadata_answer(request.headers.get("metadata-flavor", "")))
        except RefusedError as refused:
            return Response(str(refused), status_code=403)

    async def _federation_token(self, request: Request) -> Response:
        try:
            return JSONResponse(self._issuers.federation_answer(await request.body()))
        except RefusedError as refused:
            return JSONResponse({"error": str(refused)}, status_code=400)

    def _authorize(self, request: Request) -> None:
        if not self._issuers.accepts(request.headers.get("authorization", "")):
            raise Refusal(16, "The token is invalid")

    def _license(self, instance_id: str) -> Purchase:
        purchase = self._shop.find(instance_id)
        if purchase is None or purchase.license_instance_id is None:
            raise Refusal(5, "License instance not found")
        return purchase


async def _json(request: Request) -> Message:
    try:
        body = await request.json()
    except ValueError:
        raise Refusal(3, "The body is not JSON") from None
    if not isinstance(body, dict):
        raise Refusal(3, "The body is not a JSON object")
    return body


def _field(body: Message, name: str, *, required: bool = False) -> str:
    """Read a text field in either spelling; fields that the message does not have are dropped unseen."""
    snake = "".join(f"_{letter.lower()}" if letter.isupper() else letter for letter in name)
    found = body.get(name, body.get(snake, ""))
    if not isinstance(found, str):
        raise Refusal(3, f"{snake}: must be a string")
    if required and not found:
        raise Refusal(3, f"{snake}: is required")
    return found


def _trace_headers() -> dict[str, str]:
    return {"x-request-id": str(uuid.uuid4()), "x-server-trace-id": secrets.token_hex(16)}


def _status_message(code: int, text: str, request_id: str = "") -> Message:
    info: Message = {"@type": "type.googleapis.com/google.rpc.RequestInfo", "requestId": request_id}
    return {"code": code, "message": text, "details": [info] if request_id else []}


def status_response(
    code: int, text: str, *, http_status: int | None = None, headers: dict[str, str] | None = None
) -> Response:
    """Answer with a `google.rpc.Status` and the ids that support asks for."""
    sent = {**_trace_headers(), **(headers or {})}
    return JSONResponse(
        _status_message(code, text, sent["x-request-id"]), http_status or RULES[code].http, headers=sent
    )

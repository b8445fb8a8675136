"""An emulated AWS Marketplace: ResolveCustomer, GetEntitlements, agreements, AssumeRole, and the buyer's side."""

from __future__ import annotations

import base64
import json
import secrets
from collections.abc import Sequence
from datetime import timedelta
from typing import TYPE_CHECKING, Any, ClassVar

from pydantic import JsonValue
from starlette.routing import BaseRoute, Route

from crossmarket.models import Quantity
from crossmarket.testing.emulator import Emulator, EmulatorError, LandingRequest, buyer_action
from crossmarket_aws.emulator_api import Api, Refusal
from crossmarket_aws.emulator_http import SIGNING_NAME, Sts, json_answer, json_error, signed_by
from crossmarket_aws.emulator_shapes import license_arn
from crossmarket_aws.emulator_state import Generation, Ledger, Model, Modes, Purchase, Token
from crossmarket_aws.partition import partition_of

if TYPE_CHECKING:
    from starlette.requests import Request
    from starlette.responses import Response

    from crossmarket.clock import Clock
    from crossmarket.testing.faults import Fault

PRODUCT = "crossmarketdemo0000000001"
OTHER_PRODUCT = "crossmarketother000000002"
QUANTITY = "seats"
"""The dimension that `quantity` means."""

YEAR = timedelta(days=365)
TRIAL = timedelta(days=30)
JSON_1_1 = "application/x-amz-json-1.1"

_CODES = {400: "ValidationException", 401: "UnrecognizedClientException", 403: "AccessDeniedException"}
_CODES |= {404: "ResourceNotFoundException", 409: "ConflictException", 429: "ThrottlingException"}
_CODES |= {500: "InternalServiceErrorException", 503: "ServiceUnavailableException"}


class AwsEmulator(Emulator):
    """AWS Marketplace in memory, strict about what it is asked.

    A purchase is one buyer's, over all renewals; its API ids change with each. Both generations can be bought:
    `concurrent` (licence and agreement) and `legacy` (customer identifier; no agreement is shown).

    Args:
        landing_url: The seller's landing page.
        clock: What the marketplace goes by.
        region: The region that is expected for ResolveCustomer.
        token_life: How long a landing token is good for.

    Attributes:
        modes: The quirks to show; change them at any time.
        sts: The role that may be assumed.
    """

    name: ClassVar[str] = "aws"

    def __init__(
        self,
        *,
        landing_url: str = "",
        clock: Clock | None = None,
        region: str = "us-east-1",
        token_life: timedelta = timedelta(hours=4),
    ) -> None:
        super().__init__(landing_url=landing_url, clock=clock)
        self.modes = Modes()
        self.sts = Sts()
        self._region = region
        self._home = partition_of(region).home
        self._ledger = Ledger()
        self._api = Api(
            ledger=self._ledger,
            modes=self.modes,
            now=self.clock.now,
            token_life=token_life,
            products={PRODUCT, OTHER_PRODUCT},
        )

    # The buyer's side

    def buy(
        self,
        *,
        product: str = PRODUCT,
        plan: str = "gold",
        quantity: int = 10,
        trial: bool = False,
        dimensions: dict[str, Quantity] | None = None,
        generation: Generation = "concurrent",
        model: Model = "contract",
        account: str | None = None,
        paid: bool = True,
        offer: str = "offer-public0000001",
    ) -> str:
        """Buy, and return the purchase's id.

        Args:
            product: The product code.
            plan: A contract's dimension that stands for the plan; its value is True.
            quantity: The value of the dimension `seats`.
            trial: Buy a free trial of 30 days, which turns into a paid purchase by itself.
            dimensions: All dimensions with their values, instead of plan and quantity.
            generation: `concurrent` or `legacy`.
            model: `contract`, or `subscription` for pay-as-you-go, which has no entitlements.
            account: The buyer's AWS account; a new one unless given.
            paid: Whether the payment is arranged at once; otherwise the purchase is pending until `pay`.
            offer: The id of the offer.
        """
        with self.lock:
            number = self._ledger.number()
            purchase = Purchase(
                id=f"purchase-{number}",
                generation=generation,
                model=model,
                product=product,
                account=account or f"{111100000000 + number}",
                customer=f"CustId{number:06d}" if account is None else f"CustId{account[-6:]}",
                plan=plan if model == "contract" else None,
                term=YEAR if model == "contract" else None,
                paid=paid,
            )
            held: dict[str, Quantity] = {plan: True, QUANTITY: quantity} if dimensions is None else dimensions
            now = self.clock.now()
            self._ledger.open(purchase, held if model == "contract" else {}, now, offer=offer)
            if trial:
                purchase.current.trial_ends_at = now + TRIAL
                # A contract's trial is an agreement of its own, which a paid one follows.
                purchase.current.ends_at = now + TRIAL if model == "contract" else None
            self._ledger.purchases[purchase.id] = purchase
            self._api.products.add(product)
            return purchase.id

    def purchases(self) -> Sequence[str]:
        """Return the ids of all purchases, oldest first."""
        with self.lock:
            return [key for key, each in self._ledger.purchases.items() if each.product != OTHER_PRODUCT]

    def landing(self, purchase_id: str) -> LandingRequest:
        """Press "Set up your account": a form with a fresh token, which has `+`, `/` and `=` in it."""
        with self.lock:
            purchase = self._find(purchase_id)
            fields = {"x-amzn-marketplace-token": self._issue(purchase_id)}
            if purchase.current.trial_ends_at:
                fields["x-amzn-marketplace-offer-type"] = "free-trial"
            return LandingRequest(method="POST", url=self.landing_url, fields=fields)

    def expired_token(self) -> str:
        """Return a landing token that was good once."""
        with self.lock:
            return self._issue(self.buy(product=OTHER_PRODUCT, generation="legacy"), age=self._api.token_life)

    def foreign_token(self) -> str:
        """Return a good landing token of another product of the same seller: AWS resolves it as well."""
        with self.lock:
            return self._issue(self.buy(product=OTHER_PRODUCT, generation="legacy"))

    def foreign_seller_token(self) -> str:
        """Return a landing token of another seller's product, which AWS calls invalid."""
        return f"AQ+{secrets.token_hex(30)}/=="

    def describe(self, purchase_id: str) -> dict[str, JsonValue]:
        """Return the truth of a purchase, ids and times of its newest agreement included."""
        with self.lock:
            purchase = self._find(purchase_id)
            agreement = purchase.current
            renews = agreement.auto_renew if agreement.status == "ACTIVE" and agreement.ends_at else None
            quantities: dict[str, JsonValue] = dict(agreement.dimensions)
            return {
                "live": purchase.live,
                "plan": purchase.plan,
                "quantities": quantities if purchase.live else {},
                "will_renew": renews,
                "status": agreement.status,
                "paid": purchase.paid,
                "generation": purchase.generation,
                "model": purchase.model,
                "product": purchase.product,
                "account": purchase.account,
                "customer": purchase.customer,
                "agreement": agreement.id,
                "initial_agreement": agreement.initial,
                "license": license_arn(agreement),
                "agreements": [each.id for each in purchase.agreements],
                "ends_at": agreement.ends_at.isoformat() if agreement.ends_at else None,
                "trial_ends_at": agreement.trial_ends_at.isoformat() if agreement.trial_ends_at else None,
                "cancellation_request": agreement.request,
            }

    @buyer_action
    def pay(self, purchase_id: str) -> None:
        """AWS has arranged the payment: entitlements are there now."""
        purchase = self._find(purchase_id)
        purchase.paid = True
        self._touch(purchase)

    @buyer_action
    def fail_payment(self, purchase_id: str) -> None:
        """AWS cannot arrange the payment, and ends the agreement."""
        purchase = self._active(purchase_id)
        purchase.paid = False
        self._ledger.close(purchase, "TERMINATED", self.clock.now())

    @buyer_action
    def change_plan(self, purchase_id: str, plan: str) -> None:
        """Amend the agreement: another dimension for the plan, all others as they were."""
        purchase = self._contract(purchase_id)
        held = {name: value for name, value in purchase.current.dimensions.items() if name != purchase.plan}
        purchase.current.dimensions, purchase.plan = {plan: True, **held}, plan
        self._touch(purchase)

    @buyer_action
    def change_quantity(self, purchase_id: str, quantity: int) -> None:
        """Amend the agreement: another value of the dimension `seats`."""
        self._contract(purchase_id).current.dimensions[QUANTITY] = quantity
        self._touch(self._find(purchase_id))

    @buyer_action
    def change_dimensions(self, purchase_id: str, dimensions: dict[str, bool | int | float | str]) -> None:
        """Amend the agreement: these dimensions and no others."""
        self._contract(purchase_id).current.dimensions = dict(dimensions)
        self._touch(self._find(purchase_id))

    @buyer_action
    def renew(self, purchase_id: str) -> None:
        """Renew now: the agreement ends as RENEWED, and a new one with a new licence follows."""
        self._succeed(self._contract(purchase_id), "RENEWED")

    @buyer_action
    def replace(self, purchase_id: str, offer: str = "offer-private0000002") -> None:
        """Accept a replacement offer: the agreement ends as REPLACED, and a new one with a new licence follows."""
        self._succeed(self._active(purchase_id), "REPLACED", offer)

    @buyer_action
    def cancel(self, purchase_id: str) -> None:
        """End the agreement at once."""
        self._ledger.close(self._active(purchase_id), "CANCELLED", self.clock.now())

    @buyer_action
    def terminate(self, purchase_id: str) -> None:
        """AWS ends the agreement at once, as for a payment that fails."""
        self._ledger.close(self._active(purchase_id), "TERMINATED", self.clock.now())

    @buyer_action
    def turn_renewal_off(self, purchase_id: str) -> None:
        """Let the contract end at its end."""
        self._contract(purchase_id).current.auto_renew = False
        self._touch(self._find(purchase_id))

    @buyer_action
    def turn_renewal_on(self, purchase_id: str) -> None:
        """Let the contract renew at its end again."""
        self._contract(purchase_id).current.auto_renew = True
        self._touch(self._find(purchase_id))

    @buyer_action
    def approve_cancellation(self, purchase_id: str) -> None:
        """Agree to the seller's cancellation request."""
        purchase = self._active(purchase_id)
        if purchase.current.request is None:
            raise EmulatorError("the seller has not asked for a cancellation")
        self._ledger.close(purchase, "CANCELLED", self.clock.now())

    @buyer_action
    def reject_cancellation(self, purchase_id: str) -> None:
        """Refuse the seller's cancellation request."""
        purchase = self._active(purchase_id)
        if purchase.current.request is None:
            raise EmulatorError("the seller has not asked for a cancellation")
        purchase.current.request = None

    @buyer_action
    def show_status(self, purchase_id: str, status: str) -> None:
        """Show any word as the agreement's status, such as one that nobody has documented."""
        purchase = self._find(purchase_id)
        purchase.current.status = status
        self._touch(purchase)

    # The API's side

    def options(self, base_url: str) -> dict[str, Any]:
        """Return the provider's options with which it speaks to this emulator."""
        options: dict[str, Any] = {
            "product_codes": sorted(self._api.products - {OTHER_PRODUCT}),
            "region": self._region,
            "endpoint_url": base_url,
            "access_key_id": "AKIAEMULATOR00000001",
            "secret_access_key": "emulated-secret-access-key",
        }
        if self.modes.role_required:
            options |= {"role_arn": self.sts.role, "external_id": self.sts.external_id}
        return options

    def routes(self) -> Sequence[BaseRoute]:
        """Return the routes: AWS answers everything at `/`."""
        return [
            Route("/", self._answer, methods=["POST"]),
            Route("/{path:path}", self._elsewhere, methods=["GET", "HEAD", "POST", "PUT", "DELETE"]),
        ]

    def refuse(self, fault: Fault) -> Response:
        """Answer in the JSON error form that all three services have."""
        code = _CODES.get(fault.status, "InternalFailure" if fault.status >= 500 else "UnknownException")  # noqa: PLR2004 - HTTP's own number
        headers = {"Retry-After": str(fault.retry_after)} if fault.retry_after is not None else None
        return json_error(Refusal(code, "An injected fault.", status=fault.status), JSON_1_1, headers)

    def pass_time(self, by: timedelta) -> None:
        """Let time pass: contracts renew or expire, requests are approved, trials end."""
        super().pass_time(by)
        with self.lock:
            self._ledger.settle(self.clock.now())

    async def _answer(self, request: Request) -> Response:
        body = await request.body()
        content_type = request.headers.get("content-type", "")
        if content_type.startswith("application/x-www-form-urlencoded"):
            with self.lock:
                return self._assume_role(request, body)
        try:
            with self.lock:
                return self._call(request, content_type, body)
        except Refusal as refusal:
            return json_error(refusal, content_type if "json" in content_type else JSON_1_1)

    async def _elsewhere(self, request: Request) -> Response:
        text = f"Nothing is at {request.method} {request.url.path}; the JSON protocol posts to /."
        return json_error(Refusal("UnknownOperationException", text, status=404), JSON_1_1)

    def _call(self, request: Request, content_type: str, body: bytes) -> Response:
        target = request.headers.get("x-amz-target", "")
        if target not in self._api.operations:
            raise Refusal("UnknownOperationException", f"The target '{target}' is unknown.")
        expected, operation = self._api.operations[target]
        if content_type != expected:
            raise Refusal("SerializationException", f"{target} takes {expected}, not '{content_type}'.", status=415)
        metering = target.startswith("AWSMPMeteringService.")
        key = signed_by(request.headers, service=SIGNING_NAME, region=self._region if metering else self._home)
        if self.modes.role_required and key not in self.sts.issued:
            raise Refusal("AccessDeniedException", "User is not authorized to perform this.", status=403)
        try:
            arguments = json.loads(body)
        except ValueError:
            raise Refusal("SerializationException", "The body is not JSON.") from None
        if not isinstance(arguments, dict):
            raise Refusal("SerializationException", "The body is not an object.")
        self._ledger.settle(self.clock.now())
        try:
            return json_answer(operation(arguments), expected)
        except (AttributeError, KeyError, TypeError, ValueError) as error:
            raise Refusal("SerializationException", f"A member has another type: {error}") from None

    def _assume_role(self, request: Request, body: bytes) -> Response:
        try:
            signed_by(request.headers, service="sts", region=self._region)
        except Refusal as refusal:
            return json_error(refusal, JSON_1_1)
        return self.sts.answer(body)

    def _issue(self, purchase_id: str, *, age: timedelta = timedelta()) -> str:
        token = f"AQ+{base64.b64encode(secrets.token_bytes(45)).decode()}/=="
        self._ledger.tokens[token] = Token(purchase_id, self.clock.now() - age)
        return token

    def _succeed(self, purchase: Purchase, status: str, offer: str | None = None) -> None:
        previous, now = purchase.current, self.clock.now()
        self._ledger.close(purchase, status, now)
        self._ledger.open(purchase, previous.dimensions, now, offer=offer or previous.offer)

    def _touch(self, purchase: Purchase) -> None:
        purchase.current.updated_at = self.clock.now()

    def _find(self, purchase_id: str) -> Purchase:
        self._ledger.settle(self.clock.now())
        try:
            return self._ledger.purchases[purchase_id]
        except KeyError:
            raise EmulatorError(f"there is no purchase '{purchase_id}'") from None

    def _active(self, purchase_id: str) -> Purchase:
        purchase = self._find(purchase_id)
        if purchase.current.status != "ACTIVE":
            raise EmulatorError(f"the agreement is {purchase.current.status}")
        return purchase

    def _contract(self, purchase_id: str) -> Purchase:
        purchase = self._active(purchase_id)
        if purchase.model != "contract":
            raise EmulatorError("pay-as-you-go has no dimensions bought in advance and no end")
        return purchase

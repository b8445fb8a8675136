"""Microsoft Marketplace, emulated: the API of both generations, Entra, and the buyer's side.

The wire is in `emulator_api` and `emulator_entra`, the state in `emulator_state`.
"""

from __future__ import annotations

import base64
import random
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, ClassVar, Literal
from uuid import UUID

from crossmarket.testing.emulator import Emulator, EmulatorError, LandingRequest, buyer_action
from crossmarket_azure.config import V2
from crossmarket_azure.emulator_api import FulfilmentApi, refuse
from crossmarket_azure.emulator_entra import EmulatedEntra
from crossmarket_azure.emulator_state import (
    PENDING,
    SUBSCRIBED,
    SUSPENDED,
    UNSUBSCRIBED,
    EmulatedOperation,
    EmulatedPlan,
    Person,
    Purchase,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pydantic import JsonValue
    from starlette.responses import Response
    from starlette.routing import BaseRoute

    from crossmarket.clock import Clock
    from crossmarket.testing.faults import Fault

SEATS = ("silver", "gold", "platinum")
FLAT = ("basic", "flat")

TOKEN_BYTES = 157
"""In base64 212 characters that end with `==`; the live service's have about 210."""

CODES = {401: "Unauthorized", 403: "Forbidden", 404: "NotFound", 409: "Conflict", 429: "RequestThrottleId"}


@dataclass(frozen=True, slots=True)
class Minted:
    """What a landing token stands for, and when it was made."""

    purchase: str
    at: datetime
    foreign: bool = False


class AzureEmulator(Emulator):
    """An in-memory Microsoft Marketplace with one publisher.

    Every offer has the plans `silver`, `gold` and `platinum`, sold by seats, and `basic` and `flat` for a flat rate;
    a purchase of any other plan makes it.

    Args:
        landing_url: The seller's landing page.
        clock: What the marketplace goes by.
        api_version: The generation of the API that the offer is made for, and that `options()` tells the provider to
            speak. Both are always served. In the first one nothing is sold by seats.
        seed: Makes ids, tokens and the lengths of pages repeatable.

    Attributes:
        longest_page: The greatest length of a page of the list; each is shorter at random.
        activation_delay: Seconds from an activation until the subscription is Subscribed.
        operation_reads: How often an operation of the seller is read until it has succeeded; 0 is at once.
        changes_wait: Whether a change by the buyer waits 10 seconds for the seller's refusal, or is done at once.
    """

    name: ClassVar[str] = "azure"

    def __init__(
        self,
        *,
        landing_url: str = "",
        clock: Clock | None = None,
        api_version: Literal["2018-08-31", "2017-04-15"] = V2,
        seed: int = 20180831,
    ) -> None:
        super().__init__(landing_url=landing_url, clock=clock)
        self.random = random.Random(seed)  # noqa: S311 - repeatable, and nothing real is guarded by it
        self.entra = EmulatedEntra(self.clock)
        self.sold: dict[str, Purchase] = {}
        self.tokens: dict[str, Minted] = {}
        self.api_version = api_version
        self.longest_page = 5
        self.activation_delay = 0.0
        self.operation_reads = 0
        self.changes_wait = False
        self._offers: dict[str, dict[str, EmulatedPlan]] = {}

    def buy(
        self,
        product: str = "contoso",
        plan: str = "gold",
        quantity: int | None = None,
        *,
        trial: bool = False,
        auto_activate: bool = False,
        term: str = "P1M",
        csp: bool = False,
        test: bool = False,
        private_offer: str | None = None,
        activation_fails: bool = False,
    ) -> str:
        """Buy, and return the subscription's id.

        Args:
            product: The offer's id; with the suffix `-preview` as a purchase from the preview.
            plan: The plan's id.
            quantity: Seats; by default 5 where the plan is sold by seats. Given for a new plan, it is.
            trial: As a free trial.
            auto_activate: Subscribed at once, without a landing, as the marketplace can do since 2026.
            term: The term's unit, such as `P1Y`.
            csp: Through a partner: then neither the plan can be changed nor the subscription deleted.
            test: As a test asset of the publisher.
            private_offer: The id of the private offer behind it.
            activation_fails: Activating it ends it, as when a payment is refused.
        """
        with self.lock:
            plans = self.plans_of(product)
            sold = plans.setdefault(plan, EmulatedPlan(plan, seats=quantity is not None))
            if quantity is None and sold.seats:
                quantity = 5
            if quantity is not None and not (sold.seats and sold.minimum <= quantity <= sold.maximum):
                raise EmulatorError(f"the plan '{plan}' cannot be bought with the quantity {quantity}")
            buyer = Person(f"buyer{len(self.sold)}@customer.example", self.guid(), self.guid())
            payer = Person("orders@partner.example", self.guid(), self.guid()) if csp else buyer
            purchase = Purchase(
                id=self.guid(),
                name=f"Contoso for {buyer.email.partition('@')[0]}",
                publisher="contosoinc",
                offer=product,
                plan=plan,
                quantity=quantity,
                created=self.clock.now(),
                beneficiary=buyer,
                purchaser=payer,
                term_unit=term,
                trial=trial,
                test=test,
                private_offer=private_offer,
                activation_fails=activation_fails,
                allowed=("Read",) if csp else ("Delete", "Update", "Read"),
            )
            if auto_activate:
                purchase.start(self.clock.now())
            self.sold[purchase.id] = purchase
            return purchase.id

    @property
    def actions(self) -> dict[str, Callable[..., None]]:
        """The buyer's actions; the first generation knows no quantities."""
        return {
            name: action
            for name, action in super().actions.items()
            if name != "change_quantity" or self.api_version == V2
        }

    def purchases(self) -> Sequence[str]:
        """Return the ids of all subscriptions, ended ones included, oldest first."""
        return list(self.sold)

    def landing(self, purchase_id: str) -> LandingRequest:
        """Press "Configure account" or "Manage account": a link with a fresh token."""
        return LandingRequest(method="GET", url=self.landing_url, fields={"token": self.mint(purchase_id)})

    def expired_token(self) -> str:
        """Return a landing token that was made two days ago."""
        with self.lock:
            purchase = next(iter(self.sold), None) or self.buy()
            return self.mint(purchase, at=self.clock.now() - timedelta(days=2))

    def foreign_token(self) -> str:
        """Return a landing token of another publisher's offer."""
        return self.mint(self.guid(), foreign=True)

    def mint(self, purchase_id: str, *, at: datetime | None = None, foreign: bool = False) -> str:
        """Make a landing token; like the real ones it has `+`, `/` and `=` in it."""
        with self.lock:
            while True:
                token = base64.b64encode(self.random.randbytes(TOKEN_BYTES)).decode()
                if "+" in token and "/" in token:
                    break
            self.tokens[token] = Minted(purchase_id, at or self.clock.now(), foreign)
            return token

    def describe(self, purchase_id: str) -> dict[str, JsonValue]:
        """Return Microsoft's truth of a subscription."""
        with self.lock:
            self.move_on()
            purchase = self.sold[purchase_id]
            return {
                "live": purchase.status == SUBSCRIBED,
                "status": purchase.status,
                "product": purchase.offer,
                "plan": purchase.plan,
                "quantities": {"quantity": purchase.quantity} if purchase.quantity is not None else {},
                "will_renew": purchase.auto_renew and purchase.status != UNSUBSCRIBED,
                "trial": purchase.trial,
                "ends_at": (purchase.ends_on + timedelta(days=1)).isoformat() if purchase.ends_on else None,
            }

    def options(self, base_url: str) -> dict[str, Any]:
        """Return the provider's options with which it speaks to this emulator, the secret included."""
        return {
            "tenant_id": self.entra.tenant,
            "client_id": self.entra.client,
            "client_secret": self.entra.secret,
            "base_url": f"{base_url}/api",
            "authority_url": base_url,
            "api_version": self.api_version,
        }

    def routes(self) -> Sequence[BaseRoute]:
        """Return the routes of the API and of Entra."""
        return [*FulfilmentApi(self).routes(), *self.entra.routes()]

    def refuse(self, fault: Fault) -> Response:
        """Answer a fault in one of Microsoft's forms."""
        headers = {} if fault.retry_after is None else {"Retry-After": str(fault.retry_after)}
        code = CODES.get(fault.status, "BadArgument" if fault.status < 500 else "InternalServerError")  # noqa: PLR2004
        return refuse(fault.status, code, "Refused on demand.", headers=headers)

    @buyer_action
    def change_plan(self, purchase_id: str, plan: str) -> None:
        """Choose another plan."""
        purchase = self._active(purchase_id)
        if plan not in self.plans_of(purchase.offer) or plan == purchase.plan:
            raise EmulatorError(f"the plan '{plan}' is unknown or the present one")
        self._ask(purchase, "ChangePlan", plan=plan)

    @buyer_action
    def change_quantity(self, purchase_id: str, quantity: int) -> None:
        """Choose another number of seats."""
        purchase = self._active(purchase_id)
        own = self.plans_of(purchase.offer)[purchase.plan]
        if not own.seats or not own.minimum <= quantity <= own.maximum or quantity == purchase.quantity:
            raise EmulatorError(f"the plan '{own.id}' cannot have the quantity {quantity}")
        self._ask(purchase, "ChangeQuantity", quantity=quantity)

    @buyer_action
    def suspend(self, purchase_id: str) -> None:
        """Do not pay. After 30 days the marketplace unsubscribes."""
        purchase = self._active(purchase_id)
        purchase.status, purchase.suspended_at = SUSPENDED, self.clock.now()

    @buyer_action
    def reinstate(self, purchase_id: str) -> None:
        """Pay after all."""
        purchase = self._in(purchase_id, SUSPENDED)
        purchase.status, purchase.suspended_at = SUBSCRIBED, None

    @buyer_action
    def cancel(self, purchase_id: str) -> None:
        """Unsubscribe: over at once."""
        self._in(purchase_id, PENDING, SUBSCRIBED, SUSPENDED).end()

    @buyer_action
    def turn_renewal_off(self, purchase_id: str) -> None:
        """Let it end with the term."""
        self._active(purchase_id).auto_renew = False

    @buyer_action
    def turn_renewal_on(self, purchase_id: str) -> None:
        """Let it renew after all."""
        self._active(purchase_id).auto_renew = True

    @buyer_action
    def renew(self, purchase_id: str) -> None:
        """Begin the next term, under the same id; a trial becomes a paid subscription."""
        self._active(purchase_id).renew()

    @buyer_action
    def say_status(self, purchase_id: str, status: str | None) -> None:
        """Say this word for the status from now on, as a newer API would; None says the true one again."""
        self._in(purchase_id).said_status = status

    def plans_of(self, offer: str) -> dict[str, EmulatedPlan]:
        """Return the plans of an offer by id."""
        seats = SEATS if self.api_version == V2 else ()
        standard = {plan: EmulatedPlan(plan, seats=plan in seats) for plan in (*SEATS, *FLAT)}
        return self._offers.setdefault(offer, standard)

    def page_length(self) -> int:
        """Return how long the next page is: short at random, as the live service's."""
        return self.random.randint(1, self.longest_page)

    def activate(self, purchase: Purchase) -> None:
        """Receive an activation, and do it after `activation_delay` seconds."""
        if purchase.activating_until is None:
            purchase.activating_until = self.clock.now() + timedelta(seconds=self.activation_delay)
        purchase.move_on(self.clock.now())

    def open_operation(
        self,
        purchase: Purchase,
        action: Literal["Subscribe", "ChangePlan", "ChangeQuantity", "Unsubscribe"],
        *,
        source: Literal["Azure", "Partner"] = "Partner",
        plan: str | None = None,
        quantity: int | None = None,
    ) -> EmulatedOperation:
        """Begin an operation, and do it at once where nothing has to be waited for."""
        operation = EmulatedOperation(
            id=self.guid(),
            activity=self.guid(),
            action=action,
            source=source,
            created=self.clock.now(),
            plan=plan,
            quantity=quantity,
            reads_left=self.operation_reads,
        )
        purchase.operations.append(operation)
        waits = self.changes_wait if source == "Azure" else self.operation_reads > 0
        if not waits:
            purchase.finish(operation)
        elif source == "Azure":
            operation.status = "InProgress"
        return operation

    def move_on(self) -> None:
        """Let happen in all subscriptions what has become due."""
        now = self.clock.now()
        for purchase in self.sold.values():
            purchase.move_on(now)

    def guid(self) -> str:
        """Return a new GUID."""
        return str(UUID(int=self.random.getrandbits(128), version=4))

    def _ask(
        self,
        purchase: Purchase,
        action: Literal["ChangePlan", "ChangeQuantity"],
        *,
        plan: str | None = None,
        quantity: int | None = None,
    ) -> None:
        if purchase.running() is not None:
            raise EmulatorError("another operation is in progress")
        self.open_operation(purchase, action, source="Azure", plan=plan, quantity=quantity)

    def _active(self, purchase_id: str) -> Purchase:
        return self._in(purchase_id, SUBSCRIBED)

    def _in(self, purchase_id: str, *statuses: str) -> Purchase:
        self.move_on()
        purchase = self.sold[purchase_id]
        if statuses and purchase.status not in statuses:
            raise EmulatorError(f"the subscription is {purchase.status}")
        return purchase

"""Yandex Cloud Marketplace, emulated: Marketplace, Operation and IAM API on one address, and the buyer's side.

The metadata service and the token endpoint of workload identity federation are there too; no two of these have
a path in common. What is unpublished about the real one is a setting in `Behaviour`; the error codes of a
refused claim are an assumption (INVALID_ARGUMENT for a bad token, PERMISSION_DENIED for another seller's,
FAILED_PRECONDITION for a subscription that is held by another resource or over).
"""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from datetime import datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

import jwt
from pydantic import JsonValue

from crossmarket.testing.emulator import Emulator, EmulatorError, LandingRequest, buyer_action
from crossmarket_yandex.emulator_api import Api, status_response
from crossmarket_yandex.emulator_auth import Issuers
from crossmarket_yandex.emulator_state import Behaviour, IssuedToken, Purchase, Shop, new_id
from crossmarket_yandex.errors import CODE_OF_HTTP

if TYPE_CHECKING:
    from starlette.responses import Response
    from starlette.routing import BaseRoute

    from crossmarket.clock import Clock
    from crossmarket.testing.faults import Fault

__all__ = ["Behaviour", "YandexEmulator"]

TOKEN_LIFE = timedelta(minutes=15)
OTHER_SELLER = "seller-foreign"


class YandexEmulator(Emulator):
    """One Yandex Cloud Marketplace, in memory.

    Args:
        landing_url: The seller's landing page.
        clock: What the marketplace goes by; it must have `advance()`.
        behaviour: What varies or is unpublished; defaults to the simplest.

    Attributes:
        behaviour: As given; its fields may be changed at any time.
        issuers: The issuers of IAM tokens, with the service account's key.
    """

    name: ClassVar[str] = "yandex"

    def __init__(
        self, *, landing_url: str = "", clock: Clock | None = None, behaviour: Behaviour | None = None
    ) -> None:
        super().__init__(landing_url=landing_url, clock=clock)
        self.behaviour = behaviour or Behaviour()
        self.issuers = Issuers(self.clock.now)
        self._shop = Shop(self.clock, self.behaviour, self.lock)
        self._signing_key = secrets.token_bytes(32)

    def buy(
        self,
        *,
        product: str = "product-emulated",
        plan: str = "template-basic",
        days: int = 30,
        subscription: bool = True,
        product_instance: bool = True,
        pending: bool = False,
    ) -> str:
        """Buy.

        Args:
            product: The product's id.
            plan: The id of the subscription template.
            days: Length of the first period.
            subscription: False for a product that has no subscription behind it, and so no lock.
            product_instance: False for a purchase of the first generation, whose token goes to `Lock.Ensure`.
            pending: The subscription is not active yet; `start` activates it.
        """
        if not subscription and not product_instance:
            raise EmulatorError("a purchase is a subscription, a product instance, or both")
        with self.lock:
            now = self.clock.now()
            purchase = Purchase(
                product_id=product,
                template_id=plan if subscription else "",
                bought=now,
                end=now + timedelta(days=days),
                cloud_id=new_id("b1gc"),
                folder_id=new_id("b1gf"),
                license_instance_id=new_id("lic") if subscription else None,
                product_instance_id=new_id("pin") if product_instance else None,
                state="PENDING" if pending else "ACTIVE",
            )
            self._shop.purchases[purchase.id] = purchase
            return purchase.id

    def purchases(self) -> Sequence[str]:
        """Return the ids of all purchases, oldest first."""
        with self.lock:
            return tuple(self._shop.purchases)

    def landing(self, purchase_id: str) -> LandingRequest:
        """Press "Go to partner": a GET with a token that is good for 15 minutes."""
        with self.lock:
            token = self._token(self._bought(purchase_id), self.clock.now() + TOKEN_LIFE)
        return LandingRequest(method="GET", url=self.landing_url, fields={"token": token})

    def expired_token(self) -> str:
        """Return a token of a good purchase that expired an hour ago."""
        with self.lock:
            return self._token(self._bought(self.buy()), self.clock.now() - timedelta(hours=1))

    def foreign_token(self) -> str:
        """Return a fresh token of another seller's product; only the claim can tell."""
        with self.lock:
            purchase_id = self.buy(product="product-foreign")
            purchase = self._shop.purchases.pop(purchase_id)
            purchase.seller = OTHER_SELLER
            return self._token(purchase, self.clock.now() + TOKEN_LIFE)

    def describe(self, purchase_id: str) -> dict[str, JsonValue]:
        """Return the marketplace's own truth of a purchase."""
        with self.lock:
            purchase = self._bought(purchase_id)
            return {
                "live": purchase.live,
                "plan": purchase.template_id or None,
                "quantities": {},
                "will_renew": purchase.state == "ACTIVE" and purchase.prolongation,
                "state": purchase.state if purchase.license_instance_id else purchase.product_state,
                "product": purchase.product_id,
                "ends_at": purchase.end.isoformat() if purchase.license_instance_id else None,
                "license_instance_id": purchase.license_instance_id,
                "product_instance_id": purchase.product_instance_id,
                "lock_id": purchase.lock.id if purchase.lock else None,
                "resource_id": purchase.resource_id,
                "linked": purchase.linked,
                "cloud_id": purchase.cloud_id,
                "folder_id": purchase.folder_id,
            }

    def options(self, base_url: str) -> dict[str, Any]:
        """Return the options to speak to this emulator, with a fixed IAM token."""
        return {
            "iam_token": self.issuers.fixed,
            "marketplace_url": base_url,
            "operation_url": base_url,
            "iam_url": base_url,
        }

    def key_file_options(self, base_url: str, path: Path) -> dict[str, Any]:
        """Write the service account's key to `path`, and return the options that use it."""
        options = {**self.options(base_url), "service_account_key_file": self.issuers.write_key_file(path)}
        del options["iam_token"]
        return options

    @buyer_action
    def start(self, purchase_id: str) -> None:
        """A pending subscription becomes active."""
        self._change(purchase_id, {"PENDING"}).state = "ACTIVE"

    @buyer_action
    def change_plan(self, purchase_id: str, plan: str) -> None:
        """The subscription goes on with another template, as at the end of a private offer."""
        self._change(purchase_id, {"ACTIVE", "CANCELLED"}).template_id = plan

    @buyer_action
    def turn_renewal_off(self, purchase_id: str) -> None:
        """The buyer cancels: the subscription stays active until its end."""
        purchase = self._change(purchase_id, {"ACTIVE"})
        purchase.state, purchase.prolongation = "CANCELLED", False

    @buyer_action
    def turn_renewal_on(self, purchase_id: str) -> None:
        """The buyer takes the cancellation back."""
        purchase = self._change(purchase_id, {"CANCELLED"})
        purchase.state, purchase.prolongation = "ACTIVE", True

    @buyer_action
    def renew(self, purchase_id: str) -> None:
        """The end moves on by a period."""
        self._change(purchase_id, {"ACTIVE"}).renew(self.behaviour)

    @buyer_action
    def unlink(self, purchase_id: str) -> None:
        """The buyer undoes the link; the subscription runs on."""
        purchase = self._change(purchase_id, {"ACTIVE", "CANCELLED"})
        if not purchase.linked or purchase.lock is None:
            raise EmulatorError("the subscription is not linked")
        purchase.lock.state = self.behaviour.unlinked_lock

    @buyer_action
    def relink(self, purchase_id: str) -> None:
        """The buyer links with the same resource again; that makes a new lock."""
        purchase = self._change(purchase_id, {"ACTIVE", "CANCELLED"})
        if purchase.linked or purchase.resource_id is None:
            raise EmulatorError("the subscription is linked, or was never")
        purchase.attach(purchase.resource_id, self.clock.now())

    @buyer_action
    def move_folder(self, purchase_id: str, folder: str = "") -> None:
        """The buyer moves the subscription to another folder."""
        self._change(purchase_id, {"ACTIVE", "CANCELLED"}).folder_id = folder or new_id("b1gf")

    @buyer_action
    def cancel(self, purchase_id: str) -> None:
        """It is over at once: the subscription is deleted, or the product instance deactivated."""
        purchase = self._bought(purchase_id)
        if purchase.license_instance_id is None:
            purchase.product_state = "DEACTIVATED"
            return
        self._change(purchase_id, {"PENDING", "ACTIVE", "CANCELLED"}).state = "DELETED"

    @buyer_action
    def show_state(self, purchase_id: str, state: str) -> None:
        """The API shows any word as the state, such as one that is new."""
        purchase = self._bought(purchase_id)
        if purchase.license_instance_id is None:
            purchase.product_state = state
        else:
            purchase.state = state

    def refuse(self, fault: Fault) -> Response:
        """Answer with a `google.rpc.Status`."""
        headers = {"Retry-After": str(fault.retry_after)} if fault.retry_after is not None else {}
        code = CODE_OF_HTTP.get(fault.status, 13 if fault.status >= 500 else 9)  # noqa: PLR2004 - server errors
        return status_response(code, "Emulated fault", http_status=fault.status, headers=headers)

    def routes(self) -> Sequence[BaseRoute]:
        """Return the routes of all five services."""
        return Api(self._shop, self.issuers).routes()

    def _bought(self, purchase_id: str) -> Purchase:
        purchase = self._shop.find(purchase_id)
        if purchase is None:
            raise EmulatorError(f"there is no purchase '{purchase_id}'")
        return purchase

    def _change(self, purchase_id: str, states: set[str]) -> Purchase:
        with self.lock:
            purchase = self._bought(purchase_id)
            if purchase.license_instance_id is None or purchase.state not in states:
                raise EmulatorError(f"that needs a subscription in state {' or '.join(sorted(states))}")
            purchase.updated = self.clock.now()
            return purchase

    def _token(self, purchase: Purchase, expires_at: datetime) -> str:
        claims: dict[str, Any] = {
            "license_instance_id": purchase.license_instance_id,
            "license_template_id": purchase.template_id or None,
            "product_instance_id": purchase.product_instance_id,
            "iat": int((expires_at - TOKEN_LIFE).timestamp()),
            "exp": int(expires_at.timestamp()) if self.behaviour.token == "jwt" else None,  # noqa: S105 - a form
            "jti": secrets.token_hex(8),
        }
        token = (
            secrets.token_urlsafe(48)
            if self.behaviour.token == "opaque"  # noqa: S105 - a form, not a token
            else jwt.encode({name: each for name, each in claims.items() if each is not None}, self._signing_key)
        )
        self._shop.tokens[token] = IssuedToken(purchase, expires_at)
        return token

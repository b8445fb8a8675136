"""Activation: a call whose answer says only that it was received, watched until the subscription is Subscribed."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

from crossmarket.errors import ConflictError, MarketplaceError
from crossmarket.models import Facts, Status
from crossmarket_azure.errors import NAME
from crossmarket_azure.reading import identity_of
from crossmarket_azure.wire import QUANTITY, parse_private_offer
from crossmarket_azure.writes import send_once

if TYPE_CHECKING:
    from pydantic import JsonValue

    from crossmarket_azure.client import AzureClient
    from crossmarket_azure.config import AzureConfig
    from crossmarket_azure.reading import Reader

POLL = 1.0
"""Seconds between two looks at an activation or operation."""

SETTLED = {Status.ACTIVE, Status.SUSPENDED, Status.ENDED}
"""Where an activation has nothing left to do."""


class Activator:
    """Activates, in both generations of the API."""

    def __init__(self, config: AzureConfig, client: AzureClient, reader: Reader) -> None:
        self._config = config
        self._client = client
        self._reader = reader

    def activate(self, known: Facts) -> Facts:
        """Activate, and return the facts as read afterwards; perhaps they are still pending.

        Raises:
            ConflictError: The subscription has ended; also when it ends because activating it failed.
        """
        settled = send_once(lambda: self._send(known), lambda: self._done(known))
        if settled is None or settled.status not in SETTLED:
            settled = self._watch(known)
        if settled.status is Status.ENDED:
            raise ConflictError(
                "The subscription has ended, and cannot be activated.",
                marketplace=NAME,
                operation="Activate",
                remedy="The buyer has to buy again.",
            )
        return settled.model_copy(update={"offer": settled.offer or self._private_offer(settled)})

    def _send(self, known: Facts) -> Facts | None:
        """Send it once. Return the facts where it was refused because nothing is left to do, or another runs."""
        identity = identity_of(known)
        try:
            if self._config.legacy:
                facts, etag = self._reader.read_tagged(known)
                if facts.status in SETTLED:
                    return facts
                self._client.subscribe(identity, facts.plan or known.plan, etag=etag)
            else:
                self._client.activate(identity, _body(known))
        except MarketplaceError as error:
            # 400 for what is Subscribed or Suspended already, 404 for what has ended, 409 for a race.
            if error.http_status not in {400, 404, 409}:
                raise
            facts = self._reader.read(known)
            if facts.status in SETTLED or isinstance(error, ConflictError):
                return facts
            raise
        return None

    def _done(self, known: Facts) -> Facts | None:
        facts = self._reader.read(known)
        return facts if facts.status in SETTLED else None

    def _watch(self, known: Facts) -> Facts:
        clock = self._config.clock
        end = clock.now() + timedelta(seconds=self._config.activation_wait)
        facts = self._reader.read(known)
        while facts.status is Status.PENDING and (left := (end - clock.now()).total_seconds()) > 0:
            clock.sleep(min(POLL, left))
            facts = self._reader.read(known)
        return facts

    def _private_offer(self, facts: Facts) -> str | None:
        """Return the private offer behind the plan, asked for once and without insisting: nothing depends on it."""
        if self._config.legacy or facts.status is not Status.ACTIVE or not facts.plan:
            return None
        try:
            return parse_private_offer(self._client.plan(identity_of(facts), facts.plan))
        except MarketplaceError:
            return None


def _body(known: Facts) -> dict[str, JsonValue]:
    """Return plan and quantity where they are known: some editions of the API demand them, none refuses them."""
    quantity = known.quantities.get(QUANTITY)
    return {
        **({"planId": known.plan} if known.plan else {}),
        **({"quantity": quantity} if quantity is not None else {}),
    }

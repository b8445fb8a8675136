"""Microsoft Marketplace, connected: joins the client and the wire, and knows what to do about each outcome."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, Literal

from crossmarket.errors import (
    AuthenticationError,
    ConflictError,
    InvalidArgumentError,
    InvalidTokenError,
    MarketplaceError,
    NotFoundError,
    UnavailableError,
    UnsupportedError,
)
from crossmarket.models import Facts, Operation, Plan, Status
from crossmarket.operation import wait_for
from crossmarket.provider import Activation, Marketplace, Resolved
from crossmarket.tolerant import text
from crossmarket_azure import errors
from crossmarket_azure.activation import POLL, Activator
from crossmarket_azure.capabilities import GENERATIONS
from crossmarket_azure.client import AzureClient
from crossmarket_azure.config import V2, setting
from crossmarket_azure.diagnosis import examine
from crossmarket_azure.reading import Reader, identity_of
from crossmarket_azure.values import tidy
from crossmarket_azure.wire import (
    QUANTITY,
    SUBSCRIPTION,
    parse_facts,
    parse_operation,
    parse_operations,
    parse_plans,
    parse_resolved,
)
from crossmarket_azure.writes import send_once

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from pydantic import SecretStr

    from crossmarket.models import Finding
    from crossmarket.provider import Capabilities
    from crossmarket_azure.config import AzureConfig


class AzureMarketplace(Marketplace):
    """Both generations of the API behind one class; `config.api_version` says which.

    What the first generation lacks raises `UnsupportedError`, and its capability is False.

    Args:
        config: The options.

    Raises:
        ConfigurationError: Credentials are missing, or contradict one another.
    """

    name: ClassVar[str] = "azure"

    def __init__(self, config: AzureConfig) -> None:
        config.check_credentials()
        self._config = config
        self._clock = config.clock
        self._client = AzureClient(config)
        self._reader = Reader(config, self._client)
        self._activator = Activator(config, self._client, self._reader)

    def __repr__(self) -> str:
        return f"{type(self).__name__}(base_url={self._config.base_url!r}, api_version={self._config.api_version!r})"

    @property
    def capabilities(self) -> Capabilities:
        """What the configured generation can do."""
        return GENERATIONS[self._config.api_version]

    def close(self) -> None:
        """Close connections. The object may be used again afterwards."""
        self._client.close()

    def resolve(self, token: SecretStr) -> Resolved:
        """Exchange a landing token. It may be repeated, and works for a subscription in any status.

        Raises:
            InvalidTokenError: It is malformed, expired, of another publisher, or of an offer that the option
                `offers` leaves out.
        """
        try:
            body = self._client.resolve(token)
        except AuthenticationError as error:
            raise self._foreign(error) or error from None
        facts = parse_resolved(body, now=self._clock.now())
        if SUBSCRIPTION not in facts.marketplace_ids:
            raise UnavailableError(
                "Azure's answer names no subscription.",
                marketplace=self.name,
                operation=errors.RESOLVE,
                remedy="Try again later.",
            )
        self._check_offer(facts.product)
        if text(tidy(facts.provider_state).get("saassubscriptionstatus")) is None:
            facts = self.read(facts)
        return Resolved(facts=facts)

    def activate(self, request: Activation) -> Facts:
        """Tell that the account is set up, then watch for `activation_wait` seconds until it is Subscribed.

        The answer 200 means no more than "received", so that the status returned may be pending still. What is
        Subscribed or Suspended already needs no activation and is returned as it is: this covers repetition, and
        the race with Microsoft's own activation at purchase.

        Raises:
            ConflictError: The subscription has ended; also when it ends because activating it failed.
            InvalidArgumentError: The request has neither known facts nor a token.
        """
        known = request.known
        if known is None:
            if request.token is None:
                raise InvalidArgumentError("Azure activates what has been resolved or listed.", field="known")
            known = self.resolve(request.token).facts
        if known is None:
            raise AssertionError("unreachable: resolve() always has facts")
        return self._activator.activate(known)

    def read(self, known: Facts) -> Facts:
        """Read the whole truth of one subscription.

        Ids, buyer and private offer that the API does not repeat are carried on from `known`.

        Raises:
            NotFoundError: Microsoft does not know it (which proves no end).
        """
        return self._reader.read(known)

    def list_subscriptions(self) -> Iterator[Facts]:
        """Yield each subscription of the publisher, ended ones included, page by page.

        Those of offers that the option `offers` leaves out are not ours, and are left out. Why a subscription has
        ended is told by `read()` only, for it needs to know what was before.
        """
        for page in self._client.pages():
            for raw in page:
                facts = parse_facts(raw, now=self._clock.now())
                if SUBSCRIPTION in facts.marketplace_ids and self._config.accepts(facts.product):
                    yield facts

    def list_plans(self, known: Facts) -> Sequence[Plan]:
        """Return the plans that this buyer could have; none for an ended subscription, for which it is refused.

        Raises:
            UnsupportedError: The first generation of the API has no such call.
        """
        self._second_generation("list plans")
        if known.status is Status.ENDED:
            return ()
        return parse_plans(self._client.plans(identity_of(known)))

    def change_plan(self, known: Facts, plan: str) -> Operation:
        """Ask for another plan. A plan that it has already is a success.

        Raises:
            ConflictError: Another operation is in progress.
            MarketplaceError: Microsoft refuses: an unknown plan, not Subscribed, or bought through a CSP partner.
        """
        if not plan:
            raise InvalidArgumentError("The plan must not be empty.", field="plan")
        return self._change(known, "planId", plan)

    def change_quantity(self, known: Facts, quantity: int) -> Operation:
        """Ask for another quantity. A quantity that it has already is a success.

        Raises:
            UnsupportedError: The first generation of the API has no such call.
            ConflictError: Another operation is in progress.
            MarketplaceError: Microsoft refuses: out of range, a flat-rate plan, or as for `change_plan`.
        """
        self._second_generation("change the quantity")
        if isinstance(quantity, bool) or quantity < 1:
            raise InvalidArgumentError("The quantity must be a whole number of at least 1.", field="quantity")
        return self._change(known, "quantity", quantity)

    def cancel(self, known: Facts) -> Operation:
        """Unsubscribe. It cannot be taken back; what has ended already is a success.

        Raises:
            ConflictError: Another operation is in progress.
            MarketplaceError: Microsoft refuses, as for purchases through a CSP partner.
        """
        identity = identity_of(known)

        def send() -> Operation:
            return self._started(known, self._client.delete(identity), "cancel")

        def done() -> Operation | None:
            if self.read(known).status is Status.ENDED:
                return _requested("cancel", "", "succeeded")
            return self._pending(known, "cancel")

        try:
            return send_once(send, done)
        except NotFoundError:
            found = done()
            if found is None:
                raise
            return found

    def list_operations(self, known: Facts) -> Sequence[Operation]:
        """Return the operations that are still pending. A fresh one may be missing for a moment.

        Raises:
            UnsupportedError: The first generation of the API has no such call.
        """
        self._second_generation("list operations")
        return [operation for operation in self._operations(known) if operation.status == "pending"]

    def get_operation(self, known: Facts, operation_id: str) -> Operation:
        """Return one operation; works in both generations.

        Raises:
            NotFoundError: There is none of that id. Suspend, Renew and Unsubscribe may have none behind them.
        """
        body = self._client.operation(identity_of(known), operation_id)
        return parse_operation(body, operation_id=operation_id)

    def update_operation(self, known: Facts, operation_id: str, *, accept: bool) -> None:
        """Accept or refuse what the buyer asks for. Repeating it is safe; our own operations need none.

        Raises:
            UnsupportedError: The first generation of the API has no such call.
            ConflictError: It has been decided otherwise before, by silence for example.
            NotFoundError: There is none of that id.
        """
        self._second_generation("acknowledge operations")
        try:
            self._client.acknowledge(identity_of(known), operation_id, "Success" if accept else "Failure")
        except (ConflictError, UnavailableError) as error:
            # 409: decided already. 500: also what Microsoft answers for operations that we have started.
            now = self.get_operation(known, operation_id)
            if now.requested_by == "seller" or now.status == ("succeeded" if accept else "failed"):
                return
            if isinstance(error, UnavailableError):
                raise
            raise ConflictError(
                "The operation has been decided otherwise before.",
                marketplace=self.name,
                operation=errors.UPDATE_OPERATION,
                http_status=error.http_status,
                request_id=error.request_id,
                remedy="Read the subscription again; Microsoft accepts what is not refused within 10 seconds.",
            ) from error

    def diagnose(self) -> Iterator[Finding]:
        """Try the credentials and read one page of the list; changes nothing, raises nothing."""
        return examine(self._config, self._client)

    def _check_offer(self, offer: str | None) -> None:
        if not self._config.accepts(offer):
            raise InvalidTokenError(
                f"The landing token is of the offer '{offer}', which this installation does not sell.",
                marketplace=self.name,
                operation=errors.RESOLVE,
                field=setting("offers"),
                remedy=f"Add the offer to {setting('offers')}, or correct the landing page of the offer.",
            )

    def _foreign(self, error: AuthenticationError) -> InvalidTokenError | None:
        """Tell a foreign token from bad credentials, for both are answered with 403 on Resolve.

        Credentials that may list are good, so that the token must be another publisher's.
        """
        if error.http_status != 403:  # noqa: PLR2004
            return None
        try:
            next(self._client.pages(), None)
        except MarketplaceError:
            return None
        return InvalidTokenError(
            "The landing token is of another publisher, or of an offer with another application.",
            marketplace=self.name,
            operation=errors.RESOLVE,
            code=error.code,
            http_status=error.http_status,
            request_id=error.request_id,
            field="token",
            remedy=f"Compare {setting('client_id')} with the offer's technical configuration. {errors.REOPEN}",
            buyer_message=errors.AGAIN,
        )

    def _change(self, known: Facts, what: Literal["planId", "quantity"], value: str | int) -> Operation:
        identity = identity_of(known)
        action = "change_plan" if what == "planId" else "change_quantity"

        def send() -> Operation:
            etag = self._reader.read_tagged(known)[1] if self._config.legacy else None
            return self._started(known, self._client.change(identity, what, value, etag=etag), action, value)

        def done() -> Operation | None:
            facts = self.read(known)
            if value == (facts.plan if what == "planId" else facts.quantities.get(QUANTITY)):
                return _requested(action, "", "succeeded", value)
            return self._pending(known, action, value)

        try:
            return send_once(send, done)
        except MarketplaceError as error:
            # Microsoft refuses a change to what is so already; anything else stays refused.
            if error.http_status != 400 or isinstance(error, ConflictError):  # noqa: PLR2004
                raise
            found = done()
            if found is None:
                raise
            return found

    def _started(self, known: Facts, operation_id: str, action: str, value: str | int | None = None) -> Operation:
        """Return the operation that was started, watched to its end where nobody else can watch it."""
        started = _requested(action, operation_id, "pending", value)
        if not self._config.legacy or not operation_id:
            return started

        def fetch() -> Operation:
            seen = self.get_operation(known, operation_id)
            return started.model_copy(update={"status": seen.status, "provider_state": seen.provider_state})

        return wait_for(started, fetch, clock=self._clock, interval=POLL, deadline=self._config.activation_wait)

    def _pending(self, known: Facts, action: str, value: str | int | None = None) -> Operation | None:
        """Return our own operation that is in progress, where the answer that told of it was lost."""
        if self._config.legacy:
            return None
        for operation in self._operations(known):
            asked = operation.plan if action == "change_plan" else operation.quantity
            if operation.action == action and operation.requested_by != "buyer" and value in {None, asked}:
                return operation
        return None

    def _operations(self, known: Facts) -> list[Operation]:
        return parse_operations(self._client.operations(identity_of(known)))

    def _second_generation(self, what: str) -> None:
        if self._config.legacy:
            raise UnsupportedError(
                f"The API version {self._config.api_version} of Azure cannot {what}.",
                field=setting("api_version"),
                remedy=f"Set {setting('api_version')} to {V2}, once the offer uses it.",
            )


def _requested(
    action: str, operation_id: str, status: Literal["pending", "succeeded"], value: str | int | None = None
) -> Operation:
    """Return an operation of our own; its id is empty where the answer that told it was lost."""
    return Operation(
        id=operation_id,
        action=action,
        status=status,
        plan=value if isinstance(value, str) else None,
        quantity=value if isinstance(value, int) else None,
        requested_by="seller",
    )

"""AWS Marketplace as crossmarket sees it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, ClassVar

from crossmarket.errors import ConflictError, InvalidTokenError, NotFoundError, UnsupportedError
from crossmarket.models import Facts, Finding, Operation, Reason, Status
from crossmarket.provider import Activation, Marketplace, Resolved
from crossmarket_aws.agreements import Agreements
from crossmarket_aws.capabilities import CONCURRENT, LEGACY, WITHOUT_AGREEMENTS
from crossmarket_aws.client import AwsClient
from crossmarket_aws.diagnosis import diagnose
from crossmarket_aws.errors import SELLER, foreign_product, not_understood
from crossmarket_aws.facts import Identity, build
from crossmarket_aws.listing import group
from crossmarket_aws.wire import (
    Entitlement,
    cancellation_of,
    customer_of,
    entitlement_of,
    license_id,
)

if TYPE_CHECKING:
    from pydantic import SecretStr

    from crossmarket.provider import Capabilities
    from crossmarket_aws.config import AwsConfig
    from crossmarket_aws.wire import Agreement

SUPERSEDED = frozenset({Reason.RENEWED_ELSEWHERE, Reason.REPLACED})


class AwsMarketplace(Marketplace):
    """AWS Marketplace: legacy integrations (customer identifier) and Concurrent Agreements (licence) together.

    AWS has no activation call: `activate` reads the truth again, and a purchase whose payment is still being
    arranged stays pending. Every renewal and replacement is a new subscription, linked by `Facts.follows`.

    Args:
        config: The options.
        client: Makes the calls; made from the options unless given.

    Raises:
        ConfigurationError: An option is missing, or two do not fit together.
    """

    name: ClassVar[str] = "aws"

    def __init__(self, config: AwsConfig, *, client: AwsClient | None = None) -> None:
        config.require_complete()
        self._config = config
        self._client = client or AwsClient(config)
        self._agreements = Agreements(self._client, config)

    @property
    def capabilities(self) -> Capabilities:
        """What AWS can do with these options; without the agreement service it is less."""
        if self._config.agreements is False:
            return LEGACY
        return CONCURRENT if self._agreements.usable else WITHOUT_AGREEMENTS

    def resolve(self, token: SecretStr) -> Resolved:
        """Exchange a landing token; pending or active as the entitlements and the agreement say.

        Raises:
            InvalidTokenError: It is empty, unknown, expired, or of another product or seller.
        """
        customer = customer_of(self._client.resolve_customer(token))
        if customer.product is None or not (customer.license_arn or customer.customer or customer.account):
            raise not_understood("ResolveCustomer", "without the customer's ids")
        if customer.product not in self._config.product_codes:
            raise foreign_product(customer.product)
        return Resolved(facts=self._read(Identity.of_customer(customer), known=None))

    def activate(self, request: Activation) -> Facts:
        """Read the truth again: AWS has nothing to be told. A pending purchase stays pending.

        Raises:
            ConflictError: The subscription has ended without a successor.
        """
        if request.known is not None:
            facts = self.read(request.known)
        elif request.token is not None and (resolved := self.resolve(request.token).facts):
            facts = resolved
        else:
            raise InvalidTokenError(
                "Neither a subscription nor a landing token is given.", marketplace="aws", operation="activate"
            )
        if facts.status is Status.ENDED and facts.reason not in SUPERSEDED:
            raise ConflictError(
                "The subscription has ended.",
                marketplace="aws",
                operation="activate",
                remedy="The buyer can subscribe again on the AWS Marketplace page of the product.",
            )
        return facts

    def read(self, known: Facts) -> Facts:
        """Read one subscription whole: its entitlements, and its agreement where that may be read.

        Raises:
            NotFoundError: None of its ids can be asked for.
        """
        return self._read(Identity.of_facts(known), known=known)

    def list_subscriptions(self) -> Iterator[Facts]:
        """Yield all subscriptions that AWS shows.

        Those are all holders of entitlements of the configured products, and, where agreements may be searched,
        all SaaS agreements of the seller, ended ones included. Agreements tell a product id and no product code;
        one that has no entitlements (pay-as-you-go, ended) is given with the code of another agreement of the
        same product, or without.
        """
        held = [
            entitlement_of(entry)
            for product in self._config.product_codes
            for entry in self._client.get_entitlements(product)
        ]
        for one in group(held, self._agreements.all()):
            yield self._build(one.identity, one.entitlements, one.agreement, known=None)

    def cancel(self, known: Facts) -> Operation:
        """Ask the buyer to agree to the end. Without an answer AWS approves after 7 days.

        Raises:
            UnsupportedError: Agreements may not be used, or the subscription is of the legacy form.
            NotFoundError: AWS tells no agreement for it.
            ConflictError: A request is waiting already, or the agreement is over.
        """
        self._agreements.require()
        identity = Identity.of_facts(known)
        if identity.legacy:
            raise UnsupportedError(
                "A subscription of the legacy form has no agreement that the seller could ask to end.",
                field="cancel",
                remedy="The buyer can cancel it on the AWS Marketplace page of the subscription.",
            )
        agreement = identity.agreement
        if agreement is None:
            found = self._agreements.find(identity, needed=True)
            agreement = found.id if found else None
        if agreement is None:
            self._agreements.require()
            raise NotFoundError(
                "AWS tells no agreement for this subscription.",
                marketplace="aws",
                operation="SendAgreementCancellationRequest",
                remedy="Ask the buyer to cancel, or AWS Marketplace seller operations.",
            )
        answer = self._client.request_cancellation(agreement, reason="OTHER", description="Requested by the seller.")
        return cancellation_of(answer, agreement)

    def diagnose(self) -> Iterable[Finding]:
        """Make one harmless call of each service and say what came of it."""
        return diagnose(self._client, self._config)

    def close(self) -> None:
        """Close connections; the next call opens new ones."""
        self._client.close()

    def _read(self, identity: Identity, *, known: Facts | None) -> Facts:
        entitlements = self._entitlements(identity)
        # An agreement that was once read is needed again: to go on without it would lose facts.
        needed = known is not None and "agreement" in known.provider_state
        agreement = self._agreements.find(identity, needed=needed)
        return self._build(identity, entitlements, agreement, known=known)

    def _build(
        self,
        identity: Identity,
        entitlements: Sequence[Entitlement],
        agreement: Agreement | None,
        *,
        known: Facts | None,
    ) -> Facts:
        contract = None
        if agreement is not None and agreement.status == "ACTIVE" and not entitlements:
            contract = self._agreements.buys_entitlements(agreement)
        now = self._config.clock.now()
        return build(identity, entitlements, agreement, known=known, contract=contract, now=now)

    def _entitlements(self, identity: Identity) -> Sequence[Entitlement]:
        filters = self._filters(identity)
        products = (identity.product,) if identity.product else self._config.product_codes
        wanted = license_id(identity.license_arn)
        for product in products:
            found = [entitlement_of(entry) for entry in self._client.get_entitlements(product, filters)]
            if wanted is not None:
                found = [each for each in found if license_id(each.license_arn) in {wanted, None}]
            if found:
                return found
        return ()

    def _filters(self, identity: Identity) -> dict[str, list[str]]:
        """Return the narrowest filter there is. Customer and account exclude one another."""
        by_license = self._config.partition.license_filter or not identity.account
        if identity.license_arn and by_license:
            return {"LICENSE_ARN": [identity.license_arn]}
        if identity.account and identity.license_arn:
            return {"CUSTOMER_AWS_ACCOUNT_ID": [identity.account]}
        if identity.customer:
            return {"CUSTOMER_IDENTIFIER": [identity.customer]}
        if identity.account:
            return {"CUSTOMER_AWS_ACCOUNT_ID": [identity.account]}
        raise NotFoundError(
            "Nothing is known by which AWS could be asked for this subscription.",
            marketplace="aws",
            operation="GetEntitlements",
            remedy=f"It needs a licence, a customer identifier or an AWS account. {SELLER}",
        )

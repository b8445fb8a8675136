"""Reading agreements where the account may, and doing without them where it may not."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Literal, TypeVar

from crossmarket.errors import MarketplaceError, NotFoundError, UnsupportedError
from crossmarket_aws.config import PREFIX
from crossmarket_aws.errors import RIGHTS
from crossmarket_aws.wire import Agreement, agreement_of, license_id, sells_contract

if TYPE_CHECKING:
    from crossmarket_aws.client import AwsClient
    from crossmarket_aws.config import AwsConfig
    from crossmarket_aws.facts import Identity

T = TypeVar("T")

FORGET_REFUSAL = timedelta(minutes=15)
"""After how long a service that was refused or not there is tried again."""

_REFUSED = frozenset({"AccessDeniedException", "AccessDenied", "UnauthorizedOperation"})
_NOT_THERE = frozenset({"EndpointConnectionError", "ConnectTimeoutError", "UnknownOperationException"})
_FOREIGN_KEYS = frozenset({"UnrecognizedClientException", "InvalidSignatureException", "SignatureDoesNotMatch"})
"""Refusals that a service gives for keys of another world, such as those of an emulator of the other services."""


class Agreements:
    """The agreements of the seller, as far as its credentials let them be read.

    With `agreements=auto` a refused permission is remembered for a quarter of an hour, and the provider goes on
    with entitlements alone. One agreement that is refused while others are not is a reseller's, which the maker
    of the product may not read. A service that cannot be reached counts as not there only if it has never
    answered and nothing is known from it: otherwise it is an outage, which is raised, for going on would lose
    facts.

    Args:
        client: Makes the calls.
        config: The options; its clock tells when a refusal is forgotten.
    """

    def __init__(self, client: AwsClient, config: AwsConfig) -> None:
        self._client = client
        self._config = config
        self._lock = threading.Lock()
        self._answered_at: datetime | None = None
        self._closed: Literal["refused", "not there"] | None = None
        self._closed_until: datetime | None = None

    @property
    def usable(self) -> bool:
        """Whether agreements may be read, as far as is known. Does no I/O."""
        return self._enabled and self._closure() is None

    def find(self, identity: Identity, *, needed: bool) -> Agreement | None:
        """Return the agreement of a subscription; None where it cannot be read, or AWS does not know it yet.

        Args:
            identity: Its ids: the agreement id, or the licence, by which the agreement is searched.
            needed: Whether what is stored came from an agreement, so that an outage must not pass for none.
        """
        if identity.agreement is not None:
            wanted = identity.agreement
            return self._attempt(lambda: agreement_of(self._client.describe_agreement(wanted)), needed=needed)
        if identity.license_arn is not None:
            arn = identity.license_arn
            return self._attempt(lambda: self._by_license(arn), needed=needed)
        return None

    def buys_entitlements(self, agreement: Agreement) -> bool | None:
        """Return whether an agreement is a contract (True) or pay-as-you-go (False); None where unknown.

        Pay-as-you-go has no end, unless a private offer gives it one: then the terms tell.
        """
        if agreement.ends_at is None:
            return False
        wanted = agreement.id
        if wanted is None:
            return None
        return self._attempt(lambda: sells_contract(self._client.get_agreement_terms(wanted)), needed=False)

    def all(self) -> Iterator[Agreement]:
        """Yield all purchase agreements of the seller that sell SaaS, ended ones included; none where it may not.

        Raises:
            MarketplaceError: The service fails: a part must not pass for the whole.
        """
        entries = self._client.search_agreements()
        first = self._attempt(lambda: next(entries, None), needed=False)
        if first is None:
            return
        for entry in (first, *entries):
            agreement = agreement_of(entry)
            if agreement.saas:
                yield agreement

    def require(self) -> None:
        """Check that agreements may be used.

        Raises:
            UnsupportedError: They may not; the remedy says why.
        """
        if self.usable:
            return
        if not self._config.partition.agreements:
            remedy = "This partition of AWS has no agreement service."
        elif self._config.agreements is False:
            remedy = f"Set {PREFIX}AGREEMENTS to auto or true."
        else:
            remedy = RIGHTS
        raise UnsupportedError("The agreement service of AWS may not be used.", field="cancel", remedy=remedy)

    @property
    def _enabled(self) -> bool:
        return self._config.agreements is not False and self._config.partition.agreements

    def _by_license(self, arn: str) -> Agreement | None:
        try:
            found = [agreement_of(entry) for entry in self._client.search_agreements({"LicenseArn": arn})]
        except MarketplaceError as error:
            # A partition that is behind does not know the filter yet.
            if error.code == "ValidationException":
                return None
            raise
        wanted = license_id(arn)
        # A service that ignored the filter would return other customers' agreements.
        found = [each for each in found if wanted in {license_id(held) for held in each.licenses}]
        return next((each for each in found if each.status == "ACTIVE"), found[0] if found else None)

    def _attempt(self, call: Callable[[], T], *, needed: bool) -> T | None:
        if not self._enabled:
            return None
        closed = self._closure()
        if closed == "refused" or (closed and not needed):
            return None
        try:
            result = call()
        except NotFoundError:
            self._answered_at = self._config.clock.now()
            return None
        except MarketplaceError as error:
            if self._config.agreements is True:
                raise
            if error.code in _REFUSED:
                self._examine_refusal()
                return None
            if _is_not_there(error) and not needed and self._answered_at is None:
                self._close("not there")
                return None
            raise
        self._answered_at = self._config.clock.now()
        return result

    def _examine_refusal(self) -> None:
        """Find out whether all agreements are refused or only one, unless another was read a short while ago."""
        now = self._config.clock.now()
        if self._answered_at is not None and now < self._answered_at + FORGET_REFUSAL:
            return
        try:
            next(self._client.search_agreements(trial=True), None)
        except MarketplaceError:
            self._close("refused")
        else:
            self._answered_at = now

    def _closure(self) -> Literal["refused", "not there"] | None:
        with self._lock:
            if self._closed_until is not None and self._config.clock.now() >= self._closed_until:
                self._closed = self._closed_until = None
            return self._closed

    def _close(self, why: Literal["refused", "not there"]) -> None:
        with self._lock:
            self._closed = why
            self._closed_until = self._config.clock.now() + FORGET_REFUSAL


def _is_not_there(error: MarketplaceError) -> bool:
    """Return whether there is no agreement service behind the address, or none that goes with the others.

    The other services have been called with the same keys before: were these wrong, it would not come to this.
    """
    return error.code in _NOT_THERE | _FOREIGN_KEYS or error.http_status in {404, 501}

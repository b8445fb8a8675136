"""Reading the truth of one subscription."""

from __future__ import annotations

from typing import TYPE_CHECKING

from crossmarket.errors import InvalidArgumentError
from crossmarket_azure.wire import SUBSCRIPTION, parse_facts

if TYPE_CHECKING:
    from crossmarket.models import Facts
    from crossmarket_azure.client import AzureClient
    from crossmarket_azure.config import AzureConfig


class Reader:
    """Reads one subscription, whole."""

    def __init__(self, config: AzureConfig, client: AzureClient) -> None:
        self._clock = config.clock
        self._client = client

    def read(self, known: Facts) -> Facts:
        """Return the facts as they are now; ids, buyer and private offer are carried on from `known`.

        Raises:
            NotFoundError: Microsoft does not know it (which proves no end).
            InvalidArgumentError: `known` has no id of Azure's.
        """
        return self.read_tagged(known)[0]

    def read_tagged(self, known: Facts) -> tuple[Facts, str | None]:
        """Return the same with the ETag of the answer, for a write on condition that nothing has changed."""
        answer = self._client.get(identity_of(known))
        return parse_facts(answer.body, now=self._clock.now(), known=known), answer.etag


def identity_of(known: Facts) -> str:
    """Return the subscription's GUID.

    Raises:
        InvalidArgumentError: There is none.
    """
    identity = known.marketplace_ids.get(SUBSCRIPTION)
    if not identity:
        raise InvalidArgumentError(
            "The facts hold no subscription id of Azure.", field=f"known.marketplace_ids['{SUBSCRIPTION}']"
        )
    return identity

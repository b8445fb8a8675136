"""Landings as short-lived, encrypted and signed text, to survive the buyer's sign-up in a cookie."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Sequence
from typing import TYPE_CHECKING

from pydantic import Field, SecretStr, ValidationError

from crossmarket.clock import Clock
from crossmarket.errors import SignatureError
from crossmarket.models import Alias, Frozen, Landing, Moment

if TYPE_CHECKING:
    from cryptography.fernet import MultiFernet


class Sealed(Frozen):
    """What a sealed landing holds: the subscription only by id, so that it is read anew when it is opened."""

    marketplace: str
    subscription: str | None
    hints: dict[str, str]
    aliases: tuple[Alias, ...]
    expires_at: Moment | None
    token: str | None = Field(repr=False)


class Sealer:
    """Seals and opens landings.

    Args:
        keys: Secrets of any form, the first of which seals; the others still open (rotation).
        clock: Tells the time.
        lifetime: Seconds for which a sealed landing can be opened.
    """

    def __init__(self, keys: Sequence[SecretStr], *, clock: Clock, lifetime: int) -> None:
        self._keys = tuple(keys)
        self._clock = clock
        self._lifetime = lifetime

    def seal(self, landing: Landing) -> str:
        """Return the landing as text that only `unseal` can read."""
        content = Sealed(
            marketplace=landing.marketplace,
            subscription=landing.subscription.id if landing.subscription else None,
            hints=landing.hints,
            aliases=landing.aliases,
            expires_at=landing.expires_at,
            token=landing.token.get_secret_value() if landing.token else None,
        )
        moment = int(self._clock.now().timestamp())
        return self._fernet().encrypt_at_time(content.model_dump_json().encode(), moment).decode()

    def unseal(self, text: str) -> Sealed:
        """Return what was sealed.

        Raises:
            SignatureError: It is altered, made with another key, or too old.
        """
        from cryptography.fernet import InvalidToken  # noqa: PLC0415 - slow to import, and only landings need it

        moment = int(self._clock.now().timestamp())
        try:
            return Sealed.model_validate_json(self._fernet().decrypt_at_time(text, self._lifetime, moment))
        except (InvalidToken, ValidationError, ValueError, TypeError):
            raise SignatureError(
                f"The sealed landing is altered, of another key, or older than {self._lifetime} seconds.",
                field="landing",
                remedy="Let the buyer open the landing page from the marketplace's own page again.",
            ) from None

    def _fernet(self) -> MultiFernet:
        from cryptography.fernet import Fernet, MultiFernet  # noqa: PLC0415 - as above

        digests = [
            hashlib.sha256(f"crossmarket landing {key.get_secret_value()}".encode()).digest() for key in self._keys
        ]
        return MultiFernet([Fernet(base64.urlsafe_b64encode(digest)) for digest in digests])

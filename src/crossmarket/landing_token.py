"""Landing tokens as browsers bring them: decoded once, hashed for memory, never shown."""

from __future__ import annotations

import hashlib
from urllib.parse import unquote

from pydantic import SecretStr

from crossmarket.errors import InvalidTokenError

LONGEST = 8192


def clean(marketplace: str, raw: str) -> SecretStr:
    """Return the token as the marketplace issued it.

    A web framework has decoded the query or form once, which turns an unescaped `+` into a blank; a token that
    was copied out of an address bar is still percent-encoded. No marketplace's token has a blank or a percent
    sign of its own (Azure and AWS: base64; Yandex: JWT), so that both can be undone without doubt.

    Raises:
        InvalidTokenError: It is empty, too long, or has characters that no token has.
    """
    if not isinstance(raw, str) or not raw.strip():  # a framework gives None for a query without it
        raise _invalid(marketplace, "The landing token is empty.")
    token = raw.strip("\t\r\n")  # but no blanks: base64 may begin or end with a `+`
    if "%" in token:
        token = unquote(token)
    token = token.replace(" ", "+")
    if len(token) > LONGEST or not token.isascii() or not token.isprintable():
        raise _invalid(marketplace, "The landing token is not one: it is too long or has characters that none has.")
    return SecretStr(token)


def fingerprint(marketplace: str, token: SecretStr) -> str:
    """Return a digest under which the result of the exchange can be remembered, without the token."""
    return hashlib.sha256(f"{marketplace}:{token.get_secret_value()}".encode()).hexdigest()


def _invalid(marketplace: str, message: str) -> InvalidTokenError:
    return InvalidTokenError(
        message,
        marketplace=marketplace,
        operation="land",
        field="token",
        remedy="Open the landing page from the marketplace's own page again; it brings a fresh token.",
    )

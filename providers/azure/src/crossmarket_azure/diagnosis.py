"""What `doctor` finds out about credentials and reachability, by calls that change nothing."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

from crossmarket.errors import CrossmarketError
from crossmarket.models import Finding
from crossmarket.provider import failure
from crossmarket_azure.config import V2, setting
from crossmarket_azure.credentials import CERTIFICATE, read_certificate_file

if TYPE_CHECKING:
    from collections.abc import Iterator

    from crossmarket_azure.client import AzureClient
    from crossmarket_azure.config import AzureConfig

SUBJECT = "azure"

SOON = timedelta(days=30)
"""How long before its end a certificate is warned about."""


def examine(config: AzureConfig, client: AzureClient) -> Iterator[Finding]:
    """Yield what is found. Raises nothing; stops where the next step needs the one that failed."""
    if config.legacy:
        yield Finding(
            level="warning",
            subject=setting("api_version"),
            message=f"The API version {config.api_version} is deprecated.",
            remedy=f"Move the offer to {V2}.",
        )
    if config.token is not None:
        yield Finding(
            level="warning",
            subject=setting("token"),
            message="A fixed access token is used; it is not renewed.",
            remedy=f"Outside tests, remove it and set {setting('client_id')} and {setting('client_secret')}.",
        )
    yield from _certificate(config)
    try:
        client.authenticate()
    except CrossmarketError as error:
        yield _failure(error, setting("client_secret"))
        return
    yield Finding(level="ok", subject=SUBJECT, message="Entra issues access tokens.")
    try:
        page = next(client.pages(), [])
    except CrossmarketError as error:
        yield _failure(error, setting("base_url"))
        return
    yield Finding(
        level="ok",
        subject=SUBJECT,
        message=f"The marketplace answers at {config.base_url}; its list begins with {len(page)} subscription(s).",
    )


def _certificate(config: AzureConfig) -> Iterator[Finding]:
    if config.token is not None or config.client_certificate_file is None:
        return
    from cryptography import x509  # noqa: PLC0415 - only those who use a certificate need it

    option = setting("client_certificate_file")
    try:
        found = CERTIFICATE.search(read_certificate_file(config))
        certificate = x509.load_pem_x509_certificate((found[0] if found else "").encode())
    except (CrossmarketError, ValueError):
        # The attempt to get a token, which follows, says what is wrong with the file.
        return
    left = certificate.not_valid_after_utc - config.clock.now()
    if left < SOON:
        yield Finding(
            level="warning" if left > timedelta() else "error",
            subject=option,
            message=f"The certificate is good until {certificate.not_valid_after_utc:%Y-%m-%d} only.",
            remedy="Register a new one with the application in Entra, then replace the file.",
        )


def _failure(error: CrossmarketError, option: str) -> Finding:
    return failure(error.field or option, error, remedy=f"Look at {option}.")

"""The options of the Azure provider."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Final, Literal
from urllib.parse import urlsplit

from pydantic import AfterValidator, Field

from crossmarket import options
from crossmarket.errors import ConfigurationError
from crossmarket.options import BLANK_IS_NONE, COMMA_LIST, OptionalSecret, OptionalText, SecureAddress
from crossmarket.provider import ProviderConfig

V1: Final = "2017-04-15"
V2: Final = "2018-08-31"

RESOURCES = {
    V1: "62d94f6c-d599-489b-a797-3e10e42fbe22",
    V2: "20e940b3-4c77-4b0b-9a53-9e16a1b010a7",
}
"""The marketplace's own application id in Entra, for which a token must be issued, per generation."""


def setting(option: str) -> str:
    """Return the environment name of an option, as in errors and remedies."""
    return options.setting("azure", option)


def without_preview(offer: str) -> str:
    """Return an offer id in the form that is compared: no `-preview`, and no difference of case."""
    return offer.strip().casefold().removesuffix("-preview")


def _api_root(url: str) -> str:
    """Return the address above `/saas`: one without a path gets `/api`, a trailing `/saas` is cut off."""
    root = url.removesuffix("/saas").rstrip("/")
    return root if urlsplit(root).path else f"{root}/api"


def _host_only(url: str) -> str:
    if urlsplit(url).path:
        raise ValueError("must have no path: the tenant has an option of its own")
    return url


class AzureConfig(ProviderConfig):
    """The options; each is `CROSSMARKET_AZURE__<OPTION>` in the environment.

    Attributes:
        tenant_id: The Entra tenant of the application that the offer's technical configuration names.
        client_id: The id of that application.
        client_secret: Its secret.
        client_certificate_file: Instead of a secret: a PEM file with private key and certificate. It is read
            at each renewal of the token, so that a new file needs no restart.
        client_certificate_password: The password of the private key, where it has one.
        api_version: The generation of the API: `2018-08-31`, or `2017-04-15` for publishers who still use it.
        base_url: Where the API is. Without a path, `/api` is appended.
        authority_url: Where Entra issues tokens (sovereign clouds have other hosts; the emulator is its own).
        jwks_url: Where Entra's public keys are, for webhooks. Without effect until webhooks are received.
        resource: The application id of the marketplace; each generation has its own default.
        token: A fixed bearer token, for tests. No other credential is then needed.
        offers: The offers that this installation sells, separated by commas; empty accepts all of the publisher's.
        dry_run: Subscribe without charging the buyer (`2017-04-15` only).
        activation_wait: Seconds that an activation is watched until the subscription is Subscribed.
        connect_timeout: Seconds to wait for a connection.
        read_timeout: Seconds to wait for an answer.
    """

    tenant_id: OptionalText = None
    client_id: OptionalText = None
    client_secret: OptionalSecret = None
    client_certificate_file: Annotated[Path | None, BLANK_IS_NONE] = None
    client_certificate_password: OptionalSecret = None
    api_version: Literal["2018-08-31", "2017-04-15"] = V2
    base_url: Annotated[SecureAddress, AfterValidator(_api_root)] = "https://marketplaceapi.microsoft.com/api"
    authority_url: Annotated[SecureAddress, AfterValidator(_host_only)] = "https://login.microsoftonline.com"
    jwks_url: OptionalText = None
    resource: OptionalText = None
    token: OptionalSecret = None
    offers: Annotated[tuple[str, ...], COMMA_LIST] = ()
    dry_run: bool = False
    activation_wait: float = Field(default=5.0, ge=0, le=300)
    connect_timeout: float = Field(default=3.0, gt=0)
    read_timeout: float = Field(default=10.0, gt=0)

    @property
    def legacy(self) -> bool:
        """Whether the first generation of the API (`2017-04-15`) is spoken."""
        return self.api_version == V1

    @property
    def token_resource(self) -> str:
        """The application id for which tokens are asked."""
        return self.resource or RESOURCES[self.api_version]

    def accepts(self, offer: str | None) -> bool:
        """Return whether subscriptions of this offer are ours. One that is not told is."""
        return not self.offers or not offer or without_preview(offer) in {without_preview(own) for own in self.offers}

    def check_credentials(self) -> None:
        """Check that there is a way to get a token, without trying it.

        Raises:
            ConfigurationError: Settings are missing, or contradict one another; the message names them.
        """
        if self.token is not None:
            return
        missing = [setting(name) for name in ("tenant_id", "client_id") if getattr(self, name) is None]
        if self.client_secret is None and self.client_certificate_file is None:
            missing.append(f"{setting('client_secret')} (or {setting('client_certificate_file')})")
        if missing:
            raise ConfigurationError(
                f"Credentials for Azure are missing: {', '.join(missing)}.",
                field=missing[0].split()[0],
                remedy="Set them to the application that the offer's technical configuration in Partner Center names.",
            )
        if self.client_secret is not None and self.client_certificate_file is not None:
            raise ConfigurationError(
                f"Both {setting('client_secret')} and {setting('client_certificate_file')} are set.",
                field=setting("client_secret"),
                remedy="Keep the one that shall be used and remove the other.",
            )

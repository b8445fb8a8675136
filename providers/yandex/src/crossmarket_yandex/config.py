"""The options of this provider, `CROSSMARKET_YANDEX__<OPTION>` in the environment."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field

from crossmarket import options
from crossmarket.errors import ConfigurationError
from crossmarket.options import BLANK_IS_NONE, COMMA_LIST, Address, OptionalSecret, OptionalText, SecureAddress
from crossmarket.provider import ProviderConfig

Credential = Literal["service_account_key_file", "metadata", "federation_service_account_id", "iam_token"]
"""The option that chooses one of the four ways to get an IAM token."""


def setting(option: str) -> str:
    """Return the name of an option as the environment has it."""
    return options.setting("yandex", option)


class YandexConfig(ProviderConfig):
    """What the provider has to be told.

    Exactly one credential is needed: `service_account_key_file`, `metadata`, the pair
    `federation_service_account_id` and `federation_token_file`, or `iam_token`.

    Attributes:
        service_account_key_file: The JSON file that `yc iam key create` wrote. It is read again for each new
            token, so that a key can be rotated by replacing the file.
        metadata: Ask the metadata service of the virtual machine or function that this runs on.
        metadata_url: Address of that service; None asks `YC_METADATA_ADDR`, and then the usual link-local one.
        federation_service_account_id: The service account of a workload identity federation.
        federation_token_file: The file with the OIDC token of the workload; read again for each new token.
        federation_url: Where that token is exchanged.
        iam_token: A fixed IAM token. It ends after 12 hours at most: for tests and one-off commands.
        marketplace_url: Address of the Marketplace API.
        operation_url: Address of the Operation API.
        iam_url: Address of the IAM API; the audience of the signed key follows it.
        product_ids: Products that this application sells; a purchase of another one is refused. Empty accepts
            every product that the service account may see.
        poll_interval: Seconds between two reads of a subscription. Yandex Cloud pushes no signals.
        claim_timeout: Seconds to wait for a claim that the marketplace does not finish at once.
        connect_timeout: Seconds to wait for a connection.
        read_timeout: Seconds to wait for an answer.
    """

    service_account_key_file: Annotated[Path | None, BLANK_IS_NONE] = None
    metadata: Annotated[bool | None, BLANK_IS_NONE] = None
    metadata_url: Annotated[Address | None, BLANK_IS_NONE] = None
    federation_service_account_id: OptionalText = None
    federation_token_file: Annotated[Path | None, BLANK_IS_NONE] = None
    federation_url: SecureAddress = "https://auth.yandex.cloud"
    iam_token: OptionalSecret = None
    marketplace_url: SecureAddress = "https://marketplace.api.cloud.yandex.net"
    operation_url: SecureAddress = "https://operation.api.cloud.yandex.net"
    iam_url: SecureAddress = "https://iam.api.cloud.yandex.net"
    product_ids: Annotated[tuple[str, ...], COMMA_LIST] = ()
    poll_interval: float = Field(default=600.0, ge=1)
    claim_timeout: float = Field(default=30.0, ge=0)
    connect_timeout: float = Field(default=3.0, gt=0)
    read_timeout: float = Field(default=10.0, gt=0)

    @property
    def credential(self) -> Credential:
        """The one credential that is set.

        Raises:
            ConfigurationError: None is, or several are, or half of the federation's pair is missing.
        """
        given: dict[Credential, bool] = {
            "service_account_key_file": self.service_account_key_file is not None,
            "metadata": bool(self.metadata),
            "federation_service_account_id": bool(self.federation_service_account_id or self.federation_token_file),
            "iam_token": self.iam_token is not None,
        }
        chosen = [option for option, there in given.items() if there]
        if len(chosen) != 1:
            names = ", ".join(map(setting, chosen or given))
            raise ConfigurationError(
                f"Yandex Cloud Marketplace has several credentials: {names}."
                if chosen
                else "Yandex Cloud Marketplace has no credentials.",
                field=setting(chosen[0] if chosen else "service_account_key_file"),
                remedy="Keep one of them and remove the others." if chosen else f"Set exactly one of {names}.",
            )
        if chosen == ["federation_service_account_id"]:
            for option in ("federation_service_account_id", "federation_token_file"):
                if not getattr(self, option):
                    raise ConfigurationError(
                        f"The workload identity federation of Yandex Cloud lacks {setting(option)}.",
                        field=setting(option),
                        remedy=f"Set it; the federation needs {setting('federation_service_account_id')} and "
                        f"{setting('federation_token_file')}.",
                    )
        return chosen[0]

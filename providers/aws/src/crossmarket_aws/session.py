"""boto3 clients: built on first use, one for each service, shared by all threads."""

from __future__ import annotations

import functools
import threading
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Literal

from crossmarket_aws.masking import mask_logs
from crossmarket_aws.raw import read_bodies

if TYPE_CHECKING:
    import boto3
    from botocore.client import BaseClient
    from botocore.config import Config

    from crossmarket_aws.config import AwsConfig

Service = Literal["meteringmarketplace", "marketplace-entitlement", "marketplace-agreement"]

SESSION_NAME = "crossmarket"


class Clients:
    """The boto3 clients of one configuration.

    Building a client is not thread-safe, using one is: building is done under a lock. boto3 is imported by the
    first use, which also looks for credentials.

    Args:
        config: The options.
    """

    def __init__(self, config: AwsConfig) -> None:
        self._config = config
        self._built: dict[Service, BaseClient] = {}
        self._session: boto3.session.Session | None = None
        self._lock = threading.Lock()

    def __getitem__(self, service: Service) -> BaseClient:
        """Return the client of a service, building it if need be."""
        client = self._built.get(service)
        if client is None:
            with self._lock:
                client = self._built.get(service) or self._build(service)
                self._built[service] = client
        return client

    def close(self) -> None:
        """Close the connections of the clients built here; the next use builds them again."""
        with self._lock:
            built, self._built, self._session = self._built, {}, None
        for client in built.values():
            client.close()

    def _build(self, service: Service) -> BaseClient:
        if self._session is None:
            mask_logs()
            self._session = _session(self._config)
        region = self._config.region if service == "meteringmarketplace" else self._config.partition.home
        make: Callable[..., BaseClient] = self._session.client
        client = make(
            service,
            region_name=region,
            endpoint_url=self._config.endpoint_url,
            config=_options(self._config),
        )
        read_bodies(client)
        return client


def _options(config: AwsConfig) -> Config:
    from botocore.config import Config  # noqa: PLC0415 - the SDK is imported on first use

    return Config(
        connect_timeout=config.connect_timeout,
        read_timeout=config.read_timeout,
        retries={"mode": "standard", "total_max_attempts": config.max_attempts},
        user_agent_extra="crossmarket",
    )


def _session(config: AwsConfig) -> boto3.session.Session:
    """Make a session with the configured credentials; with a role, of credentials that renew themselves."""
    import boto3  # noqa: PLC0415 - importing it takes 0.1 s
    import botocore.session  # noqa: PLC0415 - as above

    core = botocore.session.Session(profile=config.profile)
    if config.access_key_id is not None and config.secret_access_key is not None:
        core.set_credentials(
            config.access_key_id.get_secret_value(),
            config.secret_access_key.get_secret_value(),
            config.session_token.get_secret_value() if config.session_token else None,
        )
    if config.role_arn is not None:
        _assume_role(core, config, config.role_arn)
    return boto3.session.Session(botocore_session=core, region_name=config.region)


def _assume_role(core: Any, config: AwsConfig, role: str) -> None:
    from botocore.credentials import (  # noqa: PLC0415 - the SDK is imported on first use
        AssumeRoleCredentialFetcher,
        DeferredRefreshableCredentials,
    )
    from botocore.exceptions import NoCredentialsError  # noqa: PLC0415 - as above

    source = core.get_credentials()
    if source is None:
        raise NoCredentialsError
    fetcher = AssumeRoleCredentialFetcher(
        client_creator=functools.partial(
            core.create_client,
            region_name=config.region,
            endpoint_url=config.endpoint_url,
            config=_options(config),
        ),
        source_credentials=source,
        role_arn=role,
        extra_args={
            "RoleSessionName": SESSION_NAME,
            **({"ExternalId": config.external_id} if config.external_id else {}),
        },
    )
    # botocore's own way to hand over credentials that are renewed before they expire.
    core._credentials = DeferredRefreshableCredentials(  # noqa: SLF001 - there is no public setter
        method="assume-role", refresh_using=fetcher.fetch_credentials
    )

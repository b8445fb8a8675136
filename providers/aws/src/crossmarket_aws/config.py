"""The options of the AWS provider, `CROSSMARKET_AWS__<OPTION>` in the environment."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from crossmarket.errors import ConfigurationError
from crossmarket.options import BLANK_IS_NONE, COMMA_LIST, OptionalSecret, OptionalText, SecureAddress
from crossmarket.provider import ProviderConfig
from crossmarket_aws.partition import Partition, partition_of

PREFIX = "CROSSMARKET_AWS__"
"""What the environment name of every option begins with."""


ProductCode = Annotated[str, Field(pattern=r"^[-a-zA-Z0-9/=:_.@]{1,255}$")]
TopicArn = Annotated[str, Field(pattern=r"^arn:aws[a-zA-Z-]*:sns:[a-z0-9-]+:[0-9]{12}:[A-Za-z0-9_-]{1,256}$")]
RoleArn = Annotated[str, Field(pattern=r"^arn:aws[a-zA-Z-]*:iam::[0-9]{12}:role/[A-Za-z0-9+=,.@_/-]{1,512}$")]


class AwsConfig(ProviderConfig):
    """The options of AWS Marketplace.

    Attributes:
        product_codes: The product codes that this application sells, separated by commas. Tokens of other
            products of the same seller are refused.
        role_arn: A role of the seller account to assume, where this application runs in another account.
        external_id: The external id that the role's trust policy asks for.
        region: Where customers are resolved and usage is metered. Always the same one per product. The
            entitlement and agreement services have one region per partition, which is derived from this one;
            `AWS_REGION` is never used.
        profile: A profile of the AWS configuration files.
        access_key_id: An access key; otherwise boto3 looks for credentials in its own way.
        secret_access_key: The secret of that key.
        session_token: The session token of a temporary key.
        endpoint_url: One address for all services, such as an emulator's. Without it botocore's own
            `AWS_ENDPOINT_URL_<SERVICE>` work.
        agreements: Whether the agreement service may be used. `auto` tries it, and does without it for a
            while where the account may not or the partition has none.
        queue_url: The SQS queue that signals will be read from.
        topic_arns: The SNS topics whose messages will be accepted, separated by commas.
        connect_timeout: Seconds to wait for a connection.
        read_timeout: Seconds to wait for an answer.
        max_attempts: How often a call is made at most, by botocore's `standard` retries.
    """

    product_codes: Annotated[tuple[ProductCode, ...], COMMA_LIST] = ()
    role_arn: Annotated[RoleArn | None, BLANK_IS_NONE] = None
    external_id: OptionalText = Field(default=None, min_length=2, max_length=1224, repr=False)
    region: Annotated[str, Field(pattern=r"^[a-z]{2,5}(-[a-z]+)+-[0-9]+$")] = "us-east-1"
    profile: OptionalText = None
    access_key_id: OptionalSecret = None
    secret_access_key: OptionalSecret = None
    session_token: OptionalSecret = None
    endpoint_url: Annotated[SecureAddress | None, BLANK_IS_NONE] = None
    agreements: Literal["auto"] | bool = "auto"
    queue_url: Annotated[SecureAddress | None, BLANK_IS_NONE] = None
    topic_arns: Annotated[tuple[TopicArn, ...], COMMA_LIST] = ()
    connect_timeout: float = Field(default=2.0, gt=0, le=60)
    read_timeout: float = Field(default=5.0, gt=0, le=60)
    max_attempts: int = Field(default=3, ge=1, le=10)

    @property
    def partition(self) -> Partition:
        """The partition that the region belongs to."""
        return partition_of(self.region)

    def require_complete(self) -> None:
        """Check what only shows once the marketplace is to be used.

        Raises:
            ConfigurationError: An option is missing, or two do not fit together; `field` names it.
        """
        if not self.product_codes:
            raise ConfigurationError(
                "No AWS product code is configured, so no landing token can be accepted.",
                field=f"{PREFIX}PRODUCT_CODES",
                remedy=f"Set {PREFIX}PRODUCT_CODES to the product codes of your listings, separated by commas.",
            )
        if (self.access_key_id is None) != (self.secret_access_key is None):
            missing = "SECRET_ACCESS_KEY" if self.secret_access_key is None else "ACCESS_KEY_ID"
            raise ConfigurationError(
                "An AWS access key needs both its id and its secret.",
                field=PREFIX + missing,
                remedy=f"Set {PREFIX}{missing}, or neither, so that boto3 looks for credentials itself.",
            )
        if self.session_token is not None and self.access_key_id is None:
            raise ConfigurationError(
                "An AWS session token is configured without the access key that it belongs to.",
                field=f"{PREFIX}ACCESS_KEY_ID",
                remedy=f"Set {PREFIX}ACCESS_KEY_ID and {PREFIX}SECRET_ACCESS_KEY too.",
            )
        if self.profile is not None and self.access_key_id is not None:
            raise ConfigurationError(
                "Both a profile and an access key are configured for AWS.",
                field=f"{PREFIX}PROFILE",
                remedy=f"Keep either {PREFIX}PROFILE or {PREFIX}ACCESS_KEY_ID.",
            )
        if self.external_id is not None and self.role_arn is None:
            raise ConfigurationError(
                "An external id is configured without the role that asks for it.",
                field=f"{PREFIX}ROLE_ARN",
                remedy=f"Set {PREFIX}ROLE_ARN to the role of the seller account.",
            )
        if not self.partition.saas:
            raise ConfigurationError(
                f"The partition of {self.region} sells no SaaS products.",
                field=f"{PREFIX}REGION",
                remedy=f"Set {PREFIX}REGION to a commercial region, such as us-east-1.",
            )
        if self.agreements is True and not self.partition.agreements:
            raise ConfigurationError(
                f"The partition of {self.region} has no agreement service.",
                field=f"{PREFIX}AGREEMENTS",
                remedy=f"Set {PREFIX}AGREEMENTS to auto or false.",
            )

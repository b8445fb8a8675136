"""The crossmarket provider for AWS Marketplace: SaaS contracts, subscriptions and contracts with consumption.

Importing this package imports no AWS SDK; boto3 is imported by the first call.
"""

from crossmarket_aws.config import AwsConfig
from crossmarket_aws.marketplace import AwsMarketplace

__all__ = ["AwsConfig", "AwsMarketplace"]

"""What differs between the partitions of AWS; capabilities belong to a partition, not to the marketplace."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True, slots=True)
class Partition:
    """One partition.

    Attributes:
        name: Its name in ARNs.
        home: The one region of its entitlement and agreement services.
        agreements: Whether it has an agreement service; where sources disagree True, so that it is probed.
        license_filter: Whether entitlements can be asked for by licence.
        saas: Whether it sells SaaS products.
    """

    name: str
    home: str
    agreements: bool = True
    license_filter: bool = True
    saas: bool = True


COMMERCIAL = Partition(name="aws", home="us-east-1")
CHINA = Partition(name="aws-cn", home="cn-northwest-1", agreements=False)
# AWS's own sample for this partition does not filter by licence; the account id is the safe key.
SOVEREIGN = Partition(name="aws-eusc", home="eusc-de-east-1", license_filter=False)
GOVERNMENT = Partition(name="aws-us-gov", home="us-gov-west-1", agreements=False, saas=False)

_BY_PREFIX = {"cn-": CHINA, "eusc-": SOVEREIGN, "us-gov-": GOVERNMENT}


def partition_of(region: str) -> Partition:
    """Return the partition that a region belongs to."""
    return next((part for prefix, part in _BY_PREFIX.items() if region.startswith(prefix)), COMMERCIAL)

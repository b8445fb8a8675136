"""Putting all entitlements and all agreements of a seller together into subscriptions. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from crossmarket_aws.facts import Identity
from crossmarket_aws.wire import Agreement, Entitlement, license_id


@dataclass(frozen=True, slots=True)
class Listed:
    """One subscription of a listing: its ids, its entitlements, and its agreement where there is one."""

    identity: Identity
    entitlements: Sequence[Entitlement]
    agreement: Agreement | None


def group(entitlements: Iterable[Entitlement], agreements: Iterable[Agreement]) -> Iterator[Listed]:
    """Yield one for each licence, legacy customer, and agreement without entitlements.

    Licences are compared by their `l-...`. Product codes are learnt from agreements that have entitlements, and
    given to those of the same product id that have none.
    """
    groups: dict[tuple[str, ...], list[Entitlement]] = {}
    for entry in entitlements:
        holder = _key(entry)
        if holder is not None:
            groups.setdefault(holder, []).append(entry)
    bare: list[Agreement] = []
    codes: dict[str, str] = {}
    for agreement in agreements:
        licenses = [("license", license_id(arn) or "") for arn in agreement.licenses]
        matched = [license_ for license_ in licenses if license_ in groups]
        for license_ in matched:
            entries = groups.pop(license_)
            listed = Listed(_identity(entries), entries, agreement)
            if listed.identity.product:
                codes.update(dict.fromkeys(agreement.products, listed.identity.product))
            yield listed
        if not matched:
            bare.append(agreement)
    for agreement in bare:
        code = next((codes[product] for product in agreement.products if product in codes), None)
        identity = Identity(product=code, license_arn=next(iter(agreement.licenses), None))
        yield Listed(identity, (), agreement)
    for entries in groups.values():
        yield Listed(_identity(entries), entries, None)


def _key(entry: Entitlement) -> tuple[str, ...] | None:
    if key := license_id(entry.license_arn):
        return "license", key
    if entry.customer:
        return "customer", entry.product or "", entry.customer
    return ("account", entry.product or "", entry.account) if entry.account else None


def _identity(entries: Sequence[Entitlement]) -> Identity:
    first = entries[0]
    return Identity(license_arn=first.license_arn).with_entitlements(entries)

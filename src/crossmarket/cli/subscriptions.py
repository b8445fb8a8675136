"""`crossmarket subscriptions`, `show` and `history`: what is stored."""

from __future__ import annotations

import itertools
from typing import Annotated

import typer

from crossmarket.cli.output import Json, fail, market, print_facts, print_json, print_table, reports_errors

commands = typer.Typer()

SubscriptionId = Annotated[str, typer.Argument(metavar="SUBSCRIPTION", help="Our id of the subscription.")]


@commands.command()
@reports_errors
def subscriptions(
    account: Annotated[str | None, typer.Option(help="Only those of this account.")] = None,
    marketplace: Annotated[str | None, typer.Option(help="Only those on this marketplace.")] = None,
    status: Annotated[str | None, typer.Option(help="pending, active, suspended, ended or unknown.")] = None,
    limit: Annotated[int, typer.Option(min=1, help="At most so many.")] = 100,
    after: Annotated[str | None, typer.Option(help="Only those after this id: the last of the page before.")] = None,
    as_json: Json = False,
) -> None:
    """List the stored subscriptions, oldest first."""
    with market() as opened:
        found = opened.subscriptions(account=account, marketplace=marketplace, status=status, limit=limit, after=after)
        if not found and marketplace is not None and marketplace not in opened.registry.installed:
            _ = opened.registry[marketplace]  # raises, and tells which name was probably meant
    if as_json:
        print_json(found)
        return
    print_table(
        ("subscription", "marketplace", "account", "status", "access", "plan", "quantities", "ends", "version"),
        [
            (s.id, s.marketplace, s.account, s.status.value, s.access, s.plan, s.quantities, s.ends_at, s.version)
            for s in found
        ],
        empty="There are no subscriptions.",
    )
    if len(found) == limit:
        typer.echo(f"More may follow: --after {found[-1].id}")


@commands.command()
@reports_errors
def show(subscription: SubscriptionId, as_json: Json = False) -> None:
    """Show one subscription, all that is known of it."""
    with market() as opened:
        found = opened.subscription(subscription)
    if as_json:
        print_json(found)
    else:
        print_subscription(found)


@commands.command()
@reports_errors
def history(subscription: SubscriptionId, as_json: Json = False) -> None:
    """Show the versions of one subscription, and what was done.

    The first table has what was stored, the second what was done to it and why.
    """
    from crossmarket.snapshot import changes_between

    with market() as opened:
        versions, entries = opened.history(subscription), opened.audit(subscription)
    if as_json:
        print_json({"versions": versions, "audit": entries})
        return
    changed: list[str] = ["first stored"]
    for before, after in itertools.pairwise(versions):
        changed.append(", ".join(change.field for change in changes_between(before, after)))
    print_table(
        ("version", "stored", "status", "account", "changed"),
        [(v.version, v.updated_at, v.status.value, v.account, c) for v, c in zip(versions, changed, strict=True)],
        empty="There are no versions.",
    )
    print_table(
        ("when", "what", "why", "account", "version"),
        [(e.at, e.action, e.origin, e.account, e.version) for e in entries],
        empty="Nothing was done to it.",
    )


def print_subscription(found: object) -> None:
    """Print all that is known of a subscription but the marketplace's own words."""
    from crossmarket.models import Subscription

    if not isinstance(found, Subscription):
        fail("there is nothing to show")
        return
    hidden = {"provider_state", "aliases", "buyer", "follows"}
    facts: dict[str, object] = {"id": found.id, "marketplace": found.marketplace, "account": found.account}
    facts |= {name: value for name, value in found if name not in hidden and name not in facts}
    facts["buyer"] = found.buyer.id if found.buyer else None
    print_facts(facts)

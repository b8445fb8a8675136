"""`crossmarket demo`: one purchase on every marketplace, from the landing token to `check()`.

Nothing here is staged: the emulators answer on sockets of this machine as the marketplaces do, and the code
between them and the answer is the code that an application runs.
"""

from __future__ import annotations

import contextlib
import shlex
import tempfile
import tomllib
from collections.abc import Iterator
from importlib.resources import files
from pathlib import Path
from typing import Any

import typer

from crossmarket.cli.emulate import emulated
from crossmarket.cli.output import cell, plain, print_json, print_table, progress
from crossmarket.errors import InvalidArgumentError
from crossmarket.market import Market
from crossmarket.models import Decision, Subscription
from crossmarket.plugins import MarketplacePlugin
from crossmarket.settings import load, normal_name
from crossmarket.testing.emulator import Emulator
from crossmarket.testing.server import serve

ACCOUNT = "acct_42"

PLAN_SEATS = 25
"""The seats of the plan in the demo's catalog."""

LONG = 16
"""From this length on, a part of a path that has digits is an id."""


def play(*, keep: str, as_json: bool) -> None:
    """Play the demo.

    Args:
        keep: A new file to keep the database in, with the catalog beside it; empty: they are thrown away.
        as_json: Print what happened as JSON, when all has happened.

    Raises:
        InvalidArgumentError: The file is there already: the emulators begin anew, and would sell the same ids again.
    """
    plugins = emulated([])
    if keep:
        _refuse_if_there(Path(keep), _catalog_beside(keep))
    with contextlib.ExitStack() as stack:
        folder = stack.enter_context(tempfile.TemporaryDirectory(prefix="crossmarket-"))
        if as_json:
            stack.enter_context(progress("Playing"))
        emulators = {plugin.name: _start(plugin, stack) for plugin in plugins}
        settings = load(
            only_arguments=True,
            database_url=f"sqlite:///{keep or Path(folder) / 'demo.db'}",
            options={normal_name(name): emulator.options(url) for name, (emulator, url) in emulators.items()},
        )
        market = stack.enter_context(Market.open(settings=settings, catalog=_catalog(plugins)))
        story = Story(market, quiet=as_json)
        story.begin(len(plugins))
        for place, plugin in enumerate(plugins, start=1):
            emulator, url = emulators[plugin.name]
            story.purchase(plugin, emulator, url, seats=min(10 * place, PLAN_SEATS))
        if keep:
            _catalog_beside(keep).write_text(_catalog_text(), encoding="utf-8")
        story.end(keep)
    if as_json:
        print_json(story.told)


class Story:
    """Does what an application does, and tells it.

    Args:
        market: The application's market.
        quiet: Tell nothing yet; `told` holds it.
    """

    def __init__(self, market: Market, *, quiet: bool) -> None:
        self._market = market
        self._quiet = quiet
        self.told: dict[str, Any] = {"account": ACCOUNT, "marketplaces": {}}

    def begin(self, marketplaces: int) -> None:
        """Say what is going to happen."""
        self._say(
            f"One account, {ACCOUNT}, buys the same product on {marketplaces} marketplaces. The marketplaces are",
            "emulated on this machine and answer over HTTP; the code is the same for all of them.",
            "",
        )

    def purchase(self, plugin: MarketplacePlugin, emulator: Emulator, url: str, *, seats: int) -> None:
        """Play one purchase: buy, land, activate, check, and what happens when the buyer stops the renewal.

        Each buys more seats than those before, so that it is its own snapshot that answers the check; where the
        marketplace sells no quantities, the plan has them.
        """
        name, market = plugin.name, self._market
        self._say(f"{plugin.title or name}  ({url})")
        sells_quantities = market.capabilities(name).quantities != "none"
        seats = seats if sells_quantities else PLAN_SEATS
        self._check(seats)
        purchase = emulator.buy(quantity=seats) if sells_quantities else emulator.buy()
        link = emulator.landing(purchase)
        token = link.fields[market.capabilities(name).landing_parameter]
        page = link.url.partition("?")[0]
        self._step("the buyer buys and opens the landing link", f"{link.method} {page} with a token")

        landing = market.land(name, token)
        proven = (
            f"subscription {landing.subscription.id}, {landing.subscription.status}" if landing.subscription else None
        )
        hints = f"unproven until activation; it claims {', '.join(landing.hints)}"
        self._step(f'landing = market.land("{name}", token)', proven or hints)

        subscription = market.activate(landing, ACCOUNT)
        self._step(f'market.activate(landing, "{ACCOUNT}")', f"{subscription.status}, {_sold(subscription)}")
        self._say(*(f"      over the wire: {call}" for call in _calls(emulator)))

        decisions = [self._check(seats), self._check(4000)]
        facts = {"subscription": subscription, "calls": _calls(emulator), "decisions": decisions}
        if emulator.can("turn_renewal_off"):
            emulator.act(purchase, "turn_renewal_off")
            market.reconcile(subscription.id)
            after = market.subscription(subscription.id)
            until = f" until {cell(after.cancels_at)}" if after.cancels_at else ""
            access = "access stays" if after.access else "no access"
            self._step("the buyer stops the renewal; market.reconcile(id)", f"{after.status}, {access}{until}")
            facts["after_renewal_was_stopped"] = after
        self.told["marketplaces"][name] = plain(facts)
        self._say("")

    def end(self, kept: str) -> None:
        """Show what the account has now, and where to go on."""
        entitlements = self._market.entitlements(ACCOUNT)
        self.told["entitlements"] = plain(entitlements)
        if self._quiet:
            return
        self._say(
            f'market.entitlements("{ACCOUNT}"): one answer over all marketplaces, from the snapshots in SQLite', ""
        )
        print_table(
            ("feature", "limit", "marketplaces"),
            [
                (item.feature, item.limit if item.limit is not None else "granted", item.marketplaces)
                for item in entitlements
            ],
            empty="Nothing.",
        )
        self._say("")
        if kept:
            database, catalog = shlex.quote(f"sqlite:///{kept}"), shlex.quote(str(_catalog_beside(kept)))
            self._say(
                "Look around:",
                f"  export CROSSMARKET_DATABASE_URL={database} CROSSMARKET_CATALOG={catalog}",
                "  crossmarket subscriptions",
                f"  crossmarket check {ACCOUNT} seats --quantity 20",
            )
        else:
            self._say("Go on: crossmarket demo --keep demo.db, crossmarket emulate, crossmarket doctor")

    def _check(self, quantity: int) -> Decision:
        decision = self._market.check(ACCOUNT, "seats", quantity)
        limit = "" if decision.limit is None else f", the limit is {decision.limit}"
        answer = f"{'yes' if decision else 'no'}: {decision.reason}{limit}"
        self._step(f'market.check("{ACCOUNT}", "seats", {quantity})', answer)
        return decision

    def _step(self, what: str, came: str) -> None:
        self._say(f"  {what:<52}  {came}")

    def _say(self, *lines: str) -> None:
        if not self._quiet:
            for line in lines:
                typer.echo(line)


def _start(plugin: MarketplacePlugin, stack: contextlib.ExitStack) -> tuple[Emulator, str]:
    assert plugin.emulator is not None  # noqa: S101 - emulated() has made sure
    emulator = plugin.emulator()
    return emulator, stack.enter_context(serve(emulator.app))


def _catalog(plugins: list[MarketplacePlugin]) -> dict[str, Any]:
    """Return the demo's catalog; a marketplace that it does not know sells the plan by any subscription."""
    catalog = tomllib.loads(_catalog_text())
    ways = catalog["plan"][0]["sold_as"]
    known = {way["marketplace"] for way in ways}
    ways += [{"marketplace": plugin.name} for plugin in plugins if plugin.name not in known]
    return catalog


def _catalog_text() -> str:
    return files("crossmarket.cli").joinpath("demo.toml").read_text(encoding="utf-8")


def _catalog_beside(kept: str) -> Path:
    return Path(kept).with_suffix(".toml")


def _refuse_if_there(*paths: Path) -> None:
    for path in paths:
        if path.exists():
            raise InvalidArgumentError(
                f"The file {path} is there already.", field="keep", remedy="Remove it, or name another."
            )


def _sold(subscription: Subscription) -> str:
    told = {"plan": subscription.plan, **subscription.quantities}
    return cell({name: value for name, value in told.items() if value is not None})


def _calls(emulator: Emulator) -> list[str]:
    """Return the API calls so far, each once: AWS's by their names, others by their paths without ids."""

    def short() -> Iterator[str]:
        for request in emulator.requests:
            path = "/".join("{id}" if _is_id(part) else part for part in request.path.split("/"))
            yield request.target.rpartition(".")[2] or f"{request.method} {path}"

    return list(dict.fromkeys(short()))


def _is_id(part: str) -> bool:
    return len(part) >= LONG and any(character.isdigit() for character in part)

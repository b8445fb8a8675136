"""The commands."""

from __future__ import annotations

import logging
import sys
from typing import Annotated

import typer

from crossmarket.cli.database import database
from crossmarket.cli.output import (
    NO,
    OK,
    Json,
    market,
    print_facts,
    print_json,
    print_table,
    progress,
    reports_errors,
)
from crossmarket.cli.subscriptions import commands, print_subscription
from crossmarket.errors import InvalidArgumentError

EPILOG = (
    "Settings come from the environment (CROSSMARKET_...) and from crossmarket.toml. "
    "Exit codes: 0 done or allowed, 1 error, 2 wrong command line, 3 no (not allowed, or something was found)."
)

app = typer.Typer(
    name="crossmarket",
    help="Sell one SaaS product on several cloud marketplaces. Begin with: crossmarket demo",
    epilog=EPILOG,
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)
app.add_typer(database, name="db")
app.add_typer(commands)


def _version(wanted: bool) -> None:
    if wanted:
        from importlib.metadata import version

        typer.echo(version("crossmarket"))
        raise typer.Exit(OK)


@app.callback()
def main(
    _: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version and end.")
    ] = False,
) -> None:
    """Hold the options that go before a command."""


@app.command()
@reports_errors
def demo(
    keep: Annotated[
        str, typer.Option(help="Keep the database in this new SQLite file, and the catalog beside it.", metavar="FILE")
    ] = "",
    as_json: Json = False,
) -> None:
    """Play one purchase on every installed marketplace.

    The marketplaces are emulated on this machine; no account is needed.
    """
    from crossmarket.cli.demo import play

    play(keep=keep, as_json=as_json)


@app.command()
@reports_errors
def emulate(
    names: Annotated[list[str] | None, typer.Argument(metavar="MARKETPLACE", help="Default: all.")] = None,
    port: Annotated[int, typer.Option(help="Port of the first emulator; the others follow. 0: free ports.")] = 8700,
    landing_url: Annotated[
        str, typer.Option(help="The seller's landing pages; {marketplace} stands for the name.")
    ] = "http://127.0.0.1:8000/land/{marketplace}",
) -> None:
    """Run emulators of the marketplaces until Ctrl-C.

    Prints the settings that point at them, and where to buy with a browser.
    """
    from crossmarket.cli.emulate import run_emulators

    run_emulators(names or [], port=port, landing_url=landing_url)


@app.command()
@reports_errors
def providers(
    generations: Annotated[bool, typer.Option("--generations", help="Show every generation of the APIs.")] = False,
    as_json: Json = False,
) -> None:
    """Show the installed providers and what they can do.

    Ends with 3 where one cannot be loaded, or is allowed and not installed.
    """
    from crossmarket.cli.providers import overview, show

    rows = overview()
    if as_json:
        print_json(rows)
    else:
        show(rows, generations=generations)
    if any(row["error"] for row in rows):
        raise typer.Exit(NO)


@app.command()
@reports_errors
def doctor(as_json: Json = False) -> None:
    """Say what is wrong with this installation, and what to do.

    Examines settings, catalog, database, credentials and whether the marketplaces can be reached. Changes nothing.
    Ends with 3 where an error was found.
    """
    from crossmarket.doctor import examine

    with progress("Examining"):
        findings = list(examine())
    if as_json:
        print_json(findings)
    else:
        marks = {"ok": "ok", "warning": "WARNING", "error": "ERROR"}
        for finding in findings:
            typer.echo(f"{marks[finding.level]:8} {finding.subject}: {finding.message}")
            if finding.remedy:
                typer.echo(f"{'':8} -> {finding.remedy}")
    if any(finding.level == "error" for finding in findings):
        raise typer.Exit(NO)


@app.command()
@reports_errors
def land(
    marketplace: Annotated[
        str, typer.Argument(metavar="MARKETPLACE", help="aws, azure, yandex or another provider's name.")
    ],
    token: Annotated[
        str,
        typer.Argument(
            metavar="TOKEN", help="The landing token; - reads it, unseen by others, from the standard input."
        ),
    ] = "-",  # noqa: S107 - the sign for the standard input
    as_json: Json = False,
) -> None:
    """Exchange a landing token. Nothing is billed yet.

    The sealed landing that it prints is for `activate`.
    """
    raw = _read_line("landing token") if token == "-" else token  # noqa: S105 - as above
    with market() as opened, progress(f"Asking {marketplace}"):
        landing = opened.land(marketplace, raw)
        sealed = landing.seal()
    subscription = landing.subscription
    if as_json:
        print_json(
            {
                "marketplace": landing.marketplace,
                "subscription": subscription,
                "hints": landing.hints,
                "returning": landing.returning,
                "sealed": sealed,
            }
        )
        return
    print_facts(
        {
            "marketplace": landing.marketplace,
            "subscription": subscription.id if subscription else "proven only at activation",
            "status": subscription.status.value if subscription else None,
            "plan": subscription.plan if subscription else None,
            "account": subscription.account if subscription else None,
            "hints": landing.hints,
            "sealed": sealed,
        }
    )
    told = "" if subscription else ", and give it the sealed landing on the standard input"
    typer.echo(f"\nNext: crossmarket activate {subscription.id if subscription else '-'} --account ACCOUNT{told}")


@app.command()
@reports_errors
def activate(
    landing: Annotated[
        str,
        typer.Argument(
            metavar="LANDING", help="A subscription's id, or a sealed landing; - reads it from the standard input."
        ),
    ],
    account: Annotated[str, typer.Option(help="Your own account that the subscription is for.")],
    as_json: Json = False,
) -> None:
    """Activate a subscription for an account. Billing starts here."""
    text = _read_line("sealed landing").strip() if landing == "-" else landing
    if not text:
        raise InvalidArgumentError("There is no landing.", remedy="Give a subscription's id or a sealed landing.")
    with market() as opened, progress("Activating"):
        target = text if _looks_like_id(text) else opened.unseal(text)
        subscription = opened.activate(target, account)
    if as_json:
        print_json(subscription)
    else:
        print_subscription(subscription)


@app.command()
@reports_errors
def check(
    account: Annotated[str, typer.Argument(metavar="ACCOUNT", help="Your own account.")],
    feature: Annotated[str, typer.Argument(metavar="FEATURE", help="A feature of the catalog.")],
    quantity: Annotated[float, typer.Option(help="How much of it is needed in all.")] = 1,
    as_json: Json = False,
) -> None:
    """Answer whether an account may use a feature now.

    Ends with 0 for yes and with 3 for no. No marketplace is asked.
    """
    with market() as opened:
        decision = opened.check(account, feature, int(quantity) if quantity.is_integer() else quantity)
    if as_json:
        print_json(decision)
    else:
        print_facts(
            {
                "answer": "yes" if decision else "no",
                "reason": decision.reason.value,
                "message": decision.message,
                "limit": decision.limit,
                "ends": decision.ends_at,
                "source": decision.source,
                "subscriptions": decision.subscriptions,
                "help": decision.help_url,
            }
        )
    if not decision:
        raise typer.Exit(NO)


@app.command()
@reports_errors
def entitlements(
    account: Annotated[str, typer.Argument(metavar="ACCOUNT", help="Your own account.")], as_json: Json = False
) -> None:
    """List all features that an account may use now."""
    with market() as opened:
        granted = opened.entitlements(account)
    if as_json:
        print_json(granted)
        return
    print_table(
        ("feature", "limit", "value", "ends", "marketplaces"),
        [(e.feature, e.limit, e.value, e.ends_at, e.marketplaces) for e in granted],
        empty="The account has no entitlements.",
    )


@app.command()
@reports_errors
def reconcile(
    subscription: Annotated[
        str | None, typer.Argument(metavar="SUBSCRIPTION", help="Our id; without it, all that have not ended.")
    ] = None,
    marketplace: Annotated[str | None, typer.Option(help="Only those on this marketplace.")] = None,
    as_json: Json = False,
) -> None:
    """Read the marketplaces again, and store what differs.

    Ends with 3 where something could not be read.
    """
    from crossmarket.reconcile import Report

    if subscription is not None and marketplace is not None:
        raise InvalidArgumentError(
            "A subscription is on one marketplace.", field="marketplace", remedy="Leave --marketplace out."
        )
    with market() as opened, progress("Reading the marketplaces"):
        if subscription is not None:
            drift = opened.reconcile(subscription)
            report = Report(checked=1, drift=(drift,) if drift.kind != "none" else ())
        else:
            if marketplace is not None:
                _ = opened.registry[marketplace]  # raises where there is no such provider
            report = opened.reconcile_all(marketplace)
    if as_json:
        print_json(report)
    else:
        print_table(
            ("subscription", "marketplace", "found", "fields", "error"),
            [(d.subscription, d.marketplace, d.kind, [c.field for c in d.changes], d.error) for d in report.drift],
            empty=f"{report.checked} read; nothing differs."
            if report.checked or not report.errors
            else "Nothing was read.",
        )
        for name, error in report.errors.items():
            typer.echo(f"{name}: {error}", err=True)
    if report.errors or any(drift.error for drift in report.drift):
        raise typer.Exit(NO)


def run() -> None:
    """Run the command line."""
    # Commands tell what they find themselves; without a handler Python would print warnings of the libraries too.
    logging.getLogger().addHandler(logging.NullHandler())
    app(prog_name="crossmarket")


def _read_line(what: str) -> str:
    """Read a line from the standard input, and say so where a person would have to type it."""
    if sys.stdin.isatty():
        typer.echo(f"Paste the {what}, and press Enter:", err=True)
    return sys.stdin.readline()


def _looks_like_id(text: str) -> bool:
    import uuid

    try:
        uuid.UUID(text)
    except ValueError:
        return False
    return True

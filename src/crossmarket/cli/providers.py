"""`crossmarket providers`: what is installed, what it can do, and what cannot be loaded."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import typer

from crossmarket import settings
from crossmarket.cli.output import cell, print_table
from crossmarket.errors import PluginError
from crossmarket.plugins import Registry


def overview() -> list[dict[str, Any]]:
    """Return one row for each provider that is installed or asked for."""
    registry = Registry(settings.load().providers)
    rows = [_row(name, registry) for name in sorted({*registry.installed, *registry.missing()})]
    return sorted(rows, key=lambda row: str(row["name"]))


def show(rows: Sequence[dict[str, Any]], *, generations: bool) -> None:
    """Print the providers, and the capabilities of their default (or every) generation."""
    print_table(
        ("provider", "marketplace", "allowed", "state"),
        [(row["name"], row["title"], row["allowed"], _state(row)) for row in rows],
        empty="No provider is installed. Try: pip install crossmarket-aws",
    )
    columns = [
        (f"{row['name']} {generation}" if generations else row["name"], capabilities)
        for row in rows
        for generation, capabilities in list(row["generations"].items())[: None if generations else 1]
    ]
    if columns:
        names = list(columns[0][1])
        typer.echo()
        print_table(
            ("capability", *(name for name, _ in columns)),
            [(name, *(cell(capabilities[name]) for _, capabilities in columns)) for name in names],
            empty="",
        )


def _state(row: dict[str, Any]) -> str:
    """Return the error; or, of a provider that was not loaded because the setting leaves it out, just that."""
    return row["error"] or ("ok" if row["allowed"] else "left out by CROSSMARKET_PROVIDERS")


def _row(name: str, registry: Registry) -> dict[str, Any]:
    row: dict[str, Any] = {
        "name": name,
        "title": None,
        "allowed": name in registry.names,
        "error": None,
        "generations": {},
    }
    if name not in registry.names:
        row["error"] = "not installed" if name not in registry.installed else None
        return row
    try:
        plugin = registry[name]
    except PluginError as error:
        row["error"] = str(error)
        return row
    generations = {key: value.model_dump(mode="json") for key, value in plugin.generations.items()}
    return row | {"title": plugin.title, "generations": generations}

"""What all commands share: tables, JSON, progress, one line for an error, and the exit codes."""

from __future__ import annotations

import contextlib
import functools
import json
import os
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Annotated, Any, TypeVar

import typer

if TYPE_CHECKING:
    from crossmarket.market import Market

OK, FAILED, USAGE, NO = 0, 1, 2, 3
"""Exit codes: done or allowed; an error; a wrong command line; a plain "no" (not allowed, something found)."""

Json = Annotated[bool, typer.Option("--json", help="Print JSON for programs instead of a table.")]
Function = TypeVar("Function", bound=Callable[..., Any])


def reports_errors(function: Function) -> Function:
    """Turn any error of the library into one line on the standard error output and exit code 1."""

    @functools.wraps(function)
    def wrapped(*args: Any, **kwargs: Any) -> Any:
        from crossmarket.errors import CrossmarketError

        try:
            return function(*args, **kwargs)
        except CrossmarketError as error:
            fail(str(error))
        except BrokenPipeError:
            # The reader has gone (`crossmarket subscriptions | head`): not our error, and nothing more to say.
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            raise typer.Exit(OK) from None
        except OSError as error:
            fail(f"The system refuses: {error}.")

    return wrapped  # type: ignore[return-value]


def fail(message: str) -> None:
    """Print one line and end with exit code 1."""
    typer.echo(f"crossmarket: {' '.join(message.split())}", err=True)
    raise typer.Exit(FAILED)


@contextlib.contextmanager
def market() -> Iterator[Market]:
    """Open the market that the settings describe."""
    from crossmarket.market import Market

    with Market.open() as opened:
        yield opened


def print_json(value: object) -> None:
    """Print a value, models included, as JSON."""
    typer.echo(json.dumps(plain(value), indent=2, ensure_ascii=False))


def plain(value: object) -> Any:
    """Return a value as JSON knows it."""
    from pydantic import BaseModel

    if isinstance(value, BaseModel):
        return value.model_dump(mode="json")
    if isinstance(value, Mapping):
        return {str(key): plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [plain(item) for item in value]
    return value


def print_table(columns: Sequence[str], rows: Sequence[Sequence[object]], *, empty: str) -> None:
    """Print a table, or the sentence that says why there is none.

    A table is never squeezed, for ids have to be whole. On a terminal that is too narrow for it, each row is told
    as names and values instead.
    """
    from rich import box
    from rich.console import Console
    from rich.table import Table

    if not rows:
        typer.echo(empty)
        return
    cells = [[cell(value) for value in row] for row in rows]
    width = _width([list(columns), *cells])
    console = Console()
    if console.is_terminal and width > console.width:
        for row in cells:
            print_facts(dict(zip(columns, row, strict=True)))
            typer.echo()
        return
    console.width = width
    table = Table(*columns, box=box.SIMPLE_HEAD, show_edge=False, pad_edge=False)
    for row in cells:
        table.add_row(*row)
    with console.capture() as captured:  # rich would end the program by itself where the reader has gone
        console.print(table, markup=False, highlight=False)
    typer.echo("\n".join(line.rstrip() for line in captured.get().splitlines()))


def print_facts(facts: Mapping[str, object]) -> None:
    """Print names and values, one to a line, leaving out what is unknown."""
    shown = {name: cell(value) for name, value in facts.items() if value not in (None, "", (), {}, [])}
    width = max((len(name) for name in shown), default=0)
    for name, value in shown.items():
        typer.echo(f"{name.ljust(width)}  {value}")


@contextlib.contextmanager
def progress(text: str) -> Iterator[None]:
    """Show that something is under way, on a terminal only."""
    from rich.console import Console

    console = Console(stderr=True)
    with console.status(text) if console.is_terminal else contextlib.nullcontext():
        yield


def cell(value: object) -> str:
    """Return a value as a person reads it."""
    match value:
        case None:
            return "-"
        case bool():
            return "yes" if value else "no"
        case datetime():
            return value.strftime("%Y-%m-%d %H:%M")
        case Mapping():
            return ", ".join(f"{key}={cell(item)}" for key, item in value.items()) or "-"
        case list() | tuple():
            return ", ".join(cell(item) for item in value) or "-"
        case _:
            return str(value)


def _width(rows: Sequence[Sequence[str]]) -> int:
    """Return how wide a table of these rows is, with three characters between two columns."""
    from rich.cells import cell_len

    return sum(max(map(cell_len, column)) + 3 for column in zip(*rows, strict=True))

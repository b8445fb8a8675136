"""Pydantic's verdicts on settings, options and catalogs, told as one clear error that shows no value."""

from __future__ import annotations

import difflib
import types
import typing
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from pydantic import BaseModel, ValidationError

from crossmarket.errors import ConfigurationError


def configuration_error(
    error: ValidationError, model: type[BaseModel], *, source: str, name_of: Callable[[str], str] = str
) -> ConfigurationError:
    """Return the error that names every wrong field and, for a misspelt one, the near name.

    Args:
        error: What pydantic found.
        model: The model that was validated, for the names that it knows.
        source: Where the input came from, for people, such as `the catalog catalog.toml`.
        name_of: Makes of a field what the user has written, such as `CROSSMARKET_AZURE__CLIENT_ID`.
    """
    known = sorted(set(_names(model, set())))
    told = []
    for entry in error.errors(include_url=False, include_input=False, include_context=False):
        place = _place(entry["loc"])
        shown = name_of(place)
        if entry["type"] == "extra_forbidden":
            near = difflib.get_close_matches(str(entry["loc"][-1]), known, n=1)
            told.append(f"{shown} is not known" + (f"; did you mean '{near[0]}'?" if near else ""))
        elif entry["type"] == "missing":
            told.append(f"{shown} is missing")
        else:
            told.append(f"{shown}: {entry['msg'].removeprefix('Value error, ')}" if shown else entry["msg"])
    all_told = "; ".join(told)
    return ConfigurationError(
        f"There is something wrong with {source}: {all_told}{'' if all_told.endswith('?') else '.'}",
        field=_place(error.errors(include_input=False)[0]["loc"]) or None,
        remedy="Correct it and try again; nothing was changed.",
    )


def _place(loc: tuple[int | str, ...]) -> str:
    """Return `plan[0].sold_as[1].marketplace` for the path to a wrong field."""
    text = ""
    for part in loc:
        text += f"[{part}]" if isinstance(part, int) else f".{part}" if text else str(part)
    return text


def _names(kind: Any, seen: set[type]) -> Iterator[str]:
    """Yield the field names of a model and of the models inside it."""
    if isinstance(kind, type) and issubclass(kind, BaseModel):
        if kind in seen:
            return
        seen.add(kind)
        for name, field in kind.model_fields.items():
            yield name
            yield from _names(field.annotation, seen)
    elif typing.get_origin(kind) is not None or isinstance(kind, types.UnionType):
        for argument in typing.get_args(kind):
            yield from _names(argument, seen)


def near_miss(word: str, known: Mapping[str, object] | typing.Iterable[str]) -> str | None:
    """Return the known word that was probably meant."""
    near = difflib.get_close_matches(word, list(known), n=1)
    return near[0] if near else None

"""Pages that are made from the code, so that they cannot say anything else than the code does.

A line `<!-- generated: settings -->` in a page is replaced by the Markdown that the function of that name in
`GENERATORS` returns. Words after the name are its arguments.
"""

from __future__ import annotations

import importlib
import inspect
import re
import types
import typing
from collections.abc import Callable, Iterator, Mapping
from enum import StrEnum
from typing import TYPE_CHECKING, Any

from pydantic import BaseModel, SecretStr
from sphinx.errors import ExtensionError

from crossmarket.plugins import MarketplacePlugin, Registry
from crossmarket.provider import Capabilities
from crossmarket.settings import PREFIX, Settings, normal_name

if TYPE_CHECKING:
    from pydantic.fields import FieldInfo
    from sphinx.application import Sphinx
    from sphinx.environment import BuildEnvironment

MARK = re.compile(r"^<!-- generated: (?P<name>[a-z-]+)(?P<arguments>[^>]*?) *-->$", re.MULTILINE)
ENTRY = re.compile(r"^ {4}(?P<name>\w+)(?: \([^)]*\))?: (?P<text>.*(?:\n {6,}.*)*)", re.MULTILINE)


def settings() -> str:
    """Return the table of the settings of a market."""
    return _options(Settings, PREFIX, leave_out={"options"})


def options(provider: str) -> str:
    """Return the table of the options of one provider."""
    return _options(_plugins()[provider].config, f"{PREFIX}{normal_name(provider).upper()}__")


def capabilities() -> str:
    """Return the table of what every generation of every installed marketplace can do."""
    described = _described(Capabilities)
    columns = {
        (f"{name} {generation}" if len(plugin.generations) > 1 else name): capable
        for name, plugin in _plugins().items()
        for generation, capable in plugin.generations.items()
    }
    rows = [
        [f"`{field}`", *(_value(getattr(capable, field)) for capable in columns.values()), described[field]]
        for field in Capabilities.model_fields
    ]
    return _table(["capability", *columns, "meaning"], rows)


def providers() -> str:
    """Return the table of the installed providers."""
    rows = [
        [f"`{name}`", plugin.title, f"`crossmarket-{name}`", "yes" if plugin.emulator else "no"]
        for name, plugin in _plugins().items()
    ]
    return _table(["name", "marketplace", "distribution", "emulator"], rows)


def commands() -> str:
    """Return the help of every command, as the terminal shows it."""
    import typer  # noqa: PLC0415 - only one page needs it

    from crossmarket.cli.main import app  # noqa: PLC0415 - as above

    return "\n".join(_help(typer.main.get_command(app), "crossmarket", None))


def module(name: str) -> str:
    """Return the docstring of a module without its first line, as Markdown."""
    text = inspect.getdoc(importlib.import_module(name)) or ""
    return text.partition("\n\n")[2]


def errors() -> str:
    """Return the directives that document every error, base classes first."""
    home = importlib.import_module("crossmarket.errors")
    found = [error for error in vars(home).values() if isinstance(error, type) and issubclass(error, Exception)]
    own = [error for error in found if error.__module__ == home.__name__]
    directives = (f".. autoexception:: crossmarket.{error.__name__}\n   :show-inheritance:" for error in own)
    return "\n".join(["```{eval-rst}", *directives, "```"])


def values(name: str) -> str:
    """Return the values of an enumeration, in one line."""
    home, _, enumeration = name.rpartition(".")
    values: type[StrEnum] = getattr(importlib.import_module(home), enumeration)
    return ", ".join(f"`{value}`" for value in values)


GENERATORS: Mapping[str, Callable[..., str]] = {
    "settings": settings,
    "options": options,
    "capabilities": capabilities,
    "providers": providers,
    "commands": commands,
    "module": module,
    "errors": errors,
    "values": values,
}


def _plugins() -> dict[str, MarketplacePlugin]:
    registry = Registry()
    return {name: registry[name] for name in registry.names}


def _options(model: type[BaseModel], prefix: str, leave_out: frozenset[str] | set[str] = frozenset()) -> str:
    described = _described(model)
    rows = [
        [f"`{prefix}{name.upper()}`", _kind(field), _default(field), described[name]]
        for name, field in model.model_fields.items()
        if name not in leave_out
    ]
    return _table(["setting", "value", "default", "meaning"], rows)


def _described(model: type[BaseModel]) -> dict[str, str]:
    """Return what the section `Attributes:` of a docstring says of each field; every field has to be there."""
    section = (model.__doc__ or "").partition("Attributes:\n")[2]
    indented = inspect.cleandoc(f"-\n{section}")  # whatever the indentation was, now it is that of the section
    lines = "\n".join(f"    {line}" for line in indented.splitlines()[1:])
    told = {entry["name"]: " ".join(entry["text"].split()) for entry in ENTRY.finditer(lines)}
    if untold := set(model.model_fields) - set(told):
        raise ExtensionError(f"The docstring of {model.__qualname__} does not tell: {', '.join(sorted(untold))}")
    return told


def _kind(field: FieldInfo) -> str:
    told = _type(field.annotation)
    bounds = [
        f"{word} {getattr(limit, name):g}"
        for limit in field.metadata
        for name, word in (("ge", "from"), ("gt", "above"), ("le", "to"), ("lt", "below"))
        if isinstance(getattr(limit, name, None), int | float)
    ]
    return " ".join([told, *bounds])


def _type(kind: Any) -> str:
    """Return what is to be written for a type, for people."""
    origin, arguments = typing.get_origin(kind), typing.get_args(kind)
    simple = {str: "text", bool: "true, false", int: "whole number", float: "number", SecretStr: "text, secret"}
    if origin is typing.Annotated:
        return _type(arguments[0])
    if origin is typing.Literal:
        return ", ".join(f"`{value}`" for value in arguments)
    if origin in {tuple, list, frozenset}:
        return f"{_type(arguments[0])}; several with commas"
    if origin in {typing.Union, types.UnionType}:
        return ", ".join(_type(part) for part in arguments if part is not type(None))
    return simple.get(kind, "path" if getattr(kind, "__name__", "") == "Path" else str(kind))


def _default(field: FieldInfo) -> str:
    value = field.get_default(call_default_factory=True, validated_data={})
    if isinstance(value, SecretStr):
        value = value.get_secret_value()
    if value is None or value == ():
        return ""
    return f"`{value}`".lower() if isinstance(value, bool) else f"`{value}`"


def _value(value: object) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    return "" if value is None else str(value)


def _table(columns: list[str], rows: list[list[str]]) -> str:
    lines = [columns, ["---"] * len(columns), *rows]
    return "\n".join("| " + " | ".join(cell.replace("|", "\\|") for cell in line) + " |" for line in lines)


def _help(command: Any, name: str, parent: Any) -> Iterator[str]:
    context = command.context_class(command, info_name=name.rpartition(" ")[2], parent=parent, terminal_width=86)
    yield f"\n## `{name}`\n\n```text\n{command.get_help(context)}\n```"
    for word, below in getattr(command, "commands", {}).items():
        yield from _help(below, f"{name} {word}", context)


def _fill(_: Sphinx, page: str, source: list[str]) -> None:
    def made(mark: re.Match[str]) -> str:
        if mark["name"] not in GENERATORS:
            raise ExtensionError(f"{page}: nothing generates '{mark['name']}'")
        return GENERATORS[mark["name"]](*mark["arguments"].split())

    source[0] = MARK.sub(made, source[0])


def _always(_: Sphinx, environment: BuildEnvironment, *__: object) -> list[str]:
    """Build the generated pages each time: their source is code."""
    return [
        page for page in environment.found_docs if MARK.search(environment.doc2path(page).read_text(encoding="utf-8"))
    ]


def _no_signature(_: Sphinx, what: str, __: str, subject: object, *___: object) -> tuple[str, str] | None:
    """Leave out the signature of a model, which would repeat its attributes, and that of a protocol, which has none."""
    silent = isinstance(subject, type) and (
        issubclass(subject, BaseModel | StrEnum) or getattr(subject, "_is_protocol", False)
    )
    return ("", "") if what == "class" and silent else None


def _skip(_: Sphinx, __: str, name: str, *___: object) -> bool | None:
    """Leave out what pydantic adds to every model."""
    return True if name in {"model_config", "model_post_init"} else None


def setup(app: Sphinx) -> dict[str, bool]:
    """Join in."""
    app.connect("source-read", _fill)
    app.connect("env-get-outdated", _always)
    app.connect("autodoc-process-signature", _no_signature)
    app.connect("autodoc-skip-member", _skip)
    return {"parallel_read_safe": True}

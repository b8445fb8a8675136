"""`crossmarket emulate`: the marketplaces on this machine."""

from __future__ import annotations

import contextlib
import shlex
import threading
from collections.abc import Sequence

import typer

from crossmarket.errors import ConfigurationError, InvalidArgumentError
from crossmarket.plugins import MarketplacePlugin, Registry
from crossmarket.settings import as_environment


def emulated(names: Sequence[str]) -> list[MarketplacePlugin]:
    """Return the providers of these names, or all that bring an emulator.

    Raises:
        InvalidArgumentError: One of the named providers brings none.
        ConfigurationError: None of the installed providers brings one, or the web packages are missing.
    """
    try:
        import starlette  # noqa: F401
        import uvicorn  # noqa: F401
    except ImportError as error:
        raise ConfigurationError(
            "The emulators need the extra 'server'.", remedy='Run: pip install "crossmarket[server]"'
        ) from error
    registry = Registry()
    broken = registry.broken()
    found = [registry[name] for name in names or registry.names if name in names or name not in broken]
    if without := [plugin.name for plugin in found if plugin.emulator is None and plugin.name in names]:
        raise InvalidArgumentError(f"The provider '{without[0]}' brings no emulator.", field="marketplace")
    found = [plugin for plugin in found if plugin.emulator is not None]
    if not found:
        raise ConfigurationError(
            "No provider with an emulator is installed.",
            remedy="Run: pip install crossmarket-aws crossmarket-azure crossmarket-yandex",
        )
    return found


def run_emulators(names: Sequence[str], *, port: int, landing_url: str) -> None:
    """Serve the emulators until the user ends them."""
    from crossmarket.testing.server import serve

    plugins = emulated(names)
    with contextlib.ExitStack() as stack:
        typer.echo("# The marketplaces are emulated here; point a market at them with these settings:\n")
        for place, plugin in enumerate(plugins):
            assert plugin.emulator is not None  # noqa: S101 - emulated() has made sure
            emulator = plugin.emulator(landing_url=landing_url.replace("{marketplace}", plugin.name))
            chosen = port + place if port else 0
            try:
                url = stack.enter_context(serve(emulator.app, port=chosen))
            except OSError as error:
                raise InvalidArgumentError(
                    f"The port {chosen} cannot be used: {error.strerror}.", field="port", remedy="Try --port 0."
                ) from error
            for variable, value in as_environment(plugin.name, emulator.options(url)).items():
                typer.echo(f"export {variable}={shlex.quote(value)}")
            typer.echo(f"# {plugin.name}: buy at {url}/_emulator/page\n")
        typer.echo("# Ctrl-C ends them.")
        with contextlib.suppress(KeyboardInterrupt):
            threading.Event().wait()

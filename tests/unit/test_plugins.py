from __future__ import annotations

import importlib
import importlib.metadata
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from bazaar import Bazaar, plugin

from crossmarket.errors import PluginError, UnknownMarketplaceError
from crossmarket.plugins import GROUP, MarketplacePlugin, Registry

TEMPLATE = """
from crossmarket.plugins import MarketplacePlugin, hookimpl
from crossmarket.provider import ProviderConfig

@hookimpl
def crossmarket_marketplace():
    return MarketplacePlugin(name=NAME, config=ProviderConfig, connect=print, api_version=1)
"""


def good(name: str) -> str:
    return TEMPLATE.replace("NAME", repr(name))


BROKEN = {
    "import": ("import no_such_module_anywhere", "cannot be loaded: ModuleNotFoundError: No module named 'no_such"),
    "raise": ("raise RuntimeError('at import')", "cannot be loaded: RuntimeError: at import"),
    "exit": ("raise SystemExit(3)", "cannot be loaded: SystemExit: 3"),
    "syntax": ("def (", "cannot be loaded: SyntaxError"),
    "hookless": ("x = 1", "announces no MarketplacePlugin"),
    "unmarked": ("def crossmarket_marketplace(): return 1", "announces no MarketplacePlugin"),
    "nothing": (good("nothing").replace("return ", "return None and "), "announces no MarketplacePlugin"),
    "wrong-type": (good("wrong-type").replace("return ", "return 'hi' or "), "announces no MarketplacePlugin"),
    "hook-raises": (good("hook-raises").replace("return ", "return 1 / 0 or "), "cannot be loaded: ZeroDivisionError"),
    "version": (good("version").replace("=1)", "=99)"), "is for version 99 of the plugin interface; this is 1."),
    "misnamed": (good("other"), "announces another name, 'other'"),
    "misspelt": (
        good("misspelt").replace("crossmarket_marketplace", "crossmarket_marketplaces"),
        "cannot be loaded: PluginValidationError",
    ),
}

Install = Callable[..., str]


@pytest.fixture
def install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Install:
    """Install distributions, each with one provider, in place of those that are there."""
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.setattr(
        "crossmarket.plugins.entry_points",
        lambda group: [
            entry
            for distribution in importlib.metadata.distributions(path=[str(tmp_path)])
            for entry in distribution.entry_points.select(group=group)
        ],
    )

    def make(name: str, code: str | None = None) -> str:
        module = f"provider_{name.replace('-', '_')}_{tmp_path.name}".replace("-", "_")
        (tmp_path / f"{module}.py").write_text(good(name) if code is None else code)
        info = tmp_path / f"crossmarket_{name}-1.0.dist-info"
        info.mkdir()
        (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: crossmarket-{name}\nVersion: 1.0\n")
        (info / "entry_points.txt").write_text(f"[{GROUP}]\n{name} = {module}\n")
        importlib.invalidate_caches()
        return module

    return make


def test_a_provider_is_found_by_its_entry_point(install: Install) -> None:
    install("acme")
    registry = Registry()
    assert registry.installed == registry.names == tuple(registry) == ("acme",)
    assert isinstance(registry["acme"], MarketplacePlugin)
    assert registry["acme"] is registry["acme"]
    assert registry.broken() == {}


def test_a_provider_is_loaded_only_when_it_is_used(install: Install) -> None:
    module = install("acme")
    registry = Registry()
    assert registry.names == ("acme",)
    assert module not in sys.modules
    assert registry["acme"]
    assert module in sys.modules


@pytest.mark.parametrize("name", BROKEN)
def test_a_broken_one_is_named_and_disturbs_no_other(install: Install, name: str) -> None:
    code, words = BROKEN[name]
    install(name, code)
    install("acme")
    registry = Registry()
    with pytest.raises(PluginError) as caught:
        registry[name]
    assert not isinstance(caught.value, UnknownMarketplaceError)
    assert str(caught.value).startswith(f"The provider '{name}' (provider_")
    assert words in str(caught.value)
    assert caught.value.field == name
    assert caught.value.remedy
    assert (caught.value.__cause__ is not None) is ("cannot be loaded" in words)
    assert registry["acme"].name == "acme"
    assert list(registry.broken()) == [name]


def test_a_broken_one_can_be_mended_without_a_new_registry(install: Install, tmp_path: Path) -> None:
    module = install("acme", "raise RuntimeError")
    registry = Registry()
    assert registry.broken()
    (tmp_path / f"{module}.py").write_text(good("acme"))
    assert registry["acme"].name == "acme"


def test_ctrl_c_is_not_swallowed(install: Install) -> None:
    install("acme", "raise KeyboardInterrupt")
    with pytest.raises(KeyboardInterrupt):
        Registry()["acme"]


def test_the_allow_list(install: Install) -> None:
    install("acme")
    install("bcme")
    registry = Registry(["bcme", "ccme"])
    assert registry.installed == ("acme", "bcme")
    assert registry.names == ("bcme",)
    assert registry.missing() == ("ccme",)
    with pytest.raises(UnknownMarketplaceError, match="CROSSMARKET_PROVIDERS leaves it out") as caught:
        registry["acme"]
    assert caught.value.remedy == "Add 'acme' to CROSSMARKET_PROVIDERS."


def test_an_allow_list_of_nothing_allows_nothing(install: Install) -> None:
    install("acme")
    assert Registry([]).names == ()
    assert Registry(None).names == ("acme",)


def test_a_slip_of_the_pen(install: Install) -> None:
    install("azure")
    with pytest.raises(
        UnknownMarketplaceError, match=r"no provider for the marketplace 'azuer' .*Did you mean 'azure'\?"
    ):
        Registry()["azuer"]


def test_one_that_nobody_knows(install: Install) -> None:
    install("azure")
    with pytest.raises(UnknownMarketplaceError) as caught:
        Registry()["oracle"]
    assert "there are: azure" in str(caught.value)
    assert "pip install crossmarket-oracle" in str(caught.value)


def test_a_provider_may_be_given_without_an_entry_point(install: Install) -> None:
    install("acme")
    given = plugin(Bazaar())
    registry = Registry(None, [given])
    assert registry.names == ("acme", "bazaar")
    assert registry["bazaar"] is given
    assert Registry(["acme"], [given]).names == ("acme",)


def test_a_given_one_goes_before_an_installed_one(install: Install) -> None:
    install("bazaar", "raise RuntimeError")
    given = plugin(Bazaar())
    assert Registry(None, [given])["bazaar"] is given

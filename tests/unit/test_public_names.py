from __future__ import annotations

import ast
import importlib
import inspect
import pkgutil
import subprocess
import sys
from pathlib import Path

import pytest

import crossmarket
from crossmarket import errors

HEAVY = (
    "alembic",
    "anyio",
    "boto3",
    "botocore",
    "cryptography",
    "httpx",
    "jwt",
    "msal",
    "pytest",
    "sqlalchemy",
    "starlette",
    "typer",
)


def loaded_after(code: str) -> set[str]:
    """Return which top-level modules an interpreter of its own has loaded after some code."""
    code += "; import sys; print(' '.join({name.partition('.')[0] for name in sys.modules}))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60)
    return set(done.stdout.split())


@pytest.mark.parametrize("code", ["import crossmarket", "from crossmarket import errors, models, provider, plugins"])
def test_importing_it_loads_nothing_heavy(code: str) -> None:
    loaded = loaded_after(code)
    assert "crossmarket" in loaded
    assert not loaded & {*HEAVY, "crossmarket_aws", "crossmarket_azure", "crossmarket_yandex"}


def test_market_loads_no_cloud_sdk_and_no_test_tool() -> None:
    loaded = loaded_after("from crossmarket import Market")
    assert not loaded & {"boto3", "botocore", "httpx", "msal", "pytest", "sqlalchemy", "starlette", "crossmarket_aws"}


@pytest.mark.parametrize("name", crossmarket.__all__)
def test_every_public_name_is_there_and_documented(name: str) -> None:
    value = getattr(crossmarket, name)
    assert inspect.isclass(value)
    assert value.__name__ == name
    assert value.__doc__


def test_all_errors_are_public() -> None:
    classes = {name for name, cls in vars(errors).items() if inspect.isclass(cls) and issubclass(cls, Exception)}
    assert classes <= set(crossmarket.__all__)


def test_type_checkers_see_the_same_names() -> None:
    tree = ast.parse(Path(inspect.getfile(crossmarket)).read_text())
    guarded = next(node for node in tree.body if isinstance(node, ast.If))
    seen = [alias.asname for node in guarded.body if isinstance(node, ast.ImportFrom) for alias in node.names]
    assert sorted(seen) == crossmarket.__all__ == dir(crossmarket)


def test_a_name_that_is_none() -> None:
    with pytest.raises(AttributeError, match="module 'crossmarket' has no attribute 'Markt'"):
        _ = crossmarket.Markt


MODULES = sorted(
    module.name
    for module in pkgutil.walk_packages(crossmarket.__path__, "crossmarket.")
    if ".migrations" not in module.name
)


@pytest.mark.parametrize("name", MODULES)
def test_every_public_function_class_and_method_is_documented(name: str) -> None:
    module = importlib.import_module(name)
    assert module.__doc__
    for label, value in vars(module).items():
        if label.startswith("_") or getattr(value, "__module__", None) != name or not inspect.isroutine(value):
            continue
        assert value.__doc__, f"{name}.{label}"

from __future__ import annotations

import copy
import inspect
import pickle
import re

import pytest

from crossmarket import errors
from crossmarket.errors import (
    AuthenticationError,
    ConflictError,
    CrossmarketError,
    InvalidArgumentError,
    InvalidTokenError,
    MarketplaceError,
    NotFoundError,
    RateLimitedError,
    UnavailableError,
)

CLASSES = {
    name: cls
    for name, cls in vars(errors).items()
    if inspect.isclass(cls) and issubclass(cls, BaseException) and cls.__module__ == errors.__name__
}


def test_the_tree_in_the_docstring_is_the_tree() -> None:
    drawn: dict[str, str] = {}
    path: list[str] = []
    for line in (errors.__doc__ or "").split("```")[1].splitlines():
        if found := re.match(r"^([\s│├└─]*)(\w+Error)\b", line):
            depth = len(found[1]) // 4
            path[depth:] = [found[2]]
            drawn[found[2]] = path[depth - 1] if depth else "Exception"
    assert drawn == {name: cls.__bases__[0].__name__ for name, cls in CLASSES.items()}
    assert len(drawn) > 15


@pytest.mark.parametrize("name", sorted(CLASSES))
def test_every_error_has_a_docstring(name: str) -> None:
    assert CLASSES[name].__doc__


def test_an_invalid_argument_is_a_value_error() -> None:
    assert issubclass(InvalidArgumentError, ValueError)


def test_text() -> None:
    assert str(CrossmarketError("It is wrong.")) == "It is wrong."
    assert str(CrossmarketError("It is wrong.", remedy="Mend it.")) == "It is wrong. Mend it."
    told = {"marketplace": "azure", "operation": "Resolve"}
    assert str(MarketplaceError("No.", **told)) == "No. [azure Resolve]"
    error = MarketplaceError("No.", **told, code="E1", http_status=400, request_id="r-1", remedy="Ask again.")
    assert str(error) == "No. Ask again. [azure Resolve: code E1, HTTP 400, request r-1]"


@pytest.mark.parametrize(
    ("kind", "retryable"),
    [
        (MarketplaceError, False),
        (AuthenticationError, False),
        (InvalidTokenError, False),
        (NotFoundError, False),
        (ConflictError, False),
        (RateLimitedError, True),
        (UnavailableError, True),
    ],
)
def test_retryable(kind: type[MarketplaceError], *, retryable: bool) -> None:
    assert kind("No.", marketplace="m", operation="o").retryable is retryable
    assert kind("No.", marketplace="m", operation="o", retryable=not retryable).retryable is not retryable


@pytest.mark.parametrize("again", [copy.copy, lambda error: pickle.loads(pickle.dumps(error))])  # noqa: S301
def test_errors_survive_the_way_between_processes(again) -> None:
    error = RateLimitedError("No.", marketplace="m", operation="o", code="E1", retry_after=3.5, field="f", remedy="R.")
    twin = again(error)
    assert type(twin) is RateLimitedError
    assert vars(twin) == vars(error)
    assert str(twin) == str(error)
    plain = again(InvalidArgumentError("Wrong.", field="f"))
    assert (type(plain), plain.message, plain.field) == (InvalidArgumentError, "Wrong.", "f")

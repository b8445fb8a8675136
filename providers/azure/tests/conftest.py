"""An emulator on a real socket, and marketplaces connected to it; no test waits and none leaves this machine."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import Any

import pytest
from pydantic import SecretStr

from crossmarket.models import Facts
from crossmarket.provider import Activation
from crossmarket.testing.clock import FakeClock
from crossmarket.testing.server import serve
from crossmarket_azure.config import V1, AzureConfig
from crossmarket_azure.emulator import AzureEmulator
from crossmarket_azure.marketplace import AzureMarketplace
from crossmarket_azure.plugin import connect as connect_plugin

Connect = Callable[..., AzureMarketplace]


@pytest.fixture
def emulator(clock: FakeClock) -> AzureEmulator:
    return AzureEmulator(clock=clock, landing_url="https://seller.example/land/azure")


@pytest.fixture
def address(emulator: AzureEmulator) -> Iterator[str]:
    with serve(emulator.app) as url:
        yield url


@pytest.fixture
def connect(emulator: AzureEmulator, address: str) -> Iterator[Connect]:
    """Connect with the emulator's options, some of them changed; None leaves one out."""
    with ExitStack() as stack:

        def make(**changed: Any) -> AzureMarketplace:
            options = {"read_timeout": 0.5} | emulator.options(address) | changed
            given = {name: value for name, value in options.items() if value is not None}
            config = AzureConfig.model_validate(given, context={"clock": emulator.clock})
            marketplace = connect_plugin(config)
            stack.callback(marketplace.close)
            return marketplace

        yield make


@pytest.fixture
def azure(connect: Connect) -> AzureMarketplace:
    return connect()


@pytest.fixture
def legacy(emulator: AzureEmulator, connect: Connect) -> AzureMarketplace:
    emulator.api_version = V1
    return connect()


@pytest.fixture
def land(emulator: AzureEmulator) -> Callable[[AzureMarketplace, str], Facts]:
    """Press "Configure account" and resolve the token."""

    def land(marketplace: AzureMarketplace, purchase: str) -> Facts:
        facts = marketplace.resolve(SecretStr(emulator.landing(purchase).fields["token"])).facts
        assert facts is not None
        return facts

    return land


@pytest.fixture
def activate() -> Callable[[AzureMarketplace, Facts], Facts]:
    """Activate for an account."""

    def activate(marketplace: AzureMarketplace, known: Facts) -> Facts:
        key = "6f0c5a0e-8e5c-4c6b-9a39-2f6f2f6b7c11"
        return marketplace.activate(Activation(account="acct_1", known=known, idempotency_key=key))

    return activate


@pytest.fixture
def subscribe(
    emulator: AzureEmulator,
    land: Callable[[AzureMarketplace, str], Facts],
    activate: Callable[[AzureMarketplace, Facts], Facts],
) -> Callable[..., tuple[str, Facts]]:
    """Buy, land and activate."""

    def subscribe(marketplace: AzureMarketplace, **terms: Any) -> tuple[str, Facts]:
        purchase = emulator.buy(**terms)
        return purchase, activate(marketplace, land(marketplace, purchase))

    return subscribe


@pytest.fixture
def calls(emulator: AzureEmulator) -> Callable[..., list[int]]:
    """Return the statuses of the API calls so far whose path ends so."""

    def calls(method: str, ending: str = "") -> list[int]:
        return [
            request.status
            for request in emulator.requests
            if request.method == method and request.path.endswith(ending) and "/saas/" in request.path
        ]

    return calls

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from pydantic import SecretStr

from crossmarket.provider import Activation
from crossmarket.testing.clock import FakeClock
from crossmarket.testing.server import serve
from crossmarket_yandex.config import YandexConfig
from crossmarket_yandex.emulator import YandexEmulator
from crossmarket_yandex.marketplace import YandexMarketplace

KEY = "3f0f8f1e-4b57-4c5c-9a1c-0d6e3b9a7c11"


class Desk:
    """The seller's desk: a marketplace that faces the emulator over HTTP, and short forms of what tests do."""

    def __init__(self, emulator: YandexEmulator, url: str) -> None:
        self.emulator = emulator
        self.url = url
        self._made: list[YandexMarketplace] = []
        self.marketplace = self.connect()

    def connect(self, **options: Any) -> YandexMarketplace:
        given = {**self.emulator.options(self.url), "connect_timeout": 1, "read_timeout": 1, **options}
        given = {name: value for name, value in given.items() if value is not None}
        config = YandexConfig.model_validate(given, context={"clock": self.emulator.clock})
        self._made.append(YandexMarketplace(config))
        return self._made[-1]

    def token(self, purchase: str) -> SecretStr:
        return SecretStr(self.emulator.landing(purchase).fields["token"])

    def request(self, purchase: str, account: str = "acct_1", token: SecretStr | None = None) -> Activation:
        token = token or self.token(purchase)
        key = uuid.uuid5(uuid.NAMESPACE_URL, f"{token.get_secret_value()} {account}")
        return Activation(account=account, token=token, idempotency_key=str(key))

    def paths(self) -> list[str]:
        return [f"{call.method} {call.path}" for call in self.emulator.requests]

    def close(self) -> None:
        for marketplace in self._made:
            marketplace.close()


@pytest.fixture
def emulator(clock: FakeClock) -> YandexEmulator:
    return YandexEmulator(clock=clock)


@pytest.fixture
def desk(emulator: YandexEmulator) -> Iterator[Desk]:
    with serve(emulator.app) as url:
        made = Desk(emulator, url)
        yield made
        made.close()


@pytest.fixture
def open_desk() -> Iterator[Callable[[YandexEmulator], Desk]]:
    """Open a desk on an emulator that the test makes."""
    from contextlib import ExitStack

    with ExitStack() as stack:

        def opened(emulator: YandexEmulator) -> Desk:
            made = Desk(emulator, stack.enter_context(serve(emulator.app)))
            stack.callback(made.close)
            return made

        yield opened

"""One account buys on every marketplace, and there is one answer."""

from __future__ import annotations

import contextlib
from pathlib import Path

import pytest

from crossmarket import Market, Status
from crossmarket.plugins import Registry
from crossmarket.settings import load, normal_name
from crossmarket.testing.clock import FakeClock
from crossmarket.testing.server import serve
from crossmarket.testing.shop import token_of

from .conftest import CATALOG, SOLD


@pytest.fixture(params=["sqlite", "postgres"])
def database_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    if request.param == "postgres":
        return str(request.getfixturevalue("postgres_url"))
    return f"sqlite:///{tmp_path}/everywhere.db"


def test_one_account_on_all_marketplaces(database_url: str, clock: FakeClock) -> None:
    registry = Registry()
    with contextlib.ExitStack() as stack:
        emulators, options = {}, {}
        for name in registry.names:
            factory = registry[name].emulator
            assert factory is not None
            emulators[name] = factory(clock=clock)
            url = stack.enter_context(serve(emulators[name].app))
            options[normal_name(name)] = emulators[name].options(url)
        settings = load(only_arguments=True, database_url=database_url, database_upgrade=True, options=options)
        market = stack.enter_context(Market.open(settings=settings, catalog=CATALOG, clock=clock))

        purchases = {}
        for name, emulator in emulators.items():
            purchases[name] = emulator.buy()
            token = token_of(emulator.landing(purchases[name]), market.capabilities(name).landing_parameter)
            assert market.activate(market.land(name, token), "acct_7").status is Status.ACTIVE

        (seats,) = (item for item in market.entitlements("acct_7") if item.feature == "seats")
        assert seats.limit == max(SOLD.values())
        assert seats.marketplaces == registry.names
        assert market.check("acct_7", "seats", 25)

        # The one with the greatest limit ends; the others keep the account in, with less.
        ended = next(item for item in market.subscriptions(marketplace="yandex"))
        emulators["yandex"].act(purchases["yandex"], "cancel")
        market.reconcile(ended.id)
        assert market.check("acct_7", "sso")
        assert market.check("acct_7", "seats", 25).reason == "limit_exceeded"
        assert market.check("acct_7", "seats", 10)

        report = market.reconcile_all()
        assert report.errors == {}
        assert [drift.kind for drift in report.drift] == []

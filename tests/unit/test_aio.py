from __future__ import annotations

import asyncio
import inspect
import threading
from typing import Any

import anyio
import pytest
from bazaar import Bazaar, plugin

from crossmarket import aio, market as sync
from crossmarket.errors import InvalidTokenError
from crossmarket.testing.clock import FakeClock

pytestmark = pytest.mark.usefixtures("no_settings")

CATALOG = {"plan": [{"name": "gold", "features": {"sso": True}, "sold_as": [{"marketplace": "bazaar"}]}]}


def public(cls: type) -> dict[str, Any]:
    return {name: member for name, member in inspect.getmembers(cls, callable) if not name.startswith("_")}


def test_both_have_the_same_methods() -> None:
    assert set(public(aio.Market)) == set(public(sync.Market))
    assert {"land", "activate", "check", "reconcile_all", "open", "close"} <= set(public(aio.Market))


@pytest.mark.parametrize("name", sorted(public(sync.Market)))
def test_both_have_the_same_signatures(name: str) -> None:
    blocking, awaited = public(sync.Market)[name], public(aio.Market)[name]
    assert inspect.signature(awaited) == inspect.signature(blocking)
    assert inspect.iscoroutinefunction(awaited)
    assert f"`crossmarket.Market.{name}`" in (awaited.__doc__ or "") or name == "close"


def open_market(bazaar: Bazaar, database_url: str) -> Any:
    return aio.Market.open(
        plugins=[plugin(bazaar)],
        providers=["bazaar"],
        database_url=database_url,
        clock=FakeClock(),
        catalog=CATALOG,
    )


@pytest.fixture
def bazaar() -> Bazaar:
    return Bazaar()


def test_from_landing_to_check(bazaar: Bazaar, database_url: str) -> None:
    async def story() -> None:
        async with await open_market(bazaar, database_url) as market:
            landing = await market.land("bazaar", bazaar.sell())
            subscription = await market.activate(landing, "acct")
            assert (await market.check("acct", "sso", quantity=1)).allowed
            assert await market.subscriptions(account="acct", limit=5) == [subscription]
            assert await market.unseal(landing.seal())
            assert (await market.reconcile(subscription.id)).kind == "none"
            with pytest.raises(InvalidTokenError):
                await market.land("bazaar", "nothing")
            assert "aio.Market(" in repr(market)

    asyncio.run(story())
    assert bazaar.closed == 1


def test_one_market_serves_one_loop_after_another(bazaar: Bazaar, database_url: str) -> None:
    market = asyncio.run(open_market(bazaar, database_url))
    for _ in range(3):

        async def ask() -> list[bool]:
            decisions = await asyncio.gather(*(market.check("acct", "sso") for _ in range(40)))
            return [decision.allowed for decision in decisions]

        assert asyncio.run(ask()) == [False] * 40
    asyncio.run(market.close())


class Blocked(Bazaar):
    """One whose answers wait until they are let go."""

    def __init__(self) -> None:
        super().__init__()
        self.begun = threading.Semaphore(0)
        self.go = threading.Event()
        self.running = self.most = 0
        self.lock = threading.Lock()

    def resolve(self, token: Any) -> Any:
        with self.lock:
            self.running += 1
            self.most = max(self.most, self.running)
        self.begun.release()
        self.go.wait(timeout=10)
        with self.lock:
            self.running -= 1
        return super().resolve(token)


def test_the_loop_goes_on_meanwhile_and_a_cancelled_call_leaves_nothing_behind(database_url: str) -> None:
    bazaar = Blocked()

    async def story() -> None:
        async with await open_market(bazaar, database_url) as market:
            task = asyncio.create_task(market.land("bazaar", bazaar.sell()))
            await asyncio.to_thread(bazaar.begun.acquire)
            assert not (await market.check("acct", "sso")).allowed
            task.cancel()
            await asyncio.sleep(0)
            bazaar.go.set()
            with pytest.raises(asyncio.CancelledError):
                await task
            assert market._limiter.borrowed_tokens == 0
            assert (await market.land("bazaar", "token-p1")).subscription is not None

    asyncio.run(story())
    assert bazaar.closed == 1


def test_closing_waits_for_a_call_that_was_cancelled(database_url: str) -> None:
    bazaar = Blocked()
    order: list[str] = []
    bazaar.close = lambda: order.append("closed")  # type: ignore[method-assign]

    class Slow(threading.Thread):
        def run(self) -> None:
            order.append("let go")
            bazaar.go.set()

    async def story() -> None:
        market = await open_market(bazaar, database_url)
        task = asyncio.create_task(market.land("bazaar", bazaar.sell()))
        await asyncio.to_thread(bazaar.begun.acquire)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        closing = asyncio.create_task(market.close())
        await asyncio.sleep(0.05)
        assert not closing.done()
        Slow().start()
        await closing

    asyncio.run(story())
    assert order == ["let go", "closed"]


def test_no_more_calls_than_threads_run_at_the_same_time(database_url: str) -> None:
    bazaar = Blocked()

    async def story() -> None:
        market = aio.Market((await open_market(bazaar, database_url)).market, threads=3)
        tokens = [bazaar.sell(f"p{n}") for n in range(8)]
        async with anyio.create_task_group() as group:
            for token in tokens:
                group.start_soon(market.land, "bazaar", token)
            for _ in range(3):
                await asyncio.to_thread(bazaar.begun.acquire)
            bazaar.go.set()
        assert len(await market.subscriptions()) == 8
        await market.close()

    asyncio.run(story())
    assert bazaar.most == 3

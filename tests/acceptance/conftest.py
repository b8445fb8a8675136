"""Every story runs on every installed marketplace, through real HTTP on both sides of the seller."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import PlainTextResponse, RedirectResponse, Response
from starlette.routing import Route

from crossmarket import CrossmarketError, Market
from crossmarket.plugins import Registry
from crossmarket.testing.server import serve
from crossmarket.testing.shop import Shop, Subject, open_shop

CATALOG = {
    "listing": {name: f"https://{name}.example/listing" for name in ("aws", "azure", "yandex")},
    "plan": [
        {
            "name": "gold",
            "features": {"sso": True, "seats": 25, "support": "24/7"},
            "sold_as": [
                {"marketplace": "aws", "dimension": "gold"},
                {"marketplace": "azure", "plan": "gold"},
                {"marketplace": "yandex", "plan": "template-basic"},
            ],
        },
    ],
    "limit": [
        {
            "feature": "seats",
            "sold_as": [{"marketplace": "aws", "dimension": "seats"}, {"marketplace": "azure", "quantity": True}],
        }
    ],
}

SOLD = {"aws": 10, "azure": 5, "yandex": 25}
"""Seats of a default purchase: bought by number on two marketplaces, by the plan on the third."""


@pytest.fixture(params=Registry().names)
def name(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def shop(name: str, tmp_path: Path) -> Iterator[Shop]:
    with open_shop(Subject(plugin=Registry()[name]), tmp_path, catalog=CATALOG) as shop:
        yield shop


class Seller:
    """The web site of an ISV, as small as it can be: a landing page, a sign-up, and a page behind a feature."""

    def __init__(self, market: Market) -> None:
        self._market = market
        self.app = Starlette(
            routes=[
                Route("/land/{marketplace}", self._land, methods=["GET", "POST"]),
                Route("/welcome", self._welcome),
                Route("/sign-up", self._sign_up, methods=["POST"]),
                Route("/seats/{quantity:int}", self._seats),
            ]
        )

    async def _land(self, request: Request) -> Response:
        marketplace = request.path_params["marketplace"]
        parameter = self._market.capabilities(marketplace).landing_parameter
        given = await request.form() if request.method == "POST" else request.query_params
        try:
            landing = await run_in_threadpool(self._market.land, marketplace, str(given.get(parameter, "")))
        except CrossmarketError as error:
            return PlainTextResponse(error.buyer_message, status_code=400)
        answer = RedirectResponse("/welcome", status_code=303)
        answer.set_cookie("landing", landing.seal(), httponly=True)
        return answer

    async def _welcome(self, request: Request) -> Response:
        return PlainTextResponse("welcome" if "landing" in request.cookies else "come from the marketplace")

    async def _sign_up(self, request: Request) -> Response:
        account = (await request.body()).decode()
        try:
            landing = await run_in_threadpool(self._market.unseal, request.cookies["landing"])
            subscription = await run_in_threadpool(self._market.activate, landing, account)
        except CrossmarketError as error:
            return PlainTextResponse(error.buyer_message, status_code=409)
        answer = PlainTextResponse(subscription.status.value)
        answer.set_cookie("account", account)
        return answer

    async def _seats(self, request: Request) -> Response:
        decision = await run_in_threadpool(
            self._market.check, request.cookies["account"], "seats", request.path_params["quantity"]
        )
        return PlainTextResponse(decision.reason.value, status_code=200 if decision else 402)


class Browser:
    """The buyer's browser: it knows the marketplace's pages and the seller's, and nothing of the library."""

    def __init__(self, marketplace: str) -> None:
        self._marketplace = marketplace
        self.client = httpx.Client(follow_redirects=True, timeout=10)

    def buy(self) -> str:
        answer = self.client.post(f"{self._marketplace}/_emulator/purchases")
        assert answer.status_code == 201, answer.text
        return str(answer.json()["id"])

    def go_to_seller(self, purchase: str) -> httpx.Response:
        """Press the button on the marketplace's page that opens the seller's landing page."""
        link = self.client.post(f"{self._marketplace}/_emulator/purchases/{purchase}/landing").json()
        if link["method"] == "POST":
            return self.client.post(link["url"], data=link["fields"])
        return self.client.get(link["address"])


@pytest.fixture
def seller(shop: Shop) -> Iterator[str]:
    with serve(Seller(shop.market).app) as url:
        shop.emulator.landing_url = f"{url}/land/{shop.name}"
        yield url


@pytest.fixture
def browser(shop: Shop) -> Iterator[Browser]:
    with serve(shop.emulator.app) as url:
        browser = Browser(url)
        with browser.client:
            yield browser


def shown_tokens(text: str) -> list[str]:
    """Return what looks like a landing token."""
    return re.findall(r"[A-Za-z0-9+/_=.-]{60,}", text)

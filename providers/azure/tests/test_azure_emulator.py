"""The emulator where the provider alone would not show it: as a strict marketplace, and the buyer's side."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import parse_qs, urlsplit

import httpx
import pytest

from crossmarket.testing.clock import FakeClock
from crossmarket.testing.emulator import EmulatorError
from crossmarket_azure.emulator import AzureEmulator
from crossmarket_azure.emulator_state import months_after

V2 = {"api-version": "2018-08-31"}
ROOT = "/api/saas/subscriptions"


@pytest.fixture
def http(emulator: AzureEmulator, address: str) -> Iterator[httpx.Client]:
    bearer = emulator.entra.issue()
    with httpx.Client(base_url=address, params=V2, headers={"Authorization": f"Bearer {bearer}"}) as client:
        yield client


def test_a_landing_token_looks_like_a_real_one(emulator: AzureEmulator) -> None:
    request = emulator.landing(emulator.buy())
    token = request.fields["token"]
    assert re.fullmatch(r"[A-Za-z0-9+/]{210}==", token)
    assert "+" in token
    assert request.method == "GET"
    assert "+" not in urlsplit(request.address).query
    assert parse_qs(urlsplit(request.address).query) == {"token": [token]}


def test_a_landing_page_may_have_a_query_of_its_own(clock: FakeClock) -> None:
    emulator = AzureEmulator(clock=clock, landing_url="https://seller.example/land?m=azure")
    assert "?m=azure&token=" in emulator.landing(emulator.buy()).address


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"Authorization": ""}, 403),
        ({"Authorization": "Bearer wrong"}, 403),
        ({"Authorization": "Basic abc"}, 403),
    ],
)
def test_a_bearer_token_is_demanded(http: httpx.Client, headers: dict[str, str], status: int) -> None:
    assert http.get(ROOT, headers=headers).status_code == status


@pytest.mark.parametrize(("version", "code"), [("", "ApiVersionUnspecified"), ("2016-01-01", "UnsupportedApiVersion")])
def test_the_version_is_demanded(http: httpx.Client, version: str, code: str) -> None:
    response = http.get(ROOT, params={"api-version": version})
    assert response.status_code == 400
    assert response.json()["Error"]["Code"] == code


def test_every_answer_has_the_ids_for_support(http: httpx.Client, emulator: AzureEmulator) -> None:
    headers = http.get(f"{ROOT}/{emulator.buy()}").headers
    assert all(headers[name] for name in ("x-ms-requestid", "x-ms-correlationid", "x-ms-activityid", "etag"))


def test_the_next_link_points_at_another_host(http: httpx.Client, emulator: AzureEmulator) -> None:
    for _ in range(10):
        emulator.buy()
    page = http.get(ROOT).json()
    assert 1 <= len(page["subscriptions"]) <= 5
    link = urlsplit(page["@nextLink"])
    assert link.netloc == "main.prod.marketplaceapi.azure.com"
    token = parse_qs(link.query)["continuationToken"][0]
    assert http.get(ROOT, params=V2 | {"continuationToken": token}).status_code == 200
    twice = link.query.partition("continuationToken=")[2].partition("&")[0]
    assert http.get(ROOT, params=V2 | {"continuationToken": twice}).status_code == 400


def test_pages_are_the_same_again_with_the_same_seed(clock: FakeClock) -> None:
    first, second, other = (AzureEmulator(clock=clock, seed=seed) for seed in (1, 1, 2))
    lengths = [[emulator.page_length() for _ in range(20)] for emulator in (first, second, other)]
    assert lengths[0] == lengths[1] != lengths[2]


def test_plan_and_quantity_together_are_refused(http: httpx.Client, emulator: AzureEmulator) -> None:
    purchase = emulator.buy(auto_activate=True)
    for body in ({"planId": "silver", "quantity": 3}, {}, {"quantity": "3"}, {"planId": 1}):
        assert http.patch(f"{ROOT}/{purchase}", json=body).status_code == 400


def test_a_change_is_answered_with_a_foreign_location(http: httpx.Client, emulator: AzureEmulator) -> None:
    purchase = emulator.buy(auto_activate=True)
    headers = http.patch(f"{ROOT}/{purchase}", json={"planId": "silver"}).headers
    assert urlsplit(headers["operation-location"]).netloc == "main.prod.marketplaceapi.azure.com"
    assert headers["operation-id"] == headers["x-ms-requestid"]
    assert headers["retry-after"] == "10"


def test_a_private_offer_is_told_only_for_the_named_plan(http: httpx.Client, emulator: AzureEmulator) -> None:
    purchase = emulator.buy(private_offer="po-1")
    path = f"{ROOT}/{purchase}/listAvailablePlans"
    assert all("sourceOffers" not in plan for plan in http.get(path).json()["plans"])
    (named,) = http.get(path, params=V2 | {"planId": "gold"}).json()["plans"]
    assert named["sourceOffers"] == [{"externalId": "po-1"}]
    assert http.get(path, params=V2 | {"planId": "none"}).json() == {"plans": []}
    emulator.act(purchase, "cancel")
    assert http.get(path).status_code == 403


@pytest.mark.parametrize(
    ("action", "arguments"),
    [
        ("change_plan", {"plan": "gold"}),
        ("change_plan", {"plan": "none"}),
        ("change_quantity", {"quantity": 0}),
        ("reinstate", {}),
        ("unlink", {}),
        ("say_status", {}),
    ],
)
def test_what_a_buyer_cannot_do(emulator: AzureEmulator, action: str, arguments: dict[str, Any]) -> None:
    purchase = emulator.buy(auto_activate=True)
    with pytest.raises(EmulatorError):
        emulator.act(purchase, action, **arguments)


def test_what_cannot_be_bought(emulator: AzureEmulator) -> None:
    with pytest.raises(EmulatorError):
        emulator.buy(plan="flat", quantity=3)
    with pytest.raises(EmulatorError):
        emulator.buy(plan="gold", quantity=0)


def test_a_purchase_over_http(emulator: AzureEmulator, address: str) -> None:
    bought = httpx.post(f"{address}/_emulator/purchases", json={"plan": "silver", "quantity": 3}).json()
    assert (bought["plan"], bought["quantities"], bought["live"]) == ("silver", {"quantity": 3}, False)
    assert httpx.post(f"{address}/_emulator/purchases", json={"colour": "red"}).status_code == 400


def test_a_purchase_that_nobody_activates_is_voided(emulator: AzureEmulator, clock: FakeClock) -> None:
    purchase = emulator.buy()
    clock.advance(timedelta(days=29))
    assert emulator.describe(purchase)["status"] == "PendingFulfillmentStart"
    clock.advance(timedelta(days=1))
    assert emulator.describe(purchase)["status"] == "Unsubscribed"


def test_a_suspension_ends_after_thirty_days(emulator: AzureEmulator, clock: FakeClock) -> None:
    purchase = emulator.buy(auto_activate=True)
    emulator.act(purchase, "suspend")
    clock.advance(timedelta(days=29))
    emulator.act(purchase, "reinstate")
    assert emulator.describe(purchase)["live"] is True
    emulator.act(purchase, "suspend")
    clock.advance(timedelta(days=30))
    assert emulator.describe(purchase)["status"] == "Unsubscribed"


def test_terms_follow_one_another(emulator: AzureEmulator, clock: FakeClock) -> None:
    purchase = emulator.buy(auto_activate=True, term="P1Y")
    assert emulator.describe(purchase)["ends_at"] == "2027-03-01T00:00:00+00:00"
    clock.advance(timedelta(days=800))
    assert emulator.describe(purchase)["ends_at"] == "2029-03-01T00:00:00+00:00"


@pytest.mark.parametrize(
    ("start", "months", "end"),
    [((2026, 1, 31), 1, (2026, 2, 28)), ((2026, 12, 15), 1, (2027, 1, 15)), ((2024, 2, 29), 12, (2025, 2, 28))],
)
def test_months(start: tuple[int, int, int], months: int, end: tuple[int, int, int]) -> None:
    assert months_after(datetime(*start, tzinfo=UTC), months) == datetime(*end, tzinfo=UTC)


def test_secrets_of_the_emulator_are_not_shown(emulator: AzureEmulator) -> None:
    emulator.entra.issue()
    shown = repr(emulator.entra)
    assert emulator.entra.secret not in shown
    assert all(token not in shown for token in emulator.entra.issued)

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import httpx
import jwt
import pytest

from crossmarket.plugins import Registry
from crossmarket.testing.emulator import EmulatorError
from crossmarket.testing.server import serve
from crossmarket_yandex.emulator import YandexEmulator

LOCKS = "/marketplace/license-manager/saas/v1/locks"
CLAIM = "/marketplace/pim/saas/v1/instances/claim"


@pytest.fixture
def http(emulator: YandexEmulator) -> Iterator[httpx.Client]:
    with serve(emulator.app) as url, httpx.Client(base_url=url) as client:
        client.headers["Authorization"] = f"Bearer {emulator.issuers.fixed}"
        yield client


def test_the_plugin_brings_it() -> None:
    plugin = Registry()["yandex"]
    assert plugin.emulator is not None
    emulator = plugin.emulator()
    assert isinstance(emulator, YandexEmulator)
    purchase = emulator.buy()
    assert emulator.describe(purchase)["live"] is False
    assert plugin.config.model_validate(emulator.options("http://127.0.0.1:1"))


def test_the_buyers_side(emulator: YandexEmulator) -> None:
    assert sorted(emulator.actions) == [
        "cancel",
        "change_plan",
        "move_folder",
        "relink",
        "renew",
        "show_state",
        "start",
        "turn_renewal_off",
        "turn_renewal_on",
        "unlink",
    ]


def test_a_landing_is_a_get_with_a_token_of_fifteen_minutes(emulator: YandexEmulator) -> None:
    purchase = emulator.buy(plan="template-gold")
    landing = emulator.landing(purchase)
    assert (landing.method, landing.url) == ("GET", "http://127.0.0.1:8000/land/yandex")
    claims = jwt.decode(landing.fields["token"], options={"verify_signature": False})
    assert claims["license_instance_id"] == purchase
    assert claims["license_template_id"] == "template-gold"
    assert claims["exp"] - claims["iat"] == 900
    assert len(landing.fields["token"]) <= 1000


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({}, 404),
        ({"Authorization": ""}, 401),
        ({"Authorization": "Bearer x"}, 401),
        ({"Authorization": "Basic x"}, 401),
    ],
)
def test_it_asks_for_a_token_that_was_issued(http: httpx.Client, headers: dict[str, str], status: int) -> None:
    answer = http.get(f"{LOCKS}/unknown", headers=headers)
    assert answer.status_code == status
    assert answer.json()["code"] == {404: 5, 401: 16}[status]
    (info,) = answer.json()["details"]
    assert info["@type"] == "type.googleapis.com/google.rpc.RequestInfo"
    assert info["requestId"] == answer.headers["x-request-id"]
    assert answer.headers["x-server-trace-id"]


@pytest.mark.parametrize(
    "body",
    [{}, {"token": ""}, {"token": 5}, {"token": "t" * 1001}, {"Token": "t"}, {"instanceToken": "t"}, [], "text"],
)
def test_a_claim_without_a_good_token_is_an_invalid_argument(http: httpx.Client, body: Any) -> None:
    answer = http.post(CLAIM, json=body)
    assert (answer.status_code, answer.json()["code"]) == (400, 3)


def test_fields_are_read_in_both_spellings_and_unknown_ones_dropped(
    emulator: YandexEmulator, http: httpx.Client
) -> None:
    for name in ("resourceId", "resource_id"):
        purchase = emulator.buy()
        token = emulator.landing(purchase).fields["token"]
        assert http.post(CLAIM, json={"token": token, name: "acct_1", "resorceId": "x"}).status_code == 200
        assert emulator.describe(purchase)["resource_id"] == "acct_1"


def test_both_ids_and_no_other_key_are_asked_for(http: httpx.Client) -> None:
    for query in ({"resourceId": "a"}, {"instanceId": "b"}, {"resourceId": "a", "instanceId": "b", "x": "y"}):
        assert http.get(f"{LOCKS}:getByResourceID", params=query).json()["code"] == 3
    assert http.get(f"{LOCKS}:getByResourceID", params={"resourceId": "a", "instanceId": "b"}).json()["code"] == 5
    assert http.get(f"{LOCKS}:getByResourceId", params={"resourceId": "a", "instanceId": "b"}).status_code == 404


def test_one_key_is_one_operation(emulator: YandexEmulator, http: httpx.Client) -> None:
    token = emulator.landing(emulator.buy()).fields["token"]
    body, key = {"token": token, "resourceId": "acct_1"}, "3f0f8f1e-4b57-4c5c-9a1c-0d6e3b9a7c11"
    first, again = (http.post(CLAIM, json=body, headers={"Idempotency-Key": key}).json()["id"] for _ in range(2))
    assert first == again
    assert http.post(CLAIM, json=body).json()["id"] != first
    assert http.post(CLAIM, json=body, headers={"Idempotency-Key": "nonsense"}).status_code == 400


def test_defaults_are_printed_or_not(emulator: YandexEmulator, http: httpx.Client) -> None:
    purchase = emulator.buy()
    emulator.turn_renewal_off(purchase)
    path = f"/marketplace/license-manager/saas/v1/instances/{purchase}"
    assert "prolongation" not in http.get(path).json()
    assert "locks" not in http.get(path).json()
    emulator.behaviour.print_defaults = True
    assert http.get(path).json()["prolongation"] is False
    assert http.get(path).json()["locks"] == []


def test_over_http_a_buyer_can_do_the_same(http: httpx.Client) -> None:
    bought = http.post("/_emulator/purchases", json={"plan": "template-gold", "days": 7}).json()
    assert bought["plan"] == "template-gold"
    assert http.post(f"/_emulator/purchases/{bought['id']}/turn_renewal_off").json()["state"] == "CANCELLED"
    http.post("/_emulator/clock", json={"seconds": 7 * 86400})
    assert http.get(f"/_emulator/purchases/{bought['id']}").json()["state"] == "EXPIRED"
    assert http.post(f"/_emulator/purchases/{bought['id']}/renew").status_code == 400
    assert http.post("/_emulator/purchases", json={"quantity": 5}).status_code == 400


def test_a_buyer_cannot_do_what_makes_no_sense(emulator: YandexEmulator) -> None:
    purchase = emulator.buy()
    for action in ("unlink", "relink", "turn_renewal_on", "start"):
        with pytest.raises(EmulatorError):
            emulator.act(purchase, action)
    with pytest.raises(EmulatorError):
        emulator.buy(subscription=False, product_instance=False)


@pytest.mark.parametrize(
    ("path", "options", "status"),
    [
        ("/computeMetadata/v1/instance/service-accounts/default/token", {"method": "GET"}, 403),
        ("/oauth/token", {"method": "POST", "data": {"grant_type": "x"}}, 400),
        ("/iam/v1/tokens", {"method": "POST", "json": {"jwt": "nonsense"}}, 401),
        ("/iam/v1/tokens", {"method": "POST", "json": {}}, 400),
    ],
)
def test_issuers_refuse_what_is_not_right(http: httpx.Client, path: str, options: dict[str, Any], status: int) -> None:
    assert http.request(url=path, **options).status_code == status

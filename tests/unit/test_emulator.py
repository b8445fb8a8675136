# ruff: noqa: ARG002 - the interface has arguments that a small marketplace does not need
from __future__ import annotations

import http.client
import json
import urllib.error
import urllib.request
from collections.abc import Iterator, Sequence
from datetime import timedelta
from typing import Any

import pytest
from bazaar import NOW
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from crossmarket.testing.clock import FakeClock
from crossmarket.testing.emulator import Emulator, EmulatorError, LandingRequest, buyer_action
from crossmarket.testing.faults import Fault, Faults
from crossmarket.testing.server import serve


class Stall(Emulator):
    """The smallest marketplace: purchases with a plan."""

    name = "stall"

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self.plans: dict[str, str] = {}
        self.calls = 0

    def buy(self, plan: str = "gold", quantity: int = 1) -> str:
        purchase = f"p{len(self.plans) + 1}"
        self.plans[purchase] = plan * quantity
        return purchase

    def purchases(self) -> Sequence[str]:
        return list(self.plans)

    def landing(self, purchase_id: str) -> LandingRequest:
        return LandingRequest(method="GET", url=self.landing_url, fields={"token": f"t-{purchase_id}"})

    def expired_token(self) -> str:
        return "t-expired"

    def foreign_token(self) -> str:
        return "t-foreign"

    def describe(self, purchase_id: str) -> dict[str, Any]:
        return {"live": True, "plan": self.plans[purchase_id], "quantities": {}, "will_renew": True}

    def options(self, base_url: str) -> dict[str, Any]:
        return {"base_url": base_url}

    def routes(self) -> Sequence[Route]:
        return [Route("/api/{id}", self._read)]

    def refuse(self, fault: Fault) -> Response:
        headers = {} if fault.retry_after is None else {"Retry-After": str(fault.retry_after)}
        return JSONResponse({"error": "refused"}, status_code=fault.status, headers=headers)

    async def _read(self, request: Request) -> Response:
        self.calls += 1
        return JSONResponse({"plan": self.plans[request.path_params["id"]]})

    @buyer_action
    def change_plan(self, purchase_id: str, plan: str) -> None:
        """Change to another plan."""
        self.plans[purchase_id] = plan

    @buyer_action
    def suspend(self, purchase_id: str, days: int = 1) -> None:
        """Suspend."""
        if days < 1:
            raise EmulatorError("not for less than a day")

    def helper(self, purchase_id: str) -> None:
        raise AssertionError("it is no action")


@pytest.fixture
def stall(clock: FakeClock) -> Stall:
    return Stall(clock=clock)


@pytest.fixture
def url(stall: Stall) -> Iterator[str]:
    with serve(stall.app) as url:
        yield url


def call(url: str, path: str, body: Any = None, method: str | None = None, timeout: float = 5) -> tuple[int, Any]:
    data = body if isinstance(body, bytes) else None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(url + path, data=data, method=method)  # noqa: S310 - this machine
    try:
        with urllib.request.urlopen(request, timeout=timeout) as answer:  # noqa: S310 - as above
            status, content = answer.status, answer.read()
    except urllib.error.HTTPError as error:
        with error:
            status, content = error.code, error.read()
    try:
        return status, json.loads(content)
    except ValueError:
        return status, content.decode()


def test_actions(stall: Stall) -> None:
    assert sorted(stall.actions) == ["change_plan", "suspend"]
    assert stall.can("suspend")
    assert not stall.can("helper")
    stall.buy()
    stall.act("p1", "change_plan", plan="silver")
    assert stall.plans == {"p1": "silver"}


@pytest.mark.parametrize(
    ("purchase", "action", "arguments", "words"),
    [
        ("p1", "helper", {}, "stall has no action 'helper'; there are: change_plan, suspend"),
        ("p9", "suspend", {}, "there is no purchase 'p9'"),
        ("p1", "change_plan", {}, "missing a required argument: 'plan'"),
        ("p1", "change_plan", {"plan": 5}, "change_plan: "),
        ("p1", "suspend", {"days": "some"}, "suspend: "),
        ("p1", "suspend", {"weeks": 1}, "weeks"),
        ("p1", "suspend", {"days": 0}, "not for less than a day"),
    ],
)
def test_what_the_buyer_cannot_do(stall: Stall, purchase: str, action: str, arguments: Any, words: str) -> None:
    stall.buy()
    with pytest.raises(EmulatorError, match=words):
        stall.act(purchase, action, **arguments)


def test_the_buyers_side_over_http(stall: Stall, url: str) -> None:
    truth = {"live": True, "plan": "silver", "quantities": {}, "will_renew": True}
    assert call(url, "/_emulator/purchases", {"plan": "silver"}) == (201, {"id": "p1", **truth})
    assert call(url, "/_emulator/purchases/p1") == (200, {"id": "p1", **truth})
    status, landing = call(url, "/_emulator/purchases/p1/landing", b"")
    assert (status, landing["method"], landing["fields"]) == (200, "GET", {"token": "t-p1"})
    assert landing["url"] == "http://127.0.0.1:8000/land/stall"
    assert call(url, "/_emulator/purchases/p1/change_plan", {"plan": "gold"})[1]["plan"] == "gold"
    assert call(url, "/_emulator/clock", {"seconds": 3600}) == (200, {"time": "2026-03-01T13:00:00+00:00"})
    assert stall.clock.now() == NOW + timedelta(hours=1)
    status, state = call(url, "/_emulator")
    assert (status, state["marketplace"], state["actions"]) == (200, "stall", ["change_plan", "suspend"])
    assert state["purchases"] == {"p1": {**truth, "plan": "gold"}}
    status, page = call(url, "/_emulator/page")
    assert status == 200
    assert "change_plan" in page


@pytest.mark.parametrize(
    ("path", "body", "words"),
    [
        ("/_emulator/purchases", {"plan": 5}, "buy: "),
        ("/_emulator/purchases", {"colour": "red"}, "colour"),
        ("/_emulator/purchases", b"{", "not JSON"),
        ("/_emulator/purchases", [1], "must be a JSON object"),
        ("/_emulator/purchases/p9/landing", b"", "there is no purchase 'p9'"),
        ("/_emulator/purchases/p1/helper", b"", "no action 'helper'"),
        ("/_emulator/clock", {"seconds": "soon"}, ""),
        ("/_emulator/faults", {"kind": "nothing"}, ""),
    ],
)
def test_wrong_requests_are_answered(stall: Stall, url: str, path: str, body: Any, words: str) -> None:
    stall.buy()
    status, answer = call(url, path, body)
    assert status == 400
    assert words in str(answer)


def test_calls_are_recorded_and_the_buyers_are_not(stall: Stall, url: str) -> None:
    stall.buy()
    call(url, "/api/p1?token=hush")
    call(url, "/nowhere")
    assert [(r.method, r.path, r.status) for r in stall.requests] == [("GET", "/api/p1", 200), ("GET", "/nowhere", 404)]
    assert "hush" not in repr(stall.requests)
    assert len(call(url, "/_emulator/requests")[1]) == 2


# Faults


def test_a_status(stall: Stall, url: str) -> None:
    stall.buy()
    status, fault = call(url, "/_emulator/faults", {"kind": "status", "status": 429, "retry_after": 7, "times": 2})
    assert (status, fault["status"]) == (201, 429)
    assert [call(url, "/api/p1")[0] for _ in range(3)] == [429, 429, 200]
    assert stall.calls == 1


@pytest.mark.parametrize(("kind", "calls"), [("lost_reply", 1), ("reset", 0), ("timeout", 0)])
def test_broken_answers(stall: Stall, url: str, kind: str, calls: int) -> None:
    stall.buy()
    stall.faults.add(Fault(kind=kind, seconds=1))
    with pytest.raises((OSError, http.client.HTTPException)):
        call(url, "/api/p1", timeout=0.1)
    assert stall.calls == calls
    assert call(url, "/api/p1") == (200, {"plan": "gold"})


def test_malformed_and_slow(stall: Stall, url: str) -> None:
    stall.buy()
    stall.faults.add(Fault(kind="malformed"))
    stall.faults.add(Fault(kind="slow", seconds=0.01))
    assert call(url, "/api/p1") == (200, "<html><body>Service temporarily out</body></html>")
    assert call(url, "/api/p1") == (200, {"plan": "gold"})
    assert stall.calls == 1


def test_faults_are_taken_in_order_and_by_match() -> None:
    faults = Faults()
    first, second = Fault(kind="reset", match="/b"), Fault(kind="slow", times=2)
    faults.add(first)
    faults.add(second)
    assert [faults.take(call) for call in ("/a", "/b", "/b", "/b")] == [second, first, second, None]
    assert faults.waiting == ()


def test_a_fault_without_number_stays_until_it_is_removed(stall: Stall, url: str) -> None:
    stall.buy()
    stall.faults.add(Fault(kind="status", times=0))
    assert [call(url, "/api/p1")[0] for _ in range(4)] == [503] * 4
    assert call(url, "/_emulator")[1]["faults"][0]["kind"] == "status"
    assert call(url, "/_emulator/faults", method="DELETE")[0] == 204
    assert call(url, "/api/p1")[0] == 200

"""The client against answers that the emulator does not give: odd pages, empty bodies, words where JSON should be."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack

import pytest
from pydantic import SecretStr
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, PlainTextResponse, Response
from starlette.routing import Route

from crossmarket.errors import InvalidArgumentError, MarketplaceError, UnavailableError
from crossmarket.models import Facts, Status
from crossmarket.provider import Activation
from crossmarket.testing.clock import FakeClock
from crossmarket.testing.server import serve
from crossmarket_azure.config import AzureConfig
from crossmarket_azure.marketplace import AzureMarketplace

Answer = Callable[[Request], Response]
Against = Callable[[Answer], AzureMarketplace]

KNOWN = Facts(status=Status.PENDING, plan="gold", marketplace_ids={"subscription": "s1"})


@pytest.fixture
def against() -> Iterator[Against]:
    """Connect to a server that answers everything by one function."""
    with ExitStack() as stack:

        def connect(answer: Answer) -> AzureMarketplace:
            async def endpoint(request: Request) -> Response:
                return answer(request)

            methods = ["GET", "POST", "PATCH", "DELETE", "PUT"]
            url = stack.enter_context(serve(Starlette(routes=[Route("/{rest:path}", endpoint, methods=methods)])))
            config = AzureConfig.model_validate({"base_url": url, "token": "t"}, context={"clock": FakeClock()})
            marketplace = AzureMarketplace(config)
            stack.callback(marketplace.close)
            return marketplace

        yield connect


@pytest.mark.parametrize("body", [b"", b"{}", b'{"subscriptions": []}', b"[]", b'{"subscriptions": null}'])
def test_nothing_found_has_many_forms(against: Against, body: bytes) -> None:
    assert list(against(lambda _: Response(body)).list_subscriptions()) == []


@pytest.mark.parametrize("answer", [HTMLResponse("<html>"), PlainTextResponse("OK"), JSONResponse(3)])
def test_what_is_no_list_is_not_an_empty_one(against: Against, answer: Response) -> None:
    with pytest.raises(UnavailableError):
        list(against(lambda _: answer).list_subscriptions())


@pytest.mark.parametrize(
    "link",
    [
        "https://evil.example/api/saas/subscriptions",
        "https://evil.example/api/saas/subscriptions?continuationToken=same",
    ],
)
def test_a_link_that_leads_nowhere_is_an_error(against: Against, link: str) -> None:
    def answer(_: Request) -> Response:
        return JSONResponse({"subscriptions": [{"id": "a"}], "@nextLink": link})

    with pytest.raises(MarketplaceError, match="not complete"):
        list(against(answer).list_subscriptions())


def test_the_next_page_is_asked_of_the_configured_host_with_the_token_encoded_once(against: Against) -> None:
    raw: list[str] = []

    def answer(request: Request) -> Response:
        raw.append(request.url.query)
        link = "https://other.example/x?continuationToken=%5B%7B%22a%22%3A%221%2B2%22%7D%5D&api-version=2018-08-31"
        more = {} if "continuationToken" in request.query_params else {"@nextLink": link}
        return JSONResponse({"subscriptions": [{"id": str(len(raw))}], **more})

    assert len(list(against(answer).list_subscriptions())) == 2
    assert raw[0] == "api-version=2018-08-31"
    assert raw[1].count("%2B") == 1
    assert "%25" not in raw[1]


def test_rows_without_an_id_are_left_out(against: Against) -> None:
    page = {"subscriptions": [{"planId": "x"}, {"id": "a", "saasSubscriptionStatus": "Odd", "term": 3}, 7]}
    (facts,) = against(lambda _: JSONResponse(page)).list_subscriptions()
    assert facts.status is Status.UNKNOWN


def test_an_answer_to_resolve_that_names_no_subscription(against: Against) -> None:
    with pytest.raises(UnavailableError, match="names no subscription"):
        against(lambda _: JSONResponse({})).resolve(SecretStr("abc"))


@pytest.mark.parametrize("body", [b"", b"OK", b'"OK"', b"{}"])
def test_a_success_may_be_any_text(against: Against, body: bytes) -> None:
    def answer(request: Request) -> Response:
        if request.method == "GET":
            return JSONResponse({"id": "s1", "saasSubscriptionStatus": " Subscribed "})
        return Response(body)

    facts = against(answer).activate(Activation(account="a", known=KNOWN, idempotency_key="k"))
    assert facts.status is Status.ACTIVE


def test_an_operation_location_is_never_called(against: Against) -> None:
    def answer(request: Request) -> Response:
        if request.method == "GET":
            return JSONResponse({"id  ": "op-7", "status": "Succeeded", "action": "ChangePlan"})
        location = "https://evil.example/api/saas/subscriptions/s1/operations/op-7?api-version=2018-08-31"
        return Response(status_code=202, headers={"Operation-Location": location})

    azure = against(answer)
    operation = azure.change_plan(KNOWN, "gold")
    assert operation.id == "op-7"
    assert azure.get_operation(KNOWN, operation.id).status == "succeeded"


def test_ids_are_encoded_into_paths(against: Against) -> None:
    paths: list[str] = []

    def answer(request: Request) -> Response:
        paths.append(request.scope["raw_path"].decode())
        return JSONResponse({"id": "x", "status": "Failed"})

    azure = against(answer)
    azure.get_operation(KNOWN, "org:1,2/../3?x")
    assert paths == ["/api/saas/subscriptions/s1/operations/org%3A1%2C2%2F..%2F3%3Fx"]
    with pytest.raises(InvalidArgumentError):
        azure.get_operation(KNOWN.model_copy(update={"marketplace_ids": {"tenant": "t"}}), "x")


def test_a_bare_array_of_operations(against: Against) -> None:
    rows = [{"id": "1", "status": "InProgress"}, {"id": "2", "status": "Succeeded"}]
    assert [operation.id for operation in against(lambda _: JSONResponse(rows)).list_operations(KNOWN)] == ["1"]

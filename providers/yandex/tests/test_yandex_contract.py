"""What the client sends and what the emulator answers, judged by the vendor's own protocol descriptors.

The transcoder of the real API drops unknown fields of a body in silence, so that a misspelt one does harm that
no answer shows. The judge below reads routes, fields and limits out of the published `yandexcloud` package.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, unquote

import pytest
from google.api import annotations_pb2
from google.protobuf import json_format, message_factory
from google.protobuf.message import Message
from google.rpc import error_details_pb2, status_pb2
from starlette.types import ASGIApp, Receive, Scope, Send
from yandex.cloud import validation_pb2
from yandex.cloud.api import operation_pb2 as operation_options
from yandex.cloud.iam.v1 import iam_token_service_pb2
from yandex.cloud.marketplace.licensemanager.saas.v1 import instance_service_pb2, lock_service_pb2
from yandex.cloud.marketplace.pim.v1.saas import product_instance_service_pb2
from yandex.cloud.operation import operation_service_pb2

from crossmarket.errors import MarketplaceError
from crossmarket.models import Facts, Status
from crossmarket.testing.clock import FakeClock
from crossmarket.testing.faults import Fault
from crossmarket.testing.server import serve
from crossmarket_yandex.emulator import Behaviour, YandexEmulator

from .conftest import Desk

SERVICES = (
    product_instance_service_pb2.DESCRIPTOR.services_by_name["ProductInstanceService"],
    instance_service_pb2.DESCRIPTOR.services_by_name["InstanceService"],
    lock_service_pb2.DESCRIPTOR.services_by_name["LockService"],
    operation_service_pb2.DESCRIPTOR.services_by_name["OperationService"],
    iam_token_service_pb2.DESCRIPTOR.services_by_name["IamTokenService"],
)
EXPECTED_TYPES = (status_pb2.Status, error_details_pb2.RequestInfo)  # known to the parser once imported


@dataclass(frozen=True)
class Exchange:
    """One request and its answer, as they went over the wire."""

    method: str
    path: str
    query: str = ""
    headers: dict[str, str] = field(default_factory=dict)
    body: bytes = b""
    status: int = 200
    answer: bytes = b""


class Recorder:
    """Wraps an app and keeps what goes through."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app
        self.exchanges: list[Exchange] = []

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        sent = bytearray()
        told: dict[str, Any] = {"answer": b""}

        async def receiving() -> Any:
            message = await receive()
            sent.extend(message.get("body", b""))
            return message

        async def sending(message: Any) -> None:
            told["status"] = message.get("status", told.get("status"))
            told["answer"] += message.get("body", b"")
            await send(message)

        await self._app(scope, receiving, sending)
        self.exchanges.append(
            Exchange(
                method=scope["method"],
                path=scope["raw_path"].decode(),
                query=scope["query_string"].decode(),
                headers={name.decode(): value.decode() for name, value in scope["headers"]},
                body=bytes(sent),
                **told,
            )
        )


def routes() -> Iterator[tuple[Any, str, re.Pattern[str], str]]:
    for service in SERVICES:
        for method in service.methods:
            rule = method.GetOptions().Extensions[annotations_pb2.http]
            verb = rule.WhichOneof("pattern")
            pattern = re.sub(r"\\\{(\w+)\\\}", r"(?P<\1>[^/:]+)", re.escape(getattr(rule, verb)))
            yield method, verb.upper(), re.compile(pattern), rule.body


def find(exchange: Exchange) -> tuple[Any, dict[str, str], str]:
    for method, verb, pattern, body in routes():
        match = pattern.fullmatch(exchange.path)
        if match and verb == exchange.method:
            return method, {name: unquote(value) for name, value in match.groupdict().items()}, body
    raise AssertionError(f"no such route: {exchange.method} {exchange.path}")


def judge_request(exchange: Exchange) -> str:
    """Return the name of the method; fail if the request is not one of its."""
    method, fields, body = find(exchange)
    known = {key: each.name for each in method.input_type.fields for key in (each.name, each.json_name)}
    for name, value in parse_qsl(exchange.query, keep_blank_values=True, strict_parsing=bool(exchange.query)):
        assert name in known, f"no such query key: {name}"
        fields[known[name]] = value
    assert bool(exchange.body) == (body == "*")
    message = message_factory.GetMessageClass(method.input_type)()
    if exchange.body:
        assert exchange.headers["content-type"] == "application/json"
        json_format.Parse(exchange.body, message, ignore_unknown_fields=False)
    json_format.ParseDict(fields, message)
    validate(message)
    return str(method.full_name)


def validate(message: Message) -> None:
    """Apply the options of `yandex.cloud.validation`."""
    for each in message.DESCRIPTOR.fields:
        options, value = each.GetOptions().Extensions, getattr(message, each.name)
        if options[validation_pb2.required]:
            assert value, f"{each.name} is required"
        for limit, text in ((validation_pb2.length, value), (validation_pb2.size, value)):
            if options[limit] and value:
                least, most = re.fullmatch(r"(?:<=|(\d+)-)(\d+)", options[limit]).groups()  # type: ignore[union-attr]
                assert int(least or 0) <= len(text) <= int(most), f"{each.name}: {options[limit]}"
        if options[validation_pb2.pattern] and value:
            assert re.fullmatch(options[validation_pb2.pattern], value), f"{each.name}: pattern"
    for group in message.DESCRIPTOR.oneofs:
        if group.GetOptions().Extensions[validation_pb2.exactly_one]:
            assert message.WhichOneof(group.name), f"exactly one of {group.name}"


def judge_answer(exchange: Exchange) -> Message:
    """Return the answer as the message that the method promises; fail if it is none."""
    method, _, _ = find(exchange)
    if exchange.status != 200:
        status: Message = json_format.Parse(exchange.answer, status_pb2.Status())
        assert status.code in range(1, 17)
        return status
    message: Message = json_format.Parse(exchange.answer, message_factory.GetMessageClass(method.output_type)())
    promised = method.GetOptions().Extensions[operation_options.operation]
    if promised.metadata and not message.HasField("error"):
        package = method.containing_service.full_name.rpartition(".")[0]
        told = message.metadata.TypeName()
        assert told in {promised.metadata, f"{package}.{promised.metadata}"}
        if message.HasField("response"):
            told = message.response.TypeName()
            assert told.rpartition(".")[2] == promised.response.rpartition(".")[2]
    return message


@pytest.fixture
def record(tmp_path: Path) -> Callable[[Behaviour], list[Exchange]]:
    """Send the client at a recorded emulator, through everything that it can do."""

    def play(behaviour: Behaviour) -> list[Exchange]:
        emulator = YandexEmulator(clock=FakeClock(), behaviour=behaviour)
        recorder = Recorder(emulator.app)
        with serve(recorder) as url:
            desk = Desk(emulator, url)
            key_file = emulator.issuers.write_key_file(tmp_path / "key.json")
            marketplace = desk.connect(iam_token=None, service_account_key_file=key_file)
            purchase = emulator.buy()
            facts = marketplace.activate(desk.request(purchase))
            marketplace.buyer(facts)
            emulator.unlink(purchase)
            marketplace.read(facts)
            emulator.relink(purchase)
            marketplace.read(facts)
            emulator.turn_renewal_off(purchase)
            marketplace.read(facts)
            others = (
                emulator.buy(product_instance=False),
                emulator.buy(subscription=False),
                emulator.buy(pending=True),
            )
            for other in others:
                marketplace.read(marketplace.activate(desk.request(other)))
            emulator.faults.add(Fault(kind="lost_reply", match="/claim"))
            marketplace.activate(desk.request(emulator.buy()))
            for request in (
                desk.request(purchase, "acct_2"),
                desk.request("", token=type(desk.token(purchase))(emulator.foreign_token())),
            ):
                with pytest.raises(MarketplaceError):
                    marketplace.activate(request)
            ids = {"license_instance_id": "lic ?#:%unknown", "lock_id": "lock", "resource_id": "a b&c"}
            with pytest.raises(MarketplaceError):
                marketplace.read(Facts(status=Status.ACTIVE, marketplace_ids=ids))
            list(marketplace.diagnose())
            desk.close()
        return recorder.exchanges

    return play


ALL_METHODS = {
    "yandex.cloud.marketplace.pim.v1.saas.ProductInstanceService.Get",
    "yandex.cloud.marketplace.pim.v1.saas.ProductInstanceService.Claim",
    "yandex.cloud.marketplace.licensemanager.saas.v1.LockService.Get",
    "yandex.cloud.marketplace.licensemanager.saas.v1.LockService.GetByResourceID",
    "yandex.cloud.marketplace.licensemanager.saas.v1.LockService.Ensure",
    "yandex.cloud.marketplace.licensemanager.saas.v1.InstanceService.Get",
    "yandex.cloud.marketplace.licensemanager.saas.v1.InstanceService.GetUserInfo",
    "yandex.cloud.operation.OperationService.Get",
    "yandex.cloud.iam.v1.IamTokenService.Create",
}


@pytest.mark.parametrize("defaults", [True, False])
@pytest.mark.parametrize("errors_in_operation", [True, False])
def test_every_request_and_answer_is_of_the_protocol(
    record: Callable[[Behaviour], list[Exchange]], *, defaults: bool, errors_in_operation: bool
) -> None:
    behaviour = Behaviour(claim_polls=1, print_defaults=defaults, errors_in_operation=errors_in_operation)
    exchanges = record(behaviour)
    judged = {judge_request(exchange) for exchange in exchanges}
    assert judged == ALL_METHODS
    for exchange in exchanges:
        if exchange.answer:  # a lost reply has none
            judge_answer(exchange)
        if "/iam/" not in exchange.path:
            assert exchange.headers["authorization"].startswith("Bearer t1.")
            assert re.fullmatch(r"[0-9a-f-]{36}", exchange.headers["x-client-trace-id"])
        if exchange.path.endswith(("/claim", "/ensure")):
            assert re.fullmatch(r"[0-9a-f-]{36}", exchange.headers["idempotency-key"])


def test_the_ids_of_a_claim_are_in_the_metadata_message(record: Callable[[Behaviour], list[Exchange]]) -> None:
    first = next(each for each in record(Behaviour()) if each.path.endswith("/claim"))
    operation: Any = judge_answer(first)
    metadata = product_instance_service_pb2.ClaimProductInstanceMetadata()
    assert operation.done
    assert operation.metadata.Unpack(metadata)
    assert metadata.product_id == "product-emulated"
    assert metadata.lock_id
    assert metadata.license_instance_id
    assert metadata.product_instance_id


CLAIM = Exchange(
    "POST",
    "/marketplace/pim/saas/v1/instances/claim",
    headers={"content-type": "application/json"},
    body=b'{"token": "t", "resourceId": "acct_1"}',
)
LOOKUP = Exchange(
    "GET",
    "/marketplace/license-manager/saas/v1/locks:getByResourceID",
    query="resourceId=acct_1&instanceId=lic1",
)


def with_body(**body: Any) -> Exchange:
    return replace(CLAIM, body=json.dumps(body).encode())


def test_the_judge_lets_what_is_right_pass() -> None:
    for exchange in (CLAIM, LOOKUP, with_body(token="t", resource_id="a", resourceInfo={"data": {"k": "v"}})):
        assert judge_request(exchange) in ALL_METHODS


@pytest.mark.parametrize(
    "wrong",
    [
        replace(CLAIM, path="/marketplace/pim/v1/saas/instances/claim"),
        replace(CLAIM, path="/marketplace/pim/saas/v1/instances:claim"),
        replace(CLAIM, method="PUT"),
        replace(CLAIM, body=b""),
        with_body(token="t", resorceId="acct_1"),
        with_body(instanceToken="t", resourceId="acct_1"),
        with_body(token="t", resourceId=5),
        with_body(token="t", resourceInfo={"data": {"k": {"nested": "v"}}}),
        with_body(resourceId="acct_1"),
        with_body(token="t" * 1001),
        replace(LOOKUP, path="/marketplace/license-manager/saas/v1/locks:getByResourceId"),
        replace(LOOKUP, query="resourceId=acct_1"),
        replace(LOOKUP, query="resourceId=acct_1&instanceID=lic1"),
        Exchange("POST", "/iam/v1/tokens", headers={"content-type": "application/json"}, body=b"{}"),
        Exchange("GET", "/marketplace/pim/saas/v1/instances/" + "x" * 51),
    ],
)
def test_the_judge_catches_what_is_wrong(wrong: Exchange) -> None:
    with pytest.raises((AssertionError, json_format.ParseError)):
        judge_request(wrong)

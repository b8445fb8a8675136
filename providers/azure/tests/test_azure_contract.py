"""Requests and answers against Microsoft's own OpenAPI description of the SaaS fulfilment API.

The file is not part of this project: `CROSSMARKET_CONTRACTS` names the directory that has `azure/saasapi.v2.json`.
Its first purpose is to judge our requests, its second to judge the emulator that all other tests trust.

Where the description is behind the service, the service counts. What is left out, and why, is in `LEFT_OUT`.
"""

from __future__ import annotations

import json
import os
import re
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl
from uuid import UUID

import pytest
from jsonschema import Draft4Validator, FormatChecker
from pydantic import SecretStr

from crossmarket.provider import Activation
from crossmarket.testing.clock import FakeClock
from crossmarket.testing.server import serve
from crossmarket_azure.config import AzureConfig
from crossmarket_azure.emulator import AzureEmulator
from crossmarket_azure.marketplace import AzureMarketplace

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Message, Receive, Scope, Send

DIRECTORY = os.environ.get("CROSSMARKET_CONTRACTS")

pytestmark = pytest.mark.skipif(
    not DIRECTORY, reason="CROSSMARKET_CONTRACTS does not name the directory with azure/saasapi.v2.json"
)

LEFT_OUT = {
    "TermUnit": "its enum ends at P5Y; the service also says PAY and custom lengths such as P18M",
    "Subscription.lastModified": "it is missing; the service says it, mostly as 0001-01-01T00:00:00",
    "SaaSOperation.operationRequestSource": "it is missing; the service says who has asked by it",
    "SaaSOperation.action": "its enum lacks Subscribe, which the service sends since automatic activation",
}
"""Points of the description that are not enforced, and why."""

BASE = "/api"
UUID_TEXT = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.IGNORECASE)
TIME_TEXT = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:\d\d)")

FORMATS = FormatChecker(formats=())


@FORMATS.checks("uuid")
def is_uuid(value: object) -> bool:
    return not isinstance(value, str) or UUID_TEXT.fullmatch(value) is not None


@FORMATS.checks("date-time")
def is_time(value: object) -> bool:
    return not isinstance(value, str) or TIME_TEXT.fullmatch(value) is not None


@FORMATS.checks("int32")
def is_int32(value: object) -> bool:
    return not isinstance(value, int) or -(2**31) <= value < 2**31


@dataclass(frozen=True)
class Exchange:
    """One request and its answer, as they were on the wire."""

    method: str
    path: str
    query: dict[str, str]
    headers: dict[str, str]
    body: bytes
    status: int
    answer: bytes
    answer_headers: dict[str, str]


class Recorder:
    """Keeps what passes between a client and an application."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app
        self.exchanges: list[Exchange] = []

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        asked, answered, head = bytearray(), bytearray(), {}

        async def hear() -> Message:
            message = await receive()
            asked.extend(message.get("body", b""))
            return message

        async def say(message: Message) -> None:
            head.update({key: value for key, value in message.items() if key in {"status", "headers"}})
            answered.extend(message.get("body", b""))
            await send(message)

        await self._app(scope, hear, say)
        self.exchanges.append(
            Exchange(
                method=scope["method"].lower(),
                path=scope["path"],
                query=dict(parse_qsl(scope["query_string"].decode(), keep_blank_values=True)),
                headers={name.decode().lower(): value.decode() for name, value in scope["headers"]},
                body=bytes(asked),
                status=head["status"],
                answer=bytes(answered),
                answer_headers={name.decode().lower(): value.decode() for name, value in head["headers"]},
            )
        )


class Contract:
    """Microsoft's description, ready to be held against an exchange."""

    def __init__(self, document: dict[str, Any]) -> None:
        schemas = document["components"]["schemas"]
        del schemas["TermUnit"]["enum"]
        del schemas["SaaSOperation"]["properties"]["action"]["enum"]
        schemas["Subscription"]["properties"]["lastModified"] = {"type": "string"}
        schemas["SaaSOperation"]["properties"]["operationRequestSource"] = {"enum": ["Azure", "Partner"]}
        self._document = as_json_schema(document)
        self.operations = {
            operation["operationId"]: (method, template, operation)
            for template, methods in document["paths"].items()
            for method, operation in methods.items()
        }

    def find(self, exchange: Exchange) -> str | None:
        """Return the operation that an exchange is of; paths without a parameter count first."""
        path = exchange.path.removeprefix(BASE)
        found = [
            (template.count("{"), identity)
            for identity, (method, template, _) in self.operations.items()
            if method == exchange.method
            and re.fullmatch(re.sub(r"\{\w+\}", "[^/]+", template.rstrip("/")), path.rstrip("/"))
        ]
        return min(found)[1] if found else None

    def problems(self, schema: dict[str, Any], value: Any) -> list[str]:
        whole = {**schema, "components": self._document["components"]}
        validator = Draft4Validator(whole, format_checker=FORMATS)
        return [f"{'/'.join(map(str, error.path))}: {error.message}" for error in validator.iter_errors(value)]

    def judge_request(self, exchange: Exchange) -> list[str]:
        """Return what is wrong with a request."""
        _, template, operation = self.operations[self.find(exchange) or ""]
        names = re.findall(r"\{(\w+)\}", template)
        pattern = re.sub(r"\{\w+\}", "([^/]+)", template.rstrip("/"))
        match = re.fullmatch(pattern, exchange.path.removeprefix(BASE).rstrip("/"))
        places = {
            "path": dict(zip(names, match.groups() if match else (), strict=True)),
            "query": exchange.query,
            "header": exchange.headers,
        }
        wrong = []
        for parameter in operation["parameters"]:
            place = places[parameter["in"]]
            name = parameter["name"].lower() if parameter["in"] == "header" else parameter["name"]
            if name in place:
                wrong += [f"{name}: {text}" for text in self.problems(as_json_schema(parameter["schema"]), place[name])]
            elif parameter.get("required"):
                wrong.append(f"{name} is missing")
        known = {parameter["name"] for parameter in operation["parameters"] if parameter["in"] == "query"}
        wrong += [f"{name} is no parameter" for name in exchange.query if name not in known]
        if "requestBody" in operation:
            if not exchange.headers.get("content-type", "").startswith("application/json"):
                wrong.append("the body is not said to be JSON")
            schema = operation["requestBody"]["content"]["application/json"]["schema"]
            wrong += self.problems(as_json_schema(schema), json.loads(exchange.body))
        elif exchange.body:
            wrong.append("there is a body")
        if not exchange.headers.get("authorization", "").startswith("Bearer "):
            wrong.append("there is no bearer token")
        return wrong

    def judge_answer(self, exchange: Exchange) -> list[str]:
        """Return what is wrong with an answer."""
        _, _, operation = self.operations[self.find(exchange) or ""]
        described = operation["responses"].get(str(exchange.status))
        if described is None:
            return [f"{exchange.status} is not described"]
        wrong = [
            f"the header {name} is missing"
            for name in described.get("headers", {})
            if name.lower() not in exchange.answer_headers
        ]
        if "content" in described:
            schema = described["content"]["application/json"]["schema"]
            wrong += self.problems(as_json_schema(schema), json.loads(exchange.answer))
        return wrong


def as_json_schema(schema: Any) -> Any:
    """Turn OpenAPI 3.0 into JSON Schema: `nullable` is a type, a reference has no siblings, objects are closed."""
    if isinstance(schema, list):
        return [as_json_schema(item) for item in schema]
    if not isinstance(schema, dict):
        return schema
    if "$ref" in schema:
        return {"$ref": schema["$ref"]}
    made = {key: as_json_schema(value) for key, value in schema.items() if key not in {"nullable", "default"}}
    if schema.get("nullable") and isinstance(made.get("type"), str):
        made["type"] = [made["type"], "null"]
    if "properties" in schema:
        made["additionalProperties"] = False
    return made


@pytest.fixture(scope="module")
def contract() -> Contract:
    path = Path(DIRECTORY or "") / "azure" / "saasapi.v2.json"
    return Contract(json.loads(path.read_text("utf-8")))


@pytest.fixture(scope="module")
def exchanges() -> list[Exchange]:
    """Do everything that the provider can do, and return what went over the wire."""
    emulator = AzureEmulator(clock=FakeClock(), landing_url="https://seller.example/land")
    recorder = Recorder(emulator.app)
    with serve(recorder) as url:
        config = AzureConfig.model_validate(emulator.options(url), context={"clock": emulator.clock})
        azure = AzureMarketplace(config)
        do_everything(emulator, azure)
        azure.close()
    return [exchange for exchange in recorder.exchanges if exchange.path.startswith("/api/saas")]


def do_everything(emulator: AzureEmulator, azure: AzureMarketplace) -> None:
    for plan, term in (("gold", "P1M"), ("flat", "P1Y"), ("basic", "P18M")):
        purchase = emulator.buy(plan=plan, term=term, private_offer=emulator.guid(), trial=plan == "gold")
        known = azure.resolve(SecretStr(emulator.landing(purchase).fields["token"])).facts
        assert known is not None
        azure.activate(Activation(account="acct_1", known=known, idempotency_key="k"))
    facts = azure.read(known)
    gold = azure.read(facts.model_copy(update={"marketplace_ids": {"subscription": emulator.purchases()[0]}}))
    for _ in range(20):
        emulator.buy(auto_activate=True)
    list(azure.list_subscriptions())
    azure.list_plans(gold)
    emulator.operation_reads = 2
    for _ in range(2):
        for operation in (azure.list_operations(gold) or [azure.change_plan(gold, "platinum")])[:1]:
            azure.get_operation(gold, operation.id)
    emulator.operation_reads = 0
    azure.change_quantity(gold, 9)
    emulator.changes_wait = True
    for accept in (True, False):
        emulator.act(emulator.purchases()[0], "change_quantity", quantity=20 + accept)
        (asked,) = azure.list_operations(gold)
        azure.update_operation(gold, asked.id, accept=accept)
    azure.cancel(gold)
    azure.read(gold)
    list(azure.diagnose())


def test_every_operation_of_the_description_is_used(contract: Contract, exchanges: list[Exchange]) -> None:
    assert {contract.find(exchange) for exchange in exchanges} == set(contract.operations)


def test_our_requests_are_as_described(contract: Contract, exchanges: list[Exchange]) -> None:
    wrong = {f"{exchange.method} {exchange.path}": contract.judge_request(exchange) for exchange in exchanges}
    assert {call: problems for call, problems in wrong.items() if problems} == {}


def test_the_answers_of_the_emulator_are_as_described(contract: Contract, exchanges: list[Exchange]) -> None:
    wrong = {f"{exchange.method} {exchange.path}": contract.judge_answer(exchange) for exchange in exchanges}
    assert {call: problems for call, problems in wrong.items() if problems} == {}


def test_what_is_left_out_is_still_in_the_description() -> None:
    """A point that Microsoft has corrected need not be left out any more."""
    document = json.loads((Path(DIRECTORY or "") / "azure" / "saasapi.v2.json").read_text("utf-8"))
    schemas = document["components"]["schemas"]
    assert "PAY" not in schemas["TermUnit"]["enum"]
    assert "Subscribe" not in schemas["SaaSOperation"]["properties"]["action"]["enum"]
    assert "lastModified" not in schemas["Subscription"]["properties"]
    assert "operationRequestSource" not in schemas["SaaSOperation"]["properties"]
    assert len(LEFT_OUT) == 4


def test_the_judge_can_say_no(contract: Contract, exchanges: list[Exchange]) -> None:
    """Each kind of fault is found: otherwise a silent judge would prove nothing."""
    (activate, *_) = [e for e in exchanges if e.path.endswith("/activate")]
    broken = {
        "api-version is missing": {"query": {}},
        "quantity: 'five' is not of type 'integer'": {"body": b'{"quantity": "five"}'},
        "subscriptionId: : 'x' is not a 'uuid'": {"path": "/api/saas/subscriptions/x/activate"},
        ": Additional properties are not allowed ('colour' was unexpected)": {"body": b'{"colour": "red"}'},
        "there is no bearer token": {"headers": {"content-type": "application/json"}},
        "extra is no parameter": {"query": {**activate.query, "extra": "1"}},
    }
    for problem, change in broken.items():
        assert problem in contract.judge_request(Exchange(**{**vars(activate), **change}))
    (read, *_) = [e for e in exchanges if contract.find(e) == "FulfillmentOperations_GetSubscription"]
    told = json.loads(read.answer)
    for change in (
        {"saasSubscriptionStatus": "Odd"},
        {"quantity": "5"},
        {"created": "today"},
        {"id": "1"},
        {"colour": "red"},
    ):
        assert contract.judge_answer(Exchange(**{**vars(read), "answer": json.dumps({**told, **change}).encode()}))
    assert contract.judge_answer(Exchange(**{**vars(read), "status": 418}))


def test_our_correlation_ids_are_guids_of_their_own(exchanges: list[Exchange]) -> None:
    identities = [UUID(exchange.headers["x-ms-correlationid"]) for exchange in exchanges]
    assert len(set(identities)) == len(identities)

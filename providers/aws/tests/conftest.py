"""An emulator on a real socket, a provider that speaks to it, and a judge of all that goes over the wire."""

from __future__ import annotations

import functools
import json
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any

import botocore.session
import pytest
from pydantic import SecretStr

from crossmarket.models import Facts
from crossmarket.testing.clock import FakeClock
from crossmarket.testing.server import serve
from crossmarket_aws import AwsConfig, AwsMarketplace
from crossmarket_aws.emulator import AwsEmulator

MODELS = {
    "AWSMPMeteringService": "meteringmarketplace",
    "AWSMPEntitlementService": "marketplace-entitlement",
    "AWSMPCommerceService_v20200301": "marketplace-agreement",
}
GENERIC_ERRORS = {
    # Every AWS service answers these; no service model lists them.
    "MissingAuthenticationTokenException", "InvalidSignatureException", "UnknownOperationException",
    "SerializationException", "ServiceUnavailableException", "InternalFailure", "AccessDeniedException",
    # An injected fault does not know which service it stands for.
    "ThrottlingException", "InternalServiceErrorException", "UnrecognizedClientException",
}  # fmt: skip


@functools.cache
def service_model(service: str) -> Any:
    return botocore.session.get_session().get_service_model(service)


def judge_shape(shape: Any, value: Any, path: str) -> Iterator[str]:
    """Yield everything in a JSON value that a botocore shape does not allow."""
    kinds: dict[str, type | tuple[type, ...]] = {
        "structure": dict,
        "map": dict,
        "list": list,
        "string": str,
        "integer": int,
        "double": (int, float),
        "timestamp": (int, float),
        "boolean": bool,
    }
    kind = kinds[shape.type_name]
    if not isinstance(value, kind) or (isinstance(value, bool) and kind is not bool):
        yield f"{path}: no {shape.type_name}"
        return
    match shape.type_name:
        case "structure":
            yield from (f"{path}: unknown member {name}" for name in value if name not in shape.members)
            yield from (f"{path}: {name} is missing" for name in shape.required_members if name not in value)
            for name in value.keys() & shape.members.keys():
                yield from judge_shape(shape.members[name], value[name], f"{path}.{name}")
        case "list":
            yield from _size(shape, len(value), path)
            for place, item in enumerate(value):
                yield from judge_shape(shape.member, item, f"{path}[{place}]")
        case "map":
            for key, item in value.items():
                yield from judge_shape(shape.key, key, f"{path} key")
                yield from judge_shape(shape.value, item, f"{path}.{key}")
        case "string":
            yield from _size(shape, len(value), path)
            yield from _text(shape, value, path)
        case "integer":
            yield from _size(shape, value, path)


def _text(shape: Any, value: str, path: str) -> Iterator[str]:
    if shape.enum and value not in shape.enum:
        yield f"{path}: {value!r} is not in the enumeration"
    pattern = shape.metadata.get("pattern")
    if pattern and not re.search(rf"\A(?:{pattern})\Z", value):
        yield f"{path}: {value!r} does not match {pattern}"


def _size(shape: Any, size: float, path: str) -> Iterator[str]:
    if size < shape.metadata.get("min", size) or size > shape.metadata.get("max", size):
        yield f"{path}: {size} is out of bounds"


@dataclass
class Exchange:
    """One call as it went over the wire."""

    target: str
    content_type: str
    request: bytes
    status: int = 0
    response: bytes = b""


@dataclass
class Wire:
    """Passes calls to the emulator of the test, and keeps them for the judge."""

    emulator: AwsEmulator | None = None
    exchanges: list[Exchange] = field(default_factory=list)
    excused: set[str] = field(default_factory=set)
    _app: Any = None

    def use(self, emulator: AwsEmulator) -> None:
        self.emulator, self._app = emulator, emulator.app
        self.exchanges, self.excused = [], set()

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        headers = {name.decode(): value.decode() for name, value in scope["headers"]}
        exchange = Exchange(headers.get("x-amz-target", ""), headers.get("content-type", ""), b"")

        async def listen() -> Any:
            message = await receive()
            exchange.request += message.get("body", b"")
            return message

        async def note(message: Any) -> None:
            exchange.status = message.get("status", exchange.status)
            exchange.response += message.get("body", b"")
            await send(message)

        await self._app(scope, listen, note)
        if exchange.target:
            self.exchanges.append(exchange)

    def problems(self) -> list[str]:
        """Return all that botocore's service models have against the calls so far."""
        found: list[str] = []
        for each in self.exchanges:
            prefix, _, operation = each.target.partition(".")
            model = service_model(MODELS[prefix])
            shapes = model.operation_model(operation)
            if each.content_type != f"application/x-amz-json-{model.metadata['jsonVersion']}":
                found.append(f"{each.target}: sent as {each.content_type}")
            if not each.request:
                continue  # an injected fault was faster than the body
            found += judge_shape(shapes.input_shape, json.loads(each.request), f"{operation} request")
            if each.response[:1] != b"{":
                continue  # an injected fault
            answer = json.loads(each.response)
            if each.status < 300:
                found += judge_shape(shapes.output_shape, answer, f"{operation} answer")
                continue
            code = answer.pop("__type")
            modelled = {shape.name: shape for shape in shapes.error_shapes}
            if code in modelled:
                wanted = modelled[code].metadata.get("error", {}).get("httpStatusCode")
                found += judge_shape(modelled[code], answer, f"{operation} {code}")
                if wanted not in {None, each.status}:
                    found.append(f"{operation} {code}: HTTP {each.status}, not {wanted}")
            elif code not in GENERIC_ERRORS:
                found.append(f"{operation}: no error {code} in the model")
        return [problem for problem in found if not any(part in problem for part in self.excused)]


@pytest.fixture(scope="session")
def wire_and_url() -> Iterator[tuple[Wire, str]]:
    wire = Wire()
    with serve(wire) as url:
        yield wire, url


@pytest.fixture
def judge() -> Callable[[str, str, str, Any], set[str]]:
    """Return what a service model has against a value: service, operation, `input` or `output`, value."""

    def judge(service: str, operation: str, side: str, value: Any) -> set[str]:
        model = service_model(service).operation_model(operation)
        return set(judge_shape(getattr(model, f"{side}_shape"), value, side))

    return judge


@pytest.fixture
def emulator(clock: FakeClock) -> AwsEmulator:
    return AwsEmulator(clock=clock)


@pytest.fixture
def wire(wire_and_url: tuple[Wire, str], emulator: AwsEmulator) -> Iterator[Wire]:
    """Everything that a test sends and gets is judged at its end."""
    wire, _ = wire_and_url
    wire.use(emulator)
    yield wire
    assert wire.problems() == []


@pytest.fixture(autouse=True)
def _no_waiting(monkeypatch: pytest.MonkeyPatch) -> None:
    """botocore waits between its retries by the machine's clock: not in tests."""
    monkeypatch.setattr("botocore.endpoint.time", SimpleNamespace(sleep=lambda _: None))


@pytest.fixture(autouse=True)
def _no_aws_outside(monkeypatch: pytest.MonkeyPatch, tmp_path: Any) -> None:
    """No credentials, regions or endpoints of the machine reach a test."""
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "config"))
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "credentials"))
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    for name in ("AWS_PROFILE", "AWS_REGION", "AWS_DEFAULT_REGION", "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.delenv(name, raising=False)


@dataclass
class Shop:
    """The provider, the emulator that it speaks to, and what tests do with both."""

    emulator: AwsEmulator
    clock: FakeClock
    url: str
    market: AwsMarketplace

    def connect(self, **options: Any) -> AwsMarketplace:
        merged = self.emulator.options(self.url) | options
        config = AwsConfig.model_validate(merged, context={"clock": self.clock})
        return AwsMarketplace(config)

    def token(self, purchase: str) -> SecretStr:
        return SecretStr(self.emulator.landing(purchase).fields["x-amzn-marketplace-token"])

    def land(self, purchase: str) -> Facts:
        facts = self.market.resolve(self.token(purchase)).facts
        assert facts is not None
        return facts

    def targets(self) -> list[str]:
        return [request.target.rpartition(".")[2] for request in self.emulator.requests]


@pytest.fixture
def shop(emulator: AwsEmulator, clock: FakeClock, wire: Wire, wire_and_url: tuple[Wire, str]) -> Iterator[Shop]:
    url = wire_and_url[1]
    options = emulator.options(url) | {"max_attempts": 1}
    market = AwsMarketplace(AwsConfig.model_validate(options, context={"clock": clock}))
    yield Shop(emulator, clock, url, market)
    market.close()

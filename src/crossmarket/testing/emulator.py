"""The base of all emulators: an ASGI app that answers as a marketplace does, and the buyer's side of it.

A provider subclasses `Emulator`, writes the routes of its marketplace's API and the buyer's actions, and gets
over HTTP, below `/_emulator`:

| call | does |
|---|---|
| `GET /_emulator` | state: name, time, actions, purchases, waiting faults |
| `POST /_emulator/purchases` | buys; body: the arguments of `buy`; answers the purchase |
| `GET /_emulator/purchases/{id}` | the marketplace's own truth of one purchase |
| `POST /_emulator/purchases/{id}/landing` | opens the landing link: method, url, fields, address |
| `POST /_emulator/purchases/{id}/{action}` | one of the buyer's actions; body: its arguments |
| `POST /_emulator/clock` | lets time pass; body: `{"seconds": 3600}` |
| `POST /_emulator/faults`, `DELETE /_emulator/faults` | shows a `Fault`, shows no more |
| `GET /_emulator/requests` | the API calls so far: method, path, status |

`GET /_emulator/page` is the same for a person with a browser.
"""

from __future__ import annotations

import inspect
import threading
from abc import ABC, abstractmethod
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from datetime import timedelta
from typing import TYPE_CHECKING, Any, ClassVar, Literal, TypeVar, get_type_hints
from urllib.parse import urlencode, urlsplit

from pydantic import JsonValue, TypeAdapter, ValidationError
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.responses import HTMLResponse, JSONResponse, PlainTextResponse, Response
from starlette.routing import BaseRoute, Route

from crossmarket.models import Frozen
from crossmarket.testing.clock import ShiftedClock
from crossmarket.testing.faults import Fault, FaultMiddleware, Faults

if TYPE_CHECKING:
    from starlette.requests import Request
    from starlette.types import ASGIApp, Message, Receive, Scope, Send

    from crossmarket.clock import Clock

Function = TypeVar("Function", bound=Callable[..., Any])

MEMORY = 1000
"""How many of the last requests are kept."""


class EmulatorError(Exception):
    """The buyer asked for something that this marketplace does not let a buyer do."""


class LandingRequest(Frozen):
    """What the buyer's browser sends to the seller: `GET` with the fields in the query, or `POST` as a form.

    The url does not have the fields in it; `address` has, percent-encoded, where the method is `GET`.
    """

    method: Literal["GET", "POST"]
    url: str
    fields: dict[str, str]

    @property
    def address(self) -> str:
        """What the address bar shows."""
        if self.method == "POST":
            return self.url
        parts = urlsplit(self.url)
        return parts._replace(query="&".join(filter(None, (parts.query, urlencode(self.fields))))).geturl()


class RecordedRequest(Frozen):
    """One call that the emulator has answered; no header and no body is kept, for they hold tokens."""

    method: str
    path: str
    target: str = ""
    status: int


def buyer_action(function: Function) -> Function:
    """Mark a method `(purchase_id, **arguments)` as something that the buyer, or the marketplace, can do.

    Use these names where the meaning is the same: `change_plan(plan)`, `change_quantity(quantity)`,
    `suspend`, `reinstate`, `cancel` (over at once), `turn_renewal_off`, `turn_renewal_on`, `renew`, `unlink`,
    `relink`. Arguments are checked against the annotations.
    """
    function.__buyer_action__ = True  # type: ignore[attr-defined]
    return function


class Emulator(ABC):
    """One marketplace, emulated in memory.

    Args:
        landing_url: The seller's landing page, to which the buyer is sent.
        clock: What the marketplace goes by; it must have `advance()`.
    """

    name: ClassVar[str]
    """The marketplace's name, the same as the plugin's."""

    def __init__(self, *, landing_url: str = "", clock: Clock | None = None) -> None:
        self.landing_url = landing_url or f"http://127.0.0.1:8000/land/{self.name}"
        self.clock: Any = clock or ShiftedClock()
        self.faults = Faults()
        self.requests: deque[RecordedRequest] = deque(maxlen=MEMORY)
        self.lock = threading.RLock()
        """Guards the emulated state: handlers and Python callers hold it while they read or write."""

    @abstractmethod
    def buy(self, *args: Any, **terms: Any) -> str:
        """Buy, and return the purchase's id. Every argument has a default; common ones are named
        `product`, `plan`, `quantity`, `trial`.
        """  # noqa: D205

    @abstractmethod
    def purchases(self) -> Sequence[str]:
        """Return the ids of all purchases, oldest first."""

    @abstractmethod
    def landing(self, purchase_id: str) -> LandingRequest:
        """Open the landing link: a request with a fresh token."""

    @abstractmethod
    def expired_token(self) -> str:
        """Return a landing token that was good once and has expired."""

    @abstractmethod
    def foreign_token(self) -> str:
        """Return a good landing token of another product or seller."""

    @abstractmethod
    def describe(self, purchase_id: str) -> dict[str, JsonValue]:
        """Return the marketplace's own truth of a purchase.

        It has at least `live` (whether the buyer has access now, by the marketplace's own rules), `plan`,
        `quantities` and `will_renew`.
        """

    @abstractmethod
    def options(self, base_url: str) -> dict[str, Any]:
        """Return the provider's options with which it speaks to this emulator at that address."""

    @abstractmethod
    def routes(self) -> Sequence[BaseRoute]:
        """Return the routes of the marketplace's API."""

    @abstractmethod
    def refuse(self, fault: Fault) -> Response:
        """Answer `fault.status` in the marketplace's own error form, `Retry-After` included."""

    @property
    def actions(self) -> dict[str, Callable[..., None]]:
        """The buyer's actions by name, each called with a purchase's id and its arguments."""
        return {
            name: getattr(self, name)
            for name, member in inspect.getmembers(type(self), inspect.isfunction)
            if getattr(member, "__buyer_action__", False)
        }

    def can(self, action: str) -> bool:
        """Return whether the buyer can do this here."""
        return action in self.actions

    def act(self, purchase_id: str, action: str, **arguments: Any) -> None:
        """Do one of the buyer's actions.

        Raises:
            EmulatorError: The buyer cannot do this here, the arguments are wrong, or there is no such purchase.
        """
        if not self.can(action):
            raise EmulatorError(f"{self.name} has no action '{action}'; there are: {', '.join(self.actions)}")
        if purchase_id not in self.purchases():
            raise EmulatorError(f"there is no purchase '{purchase_id}'")
        with self.lock:
            _call(self.actions[action], purchase_id, **arguments)

    def pass_time(self, by: timedelta) -> None:
        """Let time pass on the marketplace."""
        self.clock.advance(by)

    @property
    def app(self) -> ASGIApp:
        """The emulator as an ASGI application."""
        return Starlette(
            routes=[
                Route("/_emulator", self._state),
                Route("/_emulator/page", self._page),
                Route("/_emulator/purchases", self._buy, methods=["POST"]),
                Route("/_emulator/purchases/{id}", self._describe),
                Route("/_emulator/purchases/{id}/landing", self._land, methods=["POST"]),
                Route("/_emulator/purchases/{id}/{action}", self._act, methods=["POST"]),
                Route("/_emulator/clock", self._pass_time, methods=["POST"]),
                Route("/_emulator/faults", self._show_fault, methods=["POST"]),
                Route("/_emulator/faults", self._clear_faults, methods=["DELETE"]),
                Route("/_emulator/requests", self._list_requests),
                *self.routes(),
            ],
            middleware=[
                Middleware(_Recorder, requests=self.requests),
                Middleware(FaultMiddleware, faults=self.faults, answer=self.refuse),
            ],
            exception_handlers={EmulatorError: _say, ValidationError: _say},
        )

    async def _state(self, _: Request) -> Response:
        return JSONResponse(
            {
                "marketplace": self.name,
                "time": self.clock.now().isoformat(),
                "actions": sorted(self.actions),
                "purchases": {key: self.describe(key) for key in self.purchases()},
                "faults": [fault.model_dump() for fault in self.faults.waiting],
            }
        )

    async def _page(self, _: Request) -> Response:
        from crossmarket.testing.buyer_page import render  # noqa: PLC0415 - only people with browsers need it

        return HTMLResponse(render(self))

    async def _buy(self, request: Request) -> Response:
        purchase_id = _call(self.buy, **await _body(request))
        return JSONResponse({"id": purchase_id, **self.describe(purchase_id)}, status_code=201)

    async def _describe(self, request: Request) -> Response:
        purchase_id = self._purchase(request)
        return JSONResponse({"id": purchase_id, **self.describe(purchase_id)})

    async def _land(self, request: Request) -> Response:
        landing = self.landing(self._purchase(request))
        return JSONResponse({**landing.model_dump(), "address": landing.address})

    async def _act(self, request: Request) -> Response:
        purchase_id = self._purchase(request)
        self.act(purchase_id, request.path_params["action"], **await _body(request))
        return JSONResponse({"id": purchase_id, **self.describe(purchase_id)})

    async def _pass_time(self, request: Request) -> Response:
        seconds = TypeAdapter(float).validate_python((await _body(request)).get("seconds"))
        self.pass_time(timedelta(seconds=seconds))
        return JSONResponse({"time": self.clock.now().isoformat()})

    async def _show_fault(self, request: Request) -> Response:
        fault = Fault.model_validate(await _body(request))
        self.faults.add(fault)
        return JSONResponse(fault.model_dump(), status_code=201)

    async def _clear_faults(self, _: Request) -> Response:
        self.faults.clear()
        return Response(status_code=204)

    async def _list_requests(self, _: Request) -> Response:
        return JSONResponse([request.model_dump() for request in self.requests])

    def _purchase(self, request: Request) -> str:
        purchase_id: str = request.path_params["id"]
        if purchase_id not in self.purchases():
            raise EmulatorError(f"there is no purchase '{purchase_id}'")
        return purchase_id


class _Recorder:
    """Remembers which API calls were answered with which status."""

    def __init__(self, app: ASGIApp, requests: deque[RecordedRequest]) -> None:
        self._app = app
        self._requests = requests

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one call."""
        if scope["type"] != "http" or scope["path"].startswith("/_emulator"):
            await self._app(scope, receive, send)
            return
        headers = dict(scope["headers"])

        async def record(message: Message) -> None:
            if message["type"] == "http.response.start":
                self._requests.append(
                    RecordedRequest(
                        method=scope["method"],
                        path=scope["path"],
                        target=headers.get(b"x-amz-target", b"").decode(),
                        status=message["status"],
                    )
                )
            await send(message)

        await self._app(scope, receive, record)


async def _body(request: Request) -> dict[str, Any]:
    raw = await request.body()
    if not raw:
        return {}
    try:
        value = await request.json()
    except ValueError:
        raise EmulatorError("the body is not JSON") from None
    if not isinstance(value, Mapping):
        raise EmulatorError("the body must be a JSON object")
    return dict(value)


def _call(function: Callable[..., Any], *positional: Any, **arguments: Any) -> Any:
    """Call with arguments that came as JSON, checked and converted by the function's annotations."""
    signature = inspect.signature(function)
    try:
        signature.bind(*positional, **arguments)
    except TypeError as error:
        raise EmulatorError(f"{function.__name__}: {error}") from None
    hints = get_type_hints(function)
    try:
        checked = {
            name: TypeAdapter(hints[name]).validate_python(value) if name in hints else value
            for name, value in arguments.items()
        }
    except ValidationError as error:
        raise EmulatorError(f"{function.__name__}: {error}") from None
    return function(*positional, **checked)


async def _say(_: Request, error: Exception) -> Response:
    return PlainTextResponse(str(error), status_code=400)

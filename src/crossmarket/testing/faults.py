"""Faults that an emulator can be told to show, as an ASGI middleware."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from typing import TYPE_CHECKING, Literal

from pydantic import Field

from crossmarket.models import Frozen

if TYPE_CHECKING:
    from starlette.responses import Response
    from starlette.types import ASGIApp, Message, Receive, Scope, Send


class Fault(Frozen):
    """One fault to show.

    Attributes:
        kind: `status` answers `status` without doing anything; `timeout` never answers; `slow` answers after
            `seconds`; `lost_reply` does what is asked for and then breaks the connection; `reset` breaks it
            without doing anything; `malformed` answers 200 with HTML.
        status: The HTTP status to answer.
        retry_after: Seconds to put into the header `Retry-After`.
        seconds: How long to hold a slow or timed-out call.
        match: Only calls whose path, query or `X-Amz-Target` contains this text.
        times: How often; 0 until it is removed.
    """

    kind: Literal["status", "timeout", "slow", "lost_reply", "reset", "malformed"]
    status: int = Field(default=503, ge=400, le=599)
    retry_after: int | None = Field(default=None, ge=0)
    seconds: float = Field(default=30.0, ge=0)
    match: str = ""
    times: int = Field(default=1, ge=0)


class Faults:
    """The faults that wait to be shown, oldest first."""

    def __init__(self) -> None:
        self._waiting: list[tuple[Fault, int]] = []
        self._lock = threading.Lock()

    def add(self, fault: Fault) -> None:
        """Show this fault for the next calls that it matches."""
        with self._lock:
            self._waiting.append((fault, fault.times))

    def clear(self) -> None:
        """Show no more faults."""
        with self._lock:
            self._waiting.clear()

    @property
    def waiting(self) -> tuple[Fault, ...]:
        """Those that are still to be shown."""
        return tuple(fault for fault, _ in self._waiting)

    def take(self, call: str) -> Fault | None:
        """Return the fault that this call has to meet, and count it."""
        with self._lock:
            for place, (fault, left) in enumerate(self._waiting):
                if fault.match in call:
                    if fault.times and left <= 1:
                        del self._waiting[place]
                    elif fault.times:
                        self._waiting[place] = (fault, left - 1)
                    return fault
        return None


class FaultMiddleware:
    """Shows the waiting faults instead of, or around, the wrapped application."""

    def __init__(self, app: ASGIApp, faults: Faults, answer: Callable[[Fault], Response]) -> None:
        self._app = app
        self._faults = faults
        self._answer = answer

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one call."""
        if scope["type"] != "http" or scope["path"].startswith("/_emulator"):
            await self._app(scope, receive, send)
            return
        target = dict(scope["headers"]).get(b"x-amz-target", b"").decode()
        fault = self._faults.take(f"{scope['path']}?{scope['query_string'].decode()} {target}")
        match fault.kind if fault else None:
            case "status":
                await self._answer(fault)(scope, receive, send)  # type: ignore[arg-type]
            case "malformed":
                await _send(send, 200, b"text/html", b"<html><body>Service temporarily out</body></html>")
            case "timeout":
                await _gone(receive, fault.seconds if fault else 0)
                await _break_off(send)
            case "slow":
                await asyncio.sleep(fault.seconds if fault else 0)
                await self._app(scope, receive, send)
            case "lost_reply":
                await self._app(scope, receive, _drop)
                await _break_off(send)
            case "reset":
                await _break_off(send)
            case _:
                await self._app(scope, receive, send)


async def _send(send: Send, status: int, content_type: bytes, body: bytes) -> None:
    headers = [(b"content-type", content_type), (b"content-length", str(len(body)).encode())]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})


async def _drop(_: Message) -> None:
    """Swallow what the application answers."""


async def _gone(receive: Receive, at_most: float) -> None:
    """Wait until the caller has hung up."""

    async def hung_up() -> None:
        while (await receive())["type"] != "http.disconnect":
            pass

    try:
        await asyncio.wait_for(hung_up(), at_most)
    except TimeoutError:
        return


async def _break_off(send: Send) -> None:
    """Promise a body and end without it: the server then closes the connection in the middle of the answer."""
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"1")]})

"""The one HTTP client: timeouts, bounded and jittered retries, no redirects, one host, no secrets in errors.

Providers call `HttpClient.send()`; no type of the underlying library leaves this module. A client speaks to
the host of its base URL only, so that no credential can be sent to a host that came out of a response.
"""

from __future__ import annotations

import json as jsonlib
import os
import threading
from collections.abc import Callable, Collection, Iterable, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from email.utils import parsedate_to_datetime
from importlib.metadata import version
from typing import TYPE_CHECKING, Any, Literal
from urllib.parse import urlsplit

from crossmarket.errors import (
    AuthenticationError,
    ConfigurationError,
    MarketplaceError,
    RateLimitedError,
    UnavailableError,
)

if TYPE_CHECKING:
    import ssl
    from datetime import datetime

    import httpx
    from pydantic import JsonValue

    from crossmarket.access_token import AccessTokenHolder

LONGEST_WAIT = 30.0
"""Seconds of `Retry-After` that are waited for in place; a longer wait is the caller's, as `retry_after`."""


@dataclass(frozen=True, slots=True)
class Response:
    """An answer: the status, the headers with lower-case names, and the raw body (never shown)."""

    status: int
    headers: Mapping[str, str]
    body: bytes = field(repr=False)

    def json(self) -> JsonValue:
        """Return the body as JSON, or None where it is empty or is not JSON (proxies answer HTML)."""
        try:
            value: JsonValue = jsonlib.loads(self.body)
        except (ValueError, RecursionError):
            return None
        return value

    def text(self) -> str:
        """Return the body as text, undecodable bytes replaced."""
        return self.body.decode("utf-8", "replace")

    def retry_after(self, now: datetime) -> float | None:
        """Return the seconds that the header `Retry-After` asks for, in either of its forms (RFC 9110)."""
        raw = self.headers.get("retry-after", "").strip()
        if raw.isdecimal():
            return float(raw)
        try:
            return max(0.0, (parsedate_to_datetime(raw) - now).total_seconds())
        except (ValueError, TypeError, OverflowError):
            return None


Classify = Callable[[str, Response], MarketplaceError]
"""Makes the error for (operation, unexpected answer): each provider's `wire.py` has one."""


Expected = Literal["anything", "json", "json or nothing", "no page"]
"""What an expected answer's body has to be. A page (HTML) under status 200 is a proxy's word, not the
marketplace's: it must never be read as an empty answer."""


class _NotSentError(UnavailableError):
    """The request never left, so that repeating it is safe whatever it was."""


def attempts_at(
    may_repeat: Callable[[MarketplaceError], bool], *, at_most: int
) -> Iterable[AbstractContextManager[object]]:
    """Yield the attempts at one call, each to be entered, until one succeeds or may not be followed by another.

    Between two there is a growing, jittered wait, or the one that `Retry-After` asked for if it is short enough.

    Args:
        may_repeat: Whether it is safe to try again after this error.
        at_most: How many attempts.
    """
    import stamina  # noqa: PLC0415 - slow to import, and only calls need it

    def backoff(error: Exception) -> bool | float:
        if not isinstance(error, MarketplaceError) or not may_repeat(error):
            return False
        wait = error.retry_after
        return True if wait is None else wait <= LONGEST_WAIT and wait

    return stamina.retry_context(
        on=backoff, attempts=at_most, timeout=60.0, wait_initial=0.2, wait_max=5.0, wait_jitter=0.5
    )


class HttpClient:
    """Calls one host of one marketplace.

    It is made without I/O, and may be shared by threads: each thread gets a connection pool of its own (one
    shared pool slows with the square of its connections), all with one TLS context.

    Args:
        base_url: Where paths are appended, such as `https://marketplace.example/api`.
        marketplace: The marketplace's name, for errors.
        classify: Makes the error for an answer that was not expected.
        token: Where the bearer token comes from; None for calls without one. A 401 renews it once.
        connect_timeout: Seconds to wait for a connection.
        read_timeout: Seconds to wait for the answer.
        attempts: How often a repeatable call is tried at the most.

    Raises:
        ConfigurationError: The base URL is not an http or https URL.
    """

    def __init__(
        self,
        base_url: str,
        *,
        marketplace: str,
        classify: Classify,
        token: AccessTokenHolder | None = None,
        connect_timeout: float = 3.0,
        read_timeout: float = 10.0,
        attempts: int = 3,
    ) -> None:
        if not _is_address(base_url):
            raise ConfigurationError(
                f"The address of {marketplace} is not an http or https URL without user, password and query.",
                field="base_url",
                remedy="Write it as in: https://host/path",
            )
        self._base = base_url.rstrip("/")
        self._encrypted = urlsplit(base_url).scheme == "https"  # whose case is nobody's business
        self._marketplace = marketplace
        self._classify = classify
        self._token = token
        self._timeouts = (connect_timeout, read_timeout)
        self._attempts = attempts
        self._lock = threading.Lock()
        self._local = threading.local()
        self._clients: dict[threading.Thread, httpx.Client] = {}
        self._process = os.getpid()
        self._parents: list[dict[threading.Thread, httpx.Client]] = []
        self._tls: ssl.SSLContext | None = None

    def send(
        self,
        operation: str,
        method: str,
        path: str,
        *,
        repeatable: bool,
        query: Mapping[str, str] | None = None,
        headers: Mapping[str, str] | None = None,
        json: JsonValue = None,
        form: Mapping[str, str] | None = None,
        expect: Collection[int] = (200,),
        body: Expected = "anything",
    ) -> Response:
        """Send one call and return the expected answer.

        Args:
            operation: The call's name in the marketplace's words, for errors.
            method: The HTTP method.
            path: The path below the base URL, with its leading slash, percent-encoded.
            repeatable: Whether it is safe to send it again after a failure. A call that never left, and one
                that was refused as too many, is sent again in any case.
            query: Query parameters, encoded here.
            headers: Further headers.
            json: A JSON body.
            form: A form body.
            expect: The statuses that are answers and not errors.
            body: What the body of such an answer has to be.

        Raises:
            MarketplaceError: What `classify` made of an unexpected answer; `UnavailableError` without any.
        """

        def may_repeat(error: MarketplaceError) -> bool:
            return error.retryable and (repeatable or isinstance(error, _NotSentError | RateLimitedError))

        if not path.startswith("/") or path.startswith("//"):
            raise ValueError("path must begin with one slash: this client speaks to one host only")
        for attempt in attempts_at(may_repeat, at_most=self._attempts):
            with attempt:
                response = self._try(
                    operation,
                    expect,
                    {
                        "method": method,
                        "url": self._base + path,
                        "params": query,
                        "headers": dict(headers or {}),
                        **({"json": json} if json is not None else {}),
                        **({"data": dict(form)} if form is not None else {}),
                    },
                )
                if not _fits(response, body):
                    raise self._unreadable(operation, response)
                return response
        raise AssertionError("unreachable")

    def close(self) -> None:
        """Close all connections. The next call opens new ones."""
        with self._lock:
            clients, self._clients, self._local = self._clients, {}, threading.local()
        for client in clients.values():
            client.close()

    def _try(self, operation: str, expect: Collection[int], request: dict[str, Any]) -> Response:
        response, used = self._once(operation, request)
        if response.status == 401 and self._token is not None and used is not None:  # noqa: PLR2004
            self._token.discard(used)
            response, _ = self._once(operation, request)
        if response.status in expect:
            return response
        raise self._classify(operation, response)

    def _once(self, operation: str, request: dict[str, Any]) -> tuple[Response, str | None]:
        import httpx  # noqa: PLC0415 - slow to import, and only calls need it

        bearer = self._token.get() if self._token is not None else None
        headers = dict(request["headers"])
        if bearer is not None:
            if not bearer.isascii() or not bearer.isprintable():
                raise AuthenticationError(
                    f"The access token for {self._marketplace} has characters that no token has.",
                    marketplace=self._marketplace,
                    operation=operation,
                    remedy="Look at where it is configured for a line break at its end.",
                )
            headers["Authorization"] = f"Bearer {bearer}"
        try:
            answer = self._client().request(**{**request, "headers": headers})
        except (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout) as error:
            raise self._unreachable(_NotSentError, operation, error, "cannot be reached") from None
        except httpx.TimeoutException as error:
            raise self._unreachable(UnavailableError, operation, error, "did not answer in time") from None
        except (httpx.HTTPError, httpx.InvalidURL, UnicodeError) as error:
            raise self._unreachable(UnavailableError, operation, error, "broke off the call") from None
        plain = Response(answer.status_code, dict(answer.headers), answer.content)
        return plain, bearer

    def _unreachable(
        self, kind: type[UnavailableError], operation: str, error: Exception, what: str
    ) -> UnavailableError:
        # The original is named, not chained: its request holds the credentials.
        return kind(
            f"{self._marketplace} {what} at {urlsplit(self._base).netloc} ({type(error).__name__}).",
            marketplace=self._marketplace,
            operation=operation,
            remedy="Try again later; if it persists, look at the network and at the configured address.",
        )

    def _unreadable(self, operation: str, response: Response) -> UnavailableError:
        return UnavailableError(
            f"{self._marketplace} answered something that is not of its API.",
            marketplace=self._marketplace,
            operation=operation,
            http_status=response.status,
            remedy="Try again later; if it persists, look at the configured address: a proxy may have answered.",
        )

    def _client(self) -> httpx.Client:
        if self._process != os.getpid():
            # After a fork the sockets are the parent's: its clients are kept, so that nothing closes them here.
            self._parents.append(self._clients)
            self._clients, self._local, self._process = {}, threading.local(), os.getpid()
        client: httpx.Client | None = getattr(self._local, "client", None)
        if client is None:
            client = self._new_client()
            self._local.client = client
        return client

    def _new_client(self) -> httpx.Client:
        import httpx  # noqa: PLC0415 - slow to import, and only calls need it

        with self._lock:
            connect, read = self._timeouts
            try:
                if self._tls is None and self._encrypted:
                    self._tls = httpx.create_ssl_context()
                client = httpx.Client(
                    timeout=httpx.Timeout(read, connect=connect),
                    verify=self._tls if self._tls is not None else False,
                    follow_redirects=False,
                    headers={"User-Agent": f"crossmarket/{version('crossmarket')}"},
                )
            except (OSError, ValueError, ImportError) as error:
                raise ConfigurationError(
                    f"No connection can be made, for a proxy or certificate setting is wrong ({type(error).__name__}).",
                    field="HTTPS_PROXY",
                    remedy="Look at HTTPS_PROXY, ALL_PROXY, SSL_CERT_FILE and SSL_CERT_DIR in the environment.",
                ) from None
            for thread in [thread for thread in self._clients if not thread.is_alive()]:
                self._clients.pop(thread).close()
            self._clients[threading.current_thread()] = client
        return client


def _is_address(url: str) -> bool:
    try:
        parts = urlsplit(url)
        port = parts.port  # reading it is what checks it
    except ValueError:
        return False
    plain = "@" not in parts.netloc and not parts.query and not parts.fragment and port != 0
    return plain and parts.scheme in {"http", "https"} and bool(parts.hostname)


def _fits(response: Response, expected: Expected) -> bool:
    blank = not response.body.strip()
    match expected:
        case "json":
            return isinstance(response.json(), dict | list)
        case "json or nothing":
            return blank or isinstance(response.json(), dict | list)
        case "no page":
            return not response.body.lstrip().startswith(b"<")
        case _:
            return True


def classify_status(marketplace: str, operation: str, response: Response) -> MarketplaceError:
    """Make the error that the bare HTTP status tells, for answers whose body tells nothing more."""
    status = response.status
    told: dict[str, Any] = {"marketplace": marketplace, "operation": operation, "http_status": status}
    if status == 429:  # noqa: PLR2004
        return RateLimitedError(f"{marketplace} gets too many calls.", **told)
    if status in {401, 403}:
        return AuthenticationError(f"{marketplace} does not accept the credentials.", **told)
    if status >= 500:  # noqa: PLR2004
        return UnavailableError(f"{marketplace} failed.", **told)
    return MarketplaceError(f"{marketplace} answered in a way that the library does not know.", **told)

from __future__ import annotations

import contextlib
import json
import logging
import os
import socket
import threading
import time
import traceback
from collections.abc import Callable, Iterator
from datetime import timedelta
from functools import partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import httpx
import pytest
import stamina
from bazaar import HOUR, NOW
from hypothesis import given, strategies as st

from crossmarket.access_token import AccessToken, AccessTokenHolder
from crossmarket.errors import (
    AuthenticationError,
    ConfigurationError,
    MarketplaceError,
    RateLimitedError,
    UnavailableError,
)
from crossmarket.http import LONGEST_WAIT, HttpClient, Response, classify_status
from crossmarket.testing.clock import FakeClock

Answer = tuple[int, dict[str, str], bytes]


class Site:
    """A server on this machine that gives the answers of its script, and the last one for ever."""

    def __init__(self) -> None:
        self.script: list[Answer | Callable[[BaseHTTPRequestHandler], None]] = [(200, {}, b"{}")]
        self.requests: list[tuple[str, str, dict[str, str], bytes]] = []
        self.connections: set[tuple[str, int]] = set()
        site = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self) -> None:
                body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
                headers = {name.lower(): value for name, value in self.headers.items()}
                site.requests.append((self.command, self.path, headers, body))
                site.connections.add(self.client_address)
                step = site.script.pop(0) if len(site.script) > 1 else site.script[0]
                if callable(step):
                    step(self)
                    return
                status, told, content = step
                self.send_response(status)
                for name, value in {"Content-Length": str(len(content)), **told}.items():
                    self.send_header(name, value)
                self.end_headers()
                self.wfile.write(content)

            do_POST = do_PUT = do_GET  # noqa: N815 - the names that http.server looks for

            def log_message(self, *_: Any) -> None: ...

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self.server.server_port}"
        self.thread = threading.Thread(target=lambda: self.server.serve_forever(poll_interval=0.01))
        self.thread.start()

    def close(self) -> None:
        self.server.shutdown()
        self.thread.join()
        self.server.server_close()


def break_off(handler: BaseHTTPRequestHandler) -> None:
    handler.close_connection = True
    handler.connection.shutdown(socket.SHUT_RDWR)


def hang(handler: BaseHTTPRequestHandler) -> None:
    time.sleep(0.3)
    break_off(handler)


def raw(content: bytes) -> Callable[[BaseHTTPRequestHandler], None]:
    def answer(handler: BaseHTTPRequestHandler) -> None:
        handler.wfile.write(content)
        break_off(handler)

    return answer


@pytest.fixture(scope="module")
def the_site() -> Iterator[Site]:
    site = Site()
    yield site
    site.close()


@pytest.fixture
def site(the_site: Site) -> Site:
    the_site.script, the_site.requests, the_site.connections = [(200, {}, b"{}")], [], set()
    return the_site


@pytest.fixture
def connect(site: Site, clock: FakeClock) -> Iterator[Callable[..., HttpClient]]:
    """Make clients of the site, whose errors carry what `Retry-After` says."""
    made: list[HttpClient] = []

    def classify(operation: str, response: Response) -> MarketplaceError:
        error = classify_status("acme", operation, response)
        error.retry_after = response.retry_after(clock.now())
        return error

    def make(**options: Any) -> HttpClient:
        given = {"base_url": site.url, "marketplace": "acme", "classify": classify, "read_timeout": 2.0, **options}
        made.append(HttpClient(given.pop("base_url"), **given))
        return made[-1]

    yield make
    for client in made:
        client.close()


@pytest.fixture
def waits() -> Iterator[list[float]]:
    """What was waited between tries, in seconds, as it would be in earnest."""
    told: list[float] = []
    before = stamina.instrumentation.get_on_retry_hooks()
    stamina.instrumentation.set_on_retry_hooks([lambda details: told.append(details.wait_for)])
    yield told
    stamina.instrumentation.set_on_retry_hooks(before)


def get(client: HttpClient, *, repeatable: bool = True, **options: Any) -> Response:
    return client.send("GetThing", "GET", "/thing", repeatable=repeatable, **options)


# What is sent


def test_a_call(site: Site, connect: Any) -> None:
    site.script = [(201, {"X-Request-Id": "r-1", "Content-Type": "application/json"}, b'{"a": [1]}')]
    response = connect(base_url=f"{site.url}/api/").send(
        "PostThing",
        "POST",
        "/a%2Fb/things",
        repeatable=False,
        query={"api-version": "2018-08-31", "q": "a b&c"},
        headers={"X-Own": "1"},
        json={"b": None},
        expect=(200, 201),
    )
    ((method, path, headers, body),) = site.requests
    assert (method, path) == ("POST", "/api/a%2Fb/things?api-version=2018-08-31&q=a+b%26c")
    assert (headers["x-own"], headers["content-type"]) == ("1", "application/json")
    assert headers["user-agent"].startswith("crossmarket/")
    assert "authorization" not in headers
    assert json.loads(body) == {"b": None}
    assert (response.status, response.headers["x-request-id"], response.json()) == (201, "r-1", {"a": [1]})
    assert response.text() == '{"a": [1]}'


def test_a_form(site: Site, connect: Any) -> None:
    connect().send("PostForm", "POST", "/form", repeatable=False, form={"grant_type": "x", "a": "b c"})
    _, _, headers, body = site.requests[0]
    assert (headers["content-type"], body) == ("application/x-www-form-urlencoded", b"grant_type=x&a=b+c")


@pytest.mark.parametrize("path", ["thing", "", "//evil.example/thing", "http://evil.example/thing"])
def test_a_path_that_is_none_is_refused(site: Site, connect: Any, path: str) -> None:
    with pytest.raises(ValueError, match="one host only"):
        connect().send("GetThing", "GET", path, repeatable=True)
    assert site.requests == []


@pytest.mark.parametrize("path", ["/@evil.example/", "/\\evil.example", "/..//evil.example", "/%2F%2Fevil.example"])
def test_no_path_leads_to_another_host(site: Site, connect: Any, path: str) -> None:
    connect().send("GetThing", "GET", path, repeatable=True)
    assert len(site.requests) == 1


@pytest.mark.parametrize(
    "url",
    [
        "",
        "ftp://host",
        "host/path",
        "//host",
        "https://",
        "https://hush@host",
        "https://hush:hush@host",
        "https://:hush@host",
        "https://host?sig=hush",
        "https://host#hush",
        "https://[hush",
        "https://host:hush",
        "https://host:99999",
    ],
)
def test_an_address_that_is_none(connect: Any, url: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        connect(base_url=url)
    assert caught.value.field == "base_url"
    assert "hush" not in str(caught.value) + "".join(traceback.format_exception(caught.value))


# Retries


@pytest.mark.parametrize("status", [500, 502, 503, 504])
def test_a_repeatable_call_is_repeated(site: Site, connect: Any, waits: list[float], status: int) -> None:
    site.script = [(status, {}, b""), (status, {}, b""), (200, {}, b"{}")]
    assert get(connect()).status == 200
    assert len(site.requests) == 3
    assert len(waits) == 2


def test_after_three_times_it_is_an_error(site: Site, connect: Any) -> None:
    site.script = [(503, {}, b"")]
    with pytest.raises(UnavailableError) as caught:
        get(connect())
    assert len(site.requests) == 3
    assert (caught.value.http_status, caught.value.operation, caught.value.marketplace) == (503, "GetThing", "acme")
    assert caught.value.retryable


def test_the_number_of_attempts_can_be_chosen(site: Site, connect: Any) -> None:
    site.script = [(503, {}, b"")]
    with pytest.raises(UnavailableError):
        get(connect(attempts=1))
    assert len(site.requests) == 1


@pytest.mark.parametrize("step", [(500, {}, b""), (503, {"Retry-After": "1"}, b""), break_off])
def test_what_may_have_happened_is_not_repeated(site: Site, connect: Any, step: Any) -> None:
    site.script = [step, (200, {}, b"{}")]
    with pytest.raises(UnavailableError):
        get(connect(), repeatable=False)
    assert len(site.requests) == 1


@pytest.mark.parametrize("repeatable", [True, False])
def test_what_was_refused_as_too_many_is_repeated(site: Site, connect: Any, *, repeatable: bool) -> None:
    site.script = [(429, {}, b""), (429, {"Retry-After": "0"}, b""), (200, {}, b"{}")]
    assert get(connect(), repeatable=repeatable).status == 200
    assert len(site.requests) == 3


@pytest.mark.parametrize("repeatable", [True, False])
def test_what_was_never_sent_is_repeated(connect: Any, waits: list[float], *, repeatable: bool) -> None:
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{closed.getsockname()[1]}"
        with pytest.raises(UnavailableError) as caught:
            get(connect(base_url=f"http://{address}"), repeatable=repeatable)
    assert len(waits) == 2
    assert caught.value.retryable
    assert f"acme cannot be reached at {address} (ConnectError)." in str(caught.value)
    assert "Try again later" in str(caught.value)
    # The original is named, not chained: its request holds the credentials.
    assert caught.value.__cause__ is None
    assert caught.value.__suppress_context__


@pytest.mark.parametrize("status", [301, 400, 404, 409, 422])
def test_a_refusal_is_not_repeated(site: Site, connect: Any, status: int) -> None:
    site.script = [(status, {"Location": "/elsewhere"}, b""), (200, {}, b"{}")]
    with pytest.raises(MarketplaceError) as caught:
        get(connect())
    assert len(site.requests) == 1
    assert not caught.value.retryable
    assert caught.value.http_status == status


@pytest.mark.parametrize("status", [301, 302, 307, 308])
def test_redirects_are_answers(site: Site, connect: Any, status: int) -> None:
    site.script = [(status, {"Location": f"{site.url}/elsewhere"}, b"")]
    assert get(connect(), expect=(status,)).headers["location"].endswith("/elsewhere")
    assert len(site.requests) == 1


@pytest.mark.parametrize(
    ("header", "seconds"),
    [
        ("3", 3.0),
        ("0", 0.0),
        ("30", 30.0),
        ("Sun, 01 Mar 2026 12:00:07 GMT", 7.0),
        ("Sun, 01 Mar 2026 11:00:00 GMT", 0.0),
    ],
)
def test_retry_after_is_waited_for(site: Site, connect: Any, waits: list[float], header: str, seconds: float) -> None:
    site.script = [(429, {"Retry-After": header}, b""), (200, {}, b"{}")]
    with stamina_in_earnest_but_asleep():
        assert get(connect()).status == 200
    assert waits == [seconds]


@contextlib.contextmanager
def stamina_in_earnest_but_asleep() -> Iterator[None]:
    """Let stamina reckon its waits as in earnest, and not sleep for them."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(time, "sleep", lambda _: None)
        stamina.set_testing(False)
        yield
    stamina.set_testing(True, attempts=1000, cap=True)


@pytest.mark.parametrize("header", ["31", "3600", "Sun, 01 Mar 2026 13:00:00 GMT", "9" * 400])
def test_a_long_retry_after_is_the_callers(site: Site, connect: Any, header: str) -> None:
    assert LONGEST_WAIT == 30
    site.script = [(429, {"Retry-After": header}, b""), (200, {}, b"{}")]
    with pytest.raises(RateLimitedError) as caught:
        get(connect())
    assert len(site.requests) == 1
    assert caught.value.retry_after >= 31
    assert caught.value.retryable


def test_without_retry_after_the_wait_grows_and_is_bounded(site: Site, connect: Any, waits: list[float]) -> None:
    site.script = [(503, {}, b"")]
    with stamina_in_earnest_but_asleep(), pytest.raises(UnavailableError):
        get(connect(attempts=6))
    assert len(waits) == 5
    assert all(0.2 <= wait <= 5.5 for wait in waits)


# Reading an answer


def response(body: bytes = b"", **headers: str) -> Response:
    return Response(200, {name.replace("_", "-"): value for name, value in headers.items()}, body)


@pytest.mark.parametrize(
    ("header", "seconds"),
    [
        ("", None),
        ("soon", None),
        ("-1", None),
        ("1.5", None),
        (" 5 ", 5.0),
        ("Sun, 01 Mar 2026 12:00:30 GMT", 30.0),
        ("Sun, 01 Mar 2026 12:00:30 -0000", None),
        ("²", None),
    ],
)
def test_retry_after(header: str, seconds: float | None) -> None:
    assert response(retry_after=header).retry_after(NOW) == seconds


def test_without_the_header_there_is_no_retry_after() -> None:
    assert response().retry_after(NOW) is None


@given(st.text(max_size=40))
def test_no_retry_after_raises(header: str) -> None:
    seconds = response(retry_after=header).retry_after(NOW)
    assert seconds is None or seconds >= 0


@pytest.mark.parametrize(
    ("body", "value"),
    [
        (b"", None),
        (b"<html>", None),
        (b"null", None),
        (b"\xff\xfe", None),
        (b'{"a": 1', None),
        (b"[" * 100_000, None),
        (b"7" * 5000, None),
        (b"0", 0),
        ('{"é": "ü"}'.encode(), {"é": "ü"}),
        (b'\xef\xbb\xbf{"a": 1}', {"a": 1}),
    ],
)
def test_json_that_is_none_is_nothing(body: bytes, value: Any) -> None:
    assert response(body).json() == value


def test_text_is_always_text() -> None:
    assert response(b"a\xff").text() == "a\ufffd"


def test_a_body_is_not_shown() -> None:
    assert "hush" not in repr(response(b"hush"))


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        (401, AuthenticationError),
        (403, AuthenticationError),
        (429, RateLimitedError),
        (500, UnavailableError),
        (599, UnavailableError),
        (404, MarketplaceError),
        (302, MarketplaceError),
    ],
)
def test_classify_status(status: int, kind: type[MarketplaceError]) -> None:
    error = classify_status("acme", "GetThing", Response(status, {}, b"hush"))
    assert type(error) is kind
    assert (error.http_status, error.operation, error.marketplace) == (status, "GetThing", "acme")
    assert "hush" not in str(error)


# Failures of the wire


@pytest.mark.parametrize(
    "step",
    [
        break_off,
        raw(b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nabc"),
        raw(b"garbage\r\n\r\n"),
        raw(b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 4\r\n\r\nabcd"),
        raw(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n"),
    ],
)
def test_an_answer_that_breaks_off_or_is_none(site: Site, connect: Any, step: Any) -> None:
    site.script = [step]
    with pytest.raises(UnavailableError, match="broke off the call") as caught:
        get(connect(), repeatable=False)
    assert caught.value.retryable
    site.script = [step, (200, {}, b"{}")]
    assert get(connect()).status == 200


def test_no_answer_in_time(site: Site, connect: Any) -> None:
    site.script = [hang]
    started = time.monotonic()
    with pytest.raises(UnavailableError, match=r"did not answer in time .*ReadTimeout"):
        get(connect(read_timeout=0.05), repeatable=False)
    assert time.monotonic() - started < 0.25


# Tokens


class Tokens:
    def __init__(self, clock: FakeClock, *values: str) -> None:
        self.values = list(values)
        self.holder = AccessTokenHolder(lambda: AccessToken(self.values.pop(0), NOW + HOUR), clock=clock)


def bearers(site: Site) -> list[str]:
    return [headers.get("authorization", "") for _, _, headers, _ in site.requests]


@pytest.mark.parametrize("repeatable", [True, False])
def test_a_401_renews_the_token_once(site: Site, connect: Any, clock: FakeClock, *, repeatable: bool) -> None:
    site.script = [(401, {}, b""), (200, {}, b"{}")]
    client = connect(token=Tokens(clock, "one", "two").holder)
    assert get(client, repeatable=repeatable).status == 200
    assert get(client).status == 200
    assert bearers(site) == ["Bearer one", "Bearer two", "Bearer two"]


def test_a_second_401_is_an_error(site: Site, connect: Any, clock: FakeClock) -> None:
    site.script = [(401, {}, b"")]
    with pytest.raises(AuthenticationError):
        get(connect(token=Tokens(clock, "one", "two", "three").holder))
    assert bearers(site) == ["Bearer one", "Bearer two"]


def test_without_a_holder_a_401_is_an_error(site: Site, connect: Any) -> None:
    site.script = [(401, {}, b"")]
    with pytest.raises(AuthenticationError):
        get(connect())
    assert len(site.requests) == 1


def test_a_403_renews_nothing(site: Site, connect: Any, clock: FakeClock) -> None:
    site.script = [(403, {}, b"")]
    with pytest.raises(AuthenticationError):
        get(connect(token=Tokens(clock, "one").holder))
    assert len(site.requests) == 1


@pytest.mark.parametrize("token", ["hush-token", "hush-token\n", "hush\u201ctoken", "hush\x00"])
@pytest.mark.parametrize(
    "step", [(500, {}, b"hush"), (403, {}, b"hush"), (418, {}, b"hush"), break_off, raw(b"hush\r\n\r\n"), hang]
)
def test_secrets_are_nowhere_to_be_seen(
    site: Site, connect: Any, clock: FakeClock, caplog: pytest.LogCaptureFixture, step: Any, token: str
) -> None:
    site.script = [step]
    client = connect(token=Tokens(clock, token).holder, read_timeout=0.05, attempts=2)
    # Not written into the call: a traceback shows the source of the call.
    secret = {"json": {"p": "hush"}, "headers": {"X-Key": "hush"}}
    with caplog.at_level(logging.INFO), pytest.raises(MarketplaceError) as caught:
        client.send("Post", "POST", "/x", repeatable=True, query={"t": "h"}, **secret)
    shown = "".join(traceback.format_exception(caught.value)) + repr(caught.value) + str(vars(caught.value))
    assert "hush" not in shown
    assert "hush" not in caplog.text
    assert "hush" not in repr(client) + str(vars(client))


# Connections


def test_nothing_is_opened_before_the_first_call(site: Site, connect: Any) -> None:
    connect()
    assert site.connections == set()


def test_a_connection_is_kept(site: Site, connect: Any) -> None:
    client = connect()
    for _ in range(3):
        get(client)
    assert len(site.connections) == 1


def test_each_thread_has_a_connection_of_its_own(site: Site, connect: Any) -> None:
    client = connect()
    barrier = threading.Barrier(4)

    def work() -> None:
        barrier.wait(timeout=10)
        get(client)
        get(client)
        barrier.wait(timeout=10)

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=10)
    assert len(site.requests) == 8
    assert len(site.connections) == 4


def test_connections_of_threads_that_have_ended_are_closed(connect: Any) -> None:
    client = connect()
    for _ in range(10):
        thread = threading.Thread(target=get, args=(client,))
        thread.start()
        thread.join(timeout=10)
    assert len(client._clients) == 1


def test_it_can_be_used_after_it_was_closed(site: Site, connect: Any) -> None:
    client = connect()
    get(client)
    client.close()
    client.close()
    assert get(client).status == 200
    assert len(site.connections) == 2


def test_the_clock_is_not_asked_for_what_was_told_in_seconds() -> None:
    assert response(retry_after="5").retry_after(NOW + timedelta(days=1)) == 5.0


PAGE: Answer = (200, {"Content-Type": "text/html"}, b"  <html>out of order</html>")


def test_a_page_in_place_of_json_is_read_again(site: Site, connect: Any) -> None:
    site.script = [PAGE, (200, {}, b'{"a": 1}')]
    answer = connect().send("Get", "GET", "/x", repeatable=True, body="json")
    assert answer.json() == {"a": 1}
    assert len(site.requests) == 2


def test_a_page_after_a_write_is_an_unknown_outcome(site: Site, connect: Any) -> None:
    site.script = [PAGE]
    with pytest.raises(UnavailableError) as caught:
        connect().send("Put", "PUT", "/x", repeatable=False, body="no page")
    assert caught.value.retryable
    assert caught.value.http_status == 200
    assert "a proxy may have answered" in str(caught.value)
    assert len(site.requests) == 1


@pytest.mark.parametrize(
    ("body", "expected", "fits"),
    [
        (b"", "json", False),
        (b"", "json or nothing", True),
        (b" \n", "json or nothing", True),
        (b"[]", "json", True),
        (b'"OK"', "json", False),
        (b"OK", "json or nothing", False),
        (b"OK", "no page", True),
        (b"", "no page", True),
        (b"\n<!doctype html>", "no page", False),
        (b"<html>", "anything", True),
    ],
)
def test_what_a_body_may_be(site: Site, connect: Any, body: bytes, expected: Any, fits: bool) -> None:
    site.script = [(200, {}, body)]
    call = partial(connect().send, "Get", "GET", "/x", repeatable=False, body=expected)
    if fits:
        assert call().body == body
    else:
        with pytest.raises(UnavailableError):
            call()


@pytest.mark.parametrize("scheme", ["https", "HTTPS", "Https"])
def test_certificates_are_checked_however_https_is_written(monkeypatch: pytest.MonkeyPatch, scheme: str) -> None:
    checked: list[object] = []

    class Client:
        def __init__(self, *, verify: object, **_: object) -> None:
            checked.append(verify)

        def request(self, **_: object) -> None:
            raise httpx.ConnectError("nobody there")

    monkeypatch.setattr(httpx, "Client", Client)
    client = HttpClient(
        f"{scheme}://shop.example", marketplace="bazaar", classify=partial(classify_status, "bazaar"), attempts=1
    )
    with pytest.raises(UnavailableError):
        client.send("Get", "GET", "/x", repeatable=True)
    assert [type(each).__name__ for each in checked] == ["SSLContext"]


def test_a_retry_after_of_an_absurd_zone_is_none() -> None:
    header = "Sun, 01 Mar 2026 12:00:00 +99999999999999999"
    assert Response(503, {"retry-after": header}, b"").retry_after(NOW) is None


def test_a_forked_process_opens_connections_of_its_own(site: Site, connect: Any) -> None:
    client = connect()
    get(client)
    child = os.fork()
    if child == 0:
        try:
            get(client)
            os._exit(0)
        except BaseException:  # noqa: BLE001 - the child must end here, whatever happens
            os._exit(1)
    _, status = os.waitpid(child, 0)
    assert status == 0
    get(client)
    assert len(site.requests) == 3
    assert len(site.connections) == 2


def test_a_broken_proxy_setting_is_told(connect: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTP_PROXY", "nonsense://x")
    with pytest.raises(ConfigurationError) as caught:
        get(connect())
    assert "HTTPS_PROXY" in str(caught.value)

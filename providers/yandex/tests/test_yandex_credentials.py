from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import jwt
import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from crossmarket.access_token import AccessToken
from crossmarket.errors import AuthenticationError, UnavailableError
from crossmarket.testing.clock import FakeClock
from crossmarket.testing.faults import Fault
from crossmarket.testing.server import serve
from crossmarket_yandex.config import YandexConfig
from crossmarket_yandex.credentials import token_source
from crossmarket_yandex.emulator import YandexEmulator
from crossmarket_yandex.emulator_auth import Issuers

from .conftest import Desk

KEY_SETTING = "CROSSMARKET_YANDEX__SERVICE_ACCOUNT_KEY_FILE"


class Issuer:
    """Any issuer: remembers what it was asked, answers what it is told."""

    def __init__(self) -> None:
        self.asked: list[dict[str, Any]] = []
        self.answer: Response = Response(status_code=500)

    async def serve(self, request: Request) -> Response:
        body = await request.body()
        self.asked.append(
            {"method": request.method, "path": request.url.path, "headers": dict(request.headers), "body": body}
        )
        return self.answer


@pytest.fixture
def issuer() -> Issuer:
    return Issuer()


@pytest.fixture
def url(issuer: Issuer) -> Iterator[str]:
    with serve(Starlette(routes=[Route("/{path:path}", issuer.serve, methods=["GET", "POST"])])) as address:
        yield address


@pytest.fixture(scope="module")
def keys() -> Issuers:
    return Issuers(FakeClock().now)


def config(clock: FakeClock, **options: Any) -> YandexConfig:
    return YandexConfig.model_validate({"read_timeout": 1, **options}, context={"clock": clock})


def fetch(options: YandexConfig) -> AccessToken:
    source = token_source(options)
    try:
        return source.fetch()
    finally:
        source.close()


@pytest.mark.parametrize("preamble", [True, False])
def test_the_assertion_is_what_iam_asks_for(
    issuer: Issuer, url: str, clock: FakeClock, keys: Issuers, tmp_path: Path, *, preamble: bool
) -> None:
    path = keys.write_key_file(tmp_path / "key.json", preamble=preamble)
    assert ("PLEASE DO NOT REMOVE THIS LINE!" in path.read_text()) is preamble
    issuer.answer = JSONResponse({"iamToken": "t1.abc.def", "expiresAt": "2026-03-01T22:00:00.123456789Z"})
    token = fetch(config(clock, service_account_key_file=path, iam_url=url))
    assert token.value == "t1.abc.def"
    assert token.expires_at is not None
    assert token.expires_at.isoformat() == "2026-03-01T22:00:00.123456+00:00"
    (call,) = issuer.asked
    assert (call["method"], call["path"]) == ("POST", "/iam/v1/tokens")
    assert "authorization" not in call["headers"]
    body = json.loads(call["body"])
    assert list(body) == ["jwt"]
    assert jwt.get_unverified_header(body["jwt"]) == {
        "typ": "JWT",
        "alg": "PS256",
        "kid": "ajkemulated000000001",
    }
    claims = jwt.decode(
        body["jwt"],
        keys.key.private.public_key(),
        algorithms=["PS256"],
        audience=f"{url}/iam/v1/tokens",
        options={"verify_exp": False, "verify_iat": False},
    )
    now = int(clock.now().timestamp())
    assert claims == {
        "iss": "ajeemulated000000001",
        "aud": f"{url}/iam/v1/tokens",
        "iat": now,
        "exp": now + 3600,
    }


def test_the_audience_follows_the_address_of_iam(clock: FakeClock, keys: Issuers, tmp_path: Path) -> None:
    path = keys.write_key_file(tmp_path / "key.json")
    source: Any = token_source(config(clock, service_account_key_file=path, iam_url="https://iam.api.yandexcloud.kz/"))
    claims = jwt.decode(source._assertion(), options={"verify_signature": False})
    assert claims["aud"] == "https://iam.api.yandexcloud.kz/iam/v1/tokens"


@pytest.mark.parametrize("content", [None, "", "{}", "[]", '{"id": 1, "service_account_id": "a", "private_key": "x"}'])
def test_a_key_file_that_is_none_is_told_by_setting(clock: FakeClock, tmp_path: Path, content: str | None) -> None:
    path = tmp_path / "key.json"
    if content is not None:
        path.write_text(content)
    with pytest.raises(AuthenticationError) as caught:
        fetch(config(clock, service_account_key_file=path))
    assert caught.value.field == KEY_SETTING
    assert KEY_SETTING in str(caught.value)
    assert caught.value.remedy
    assert caught.value.__cause__ is None


def test_a_broken_key_is_not_shown(clock: FakeClock, keys: Issuers, tmp_path: Path) -> None:
    path = keys.write_key_file(tmp_path / "key.json")
    key = json.loads(path.read_text())
    secret = key["private_key"].splitlines()[3]
    key["private_key"] = key["private_key"].replace("PRIVATE KEY-----\n", "PRIVATE KEY-----\nbroken", 1)
    path.write_text(json.dumps(key))
    with pytest.raises(AuthenticationError) as caught:
        fetch(config(clock, service_account_key_file=path))
    assert secret not in f"{caught.value!r} {caught.value} {caught.value.__cause__!r}"


def test_the_metadata_service_is_asked_as_it_wants(
    issuer: Issuer, url: str, clock: FakeClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("YC_METADATA_ADDR", url.removeprefix("http://"))
    issuer.answer = JSONResponse({"access_token": "t1.abc.def", "expires_in": 90, "token_type": "Bearer"})
    token = fetch(config(clock, metadata=True))
    assert (token.value, token.expires_at) == ("t1.abc.def", clock.now() + timedelta(seconds=90))
    (call,) = issuer.asked
    assert call["method"] == "GET"
    assert call["path"] == "/computeMetadata/v1/instance/service-accounts/default/token"
    assert call["headers"]["metadata-flavor"] == "Google"


def test_the_federation_exchanges_the_workloads_token(
    issuer: Issuer, url: str, clock: FakeClock, tmp_path: Path
) -> None:
    (tmp_path / "oidc").write_text("oidc.token.signature\n")
    issuer.answer = JSONResponse({"access_token": "t1.abc.def", "token_type": "Bearer", "expires_in": "43200"})
    options = {
        "federation_service_account_id": "aje1",
        "federation_token_file": tmp_path / "oidc",
        "federation_url": f"{url}/oauth/token",
    }
    token = fetch(config(clock, **options))
    assert token.expires_at == clock.now() + timedelta(hours=12)
    (call,) = issuer.asked
    assert (call["method"], call["path"]) == ("POST", "/oauth/token")
    assert call["headers"]["content-type"] == "application/x-www-form-urlencoded"
    assert call["body"] == (
        b"grant_type=urn%3Aietf%3Aparams%3Aoauth%3Agrant-type%3Atoken-exchange"
        b"&requested_token_type=urn%3Aietf%3Aparams%3Aoauth%3Atoken-type%3Aaccess_token"
        b"&audience=aje1&subject_token=oidc.token.signature"
        b"&subject_token_type=urn%3Aietf%3Aparams%3Aoauth%3Atoken-type%3Aid_token"
    )


@pytest.mark.parametrize("expiry", [None, "soon", 10**12, -1, {}])
def test_an_unreadable_expiry_is_an_hour(issuer: Issuer, url: str, clock: FakeClock, expiry: object) -> None:
    issuer.answer = JSONResponse({"access_token": "t1.abc.def", "expires_in": expiry})
    token = fetch(config(clock, metadata=True, metadata_url=url))
    assert token.expires_at == clock.now() + timedelta(hours=1)


@pytest.mark.parametrize(
    ("answer", "code"),
    [
        (JSONResponse({"code": 16, "message": "JWT kid is missing"}, 401), "UNAUTHENTICATED"),
        (JSONResponse({"code": 3, "message": "bad"}, 400), "INVALID_ARGUMENT"),
        (JSONResponse({"error": "invalid_grant", "error_description": "no"}, 400), "invalid_grant"),
        (Response("no service account", 404), None),
    ],
)
def test_a_refusal_names_the_setting(
    issuer: Issuer, url: str, clock: FakeClock, answer: Response, code: str | None
) -> None:
    issuer.answer = answer
    with pytest.raises(AuthenticationError) as caught:
        fetch(config(clock, metadata=True, metadata_url=url))
    assert caught.value.code == code
    assert caught.value.field == "CROSSMARKET_YANDEX__METADATA"
    assert caught.value.http_status == answer.status_code


@pytest.mark.parametrize("answer", [Response("<html>"), JSONResponse({}), JSONResponse([1]), Response("x", 503)])
def test_an_issuer_in_trouble_is_unavailable(issuer: Issuer, url: str, clock: FakeClock, answer: Response) -> None:
    issuer.answer = answer
    with pytest.raises(UnavailableError) as caught:
        fetch(config(clock, metadata=True, metadata_url=url))
    assert caught.value.retryable


def _sources(emulator: YandexEmulator, url: str, tmp_path: Path) -> dict[str, dict[str, Any]]:
    subject = tmp_path / "oidc"
    subject.write_text(emulator.issuers.subject_token)
    return {
        "key": {"service_account_key_file": emulator.issuers.write_key_file(tmp_path / "key.json")},
        "metadata": {"metadata": True, "metadata_url": url},
        "federation": {
            "federation_service_account_id": emulator.issuers.service_account_id,
            "federation_token_file": subject,
            "federation_url": url,
        },
    }


@pytest.mark.parametrize("source", ["key", "metadata", "federation"])
def test_each_source_opens_the_marketplace_and_is_asked_again_near_the_end(
    desk: Desk, clock: FakeClock, tmp_path: Path, source: str
) -> None:
    options = _sources(desk.emulator, desk.url, tmp_path)[source]
    marketplace = desk.connect(iam_token=None, **options)
    purchase = desk.emulator.buy()
    facts = marketplace.activate(desk.request(purchase))
    marketplace.read(facts)
    assert desk.emulator.issuers.issued == 1
    clock.advance(timedelta(hours=12))
    marketplace.read(facts)
    assert desk.emulator.issuers.issued == 2


def test_a_revoked_token_is_renewed_once(desk: Desk, tmp_path: Path) -> None:
    options = desk.emulator.key_file_options(desk.url, tmp_path / "key.json")
    marketplace = desk.connect(iam_token=None, service_account_key_file=options["service_account_key_file"])
    facts = marketplace.activate(desk.request(desk.emulator.buy()))
    desk.emulator.issuers.revoke_all()
    assert marketplace.read(facts) == facts
    assert desk.emulator.issuers.issued == 2


def test_an_outage_of_iam_leaves_a_good_token_in_use(desk: Desk, clock: FakeClock, tmp_path: Path) -> None:
    marketplace = desk.connect(iam_token=None, **_sources(desk.emulator, desk.url, tmp_path)["key"])
    facts = marketplace.activate(desk.request(desk.emulator.buy()))
    clock.advance(timedelta(hours=11, minutes=57))
    desk.emulator.faults.add(Fault(kind="status", status=503, match="/iam/v1/tokens", times=0))
    assert marketplace.read(facts) == facts
    clock.advance(timedelta(minutes=5))
    with pytest.raises(UnavailableError):
        marketplace.read(facts)


def test_many_callers_fetch_one_token(desk: Desk, tmp_path: Path) -> None:
    marketplace = desk.connect(iam_token=None, **_sources(desk.emulator, desk.url, tmp_path)["metadata"])
    facts = desk.marketplace.activate(desk.request(desk.emulator.buy()))
    threads = [threading.Thread(target=marketplace.read, args=[facts]) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert desk.emulator.issuers.issued == 1


def test_a_fixed_token_that_is_refused_names_the_setting(desk: Desk) -> None:
    marketplace = desk.connect(iam_token="t1.expired.token")
    facts = desk.marketplace.activate(desk.request(desk.emulator.buy()))
    with pytest.raises(AuthenticationError) as caught:
        marketplace.read(facts)
    assert caught.value.field == "CROSSMARKET_YANDEX__IAM_TOKEN"
    assert caught.value.code == "UNAUTHENTICATED"
    assert caught.value.request_id
    assert "t1.expired.token" not in str(caught.value)


def test_the_emulated_iam_checks_the_assertion(keys: Issuers) -> None:
    from crossmarket_yandex.emulator_auth import RefusedError

    now = int(FakeClock().now().timestamp())
    good = {"iss": keys.service_account_id, "aud": "here", "iat": now, "exp": now + 3600}
    private = keys.key.private

    def sign(claims: dict[str, Any], algorithm: str = "PS256", kid: str | None = keys.key.id) -> str:
        return jwt.encode(claims, private, algorithm=algorithm, headers={"kid": kid} if kid else None)

    assert keys.exchange_assertion(sign(good), ("here",))[0].startswith("t1.")
    bad = [
        sign(good, algorithm="RS256"),
        sign(good, kid=None),
        sign(good, kid="another"),
        sign(good | {"aud": "elsewhere"}),
        sign(good | {"iss": "another"}),
        sign(good | {"exp": now + 3601}),
        sign(good | {"iat": now + 1}),
        sign(good | {"iat": now - 10, "exp": now}),
        "nonsense",
    ]
    for assertion in bad:
        with pytest.raises(RefusedError):
            keys.exchange_assertion(assertion, ("here",))

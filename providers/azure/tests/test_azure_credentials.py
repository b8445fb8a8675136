"""Access tokens: msal against the emulator's Entra, with a secret and with a certificate."""

from __future__ import annotations

import logging
import subprocess
import sys
import threading
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest

from crossmarket.access_token import AccessToken
from crossmarket.errors import AuthenticationError, MarketplaceError, RateLimitedError, UnavailableError
from crossmarket.testing.clock import FakeClock
from crossmarket.testing.faults import Fault
from crossmarket_azure.config import AzureConfig
from crossmarket_azure.credentials import TokenSource
from crossmarket_azure.emulator import AzureEmulator
from crossmarket_azure.marketplace import AzureMarketplace

Connect = Callable[..., AzureMarketplace]


def fetch(emulator: AzureEmulator, address: str, **changed: Any) -> AccessToken:
    options = {"read_timeout": 0.5} | emulator.options(address) | changed
    given = {name: value for name, value in options.items() if value is not None}
    source = TokenSource(AzureConfig.model_validate(given, context={"clock": emulator.clock}))
    try:
        return source.fetch()
    finally:
        source.close()


def token_requests(emulator: AzureEmulator) -> int:
    return sum(request.path.endswith("/token") for request in emulator.requests)


def test_a_secret_gets_a_token(emulator: AzureEmulator, address: str, clock: FakeClock) -> None:
    token = fetch(emulator, address)
    assert emulator.entra.issued[token.value].resource == "20e940b3-4c77-4b0b-9a53-9e16a1b010a7"
    assert token.expires_at == clock.now() + timedelta(hours=1)
    assert token.value not in repr(token)


def test_the_first_generation_asks_for_its_own_resource(emulator: AzureEmulator, address: str) -> None:
    token = fetch(emulator, address, api_version="2017-04-15")
    assert emulator.entra.issued[token.value].resource == "62d94f6c-d599-489b-a797-3e10e42fbe22"


@pytest.mark.parametrize("password", [None, "the-password"])
def test_a_certificate_gets_a_token(
    emulator: AzureEmulator, address: str, tmp_path: Path, password: str | None
) -> None:
    file = tmp_path / "certificate.pem"
    file.write_text(emulator.entra.register_certificate(password))
    token = fetch(
        emulator, address, client_secret=None, client_certificate_file=file, client_certificate_password=password
    )
    assert token.value in emulator.entra.issued


def test_a_certificate_that_is_not_registered_is_refused(emulator: AzureEmulator, address: str, tmp_path: Path) -> None:
    file = tmp_path / "certificate.pem"
    file.write_text(emulator.entra.register_certificate())
    emulator.entra.register_certificate()
    with pytest.raises(AuthenticationError) as caught:
        fetch(emulator, address, client_secret=None, client_certificate_file=file)
    assert caught.value.field == "CROSSMARKET_AZURE__CLIENT_CERTIFICATE_FILE"
    assert caught.value.code == "AADSTS700027"


@pytest.mark.parametrize("content", [None, b"nothing", b"\xff\xfe", "broken key", "password missing"])
def test_a_certificate_file_that_cannot_be_used(
    emulator: AzureEmulator, address: str, tmp_path: Path, content: bytes | str | None
) -> None:
    file = tmp_path / "certificate.pem"
    if content == "broken key":
        whole = emulator.entra.register_certificate()
        file.write_text(whole.replace("BEGIN PRIVATE KEY-----\nMII", "BEGIN PRIVATE KEY-----\nXXX"))
    elif content == "password missing":
        file.write_text(emulator.entra.register_certificate("locked"))
    elif isinstance(content, bytes):
        file.write_bytes(content)
    with pytest.raises(AuthenticationError) as caught:
        fetch(emulator, address, client_secret=None, client_certificate_file=file)
    assert caught.value.field == "CROSSMARKET_AZURE__CLIENT_CERTIFICATE_FILE"
    assert "PRIVATE KEY" not in f"{caught.value}{caught.value.__cause__}"


@pytest.mark.parametrize(
    ("changed", "setting", "code"),
    [
        ({"client_secret": "wrong-secret"}, "CROSSMARKET_AZURE__CLIENT_SECRET", "AADSTS7000215"),
        ({"client_id": "another"}, "CROSSMARKET_AZURE__CLIENT_ID", "AADSTS700016"),
        ({"tenant_id": "another"}, "CROSSMARKET_AZURE__TENANT_ID", None),
        ({"resource": "another"}, "CROSSMARKET_AZURE__RESOURCE", "AADSTS500011"),
    ],
)
def test_each_wrong_credential_names_its_setting(
    emulator: AzureEmulator, address: str, changed: dict[str, str], setting: str, code: str | None
) -> None:
    with pytest.raises(AuthenticationError) as caught:
        fetch(emulator, address, **changed)
    assert caught.value.field == setting
    assert caught.value.code == code
    assert setting in str(caught.value)
    assert not caught.value.retryable
    assert "wrong-secret" not in f"{caught.value!r} {caught.value.__cause__!r} {caught.value.__context__!r}"


def test_an_expired_secret_says_so(emulator: AzureEmulator, address: str) -> None:
    emulator.entra.refuse_with = 7000222
    with pytest.raises(AuthenticationError, match="has expired"):
        fetch(emulator, address)


@pytest.mark.parametrize(
    ("fault", "kind"),
    [
        (Fault(kind="status", status=503, times=0), UnavailableError),
        (Fault(kind="status", status=429, retry_after=7, times=0), RateLimitedError),
        (Fault(kind="malformed", times=0), MarketplaceError),
        (Fault(kind="reset", times=0), UnavailableError),
        (Fault(kind="timeout", seconds=2, times=0), UnavailableError),
    ],
    ids=lambda value: getattr(value, "kind", ""),
)
def test_an_outage_of_entra(emulator: AzureEmulator, address: str, fault: Fault, kind: type[MarketplaceError]) -> None:
    emulator.faults.add(fault)
    with pytest.raises(kind) as caught:
        fetch(emulator, address, read_timeout=0.2)
    assert caught.value.operation == "GetToken"
    assert emulator.entra.secret not in str(caught.value)


@pytest.mark.parametrize("match", ["openid-configuration", "oauth2"])
def test_html_from_a_proxy_can_be_tried_again(emulator: AzureEmulator, address: str, match: str) -> None:
    emulator.faults.add(Fault(kind="malformed", match=match))
    with pytest.raises(MarketplaceError):
        fetch(emulator, address)
    assert fetch(emulator, address).value in emulator.entra.issued


def test_many_callers_make_one_token_request(emulator: AzureEmulator, connect: Connect) -> None:
    azure = connect()
    emulator.buy()
    threads = [threading.Thread(target=lambda: list(azure.list_subscriptions())) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert token_requests(emulator) == 1


def test_a_token_is_renewed_before_it_expires(emulator: AzureEmulator, connect: Connect, clock: FakeClock) -> None:
    azure = connect()
    list(azure.list_subscriptions())
    clock.advance(timedelta(minutes=54))
    list(azure.list_subscriptions())
    assert token_requests(emulator) == 1
    clock.advance(timedelta(minutes=2))
    list(azure.list_subscriptions())
    assert token_requests(emulator) == 2


def test_a_refused_token_is_renewed_once(
    emulator: AzureEmulator, connect: Connect, calls: Callable[..., list[int]]
) -> None:
    azure = connect()
    list(azure.list_subscriptions())
    emulator.entra.revoke_all()
    list(azure.list_subscriptions())
    assert token_requests(emulator) == 2
    assert calls("GET") == [200, 401, 200]


def test_403_renews_nothing(emulator: AzureEmulator, connect: Connect, calls: Callable[..., list[int]]) -> None:
    azure = connect()
    emulator.faults.add(Fault(kind="status", status=403, match="/saas/", times=0))
    with pytest.raises(AuthenticationError, match="CROSSMARKET_AZURE__CLIENT_ID"):
        list(azure.list_subscriptions())
    assert calls("GET") == [403]
    assert token_requests(emulator) == 1


def test_a_fixed_token_is_used_as_it_is(emulator: AzureEmulator, connect: Connect) -> None:
    azure = connect(token=emulator.entra.issue(), client_secret=None, tenant_id=None, client_id=None)
    assert list(azure.list_subscriptions()) == []
    assert token_requests(emulator) == 0


def test_nothing_is_logged_that_is_secret(
    emulator: AzureEmulator, connect: Connect, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    list(connect().list_subscriptions())
    assert caplog.text
    assert emulator.entra.secret not in caplog.text
    assert all(token not in caplog.text for token in emulator.entra.issued)


def test_the_older_endpoint_writes_numbers_as_text(emulator: AzureEmulator, address: str) -> None:
    entra = emulator.entra
    form = {
        "grant_type": "client_credentials",
        "client_id": entra.client,
        "client_secret": entra.secret,
        "resource": "20e940b3-4c77-4b0b-9a53-9e16a1b010a7",
    }
    told = httpx.post(f"{address}/{entra.tenant}/oauth2/token", data=form).json()
    assert told["expires_in"] == "3600"
    assert isinstance(told["expires_on"], str)
    assert entra.issued[told["access_token"]].resource == "20e940b3-4c77-4b0b-9a53-9e16a1b010a7"


def test_msal_is_imported_only_when_a_token_is_fetched() -> None:
    code = (
        "import sys; from crossmarket_azure.plugin import connect, AzureConfig;"
        "connect(AzureConfig(tenant_id='t', client_id='c', client_secret='s'));"
        "sys.exit(bool({'msal', 'httpx', 'requests', 'jwt', 'starlette'} & set(sys.modules)))"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_an_authority_without_a_discovery_document_is_asked_at_the_documented_address(
    emulator: AzureEmulator, address: str
) -> None:
    emulator.faults.add(Fault(kind="status", status=404, match="openid-configuration", times=0))
    assert fetch(emulator, address).value in emulator.entra.issued

"""Access tokens from Microsoft Entra: msal makes and reads the requests, the core's HTTP client carries them.

msal gets an HTTP client of ours, so that timeouts, retries and masking are the library's own, and so that a
credential is sent to the configured authority and nowhere else: of the addresses that msal asks for (among them
those that came out of Entra's own discovery answer) only the path is used. msal insists on https; the emulator of
tests speaks plain http on this machine, which the same rule allows for without a second code path.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from functools import partial
from typing import TYPE_CHECKING, Any, cast
from urllib.parse import parse_qsl, urlsplit

from crossmarket.access_token import AccessToken
from crossmarket.errors import AuthenticationError, MarketplaceError, UnavailableError
from crossmarket.http import HttpClient
from crossmarket.tolerant import whole
from crossmarket_azure.config import setting
from crossmarket_azure.errors import NAME, TOKEN, classify_entra, classify_entra_status

if TYPE_CHECKING:
    from datetime import datetime

    from pydantic import JsonValue

    from crossmarket.clock import Clock
    from crossmarket.http import Response
    from crossmarket_azure.config import AzureConfig

KEY = re.compile(r"-----BEGIN ([A-Z ]*PRIVATE KEY)-----.*?-----END \1-----", re.DOTALL)
CERTIFICATE = re.compile(r"-----BEGIN CERTIFICATE-----.*?-----END CERTIFICATE-----", re.DOTALL)

DISCOVERY = "/v2.0/.well-known/openid-configuration"

DEFAULT_LIFE = 3600
"""Seconds that a token is good for where Entra does not tell (it always has)."""


class TokenSource:
    """Fetches access tokens for one application. `fetch` is what an `AccessTokenHolder` calls."""

    def __init__(self, config: AzureConfig) -> None:
        self._config = config
        self._http = HttpClient(
            config.authority_url,
            marketplace=NAME,
            classify=partial(_classify, clock=config.clock),
            connect_timeout=config.connect_timeout,
            read_timeout=config.read_timeout,
            attempts=2,
        )

    def fetch(self) -> AccessToken:
        """Ask Entra for a token.

        msal is started anew each time: it keeps tokens by the machine's clock and would give back the very token
        that the marketplace has just refused. The holder keeps them instead, for all threads.

        Raises:
            AuthenticationError: Entra refuses; the remedy names the setting to look at.
            UnavailableError: Entra cannot be asked.
        """
        config = self._config
        if config.token is not None:
            return AccessToken(config.token.get_secret_value(), None)
        import msal  # type: ignore[import-untyped]  # noqa: PLC0415 - slow to import, and only real credentials need it

        authority = f"https://{urlsplit(config.authority_url).netloc}/{config.tenant_id}"
        now = config.clock.now()
        try:
            application = msal.ConfidentialClientApplication(
                config.client_id,
                client_credential=self._credential(),
                authority=authority,
                http_client=_Carrier(self._http),
                # The authority is the seller's own setting: no host of Microsoft's is asked whether it knows it.
                instance_discovery=False,
            )
            answer = application.acquire_token_for_client([f"{config.token_resource}/.default"])
        except MarketplaceError:
            raise
        # msal raises plain ValueErrors, and the chain may hold the credential.
        except Exception as error:  # noqa: BLE001
            raise self._unusable(error) from None
        return self._read(answer, now)

    def close(self) -> None:
        """Close connections. The object may be used again afterwards."""
        self._http.close()

    def _read(self, answer: Mapping[str, Any] | None, now: datetime) -> AccessToken:
        value = (answer or {}).get("access_token")
        if not isinstance(value, str) or not value:
            raise classify_entra(cast("JsonValue", dict(answer or {})))
        # The older endpoint writes its numbers as text.
        life = whole(cast("JsonValue", (answer or {}).get("expires_in")))
        return AccessToken(value, now + timedelta(seconds=DEFAULT_LIFE if life is None else life))

    def _credential(self) -> str | dict[str, str]:
        config = self._config
        if config.client_secret is not None:
            return config.client_secret.get_secret_value()
        pem = read_certificate_file(config)
        key, certificate = KEY.search(pem), CERTIFICATE.search(pem)
        if key is None or certificate is None:
            raise _bad_file("has no private key and certificate, both in PEM form")
        secret = config.client_certificate_password
        password = secret.get_secret_value() if secret is not None else None
        _check_key(key[0], password)
        return {
            "private_key": key[0],
            "public_certificate": certificate[0],
            **({"passphrase": password} if password is not None else {}),
        }

    @staticmethod
    def _unusable(error: Exception) -> MarketplaceError:
        if isinstance(error, ValueError) and "get authority configuration" in str(error):
            return AuthenticationError(
                "Entra does not know the tenant.",
                marketplace=NAME,
                operation=TOKEN,
                field=setting("tenant_id"),
                remedy=f"Look at {setting('tenant_id')} and {setting('authority_url')}.",
            )
        return UnavailableError(
            f"Entra answered in a way that cannot be read ({type(error).__name__}).",
            marketplace=NAME,
            operation=TOKEN,
            remedy=f"Look at {setting('authority_url')}, and whether a proxy answers in its place.",
        )


def read_certificate_file(config: AzureConfig) -> str:
    """Return the text of the PEM file that the options name.

    Raises:
        AuthenticationError: It cannot be read.
    """
    try:
        return config.client_certificate_file.read_text("utf-8") if config.client_certificate_file else ""
    except (OSError, ValueError) as error:
        raise _bad_file(f"cannot be read ({type(error).__name__})") from error


def _check_key(pem: str, password: str | None) -> None:
    """Read the key before msal does, which would log what is wrong with it and raise one of many errors."""
    from cryptography.exceptions import UnsupportedAlgorithm  # noqa: PLC0415 - only those who use a certificate
    from cryptography.hazmat.primitives.serialization import load_pem_private_key  # noqa: PLC0415

    try:
        load_pem_private_key(pem.encode(), password.encode() if password is not None else None)
    except (ValueError, TypeError, UnsupportedAlgorithm):
        raise _bad_file("cannot be used: its key is damaged, or its password is wrong or missing") from None


def _bad_file(what: str) -> AuthenticationError:
    option = setting("client_certificate_file")
    return AuthenticationError(
        f"The file of {option} {what}.",
        marketplace=NAME,
        operation=TOKEN,
        field=option,
        remedy=f"Look at {option} and {setting('client_certificate_password')}.",
    )


def _classify(operation: str, response: Response, *, clock: Clock) -> MarketplaceError:
    return classify_entra_status(operation, response, now=clock.now())


@dataclass(frozen=True, slots=True)
class _Answer:
    """An answer in the form that msal reads."""

    status_code: int
    text: str = field(repr=False)
    headers: Mapping[str, str] = field(repr=False)

    def raise_for_status(self) -> None:
        """Do nothing: bad statuses have become errors before."""


class _Carrier:
    """What msal calls instead of an HTTP library of its own."""

    def __init__(self, http: HttpClient) -> None:
        self._http = http

    def get(
        self, url: str, params: Mapping[str, Any] | None = None, headers: Mapping[str, str] | None = None, **_: Any
    ) -> _Answer:
        """Get, at the configured authority.

        msal insists on Entra's discovery document, of which only the documented address of the token endpoint is
        used. An authority that does not serve the document (a test double) may still have the endpoint. A tenant
        that does not exist is no such case: Entra answers 400 then.
        """
        answer = self._send("GET", url, params, headers, None)
        root = url.removesuffix(DISCOVERY)
        if answer.status_code != 404 or root == url:  # noqa: PLR2004 - HTTP's own number
            return answer
        document = {
            "token_endpoint": f"{root}/oauth2/v2.0/token",
            "authorization_endpoint": f"{root}/oauth2/v2.0/authorize",
        }
        return _Answer(200, json.dumps(document), {})

    def post(
        self,
        url: str,
        params: Mapping[str, Any] | None = None,
        data: Mapping[str, Any] | str | None = None,
        headers: Mapping[str, str] | None = None,
        **_: Any,
    ) -> _Answer:
        """Post a form, at the configured authority."""
        form = dict(parse_qsl(data)) if isinstance(data, str) else dict(data or {})
        return self._send("POST", url, params, headers, form)

    def close(self) -> None:
        """Do nothing: the token source closes its connections itself."""

    def _send(
        self,
        method: str,
        url: str,
        params: Mapping[str, Any] | None,
        headers: Mapping[str, str] | None,
        form: dict[str, Any] | None,
    ) -> _Answer:
        parts = urlsplit(url)
        query = dict(parse_qsl(parts.query)) | {name: str(value) for name, value in (params or {}).items()}
        answer = self._http.send(
            TOKEN,
            method,
            parts.path or "/",
            repeatable=True,
            query=query or None,
            headers=headers,
            form={name: _plain(value) for name, value in form.items()} if form is not None else None,
            expect=(200, 400, 401, 403, 404),
        )
        return _Answer(answer.status, answer.text(), answer.headers)


def _plain(value: Any) -> str:
    return value.decode("ascii") if isinstance(value, bytes) else str(value)

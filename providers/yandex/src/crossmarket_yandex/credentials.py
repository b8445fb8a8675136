"""IAM tokens: one protocol, four sources.

`AccessTokenHolder` keeps what a source fetches until shortly before it expires, and lets one caller at a time
fetch. A source that fails raises a `MarketplaceError`, so that a token that is still good stays in use.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from datetime import datetime, timedelta
from pathlib import Path
from typing import Protocol

from pydantic import JsonValue

from crossmarket.access_token import AccessToken
from crossmarket.clock import Clock
from crossmarket.errors import AuthenticationError, MarketplaceError, UnavailableError
from crossmarket.http import HttpClient, Response
from crossmarket_yandex.config import YandexConfig, setting
from crossmarket_yandex.errors import MARKETPLACE, classify, mask
from crossmarket_yandex.wire import moment, text

LONGEST_ASSERTION = timedelta(hours=1)
"""The longest life that IAM allows for the signed assertion of a key."""

ASSUMED_LIFE = timedelta(hours=1)
"""How long a token is used whose answer has no readable expiry: tokens live 12 hours at most, and Yandex
advises a new one each hour."""

METADATA_ADDRESS = "169.254.169.254"


class TokenSource(Protocol):
    """Where IAM tokens come from."""

    def fetch(self) -> AccessToken:
        """Get a token and its expiry (UTC; None where unknown).

        Raises:
            AuthenticationError: The credential is missing, unreadable or refused; `field` names the setting.
            UnavailableError: The issuer cannot be reached.
        """

    def close(self) -> None:
        """Close connections."""


def token_source(config: YandexConfig) -> TokenSource:
    """Make the source that the options choose, without I/O.

    Raises:
        ConfigurationError: None or several credentials are set.
    """
    match config.credential:
        case "service_account_key_file":
            return KeyFileSource(config)
        case "metadata":
            return MetadataSource(config)
        case "federation_service_account_id":
            return FederationSource(config)
        case "iam_token":
            return FixedSource(config.iam_token.get_secret_value() if config.iam_token else "")


class FixedSource:
    """A token that was made elsewhere; when it expires, calls fail with `AuthenticationError`."""

    def __init__(self, value: str) -> None:
        self._token = AccessToken(value, None)

    def fetch(self) -> AccessToken:
        """Return it."""
        return self._token

    def close(self) -> None:
        """Do nothing."""


class KeyFileSource:
    """The key file of a service account: a JWT signed with PS256 is exchanged for a token."""

    def __init__(self, config: YandexConfig) -> None:
        self._path = config.service_account_key_file or Path()
        self._clock = config.clock
        self._audience = f"{config.iam_url}/iam/v1/tokens"
        self._http = _client(config, config.iam_url, setting("service_account_key_file"))

    def fetch(self) -> AccessToken:
        """Read the key, sign and exchange."""
        body: JsonValue = {"jwt": self._assertion()}
        answer = self._http.send("IamToken.Create", "POST", "/iam/v1/tokens", repeatable=True, json=body)
        message = _message("IamToken.Create", answer)
        return _token(
            "IamToken.Create",
            text(message, "iam_token"),
            moment(message, "expires_at") or self._clock.now() + ASSUMED_LIFE,
        )

    def close(self) -> None:
        """Close connections."""
        self._http.close()

    def _assertion(self) -> str:
        import jwt  # noqa: PLC0415 - slow to import, and only this source needs it

        option = setting("service_account_key_file")
        raw = _read(self._path, option)
        try:
            key = json.loads(raw)
            key_id, account, private = key["id"], key["service_account_id"], key["private_key"]
            # A warning line stands before the PEM block since November 2023.
            private = private[private.index("-----BEGIN") :]
            now = int(self._clock.now().timestamp())
            return jwt.encode(
                {
                    "iss": account,
                    "aud": self._audience,
                    "iat": now,
                    "exp": now + int(LONGEST_ASSERTION.total_seconds()),
                },
                private,
                algorithm="PS256",
                headers={"kid": key_id},
            )
        except (ValueError, KeyError, TypeError, AttributeError, jwt.PyJWTError):
            raise AuthenticationError(
                f"The file that {option} names is not the key file of a service account.",
                marketplace=MARKETPLACE,
                operation="IamToken.Create",
                field=option,
                remedy="Make a new one with: yc iam key create --service-account-name <name> --output key.json",
            ) from None  # the cause holds the file's content


class MetadataSource:
    """The metadata service of a virtual machine or function with a service account."""

    def __init__(self, config: YandexConfig) -> None:
        host = (os.environ.get("YC_METADATA_ADDR") or METADATA_ADDRESS).removeprefix("http://")
        address = config.metadata_url or f"http://{host}"
        self._clock = config.clock
        self._http = _client(config, address, setting("metadata"), connect_timeout=min(1.0, config.connect_timeout))

    def fetch(self) -> AccessToken:
        """Ask for a token; its life may be short and is not extended."""
        answer = self._http.send(
            "metadata token",
            "GET",
            "/computeMetadata/v1/instance/service-accounts/default/token",
            repeatable=True,
            headers={"Metadata-Flavor": "Google"},
        )
        return _oauth_token("metadata token", answer, self._clock)

    def close(self) -> None:
        """Close connections."""
        self._http.close()


class FederationSource:
    """Workload identity federation: the OIDC token of the workload is exchanged for a token."""

    def __init__(self, config: YandexConfig) -> None:
        self._account = config.federation_service_account_id or ""
        self._path = config.federation_token_file or Path()
        self._clock = config.clock
        address = config.federation_url.removesuffix("/oauth/token")
        self._http = _client(config, address, setting("federation_token_file"))

    def fetch(self) -> AccessToken:
        """Read the workload's token and exchange it."""
        form = {
            "grant_type": "urn:ietf:params:oauth:grant-type:token-exchange",
            "requested_token_type": "urn:ietf:params:oauth:token-type:access_token",
            "audience": self._account,
            "subject_token": _read(self._path, setting("federation_token_file")).strip(),
            "subject_token_type": "urn:ietf:params:oauth:token-type:id_token",
        }
        answer = self._http.send("token exchange", "POST", "/oauth/token", repeatable=True, form=form)
        return _oauth_token("token exchange", answer, self._clock)

    def close(self) -> None:
        """Close connections."""
        self._http.close()


def _client(config: YandexConfig, address: str, option: str, *, connect_timeout: float | None = None) -> HttpClient:
    return HttpClient(
        address,
        marketplace=MARKETPLACE,
        classify=_classifier(option, config.clock),
        connect_timeout=connect_timeout or config.connect_timeout,
        read_timeout=config.read_timeout,
    )


def _classifier(option: str, clock: Clock) -> Callable[[str, Response], MarketplaceError]:
    """Whatever an issuer refuses, other than for its own trouble, is our credential's fault."""

    def refused(operation: str, response: Response) -> MarketplaceError:
        error = classify(operation, response, now=clock.now(), credential=option)
        if error.retryable:
            return error
        body = response.json()
        fields = body if isinstance(body, dict) else {}
        # Federation answers in the form of OAuth: {"error": "invalid_grant", "error_description": ...}.
        code = text(fields, "error") or error.code
        said = text(fields, "error_description") or text(fields, "message")
        return AuthenticationError(
            "Yandex Cloud gives no IAM token for the credential." + (f' It says: "{mask(said)}".' if said else ""),
            marketplace=MARKETPLACE,
            operation=operation,
            code=code,
            http_status=response.status,
            request_id=error.request_id,
            field=option,
            remedy=f"Look at {option}: the key or account may be deleted, not attached or of another cloud; "
            "and at the clock of this machine.",
        )

    return refused


def _read(path: Path, option: str) -> str:
    try:
        return path.expanduser().read_text(encoding="utf-8")
    except (OSError, ValueError) as error:
        raise AuthenticationError(
            f"The file that {option} names cannot be read ({type(error).__name__}).",
            marketplace=MARKETPLACE,
            operation="IamToken.Create",
            field=option,
            remedy="Look at the path and at the rights of the file.",
        ) from None


def _message(operation: str, response: Response) -> dict[str, JsonValue]:
    body = response.json()
    if not isinstance(body, dict):
        raise UnavailableError(
            "Yandex Cloud answered something else than a token.",
            marketplace=MARKETPLACE,
            operation=operation,
            http_status=response.status,
            remedy="Look at the configured address; a proxy may have answered.",
        )
    return body


def _oauth_token(operation: str, response: Response, clock: Clock) -> AccessToken:
    message = _message(operation, response)
    seconds = text(message, "expires_in") or ""
    life = timedelta(seconds=int(seconds)) if seconds.isdecimal() and len(seconds) < 8 else ASSUMED_LIFE  # noqa: PLR2004 - within a timedelta
    return _token(operation, text(message, "access_token"), clock.now() + life)


def _token(operation: str, value: str | None, expires_at: datetime) -> AccessToken:
    if not value:
        raise UnavailableError("Yandex Cloud answered without a token.", marketplace=MARKETPLACE, operation=operation)
    return AccessToken(value, expires_at)

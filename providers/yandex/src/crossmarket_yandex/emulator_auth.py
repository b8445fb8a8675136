"""The emulated issuers of IAM tokens: IAM itself, the metadata service, and workload identity federation."""

from __future__ import annotations

import base64
import json
import secrets
from collections.abc import Callable
from datetime import datetime, timedelta
from pathlib import Path
from typing import NamedTuple
from urllib.parse import parse_qs

import jwt
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from pydantic import JsonValue

TOKEN_LIFE = timedelta(hours=12)
METADATA_LIFE = timedelta(minutes=10)
LONGEST_ASSERTION = 3600

OAUTH_FORM = {
    "grant_type": "urn:ietf:params:oauth:grant-type:token-exchange",
    "requested_token_type": "urn:ietf:params:oauth:token-type:access_token",
    "subject_token_type": "urn:ietf:params:oauth:token-type:id_token",
}


class Key(NamedTuple):
    """The key of the emulated service account."""

    id: str
    private: rsa.RSAPrivateKey


class RefusedError(Exception):
    """The issuer gives no token; the text says why."""


class Issuers:
    """Issues IAM tokens and knows those that it has issued.

    Args:
        now: Tells the time.

    Attributes:
        service_account_id: The one service account there is.
        fixed: A token that never expires, for `IAM_TOKEN`.
        subject_token: The workload's OIDC token that the federation takes.
        issued: How many tokens were issued.
    """

    def __init__(self, now: Callable[[], datetime]) -> None:
        self._now = now
        self._key: Key | None = None
        self._good_until: dict[str, datetime | None] = {}
        self.service_account_id = "ajeemulated000000001"
        self.fixed = self._issue(None)
        self.subject_token = f"oidc.{secrets.token_urlsafe(24)}.signature"
        self.issued = 0

    @property
    def key(self) -> Key:
        """The account's key; made when it is first asked for, for that takes a moment."""
        if self._key is None:
            self._key = Key("ajkemulated000000001", rsa.generate_private_key(65537, 2048))
        return self._key

    def write_key_file(self, path: Path, *, preamble: bool = True) -> Path:
        """Write the key as `yc iam key create` does, with the warning line before the PEM block."""
        pem = self.key.private.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        ).decode()
        public = self.key.private.public_key().public_bytes(
            serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
        )
        warning = f"PLEASE DO NOT REMOVE THIS LINE! Yandex.Cloud SA Key ID <{self.key.id}>\n" if preamble else ""
        content = {
            "id": self.key.id,
            "service_account_id": self.service_account_id,
            "created_at": "2026-01-01T00:00:00.123456789Z",
            "key_algorithm": "RSA_2048",
            "public_key": public.decode(),
            "private_key": warning + pem,
        }
        path.write_text(json.dumps(content), encoding="utf-8")
        return path

    def accepts(self, authorization: str) -> bool:
        """Whether a header `Authorization` holds a good token."""
        scheme, _, token = authorization.partition(" ")
        if scheme.lower() != "bearer" or token not in self._good_until:
            return False
        end = self._good_until[token]
        return end is None or self._now() < end

    def revoke_all(self) -> None:
        """Make every token useless except the fixed one."""
        self._good_until = {self.fixed: None}

    def exchange_assertion(self, assertion: str, audiences: tuple[str, ...]) -> tuple[str, datetime]:
        """Check a JWT as IAM does and return a token and its expiry.

        Raises:
            RefusedError: It is not good.
        """
        try:
            header = jwt.get_unverified_header(assertion)
            if "kid" not in header:
                raise RefusedError("The JWT header has no kid")
            claims = jwt.decode(
                assertion,
                self.key.private.public_key(),
                algorithms=["PS256"],
                audience=list(audiences),
                issuer=self.service_account_id,
                # The emulator goes by its own clock.
                options={"require": ["iss", "aud", "iat", "exp"], "verify_exp": False, "verify_iat": False},
            )
        except jwt.PyJWTError:
            raise RefusedError("The token is invalid") from None
        issued, expires, now = claims["iat"], claims["exp"], self._now().timestamp()
        good_kid = header["kid"] == self.key.id and header.get("typ") == "JWT"
        if not good_kid or issued > now or expires <= now or expires - issued > LONGEST_ASSERTION:
            raise RefusedError("The token is invalid or has expired")
        return self._issued(TOKEN_LIFE)

    def metadata_answer(self, flavor: str) -> dict[str, JsonValue]:
        """Answer as the metadata service does.

        Raises:
            RefusedError: The header is missing.
        """
        if flavor != "Google":
            raise RefusedError("Missing Metadata-Flavor:Google header")
        return _oauth(self._issued(METADATA_LIFE)[0], METADATA_LIFE)

    def federation_answer(self, body: bytes) -> dict[str, JsonValue]:
        """Answer as the federation's token endpoint does.

        Raises:
            RefusedError: The form is not as it must be; the text is the OAuth error code.
        """
        form = {name: values[0] for name, values in parse_qs(body.decode("ascii", "replace")).items()}
        if any(form.get(name) != expected for name, expected in OAUTH_FORM.items()):
            raise RefusedError("invalid_request")
        known = form.get("audience") == self.service_account_id
        if not known or form.get("subject_token") != self.subject_token:
            raise RefusedError("invalid_grant")
        return _oauth(self._issued(TOKEN_LIFE)[0], TOKEN_LIFE)

    def _issued(self, life: timedelta) -> tuple[str, datetime]:
        self.issued += 1
        end = self._now() + life
        return self._issue(end), end

    def _issue(self, end: datetime | None) -> str:
        signature = base64.urlsafe_b64encode(secrets.token_bytes(64)).decode().rstrip("=")
        token = f"t1.{secrets.token_urlsafe(24)}.{signature}"
        self._good_until[token] = end
        return token


def _oauth(token: str, life: timedelta) -> dict[str, JsonValue]:
    return {"access_token": token, "expires_in": int(life.total_seconds()), "token_type": "Bearer"}

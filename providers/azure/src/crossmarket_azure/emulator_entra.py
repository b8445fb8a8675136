"""The part of the emulator that stands for Microsoft Entra: discovery and both token endpoints."""

from __future__ import annotations

import datetime as dt
import secrets
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl, urlsplit
from uuid import uuid4

from starlette.responses import JSONResponse
from starlette.routing import BaseRoute, Route

from crossmarket_azure.config import RESOURCES, V1, V2

if TYPE_CHECKING:
    from collections.abc import Sequence

    from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
    from pydantic import JsonValue
    from starlette.requests import Request
    from starlette.responses import Response

    from crossmarket.clock import Clock

TENANT = "6a1f4a34-6b2e-4c0e-9d2b-0f6f5f8f3c11"
CLIENT = "b7e1c9d2-35a4-4f7e-8a6b-2d9c4e1f0a55"
ASSERTION = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
LIFE = dt.timedelta(hours=1)


@dataclass(frozen=True, slots=True)
class Issued:
    """What is known of an access token that was issued."""

    resource: str
    expires_at: dt.datetime


@dataclass(slots=True)
class EmulatedEntra:
    """One tenant with one application, which has a secret and can be given a certificate."""

    clock: Clock
    tenant: str = TENANT
    client: str = CLIENT
    secret: str = field(default_factory=lambda: secrets.token_urlsafe(30), repr=False)
    refuse_with: int | None = None
    """An AADSTS number with which every request is refused, as for a secret that has expired (7000222)."""
    issued: dict[str, Issued] = field(default_factory=dict, repr=False)
    certificate: Any = field(default=None, repr=False)

    def routes(self) -> Sequence[BaseRoute]:
        """Return the routes of the two generations of Entra."""
        return [
            Route("/{tenant}/v2.0/.well-known/openid-configuration", self._discover_v2),
            Route("/{tenant}/.well-known/openid-configuration", self._discover_v1),
            Route("/{tenant}/oauth2/v2.0/token", self._token_v2, methods=["POST"]),
            Route("/{tenant}/oauth2/token", self._token_v1, methods=["POST"]),
        ]

    def issue(self, resource: str | None = None, life: dt.timedelta = LIFE) -> str:
        """Issue an access token without being asked by HTTP."""
        value = secrets.token_urlsafe(48)
        self.issued[value] = Issued(resource or RESOURCES[V2], self.clock.now() + life)
        return value

    def revoke_all(self) -> None:
        """Let all access tokens that were issued be refused as expired."""
        for value, token in self.issued.items():
            self.issued[value] = Issued(token.resource, self.clock.now())

    def register_certificate(self, password: str | None = None) -> str:
        """Make a key and a certificate, register the certificate with the application, return both as PEM."""
        from cryptography import x509  # noqa: PLC0415 - slow to import, and few tests use certificates
        from cryptography.hazmat.primitives import hashes, serialization  # noqa: PLC0415
        from cryptography.hazmat.primitives.asymmetric import rsa  # noqa: PLC0415

        key: RSAPrivateKey = rsa.generate_private_key(public_exponent=65537, key_size=2048)
        name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "contoso-saas")])
        today = dt.datetime.now(dt.UTC)
        self.certificate = (
            x509.CertificateBuilder()
            .subject_name(name)
            .issuer_name(name)
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(today - dt.timedelta(days=1))
            .not_valid_after(today + dt.timedelta(days=365))
            .sign(key, hashes.SHA256())
        )
        pem = serialization.Encoding.PEM
        lock: serialization.KeySerializationEncryption = (
            serialization.BestAvailableEncryption(password.encode()) if password else serialization.NoEncryption()
        )
        private = key.private_bytes(pem, serialization.PrivateFormat.PKCS8, lock)
        public: bytes = self.certificate.public_bytes(pem)
        return (private + public).decode()

    async def _discover_v2(self, request: Request) -> Response:
        return self._discover(request, "/oauth2/v2.0", "/v2.0")

    async def _discover_v1(self, request: Request) -> Response:
        return self._discover(request, "/oauth2", "/")

    def _discover(self, request: Request, folder: str, issuer: str) -> Response:
        tenant = request.path_params["tenant"]
        if tenant != self.tenant:
            return self._refuse(90002, "invalid_tenant", f"Tenant '{tenant}' not found.")
        # Entra speaks https only, and msal takes no other address; the carrier of the client uses the path alone.
        root = f"https://{request.url.netloc}/{tenant}"
        return JSONResponse(
            {
                "token_endpoint": f"{root}{folder}/token",
                "authorization_endpoint": f"{root}{folder}/authorize",
                "jwks_uri": f"{root}/discovery{issuer.rstrip('/')}/keys",
                "issuer": f"{root}{issuer}",
                "token_endpoint_auth_methods_supported": ["client_secret_post", "private_key_jwt"],
            }
        )

    async def _token_v2(self, request: Request) -> Response:
        form = dict(parse_qsl((await request.body()).decode()))
        scope = form.get("scope", "")
        if not scope.endswith("/.default"):
            return self._refuse(70011, "invalid_scope", "The provided value for scope is not valid.")
        return self._token(request, form, scope.removesuffix("/.default"), numbers=int)

    async def _token_v1(self, request: Request) -> Response:
        form = dict(parse_qsl((await request.body()).decode()))
        return self._token(request, form, form.get("resource", ""), numbers=str)

    def _token(self, request: Request, form: dict[str, str], resource: str, *, numbers: type[int | str]) -> Response:
        refusal = self._check(request, form, resource)
        if refusal is not None:
            return self._refuse(*refusal)
        value = self.issue(resource)
        life = int(LIFE.total_seconds())
        answer: dict[str, JsonValue] = {
            "token_type": "Bearer",
            "expires_in": numbers(life),
            "ext_expires_in": numbers(life),
            "access_token": value,
        }
        if numbers is str:
            now = int(self.clock.now().timestamp())
            answer |= {"expires_on": str(now + life), "not_before": str(now), "resource": resource}
        return JSONResponse(answer)

    def _check(self, request: Request, form: dict[str, str], resource: str) -> tuple[int, str, str] | None:
        """Return number, error and text of the refusal; None where the request is good."""
        known = {RESOURCES[V1], RESOURCES[V2]}
        grant = form.get("grant_type")
        on_demand = self.refuse_with or 0
        checks = (
            (self.refuse_with is not None, (on_demand, "invalid_client", "Refused on demand.")),
            (request.path_params["tenant"] != self.tenant, (90002, "invalid_request", "Tenant not found.")),
            (grant != "client_credentials", (70003, "unsupported_grant_type", "The grant is not supported.")),
            (form.get("client_id") != self.client, (700016, "unauthorized_client", "Application not found.")),
            (True, self._credential(request, form)),
            (resource not in known, (500011, "invalid_resource", "The resource principal was not found.")),
        )
        return next((refusal for failed, refusal in checks if failed and refusal is not None), None)

    def _credential(self, request: Request, form: dict[str, str]) -> tuple[int, str, str] | None:
        if form.get("client_assertion_type") == ASSERTION:
            if self._signed(request, form.get("client_assertion", "")):
                return None
            return 700027, "invalid_client", "The certificate is not registered, or the assertion is not good."
        if "client_secret" not in form:
            return 7000218, "invalid_client", "The request body must contain client_assertion or client_secret."
        if not secrets.compare_digest(form["client_secret"].encode(), self.secret.encode()):
            return 7000215, "invalid_client", "Invalid client secret provided."
        return None

    def _signed(self, request: Request, assertion: str) -> bool:
        """Check a client assertion: key, audience (the token endpoint, whatever its scheme), issuer, life."""
        import jwt  # noqa: PLC0415 - slow to import, and few tests use certificates

        if self.certificate is None:
            return False
        try:
            claims = jwt.decode(
                assertion,
                self.certificate.public_key(),
                algorithms=["PS256", "RS256"],
                options={"verify_aud": False, "require": ["aud", "exp", "iss", "sub", "jti"]},
                issuer=self.client,
                leeway=60,
            )
        except jwt.InvalidTokenError:
            return False
        aimed, here = urlsplit(str(claims["aud"])), request.url
        return claims["sub"] == self.client and (aimed.netloc, aimed.path) == (here.netloc, here.path)

    def _refuse(self, number: int, error: str, message: str) -> Response:
        return JSONResponse(
            {
                "error": error,
                "error_description": f"AADSTS{number}: {message} Trace ID: {uuid4()}",
                "error_codes": [number],
                "timestamp": f"{self.clock.now():%Y-%m-%d %H:%M:%SZ}",
                "trace_id": str(uuid4()),
                "correlation_id": str(uuid4()),
            },
            status_code=401 if error == "invalid_client" else 400,
        )

"""The HTTP side of the emulated AWS: signatures, content types, error bodies, and STS."""

from __future__ import annotations

import json
import re
import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import parse_qs
from xml.sax.saxutils import escape

from starlette.responses import Response

from crossmarket_aws.emulator_api import Refusal

SIGNING_NAME = "aws-marketplace"
_AUTHORIZATION = re.compile(
    r"AWS4-HMAC-SHA256 Credential=(?P<key>[^/\s]+)/\d{8}/(?P<region>[^/\s]+)/(?P<service>[^/\s]+)/aws4_request, ?"
    r"SignedHeaders=[a-z0-9;-]+, ?Signature=[0-9a-f]{64}"
)
_STS = "https://sts.amazonaws.com/doc/2011-06-15/"


def signed_by(headers: Mapping[str, str], *, service: str, region: str) -> str:
    """Return the access key id of a signed request. The signature itself is not computed again.

    Raises:
        Refusal: It is not signed, or for another service or region.
    """
    found = _AUTHORIZATION.fullmatch(headers.get("authorization", ""))
    if found is None or "x-amz-date" not in headers:
        raise Refusal("MissingAuthenticationTokenException", "Missing Authentication Token", status=403)
    if found["service"] != service or found["region"] != region:
        raise Refusal(
            "InvalidSignatureException",
            f"Credential should be scoped to {service} in {region}, not {found['service']} in {found['region']}.",
            status=403,
        )
    return found["key"]


def json_answer(value: Mapping[str, Any], content_type: str) -> Response:
    """Return a successful answer."""
    return _response(json.dumps(value), 200, content_type)


def json_error(refusal: Refusal, content_type: str, headers: Mapping[str, str] | None = None) -> Response:
    """Return an error in the JSON form, with the members of the agreement service where they are given."""
    body = {"__type": refusal.code, "message": refusal.message, **refusal.members}
    return _response(json.dumps(body), refusal.status, content_type, headers)


def _response(body: str, status: int, content_type: str, headers: Mapping[str, str] | None = None) -> Response:
    answer = Response(body, status, {"x-amzn-RequestId": str(uuid.uuid4()), **(headers or {})})
    answer.headers["content-type"] = content_type
    return answer


@dataclass(slots=True)
class Sts:
    """The one operation of STS that is needed: AssumeRole.

    Attributes:
        role: The role that may be assumed.
        external_id: The external id that its trust policy asks for.
        life: How long the credentials are good for.
        issued: The access key ids given out.
    """

    role: str = "arn:aws:iam::222233334444:role/crossmarket"
    external_id: str = "crossmarket-external-id"
    life: timedelta = timedelta(hours=1)
    issued: set[str] = field(default_factory=set)

    def answer(self, body: bytes) -> Response:
        """Answer one call in the query protocol."""
        form = {name: values[0] for name, values in parse_qs(body.decode("utf-8", "replace")).items()}
        if form.get("Action") != "AssumeRole" or form.get("Version") != "2011-06-15":
            return _xml_error("InvalidAction", f"The action {form.get('Action')} is not valid.", 400)
        if "RoleSessionName" not in form:
            return _xml_error("ValidationError", "RoleSessionName is required.", 400)
        if form.get("RoleArn") != self.role or form.get("ExternalId") != self.external_id:
            return _xml_error("AccessDenied", "User is not authorized to perform: sts:AssumeRole.", 403)
        key = f"ASIAEMULATED{len(self.issued):08d}"
        self.issued.add(key)
        # botocore compares this with the machine's clock, whatever the emulated time is.
        expires = datetime.now(UTC) + self.life
        return _xml(
            f'<AssumeRoleResponse xmlns="{_STS}"><AssumeRoleResult><Credentials>'
            f"<AccessKeyId>{key}</AccessKeyId><SecretAccessKey>{uuid.uuid4().hex}</SecretAccessKey>"
            f"<SessionToken>{uuid.uuid4().hex}</SessionToken>"
            f"<Expiration>{expires:%Y-%m-%dT%H:%M:%SZ}</Expiration></Credentials>"
            f"<AssumedRoleUser><AssumedRoleId>AROAEMULATED:{escape(form['RoleSessionName'])}</AssumedRoleId>"
            f"<Arn>{escape(self.role.replace(':iam:', ':sts:').replace(':role/', ':assumed-role/'))}</Arn>"
            "</AssumedRoleUser></AssumeRoleResult>"
            f"<ResponseMetadata><RequestId>{uuid.uuid4()}</RequestId></ResponseMetadata></AssumeRoleResponse>",
            200,
        )


def _xml_error(code: str, message: str, status: int) -> Response:
    return _xml(
        f'<ErrorResponse xmlns="{_STS}"><Error><Type>Sender</Type><Code>{code}</Code>'
        f"<Message>{escape(message)}</Message></Error><RequestId>{uuid.uuid4()}</RequestId></ErrorResponse>",
        status,
    )


def _xml(body: str, status: int) -> Response:
    return Response(body, status, media_type="text/xml")

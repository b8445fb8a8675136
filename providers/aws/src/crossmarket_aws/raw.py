"""The answer as AWS wrote it, beside what botocore makes of it.

botocore drops members that its service model does not know (so that an older botocore hides agreement ids),
raises on values that do not fit the model, does not notice an answer that was cut off, and reads a page of HTML
under status 200 as an empty answer, which would look like "no entitlements". So the JSON is taken from the body
itself; what came in another form (CBOR, or an application's stubbed client) is taken as botocore parsed it.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from crossmarket_aws.errors import not_understood

RAW = "crossmarket.raw"
"""The key under which the JSON object of an answer is handed on."""


def read_bodies(client: Any) -> None:
    """Make a client hand on the JSON of each answer under the key `RAW`."""
    client.meta.events.register("before-parse", _take_json, unique_id="crossmarket-raw")


def _take_json(response_dict: dict[str, Any], customized_response_dict: dict[str, Any], **_: Any) -> None:
    """Take the JSON out of a successful answer, and leave botocore's parser an empty object to parse."""
    headers: Mapping[str, str] = response_dict["headers"]
    if response_dict["status_code"] >= 300 or "cbor" in headers.get("content-type", ""):  # noqa: PLR2004 - HTTP's own number
        return
    try:
        # NaN and Infinity are no JSON for anybody who stores it later.
        value = json.loads(response_dict["body"], parse_constant=str)
    except (ValueError, RecursionError):
        value = None
    customized_response_dict[RAW] = value
    response_dict["body"] = b"{}"


def answer_of(operation: str, parsed: Mapping[str, Any]) -> dict[str, Any]:
    """Return the answer as AWS wrote it, or as botocore parsed it where that cannot be had.

    Raises:
        UnavailableError: What came with status 200 is no JSON object.
    """
    if RAW not in parsed:
        return {name: value for name, value in parsed.items() if name != "ResponseMetadata"}
    value = parsed[RAW]
    if not isinstance(value, dict):
        raise not_understood(operation, "something that is no JSON object")
    return value

"""The forms of provider options that all providers share: blanks, lists, addresses, and how an option is called.

Options of the environment are texts, those of a file or an argument may be values already: both are taken.
"""

from __future__ import annotations

import ipaddress
from typing import Annotated, Any
from urllib.parse import urlsplit

from pydantic import AfterValidator, BeforeValidator, SecretStr


def setting(provider: str, option: str) -> str:
    """Return an option's name in the environment, as errors and remedies call it."""
    return f"CROSSMARKET_{provider.upper().replace('-', '_')}__{option.upper()}"


def _blank_is_none(value: Any) -> Any:
    return None if isinstance(value, str) and not value.strip() else value


def _listed(value: Any) -> Any:
    parts = value.split(",") if isinstance(value, str) else value
    if isinstance(parts, list | tuple) and all(isinstance(part, str) for part in parts):
        return tuple(part.strip() for part in parts if part.strip())
    return value


def _address(value: str) -> str:
    url = value.strip().rstrip("/")
    parts = urlsplit(url)
    if parts.scheme not in {"http", "https"} or not parts.hostname:
        raise ValueError("must be an http or https URL, such as https://host/path")
    if parts.username or parts.password or parts.query or parts.fragment:
        raise ValueError("must have no user, password, query or fragment")
    return url


def _secure_address(value: str) -> str:
    url = _address(value)
    if urlsplit(url).scheme == "http" and not _is_near(urlsplit(url).hostname or ""):
        raise ValueError("must be an https URL: credentials would travel in plain text")
    return url


def _is_near(host: str) -> bool:
    """Return whether a host is this machine, or has a name without a dot, as in a network of containers."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return "." not in host


BLANK_IS_NONE = BeforeValidator(_blank_is_none)
"""An empty text is the same as no option: `export X=` unsets."""

COMMA_LIST = BeforeValidator(_listed)
"""`a, b` is the same as the list of both; blanks between commas are dropped."""

OptionalText = Annotated[str | None, BLANK_IS_NONE]
OptionalSecret = Annotated[SecretStr | None, BLANK_IS_NONE]

Address = Annotated[str, AfterValidator(_address)]
"""An http or https URL without user, password, query and trailing slash."""

SecureAddress = Annotated[str, AfterValidator(_secure_address)]
"""An address to which credentials go: https, or on this machine or a host without a dot also http."""

from __future__ import annotations

from typing import Annotated

import pytest
from pydantic import BaseModel, ValidationError

from crossmarket.options import COMMA_LIST, Address, OptionalSecret, OptionalText, SecureAddress, setting


class Options(BaseModel):
    names: Annotated[tuple[str, ...], COMMA_LIST] = ()
    text: OptionalText = None
    secret: OptionalSecret = None
    address: Address = "https://default.example"
    secure: SecureAddress = "https://default.example"


def test_an_option_is_called_as_the_environment_calls_it() -> None:
    assert setting("azure", "client_id") == "CROSSMARKET_AZURE__CLIENT_ID"
    assert setting("acme-cloud", "key") == "CROSSMARKET_ACME_CLOUD__KEY"


@pytest.mark.parametrize(
    ("given", "names"),
    [("a,b", ("a", "b")), (" a , ,b,", ("a", "b")), ("", ()), (["a", " b "], ("a", "b")), (("a",), ("a",))],
)
def test_lists_come_as_text_or_as_lists(given: object, names: tuple[str, ...]) -> None:
    assert Options(names=given).names == names


def test_a_list_of_something_else_is_refused() -> None:
    with pytest.raises(ValidationError):
        Options(names=[1, {}])


@pytest.mark.parametrize("blank", ["", "   "])
def test_a_blank_is_no_option(blank: str) -> None:
    assert Options(text=blank, secret=blank) == Options()


@pytest.mark.parametrize(
    "good", ["https://host", "https://host:8443/path/", "http://127.0.0.1:8080", "http://emulator/x"]
)
def test_good_addresses_lose_their_last_slash(good: str) -> None:
    options = Options(address=good, secure=good)
    assert options.address == options.secure == good.rstrip("/")


@pytest.mark.parametrize(
    "bad", ["", "host", "ftp://host", "https://", "https://user:pw@host", "https://h/?q=1", "https://h/#f"]
)
def test_bad_addresses_are_refused(bad: str) -> None:
    for field in ("address", "secure"):
        with pytest.raises(ValidationError):
            Options(**{field: bad})


@pytest.mark.parametrize("far", ["http://host.example", "http://10.0.0.1", "http://169.254.169.254"])
def test_credentials_do_not_travel_in_plain_text(far: str) -> None:
    assert Options(address=far).address == far
    with pytest.raises(ValidationError, match="plain text"):
        Options(secure=far)

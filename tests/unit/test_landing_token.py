from __future__ import annotations

import base64
from urllib.parse import parse_qs, quote, urlencode

import pytest
from hypothesis import example, given, strategies as st

from crossmarket.errors import InvalidTokenError
from crossmarket.landing_token import LONGEST, clean, fingerprint

base64_tokens = st.binary(min_size=4, max_size=60).map(lambda raw: base64.b64encode(raw).decode())
jwts = st.lists(st.binary(min_size=1, max_size=30), min_size=3, max_size=3).map(
    lambda parts: ".".join(base64.urlsafe_b64encode(part).decode().rstrip("=") for part in parts)
)


def cleaned(raw: str) -> str:
    return clean("azure", raw).get_secret_value()


@given(base64_tokens | jwts)
@example("+abc")
@example("abc+")
@example("+++a")
def test_a_token_survives_whatever_became_of_it_on_the_way(token: str) -> None:
    assert cleaned(token) == token
    # Escaped by the marketplace and decoded by the framework, as it should be.
    assert cleaned(parse_qs(urlencode({"token": token}))["token"][0]) == token
    # Not escaped by the marketplace, but decoded by the framework: `+` has become a blank.
    assert cleaned(parse_qs(f"token={token}")["token"][0]) == token
    # Escaped by the marketplace and copied out of the address bar, or not decoded by the framework.
    assert cleaned(quote(token, safe="")) == token
    assert cleaned(token + "\r\n") == token


@pytest.mark.parametrize("raw", ["", " ", "   ", "\r\n", "\t \n"])
def test_an_empty_token(raw: str) -> None:
    with pytest.raises(InvalidTokenError, match="empty") as caught:
        clean("azure", raw)
    assert (caught.value.marketplace, caught.value.operation, caught.value.field) == ("azure", "land", "token")
    assert "Open the landing page" in str(caught.value)


@pytest.mark.parametrize("raw", ["hush\x00", "hush\nhush", "hushé", "hush%00", "hush%0A1", "hush%FF", "hush\u2028"])
def test_characters_that_no_token_has(raw: str) -> None:
    with pytest.raises(InvalidTokenError) as caught:
        clean("azure", raw)
    assert "hush" not in str(caught.value)


def test_the_longest_token() -> None:
    assert len(cleaned("a" * LONGEST)) == LONGEST
    with pytest.raises(InvalidTokenError):
        clean("azure", "a" * (LONGEST + 1))


@given(st.text())
def test_anything_else_is_a_token_or_an_invalid_token(raw: str) -> None:
    try:
        token = clean("azure", raw)
    except InvalidTokenError:
        return
    assert token.get_secret_value()
    assert token.get_secret_value() not in repr(token) or set(token.get_secret_value()) <= set("*SecretStr('')")


def test_the_fingerprint_tells_tokens_and_marketplaces_apart_and_shows_neither() -> None:
    one, two = clean("azure", "hush-1"), clean("azure", "hush-2")
    prints = {fingerprint("azure", one), fingerprint("azure", two), fingerprint("aws", one)}
    assert len(prints) == 3
    assert fingerprint("azure", one) == fingerprint("azure", clean("azure", "hush-1"))
    assert all(len(text) == 64 and "hush" not in text for text in prints)


def test_no_token_at_all_is_an_empty_one() -> None:
    with pytest.raises(InvalidTokenError, match="empty"):
        clean("azure", None)  # type: ignore[arg-type]  # what frameworks give for a query without it

"""A landing that is not good gives one clear sentence, changes nothing and shows no token."""

from __future__ import annotations

import traceback

import httpx
import pytest

from crossmarket import InvalidArgumentError, InvalidTokenError, Landing, MarketplaceError, SignatureError
from crossmarket.testing.faults import Fault
from crossmarket.testing.shop import Shop

from .conftest import Browser, shown_tokens


def test_a_visitor_without_a_token_is_told_what_to_do(shop: Shop, seller: str) -> None:
    answer = httpx.get(f"{seller}/land/{shop.name}")
    assert answer.status_code == 400
    assert "Please open your subscription on the marketplace" in answer.text
    assert shop.market.subscriptions() == []


@pytest.mark.parametrize("kind", ["expired_token", "foreign_token"])
def test_a_bad_token_shows_up_nowhere(shop: Shop, kind: str, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("DEBUG")
    token = getattr(shop.emulator, kind)()
    with pytest.raises(InvalidTokenError) as caught:
        shop.market.activate(shop.market.land(shop.name, token), "acct_7")
    shown = "".join(traceback.format_exception(caught.value)) + caplog.text + repr(vars(caught.value))
    assert token not in shown
    assert not [word for word in shown_tokens(shown) if word in token]
    assert caught.value.remedy
    assert shop.market.subscriptions(account="acct_7") == []


def test_a_marketplace_that_fails_binds_nothing(shop: Shop) -> None:
    purchase = shop.buy()
    landing = shop.land(purchase)
    shop.emulator.faults.add(Fault(kind="status", status=503, times=0))
    with pytest.raises(MarketplaceError) as caught:
        shop.market.activate(landing, "acct_7")
    assert caught.value.retryable
    assert shop.market.subscriptions(account="acct_7") == []
    shop.emulator.faults.clear()
    assert shop.market.activate(landing, "acct_7").access


def test_a_cookie_of_somebody_else_is_refused(shop: Shop, seller: str, browser: Browser) -> None:
    browser.go_to_seller(browser.buy())
    sealed = browser.client.cookies["landing"]
    with pytest.raises(SignatureError) as caught:
        shop.market.unseal(sealed[:-8] + "AAAAAAA=")
    assert "older than 1800 seconds" in str(caught.value)


def test_a_landing_that_was_made_up_is_nothing(shop: Shop) -> None:
    with pytest.raises(InvalidArgumentError):
        shop.market.activate(Landing(marketplace=shop.name), "acct_7")
    assert shop.market.subscriptions() == []

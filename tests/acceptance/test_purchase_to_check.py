"""A buyer buys, comes to the seller, signs up, and uses what was bought."""

from __future__ import annotations

from crossmarket.testing.shop import Shop

from .conftest import SOLD, Browser


def test_a_buyer_signs_up_and_uses_the_seats(shop: Shop, seller: str, browser: Browser) -> None:
    purchase = browser.buy()
    welcome = browser.go_to_seller(purchase)
    assert welcome.text == "welcome"
    assert "token" not in str(welcome.url)

    assert browser.client.post(f"{seller}/sign-up", content="acct_7").text == "active"

    seats = SOLD[shop.name]
    enough = browser.client.get(f"{seller}/seats/{seats}")
    assert (enough.status_code, enough.text) == (200, "entitled")
    too_many = browser.client.get(f"{seller}/seats/{seats + 1}")
    assert (too_many.status_code, too_many.text) == (402, "limit_exceeded")

    (subscription,) = shop.market.subscriptions(account="acct_7")
    assert subscription.marketplace == shop.name
    assert [entitlement.feature for entitlement in shop.market.entitlements("acct_7")] == ["seats", "sso", "support"]


def test_a_buyer_who_comes_back_finds_everything_as_it_was(shop: Shop, seller: str, browser: Browser) -> None:
    purchase = browser.buy()
    browser.go_to_seller(purchase)
    browser.client.post(f"{seller}/sign-up", content="acct_7")
    before = shop.market.subscriptions()

    browser.go_to_seller(purchase)
    browser.client.post(f"{seller}/sign-up", content="acct_7")

    after = shop.market.subscriptions()
    assert [(item.id, item.account, item.status) for item in after] == [
        (item.id, item.account, item.status) for item in before
    ]
    assert browser.client.get(f"{seller}/seats/1").status_code == 200


def test_another_account_cannot_take_the_subscription(shop: Shop, seller: str, browser: Browser) -> None:
    purchase = browser.buy()
    browser.go_to_seller(purchase)
    browser.client.post(f"{seller}/sign-up", content="acct_7")

    browser.go_to_seller(purchase)
    refused = browser.client.post(f"{seller}/sign-up", content="acct_8")

    assert refused.status_code == 409
    assert "Please sign in with the account that it belongs to" in refused.text
    assert "acct_7" not in refused.text
    assert "CROSSMARKET_" not in refused.text
    assert shop.market.subscriptions(account="acct_8") == []
    assert shop.market.check("acct_7", "sso")


def test_nobody_is_entitled_without_a_purchase(shop: Shop) -> None:
    decision = shop.market.check("acct_7", "sso")
    assert not decision
    assert decision.reason == "not_subscribed"
    assert decision.help_url == "https://aws.example/listing"


def test_a_decision_sends_the_buyer_to_where_it_was_bought(shop: Shop) -> None:
    shop.activate(shop.buy(), "acct_7")
    decision = shop.market.check("acct_7", "seats", 1000)
    assert decision.reason == "limit_exceeded"
    assert decision.limit == SOLD[shop.name]
    assert decision.help_url == f"https://{shop.name}.example/listing"

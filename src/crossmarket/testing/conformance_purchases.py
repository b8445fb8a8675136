"""Part of the conformance kit: a purchase, from the landing token to access."""

from __future__ import annotations

import logging

import pytest
from pydantic import SecretStr

from crossmarket.errors import ConflictError, InvalidTokenError
from crossmarket.market import Market
from crossmarket.models import Status
from crossmarket.settings import normal_name
from crossmarket.testing.shop import (
    ACCOUNT,
    OTHER_ACCOUNT,
    Shop,
    Subject,
)


class Purchases:
    """Buying, landing, activating; and tokens that are not good."""

    def test_a_purchase_becomes_access(self, shop: Shop) -> None:
        """Buy, land, activate, check."""
        purchase = shop.buy()
        landing = shop.land(purchase)
        assert not shop.market.check(ACCOUNT, "on")
        subscription = shop.market.activate(landing, ACCOUNT)
        assert subscription.status is Status.ACTIVE
        assert subscription.account == ACCOUNT
        assert subscription.access
        decision = shop.market.check(ACCOUNT, "on")
        assert decision, decision.message
        assert decision.source == "fresh"

    def test_landing_proves_what_it_says_it_proves(self, shop: Shop) -> None:
        """A token that is proven at landing gives a subscription; one that is not gives only hints."""
        landing = shop.land(shop.buy())
        assert (landing.subscription is not None) == shop.provider.capabilities.landing_proves
        if landing.subscription is None:
            assert landing.token is not None

    def test_the_snapshot_says_what_the_marketplace_says(self, shop: Shop) -> None:
        """Plan, quantities and access agree with the emulator's own truth."""
        purchase = shop.buy()
        subscription = shop.activate(purchase)
        shop.agrees(purchase, subscription)

    def test_a_snapshot_can_be_found_again(self, shop: Shop) -> None:
        """There is at least one exact alias and one marketplace id, and the words are kept verbatim."""
        subscription = shop.activate(shop.buy())
        assert any(alias.exact for alias in subscription.aliases)
        assert subscription.marketplace_ids
        assert subscription.provider_state

    def test_landing_twice_is_one_subscription(self, shop: Shop) -> None:
        """A buyer who comes back finds the same subscription, still bound."""
        purchase = shop.buy()
        first = shop.activate(purchase)
        again = shop.land(purchase)
        if again.subscription is not None:
            assert again.subscription.id == first.id
            assert again.returning
        second = shop.market.activate(again, ACCOUNT)
        assert second.id == first.id
        assert second.account == ACCOUNT
        assert [item.id for item in shop.market.subscriptions()] == [first.id]

    def test_the_same_token_twice_is_one_subscription(self, shop: Shop) -> None:
        """Reloading the landing page does no harm."""
        token = shop.token(shop.buy())
        for _ in range(2):
            shop.market.activate(shop.market.land(shop.name, token), ACCOUNT)
        assert len(shop.market.subscriptions()) == 1

    def test_activating_twice_changes_nothing(self, shop: Shop) -> None:
        """The second activation by id gives the same version."""
        first = shop.activate(shop.buy())
        assert shop.market.activate(first.id, ACCOUNT).version == first.version

    def test_a_second_account_is_refused(self, shop: Shop) -> None:
        """The first holder keeps the subscription."""
        purchase = shop.buy()
        first = shop.activate(purchase)
        with pytest.raises(ConflictError) as caught:
            shop.activate(purchase, OTHER_ACCOUNT)
        assert ACCOUNT not in str(caught.value)
        assert shop.market.subscription(first.id).account == ACCOUNT
        assert not shop.market.check(OTHER_ACCOUNT, "on")
        assert shop.market.check(ACCOUNT, "on")

    def test_a_landing_survives_the_sign_up(self, shop: Shop) -> None:
        """It can be sealed, opened and then activated, and the sealed text shows nothing."""
        purchase = shop.buy()
        token = shop.token(purchase)
        sealed = shop.market.land(shop.name, token).seal()
        assert token not in sealed
        assert shop.market.activate(shop.market.unseal(sealed), ACCOUNT).status is Status.ACTIVE

    def test_two_purchases_are_two_subscriptions(self, shop: Shop) -> None:
        """One account may hold both."""
        if not shop.provider.capabilities.concurrent:
            pytest.skip("a buyer cannot hold two")
        first, second = shop.activate(shop.buy()), shop.activate(shop.buy())
        assert first.id != second.id
        assert {item.id for item in shop.market.subscriptions(account=ACCOUNT)} == {first.id, second.id}

    # Tokens that are not good

    @pytest.mark.parametrize("token", ["", "   ", "nonsense", "%%%", "x" * 9000])
    def test_a_token_that_is_none_is_refused(self, anywhere: Market, subject: Subject, token: str) -> None:
        """It is an InvalidTokenError with a remedy, at landing or, at the latest, at activation."""
        with pytest.raises(InvalidTokenError) as caught:
            anywhere.activate(anywhere.land(subject.plugin.name, token), ACCOUNT)
        assert caught.value.remedy
        assert not anywhere.subscriptions()

    @pytest.mark.parametrize("kind", ["expired", "foreign"])
    def test_a_bad_token_is_refused(self, shop: Shop, kind: str, caplog: pytest.LogCaptureFixture) -> None:
        """Expired, or of another product or seller: one clear error that does not show the token."""
        caplog.set_level(logging.DEBUG)
        token = shop.emulator.expired_token() if kind == "expired" else shop.emulator.foreign_token()
        with pytest.raises(InvalidTokenError) as caught:
            shop.market.activate(shop.market.land(shop.name, token), ACCOUNT)
        assert caught.value.remedy
        assert caught.value.marketplace == shop.name
        assert "CROSSMARKET_" not in caught.value.buyer_message
        assert "please" in caught.value.buyer_message.lower()
        assert token not in f"{caught.value} {caught.value!r} {caplog.text}"
        assert not shop.market.subscriptions(account=ACCOUNT)

    def test_secrets_are_not_shown(self, shop: Shop, caplog: pytest.LogCaptureFixture) -> None:
        """Neither options nor tokens appear in a repr or a log line."""
        caplog.set_level(logging.DEBUG)
        token = shop.token(shop.buy())
        landing = shop.market.land(shop.name, token)
        subscription = shop.market.activate(landing, ACCOUNT)
        config = shop.subject.plugin.config.model_validate(shop.market.settings.options[normal_name(shop.name)])
        hidden = [token] + [value.get_secret_value() for value in dict(config).values() if isinstance(value, SecretStr)]
        shown = f"{landing!r} {subscription!r} {config!r} {config} {shop.provider!r} {shop.market!r} {caplog.text}"
        shown += repr(shop.market.settings)
        for secret in hidden:
            assert secret not in shown

from __future__ import annotations

from datetime import timedelta

import pytest
from bazaar import NOW, Bazaar, alias, facts, unavailable
from pydantic import SecretStr

from crossmarket.errors import InvalidTokenError, MarketplaceError
from crossmarket.landing import RECALL, land, reopen
from crossmarket.models import Buyer, Facts, Landing, Status
from crossmarket.provider import Resolved
from crossmarket.recorder import Recorder
from crossmarket.seal import Sealed
from crossmarket.store.sql import SqlStore
from crossmarket.testing.clock import FakeClock


class Page:
    """A landing page."""

    def __init__(self, store: SqlStore, clock: FakeClock) -> None:
        self.store, self.clock = store, clock
        self.recorder = Recorder(store, clock)

    def land(self, bazaar: Bazaar, token: str) -> Landing:
        return land(bazaar, token, store=self.store, recorder=self.recorder, clock=self.clock)


@pytest.fixture
def page(store: SqlStore, clock: FakeClock) -> Page:
    return Page(store, clock)


def test_a_buyer_lands(page: Page) -> None:
    bazaar = Bazaar()
    landing = page.land(bazaar, bazaar.sell(quantities={"quantity": 3}, buyer=Buyer(id="b1")))
    assert landing.marketplace == "bazaar"
    assert landing.token is None
    assert landing.subscription is not None
    assert (landing.subscription.status, landing.subscription.account) == ("pending", None)
    assert landing.subscription == page.store.get(landing.subscription.id)
    assert [entry.action for entry in page.store.audit_of(landing.subscription.id)] == ["landed"]


def test_nothing_is_activated(page: Page) -> None:
    bazaar = Bazaar()
    page.land(bazaar, bazaar.sell())
    assert bazaar.activations == []


def test_landing_again_changes_nothing(page: Page) -> None:
    bazaar = Bazaar()
    token = bazaar.sell()
    first = page.land(bazaar, token)
    page.clock.sleep(60)
    second = page.land(bazaar, token)
    assert second.subscription.id == first.subscription.id
    assert second.subscription.version == 1
    assert len(page.store.history(first.subscription.id)) == 1


def test_the_token_is_cleaned_first(page: Page) -> None:
    bazaar = Bazaar()
    bazaar.sell("a+b/c=")
    assert page.land(bazaar, "token-a b%2Fc%3D").subscription.marketplace_ids == {"purchase": "a+b/c="}


def test_an_empty_token_asks_nobody(page: Page) -> None:
    bazaar = Bazaar()
    bazaar.failure = unavailable()
    with pytest.raises(InvalidTokenError):
        page.land(bazaar, " ")


def test_a_foreign_token(page: Page) -> None:
    with pytest.raises(InvalidTokenError):
        page.land(Bazaar(), "token-p1")
    assert page.store.list() == []


@pytest.mark.parametrize(
    ("passed", "recalled"), [(timedelta(0), True), (RECALL, True), (RECALL + timedelta(seconds=1), False)]
)
def test_a_used_token_is_recalled_for_a_while(page: Page, passed: timedelta, *, recalled: bool) -> None:
    assert timedelta(hours=4) == RECALL
    bazaar = Bazaar()
    token = bazaar.sell()
    first = page.land(bazaar, token)
    bazaar.spent.add("p1")
    page.clock.advance(passed)
    if recalled:
        assert page.land(bazaar, token).subscription == first.subscription
    else:
        with pytest.raises(InvalidTokenError):
            page.land(bazaar, token)


def test_a_used_token_is_not_recalled_on_another_marketplace(page: Page) -> None:
    class Fair(Bazaar):
        name = "fair"

    bazaar = Bazaar()
    token = bazaar.sell()
    page.land(bazaar, token)
    with pytest.raises(InvalidTokenError):
        page.land(Fair(), token)


def test_an_outage_is_not_taken_for_a_used_token(page: Page) -> None:
    bazaar = Bazaar()
    token = bazaar.sell()
    page.land(bazaar, token)
    bazaar.failure = unavailable()
    with pytest.raises(MarketplaceError, match="It is down"):
        page.land(bazaar, token)


def test_landing_again_wipes_nothing(page: Page, clock: FakeClock) -> None:
    bazaar = Bazaar()
    token = bazaar.sell(status="active", buyer=Buyer(id="b1", email="b1@example.com"))
    first = page.land(bazaar, token).subscription
    page.recorder.record(
        bazaar,
        facts(),
        origin="test",
        action="bound",
        subscription_id=first.id,
        also=lambda s: s.model_copy(update={"account": "acct", "activated_at": NOW}),
    )
    bazaar.change(buyer=Buyer(id="b1"), aliases=(alias("p1"), alias("l2", kind="license")))
    again = page.land(bazaar, token).subscription
    assert (again.id, again.account, again.activated_at) == (first.id, "acct", NOW)
    assert again.buyer.email == "b1@example.com"
    assert again.aliases == (alias("p1"), alias("l2", kind="license"))


def test_where_only_activation_proves_the_token_nothing_is_stored(page: Page) -> None:
    bazaar = Bazaar(landing_proves=False)
    landing = page.land(bazaar, bazaar.sell())
    assert landing.subscription is None
    assert landing.hints == {"purchase": "p1"}
    assert landing.aliases == (alias("p1"),)
    assert landing.token == SecretStr("token-p1")
    assert page.store.list() == []


def test_what_the_marketplace_tells_of_the_token_is_passed_on(page: Page) -> None:
    class Telling(Bazaar):
        def resolve(self, token: SecretStr) -> Resolved:
            return super().resolve(token).model_copy(update={"expires_at": NOW, "hints": {"offer": "o1"}})

    for bazaar in (Telling(), Telling(landing_proves=False)):
        landing = page.land(bazaar, bazaar.sell())
        assert (landing.expires_at, landing.hints) == (NOW, {"offer": "o1"})


def test_reopen(page: Page) -> None:
    bazaar = Bazaar()
    stored = page.land(bazaar, bazaar.sell()).subscription
    told = {"hints": {"a": "b"}, "aliases": (alias("p1"),), "expires_at": NOW}
    landing = reopen(Sealed(marketplace="bazaar", subscription=stored.id, token=None, **told), page.store)
    assert landing == Landing(marketplace="bazaar", subscription=stored, **told)
    landing = reopen(Sealed(marketplace="bazaar", subscription=None, token="t", **told), page.store)
    assert landing == Landing(marketplace="bazaar", token=SecretStr("t"), **told)


class Terse(Bazaar):
    """One whose tokens tell less than a read in the light of what is known does (AWS: pay-as-you-go)."""

    def resolve(self, token: SecretStr) -> Resolved:
        told = super().resolve(token).facts
        return Resolved(facts=Facts(status=Status.PENDING, aliases=told.aliases, marketplace_ids=told.marketplace_ids))


def test_landing_again_overwrites_nothing_with_what_the_token_does_not_tell(page: Page) -> None:
    bazaar = Terse()
    first = page.land(bazaar, bazaar.sell(status="active", quantities={"seats": 5})).subscription
    active = page.recorder.record(
        bazaar, bazaar.truth["p1"], origin="reconcile", action="reconciled", subscription_id=first.id
    )
    again = page.land(bazaar, "token-p1").subscription
    assert (again.id, again.status, again.quantities) == (first.id, "active", {"seats": 5})
    assert again.version == active.version


def test_a_buyer_who_comes_back_during_an_outage_of_reads_finds_what_is_stored(page: Page) -> None:
    class Unreadable(Terse):
        def read(self, known: Facts) -> Facts:  # noqa: ARG002 - it fails before it looks
            raise unavailable()

    bazaar = Unreadable()
    first = page.land(bazaar, bazaar.sell()).subscription
    again = page.land(bazaar, "token-p1").subscription
    assert (again.id, again.version, again.stale) == (first.id, first.version, True)

from __future__ import annotations

import base64
from datetime import timedelta

import pytest
from bazaar import NOW, alias, held
from hypothesis import HealthCheck, given, settings, strategies as st
from pydantic import SecretStr

from crossmarket.errors import SignatureError
from crossmarket.models import Buyer, Landing
from crossmarket.seal import Sealed, Sealer
from crossmarket.testing.clock import FakeClock

LANDING = Landing(
    marketplace="yandex",
    hints={"license_instance_id": "hint-1"},
    aliases=(alias("hint-1", kind="instance"),),
    expires_at=NOW,
    token=SecretStr("hush-token"),
)


def sealer(clock: FakeClock, *keys: str, lifetime: int = 1800) -> Sealer:
    return Sealer([SecretStr(key) for key in keys or ("key-1",)], clock=clock, lifetime=lifetime)


def test_what_was_sealed_is_what_is_unsealed(clock: FakeClock) -> None:
    assert sealer(clock).unseal(sealer(clock).seal(LANDING)) == Sealed(
        marketplace="yandex",
        subscription=None,
        hints={"license_instance_id": "hint-1"},
        aliases=(alias("hint-1", kind="instance"),),
        expires_at=NOW,
        token="hush-token",
    )


def test_of_a_subscription_only_the_id_is_kept(clock: FakeClock) -> None:
    landing = Landing(marketplace="azure", subscription=held("s1", buyer=Buyer(email="hush@example.com")))
    opened = sealer(clock).unseal(sealer(clock).seal(landing))
    assert (opened.subscription, opened.token) == ("s1", None)
    assert "hush" not in opened.model_dump_json()


def test_nothing_can_be_read_without_the_key(clock: FakeClock) -> None:
    sealed = sealer(clock).seal(LANDING)
    content = sealed + base64.urlsafe_b64decode(sealed).decode("latin-1")
    assert not any(word in content for word in ("hush", "hint", "yandex"))
    assert sealed.isascii()
    assert sealer(clock).seal(LANDING) != sealed


@pytest.mark.parametrize(("seconds", "opens"), [(0, True), (1800, True), (1801, False), (86_400, False)])
def test_it_opens_for_its_lifetime(clock: FakeClock, seconds: int, *, opens: bool) -> None:
    sealed = sealer(clock).seal(LANDING)
    clock.advance(timedelta(seconds=seconds))
    if opens:
        assert sealer(clock).unseal(sealed).marketplace == "yandex"
        return
    with pytest.raises(SignatureError, match="older than 1800 seconds") as caught:
        sealer(clock).unseal(sealed)
    assert caught.value.field == "landing"


def test_it_does_not_open_before_it_was_sealed(clock: FakeClock) -> None:
    sealed = sealer(clock).seal(LANDING)
    clock.advance(timedelta(minutes=-5))
    with pytest.raises(SignatureError):
        sealer(clock).unseal(sealed)


def test_keys_are_rotated(clock: FakeClock) -> None:
    old, both, new = sealer(clock, "old"), sealer(clock, "new", "old"), sealer(clock, "new")
    assert both.unseal(old.seal(LANDING)).token == "hush-token"
    assert new.unseal(both.seal(LANDING)).token == "hush-token"
    with pytest.raises(SignatureError):
        new.unseal(old.seal(LANDING))
    with pytest.raises(SignatureError):
        old.unseal(both.seal(LANDING))


@given(st.data())
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None, max_examples=60)
def test_one_altered_character_is_noticed(clock: FakeClock, data: st.DataObject) -> None:
    sealed = sealer(clock).seal(LANDING)
    place = data.draw(st.integers(0, len(sealed.rstrip("=")) - 2))
    other = "A" if sealed[place] != "A" else "B"
    with pytest.raises(SignatureError):
        sealer(clock).unseal(sealed[:place] + other + sealed[place + 1 :])


@given(st.text())
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
def test_anything_else_is_refused_without_its_text(clock: FakeClock, text: str) -> None:
    with pytest.raises(SignatureError) as caught:
        sealer(clock).unseal(f"hush{text}")
    assert "hush" not in str(caught.value)
    assert caught.value.__suppress_context__


def test_keys_are_not_shown(clock: FakeClock) -> None:
    made = sealer(clock, "hush")
    assert "hush" not in repr(made) + str(vars(made))


def test_the_token_inside_is_not_shown() -> None:
    sealed = Sealed(marketplace="bazaar", subscription=None, hints={}, aliases=(), expires_at=None, token="hush")
    assert "hush" not in repr(sealed)

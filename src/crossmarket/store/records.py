"""Models as JSON text, and back."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, TypeVar

from pydantic import BaseModel, ValidationError

from crossmarket.errors import StoreError
from crossmarket.models import Subscription

if TYPE_CHECKING:
    from datetime import datetime

_Model = TypeVar("_Model", bound=BaseModel)


def to_text(model: BaseModel) -> str:
    """Return a model as JSON in ASCII, without `access`, which is worked out whenever it is asked for.

    It keeps what strict JSON writers refuse or lose: infinite numbers, NUL, lone surrogates.
    """
    return json.dumps(model.model_dump(mode="json", exclude={"access"}), separators=(",", ":"))


def from_text(model: type[_Model], text: str) -> _Model:
    """Return the model that `to_text` wrote.

    Fields that this version does not know are left out, so that the processes of an older version go on while
    a newer one is being rolled out.

    Raises:
        StoreError: It cannot be understood.
    """
    try:
        try:
            return model.model_validate_json(text, extra="ignore")
        except ValidationError:  # pydantic's own parser is twice as fast, but knows neither lone surrogates
            return model.model_validate(json.loads(text), extra="ignore")  # nor great depths
    except ValueError as error:
        raise StoreError(
            f"A stored {model.__name__} cannot be read by this version of crossmarket.",
            remedy="Install the version that stored it, or a newer one.",
        ) from error


def subscription(text: str, observed_at: datetime, stale_since: datetime | None) -> Subscription:
    """Return the newest version of a subscription, as last observed."""
    stored = from_text(Subscription, text)
    if stored.observed_at == observed_at and stored.stale_since == stale_since:
        return stored
    return stored.model_copy(update={"observed_at": observed_at, "stale_since": stale_since})

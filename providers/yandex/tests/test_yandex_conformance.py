"""The provider under the conformance kit, in every generation of the marketplace's API."""

from __future__ import annotations

import pytest

from crossmarket.testing.conformance import MarketplaceConformance
from crossmarket.testing.shop import Subject
from crossmarket_yandex.plugin import crossmarket_marketplace


class TestYandex(MarketplaceConformance):
    @pytest.fixture
    def subject(self) -> Subject:
        return Subject(
            plugin=crossmarket_marketplace(),
            arguments={"change_plan": {"plan": "template-large"}},
        )

"""The provider under the conformance kit, in every generation of the marketplace's API."""

from __future__ import annotations

import pytest

from crossmarket.testing.conformance import MarketplaceConformance
from crossmarket.testing.shop import Subject
from crossmarket_aws.plugin import crossmarket_marketplace


class TestConcurrentAgreements(MarketplaceConformance):
    @pytest.fixture
    def subject(self) -> Subject:
        return Subject(
            plugin=crossmarket_marketplace(),
            arguments={"change_plan": {"plan": "platinum"}, "change_quantity": {"quantity": 7}},
        )


class TestLegacyCustomers(MarketplaceConformance):
    @pytest.fixture
    def subject(self) -> Subject:
        return Subject(
            plugin=crossmarket_marketplace(),
            arguments={"change_plan": {"plan": "platinum"}, "change_quantity": {"quantity": 7}},
            options={"agreements": "false"},
            purchase={"generation": "legacy"},
        )

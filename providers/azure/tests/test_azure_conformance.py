"""The provider under the conformance kit, in every generation of the marketplace's API."""

from __future__ import annotations

from dataclasses import replace
from functools import partial

import pytest

from crossmarket.testing.conformance import MarketplaceConformance
from crossmarket.testing.shop import Subject
from crossmarket_azure.config import V1
from crossmarket_azure.emulator import AzureEmulator
from crossmarket_azure.plugin import crossmarket_marketplace


class TestCurrent(MarketplaceConformance):
    @pytest.fixture
    def subject(self) -> Subject:
        return Subject(
            plugin=crossmarket_marketplace(),
            arguments={"change_plan": {"plan": "platinum"}, "change_quantity": {"quantity": 7}},
        )


class TestVersion2017(MarketplaceConformance):
    @pytest.fixture
    def subject(self) -> Subject:
        return Subject(
            plugin=replace(crossmarket_marketplace(), emulator=partial(AzureEmulator, api_version=V1)),
            arguments={"change_plan": {"plan": "platinum"}},
        )

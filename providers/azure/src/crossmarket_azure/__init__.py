"""Microsoft Marketplace (Azure) for crossmarket: SaaS fulfilment, both generations of its API.

The plugin is found by its entry point; nothing needs to be imported for `Market.open()`. `AzureConfig` is for
those who give options in code, `AzureEmulator` (in `crossmarket_azure.emulator`) for tests.
"""

from __future__ import annotations

from crossmarket_azure.config import AzureConfig

__all__ = ["AzureConfig"]

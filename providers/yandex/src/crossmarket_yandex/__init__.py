"""The crossmarket provider for Yandex Cloud Marketplace: SaaS subscriptions, read and activated over REST.

Applications do not import this package: they name `yandex` in `CROSSMARKET_PROVIDERS`. The emulator for tests
is `crossmarket_yandex.emulator.YandexEmulator`.
"""

from crossmarket_yandex.config import YandexConfig
from crossmarket_yandex.marketplace import YandexMarketplace

__all__ = ["YandexConfig", "YandexMarketplace"]

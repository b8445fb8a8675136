"""The quickstart of the documentation, complete: one purchase on an emulated marketplace, and one question."""
# ruff: noqa: T201 - an example prints

from crossmarket import Market
from crossmarket.plugins import Registry
from crossmarket.testing.server import serve

CATALOG = {
    "plan": [
        {
            "name": "gold",
            "features": {"sso": True, "seats": 50},
            "sold_as": [{"marketplace": "aws"}, {"marketplace": "azure"}, {"marketplace": "yandex"}],
        }
    ]
}


def buy_and_check(marketplace: str) -> bool:
    """Buy on an emulated marketplace, land, activate, and ask for 40 seats."""
    emulator = Registry()[marketplace].emulator()
    with serve(emulator.app) as url:
        options = {marketplace: emulator.options(url)}
        with Market.open(catalog=CATALOG, database_url="sqlite://", **options) as market:
            # The buyer buys, and the marketplace sends the browser to the landing page with a token.
            request = emulator.landing(emulator.buy())
            token = request.fields[market.capabilities(marketplace).landing_parameter]

            landing = market.land(marketplace, token)  # nothing is billed yet
            subscription = market.activate(landing, account="acct_42")  # billing starts here
            print(f"{marketplace}: {subscription.status}, plan {subscription.plan}, ends {subscription.ends_at}")

            decision = market.check("acct_42", "seats", quantity=40)  # asks no marketplace
            print(f"{marketplace}: {decision.reason}: {decision.message}")
            return decision.allowed


if __name__ == "__main__":
    allowed = [buy_and_check(name) for name in Registry().names]
    raise SystemExit(0 if allowed and all(allowed) else 1)

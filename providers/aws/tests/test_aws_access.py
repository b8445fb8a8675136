"""How AWS is reached: credentials, roles, regions, retries, agreements that may not be read, and what is logged."""

from __future__ import annotations

import json
import logging
import threading
from collections.abc import Callable
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest
from pydantic import SecretStr

from crossmarket.errors import AuthenticationError, MarketplaceError, RateLimitedError, UnavailableError
from crossmarket.models import Status
from crossmarket.testing.faults import Fault
from crossmarket_aws import AwsConfig, AwsMarketplace
from crossmarket_aws.emulator import AwsEmulator
from crossmarket_aws.emulator_api import Api
from crossmarket_aws.session import Clients

if TYPE_CHECKING:
    from providers.aws.tests.conftest import Shop, Wire

SEARCH = "SearchAgreements"


def test_the_role_of_the_seller_account_is_assumed_with_its_external_id(shop: Shop) -> None:
    shop.emulator.modes.role_required = True
    purchase = shop.emulator.buy()
    with pytest.raises(AuthenticationError):
        shop.land(purchase)
    assumed = shop.connect()
    facts = assumed.resolve(shop.token(purchase)).facts
    assert facts is not None
    assert assumed.read(facts).status is Status.ACTIVE
    assert len(shop.emulator.sts.issued) == 1


def test_credentials_of_the_role_are_renewed_before_they_expire(shop: Shop) -> None:
    shop.emulator.modes.role_required = True
    shop.emulator.sts.life = timedelta(minutes=5)  # botocore renews when less than 10 minutes are left
    assumed = shop.connect()
    facts = assumed.resolve(shop.token(shop.emulator.buy())).facts
    assert facts is not None
    assumed.read(facts)
    assert len(shop.emulator.sts.issued) > 1


@pytest.mark.parametrize(
    "options", [{"external_id": "another-one"}, {"external_id": ""}, {"role_arn": "arn:aws:iam::222233334444:role/x"}]
)
def test_a_role_that_cannot_be_assumed_names_its_settings(shop: Shop, options: dict[str, str]) -> None:
    shop.emulator.modes.role_required = True
    with pytest.raises(AuthenticationError, match="CROSSMARKET_AWS__ROLE_ARN, CROSSMARKET_AWS__EXTERNAL_ID") as caught:
        shop.connect(**options).resolve(shop.token(shop.emulator.buy()))
    assert (caught.value.operation, caught.value.code) == ("AssumeRole", "AccessDenied")
    assert caught.value.request_id


def test_without_credentials_the_settings_are_named(shop: Shop) -> None:
    market = shop.connect(access_key_id=None, secret_access_key=None)
    with pytest.raises(AuthenticationError, match="CROSSMARKET_AWS__ACCESS_KEY_ID") as caught:
        market.resolve(shop.token(shop.emulator.buy()))
    assert caught.value.code == "NoCredentialsError"
    assert shop.targets() == []


def test_an_unknown_profile_is_told(shop: Shop) -> None:
    market = shop.connect(access_key_id=None, secret_access_key=None, profile="nobody")
    with pytest.raises(AuthenticationError, match="CROSSMARKET_AWS__PROFILE"):
        market.resolve(shop.token(shop.emulator.buy()))


def test_credentials_and_endpoints_of_the_environment_are_used(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKIAENVIRONMENT")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "from-the-environment")
    monkeypatch.setenv("AWS_ENDPOINT_URL_MARKETPLACE_METERING", shop.url)
    monkeypatch.setenv("AWS_ENDPOINT_URL_MARKETPLACE_ENTITLEMENT_SERVICE", shop.url)
    monkeypatch.setenv("AWS_ENDPOINT_URL_MARKETPLACE_AGREEMENT", shop.url)
    market = shop.connect(access_key_id=None, secret_access_key=None, endpoint_url=None)
    facts = market.resolve(shop.token(shop.emulator.buy())).facts
    assert facts is not None
    assert facts.status is Status.ACTIVE


@pytest.mark.parametrize(
    ("region", "hosts"),
    [
        (
            "eu-central-1",
            [
                "https://metering.marketplace.eu-central-1.amazonaws.com",
                "https://entitlement.marketplace.us-east-1.amazonaws.com",
                "https://agreement-marketplace.us-east-1.amazonaws.com",
            ],
        ),
        (
            "eusc-de-east-1",
            [
                "https://metering.marketplace.eusc-de-east-1.amazonaws.eu",
                "https://entitlement.marketplace.eusc-de-east-1.amazonaws.eu",
                "https://agreement-marketplace.eusc-de-east-1.amazonaws.eu",
            ],
        ),
    ],
)
def test_regions_are_named_and_never_inherited(monkeypatch: pytest.MonkeyPatch, region: str, hosts: list[str]) -> None:
    monkeypatch.setenv("AWS_REGION", "ap-southeast-2")
    monkeypatch.setenv("AWS_DEFAULT_REGION", "ap-southeast-2")
    config = AwsConfig(product_codes=("one",), region=region, access_key_id="AKIA", secret_access_key="x")
    clients = Clients(config)
    made = [clients["meteringmarketplace"], clients["marketplace-entitlement"], clients["marketplace-agreement"]]
    assert [client.meta.endpoint_url for client in made] == hosts
    assert made[0].meta.config.connect_timeout == 2
    assert made[0].meta.config.read_timeout == 5
    assert made[0].meta.config.retries["total_max_attempts"] == 3
    assert made[0].meta.config.retries["mode"] == "standard"


def test_clients_are_built_once_for_all_threads(shop: Shop) -> None:
    clients = Clients(AwsConfig.model_validate(shop.emulator.options(shop.url)))
    seen: list[Any] = []
    threads = [threading.Thread(target=lambda: seen.append(clients["meteringmarketplace"])) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(seen) == 8
    assert len({id(client) for client in seen}) == 1


def test_a_closed_provider_can_be_used_again(shop: Shop) -> None:
    facts = shop.land(shop.emulator.buy())
    shop.market.close()
    assert shop.market.read(facts) == facts


def test_a_single_failure_is_repeated_by_botocore(shop: Shop) -> None:
    purchase = shop.emulator.buy()
    shop.emulator.faults.add(Fault(kind="status", status=503, match="ResolveCustomer"))
    facts = shop.connect().resolve(shop.token(purchase)).facts
    assert facts is not None
    assert facts.status is Status.ACTIVE
    assert shop.targets().count("ResolveCustomer") == 2


@pytest.mark.parametrize("kind", ["lost_reply", "reset"])
def test_an_answer_that_is_cut_off_is_told_and_can_be_asked_for_again(shop: Shop, kind: Any) -> None:
    token = shop.token(shop.emulator.buy())
    shop.emulator.faults.add(Fault(kind=kind, match="ResolveCustomer"))
    with pytest.raises(UnavailableError) as caught:
        shop.market.resolve(token)
    assert caught.value.retryable
    assert shop.market.resolve(token).facts


def test_throttling_is_told_with_its_wait(shop: Shop) -> None:
    shop.emulator.faults.add(Fault(kind="status", status=429, retry_after=7))
    with pytest.raises(RateLimitedError) as caught:
        shop.land(shop.emulator.buy())
    assert (caught.value.retryable, caught.value.retry_after) == (True, 7.0)
    assert (caught.value.code, caught.value.http_status) == ("ThrottlingException", 429)


FAULTS = [
    Fault(kind="status", status=500, times=0),
    Fault(kind="status", status=503, times=0),
    Fault(kind="timeout", seconds=2, times=0),
    Fault(kind="lost_reply", times=0),
    Fault(kind="reset", times=0),
    Fault(kind="malformed", times=0),
]


@pytest.mark.parametrize("service", ["GetEntitlements", "DescribeAgreement"])
@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: f"{fault.kind}-{fault.status}")
def test_a_failure_to_read_is_never_an_end(shop: Shop, fault: Fault, service: str) -> None:
    facts = shop.land(shop.emulator.buy())
    shop.emulator.faults.add(fault.model_copy(update={"match": service}))
    impatient = shop.connect(read_timeout=0.3, max_attempts=1)
    with pytest.raises(UnavailableError) as caught:
        impatient.read(facts)
    assert caught.value.retryable
    assert caught.value.operation == service


def test_a_refused_agreement_service_is_remembered_for_a_while(shop: Shop) -> None:
    shop.emulator.modes.agreements = False
    facts = shop.land(shop.emulator.buy())
    assert facts.status is Status.ACTIVE
    assert facts.will_renew is None
    shop.market.read(facts)
    shop.market.read(facts)
    assert [target for target in shop.targets() if "Agreement" in target] == ["DescribeAgreement", SEARCH]
    shop.emulator.modes.agreements = True
    shop.clock.advance(timedelta(minutes=15))
    assert shop.market.read(facts).will_renew is True
    assert shop.market.capabilities.cancel


def test_one_refused_agreement_is_a_resellers_and_closes_nothing(shop: Shop) -> None:
    resold, own = shop.land(shop.emulator.buy()), shop.land(shop.emulator.buy())
    shop.emulator.faults.add(Fault(kind="status", status=403, match="DescribeAgreement"))
    assert shop.market.read(resold).status is Status.ACTIVE
    assert shop.market.capabilities.cancel
    assert shop.market.read(own).will_renew is True
    assert SEARCH not in shop.targets()


def test_a_resellers_agreement_may_come_first(shop: Shop) -> None:
    shop.emulator.faults.add(Fault(kind="status", status=403, match="DescribeAgreement"))
    assert shop.land(shop.emulator.buy()).status is Status.ACTIVE
    assert shop.land(shop.emulator.buy()).will_renew is True
    assert shop.targets().count(SEARCH) == 1


def test_agreements_switched_on_must_be_readable(shop: Shop) -> None:
    shop.emulator.modes.agreements = False
    with pytest.raises(AuthenticationError, match="DescribeAgreement"):
        shop.connect(agreements=True).resolve(shop.token(shop.emulator.buy()))


def test_agreements_switched_off_are_not_asked_for(shop: Shop) -> None:
    facts = shop.connect(agreements="false").resolve(shop.token(shop.emulator.buy())).facts
    assert facts is not None
    assert facts.status is Status.ACTIVE
    assert shop.targets() == ["ResolveCustomer", "GetEntitlements"]


def elsewhere(monkeypatch: pytest.MonkeyPatch, shop: Shop) -> dict[str, None]:
    """Let the agreement service alone be out of reach."""
    monkeypatch.setenv("AWS_ENDPOINT_URL_MARKETPLACE_METERING", shop.url)
    monkeypatch.setenv("AWS_ENDPOINT_URL_MARKETPLACE_ENTITLEMENT_SERVICE", shop.url)
    monkeypatch.setenv("AWS_ENDPOINT_URL_MARKETPLACE_AGREEMENT", "http://127.0.0.1:9")
    return {"endpoint_url": None}


def test_a_service_that_is_not_there_is_done_without(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    market = shop.connect(**elsewhere(monkeypatch, shop))
    facts = market.resolve(shop.token(shop.emulator.buy())).facts
    assert facts is not None
    assert facts.status is Status.ACTIVE
    assert not market.capabilities.cancel


def test_an_outage_of_agreements_that_were_read_before_is_an_error(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    facts = shop.land(shop.emulator.buy(model="subscription"))
    with pytest.raises(UnavailableError):
        shop.connect(**elsewhere(monkeypatch, shop)).read(facts)


def test_a_refusal_takes_no_access_from_pay_as_you_go(shop: Shop) -> None:
    facts = shop.land(shop.emulator.buy(model="subscription"))
    shop.emulator.modes.agreements = False
    assert shop.market.read(facts).status is Status.ACTIVE


def test_a_partition_without_the_licence_filter_asks_by_account(shop: Shop, wire: Wire) -> None:
    emulator = AwsEmulator(clock=shop.clock, region="eusc-de-east-1")
    wire.use(emulator)
    first = emulator.buy(account="123456789012", dimensions={"seats": 5})
    emulator.buy(account="123456789012", dimensions={"seats": 9})
    config = AwsConfig.model_validate(emulator.options(shop.url), context={"clock": shop.clock})
    token = SecretStr(emulator.landing(first).fields["x-amzn-marketplace-token"])
    facts = AwsMarketplace(config).resolve(token).facts
    assert facts is not None
    assert facts.quantities == {"seats": 5}
    asked = [json.loads(each.request) for each in wire.exchanges if each.target.endswith("GetEntitlements")]
    assert [each["Filter"] for each in asked] == [{"CUSTOMER_AWS_ACCOUNT_ID": ["123456789012"]}]


def test_odd_values_are_no_failure(shop: Shop, wire: Wire, monkeypatch: pytest.MonkeyPatch) -> None:
    """botocore alone would raise on the date, and drop what its model does not know."""
    wire.excused.add("GetEntitlements answer")
    odd = {"Dimension": "seats", "Value": {"IntegerValue": "many"}, "ExpirationDate": "soon", "Colour": ["red"]}
    monkeypatch.setattr(Api, "get_entitlements", lambda *_: {"Entitlements": [odd, "none", None]})
    facts = shop.land(shop.emulator.buy())
    assert facts.status is Status.ACTIVE
    assert facts.quantities == {"seats": "many"}
    assert facts.provider_state["entitlements"] == [odd]


def test_diagnose_tells_each_service(shop: Shop) -> None:
    assert [finding.level for finding in shop.market.diagnose()] == ["ok", "ok", "ok"]
    shop.emulator.modes.agreements = False
    assert [finding.level for finding in shop.market.diagnose()] == ["ok", "ok", "warning"]
    assert [finding.level for finding in shop.connect(agreements=True).diagnose()] == ["ok", "ok", "error"]
    shop.emulator.modes.product_codes_checked = True
    findings = list(shop.connect(product_codes="nobodys").diagnose())
    assert findings[1].level == "error"
    assert "CROSSMARKET_AWS__PRODUCT_CODES" in (findings[1].remedy or "")


def test_diagnose_raises_nothing_where_nothing_listens(shop: Shop) -> None:
    findings = list(shop.connect(endpoint_url="http://127.0.0.1:9", max_attempts=1).diagnose())
    assert [finding.level for finding in findings] == ["error", "error", "warning"]
    assert all(finding.remedy for finding in findings)


def test_neither_tokens_nor_keys_reach_the_log(shop: Shop, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    shop.emulator.modes.role_required = True
    token = shop.token(shop.emulator.buy())
    market = shop.connect()
    market.resolve(token)
    assert "ResolveCustomer" in caplog.text
    assert "<AssumeRoleResponse" in caplog.text
    assert token.get_secret_value() not in caplog.text
    for secret in ("AKIAEMULATOR00000001", "emulated-secret-access-key", *shop.emulator.sts.issued):
        assert secret not in caplog.text
    assert caplog.text.count("**********") >= 4


@pytest.mark.parametrize("bad", ["expired_token", "foreign_token", "foreign_seller_token"])
def test_errors_do_not_show_the_token(shop: Shop, bad: str) -> None:
    make: Callable[[], str] = getattr(shop.emulator, bad)
    token = make()
    with pytest.raises(MarketplaceError) as caught:
        shop.market.resolve(SecretStr(token))
    assert token not in f"{caught.value} {caught.value!r} {caught.value.__cause__!r} {vars(caught.value)}"


def test_requests_fit_the_model_in_every_mode(shop: Shop, wire: Wire) -> None:
    """Whatever a provider asks is judged at the end of the test; here, that all operations were asked."""
    shop.emulator.modes.page_size = 1
    purchase = shop.emulator.buy(paid=False)
    facts = shop.land(purchase)
    shop.market.cancel(facts)
    list(shop.market.list_subscriptions())
    asked = {exchange.target.rpartition(".")[2] for exchange in wire.exchanges}
    assert asked == {
        "ResolveCustomer",
        "GetEntitlements",
        "DescribeAgreement",
        "GetAgreementTerms",
        "SearchAgreements",
        "SendAgreementCancellationRequest",
    }


def test_an_address_without_an_agreement_service_is_done_without(shop: Shop) -> None:
    """The addresses of the other services may be an emulator's that has only those."""
    shop.emulator.faults.add(Fault(kind="status", status=501, match="AWSMPCommerceService", times=0))
    market = shop.connect(max_attempts=1)
    facts = market.resolve(shop.token(shop.emulator.buy())).facts
    assert facts is not None
    assert (facts.status, facts.will_renew) == (Status.ACTIVE, None)
    assert not market.capabilities.cancel

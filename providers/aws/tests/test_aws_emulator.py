"""The emulator itself: strict about what it is asked, and judged by botocore's own service models."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs, urlencode

import boto3
import botocore.loaders
import httpx
import pytest
from botocore.config import Config
from botocore.exceptions import ClientError

from crossmarket import landing_token
from crossmarket.testing.emulator import EmulatorError
from crossmarket_aws.emulator import PRODUCT, AwsEmulator

if TYPE_CHECKING:
    from providers.aws.tests.conftest import Shop, Wire

SIGNED = {
    "Authorization": "AWS4-HMAC-SHA256 Credential=AKIA/20260301/us-east-1/aws-marketplace/aws4_request, "
    f"SignedHeaders=host;x-amz-date, Signature={'0' * 64}",
    "X-Amz-Date": "20260301T120000Z",
}
ENTITLEMENTS = {"X-Amz-Target": "AWSMPEntitlementService.GetEntitlements", "Content-Type": "application/x-amz-json-1.1"}


def client(shop: Shop, service: Any) -> Any:
    config = Config(retries={"total_max_attempts": 1}, connect_timeout=2, read_timeout=5)
    keys = {"aws_access_key_id": "AKIA", "aws_secret_access_key": "x"}
    return boto3.session.Session().client(
        service, region_name="us-east-1", endpoint_url=shop.url, config=config, **keys
    )


def refusal(call: Any, **arguments: Any) -> tuple[str, int]:
    with pytest.raises(ClientError) as caught:
        call(**arguments)
    response = caught.value.response
    assert response["ResponseMetadata"]["RequestId"]
    return response["Error"]["Code"], response["ResponseMetadata"]["HTTPStatusCode"]


def test_a_plain_boto3_client_can_use_it(shop: Shop) -> None:
    """With botocore's own validation of parameters, and its own reading of the answers."""
    purchase = shop.emulator.buy(dimensions={"seats": 5, "sso": False})
    token = shop.token(purchase).get_secret_value()
    customer = client(shop, "meteringmarketplace").resolve_customer(RegistrationToken=token)
    assert customer["Metadata"] == {"AgreementId": "agmt-000000000000000000000002"}
    held = client(shop, "marketplace-entitlement").get_entitlements(
        ProductCode=PRODUCT, Filter={"LICENSE_ARN": [customer["LicenseArn"]]}
    )
    assert {each["Dimension"]: each["Value"] for each in held["Entitlements"]} == {
        "seats": {"IntegerValue": 5},
        "sso": {"BooleanValue": False},
    }
    agreements = client(shop, "marketplace-agreement")
    assert agreements.describe_agreement(agreementId="agmt-000000000000000000000002")["status"] == "ACTIVE"


def test_entitlements_are_filtered_as_aws_does(shop: Shop) -> None:
    first = shop.emulator.buy(account="123456789012", dimensions={"a": 1, "b": 2})
    shop.emulator.buy(account="123456789012", dimensions={"a": 3})
    shop.emulator.buy(dimensions={"a": 4})
    truth = shop.emulator.describe(first)
    get = client(shop, "marketplace-entitlement").get_entitlements

    def values(**filters: list[str]) -> list[int]:
        found = get(ProductCode=PRODUCT, **({"Filter": filters} if filters else {})).get("Entitlements", [])
        return sorted(each["Value"]["IntegerValue"] for each in found)

    assert values() == [1, 2, 3, 4]
    assert values(CUSTOMER_AWS_ACCOUNT_ID=["123456789012"]) == [1, 2, 3]
    assert values(CUSTOMER_AWS_ACCOUNT_ID=["123456789012"], DIMENSION=["a"]) == [1, 3]
    assert values(CUSTOMER_IDENTIFIER=[str(truth["customer"])], DIMENSION=["a", "b"]) == [1, 2, 3]
    assert values(LICENSE_ARN=[str(truth["license"])]) == [1, 2]
    assert values(LICENSE_ARN=["arn:aws:license-manager::1:license:l-0"]) == []
    assert get(ProductCode="unknown")["Entitlements"] == []
    invalid = ("InvalidParameterException", 400)
    assert refusal(get, ProductCode=PRODUCT, Filter={"DIMENSION": ["a"]}) == invalid
    both = {"CUSTOMER_IDENTIFIER": ["x"], "CUSTOMER_AWS_ACCOUNT_ID": ["1"]}
    assert refusal(get, ProductCode=PRODUCT, Filter=both) == invalid
    assert refusal(get, ProductCode=PRODUCT, NextToken="nonsense") == invalid
    shop.emulator.modes.product_codes_checked = True
    assert refusal(get, ProductCode="unknown") == invalid


def test_searches_take_known_filters_with_one_value(shop: Shop, wire: Wire) -> None:
    wire.excused |= {"values: 2 is out of bounds", "values: 0 is out of bounds"}
    shop.emulator.buy(offer="offer-a")
    purchase = shop.emulator.buy(offer="offer-b")
    search = client(shop, "marketplace-agreement").search_agreements
    party = [
        {"name": "PartyType", "values": ["Proposer"]},
        {"name": "AgreementType", "values": ["PurchaseAgreement"]},
    ]

    def found(name: str, *values: str) -> list[str]:
        answer = search(catalog="AWSMarketplace", filters=[*party, {"name": name, "values": list(values)}])
        return [each["proposalSummary"]["offerId"] for each in answer["agreementViewSummaries"]]

    assert found("OfferId", "offer-b") == ["offer-b"]
    assert found("LicenseArn", str(shop.emulator.describe(purchase)["license"])) == ["offer-b"]
    assert found("Status", "ACTIVE") == ["offer-a", "offer-b"]
    assert found("Status", "EXPIRED") == []
    assert found("AfterLastUpdateTime", "2026-03-01T11:59:59Z") == ["offer-a", "offer-b"]
    assert found("AfterLastUpdateTime", "2026-03-01T12:00:00Z") == []
    invalid = ("ValidationException", 400)
    more = {"catalog": "AWSMarketplace"}
    assert refusal(search, **more, filters=party[:1]) == invalid
    assert refusal(search, **more, filters=[*party, {"name": "Colour", "values": ["red"]}]) == invalid
    assert refusal(search, **more, filters=[*party, {"name": "OfferId", "values": ["a", "b"]}]) == invalid
    assert refusal(search, catalog="Elsewhere", filters=party) == invalid
    assert refusal(search, **more, filters=party, sort={"sortBy": "Colour"}) == invalid
    order = {"sortBy": "LastUpdateTime", "sortOrder": "DESCENDING"}
    assert len(search(**more, filters=party, sort=order)["agreementViewSummaries"]) == 2


def test_the_paginators_of_botocore_come_to_an_end(shop: Shop) -> None:
    shop.emulator.modes.page_size = 2
    shop.emulator.modes.empty_page = True
    shop.emulator.buy(dimensions=dict.fromkeys("abcde", 1))
    pages = client(shop, "marketplace-entitlement").get_paginator("get_entitlements").paginate(ProductCode=PRODUCT)
    assert [len(page["Entitlements"]) for page in pages] == [0, 2, 2, 1]


def test_an_agreement_that_is_unknown_or_refused(shop: Shop) -> None:
    describe = client(shop, "marketplace-agreement").describe_agreement
    assert refusal(describe, agreementId="agmt-none") == ("ResourceNotFoundException", 404)
    shop.emulator.modes.agreements = False
    assert refusal(describe, agreementId="agmt-none") == ("AccessDeniedException", 403)


@pytest.fixture
def http(shop: Shop) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=shop.url) as http:
        yield http


@pytest.mark.parametrize(
    ("path", "headers", "body", "status", "code"),
    [
        ("/", ENTITLEMENTS, "{}", 403, "MissingAuthenticationTokenException"),
        ("/", SIGNED | {"X-Amz-Target": "AWSMPEntitlementService.Nothing"}, "{}", 400, "UnknownOperationException"),
        ("/", SIGNED | ENTITLEMENTS | {"Content-Type": "application/cbor"}, "{}", 415, "SerializationException"),
        ("/", SIGNED | ENTITLEMENTS | {"Content-Type": "application/json"}, "{}", 415, "SerializationException"),
        ("/", SIGNED | ENTITLEMENTS, "no json", 400, "SerializationException"),
        ("/", SIGNED | ENTITLEMENTS, "[]", 400, "SerializationException"),
        ("/", SIGNED | ENTITLEMENTS, '{"ProductCode": "x", "Filter": []}', 400, "InvalidParameterException"),
        ("/", SIGNED | ENTITLEMENTS, '{"ProductCode": "x", "Colour": 1}', 400, "InvalidParameterException"),
        (
            "/service/AWSMPEntitlementService/operation/GetEntitlements",
            SIGNED | {"Content-Type": "application/cbor", "smithy-protocol": "rpc-v2-cbor"},
            "",
            404,
            "UnknownOperationException",
        ),
    ],
)
def test_what_it_does_not_understand_is_refused_loudly(
    emulator: AwsEmulator, path: str, headers: dict[str, str], body: str, status: int, code: str
) -> None:
    transport = httpx.ASGITransport(app=emulator.app)

    async def post() -> httpx.Response:
        async with httpx.AsyncClient(transport=transport, base_url="http://emulator") as http:
            return await http.post(path, headers=headers, content=body)

    import asyncio

    answer = asyncio.run(post())
    assert (answer.status_code, answer.json()["__type"]) == (status, code)
    assert answer.headers["x-amzn-requestid"]


def test_a_signature_for_another_region_or_service_is_refused(shop: Shop) -> None:
    keys = {"aws_access_key_id": "AKIA", "aws_secret_access_key": "x"}
    elsewhere = boto3.session.Session().client(
        "marketplace-agreement", region_name="eu-west-1", endpoint_url=shop.url, **keys
    )
    assert refusal(elsewhere.describe_agreement, agreementId="agmt-1") == ("InvalidSignatureException", 403)


def test_sts_knows_one_action(shop: Shop) -> None:
    sts = client(shop, "sts")
    assert refusal(sts.get_caller_identity) == ("InvalidAction", 400)
    role = {"RoleArn": shop.emulator.sts.role, "RoleSessionName": "test"}
    assert refusal(sts.assume_role, **role) == ("AccessDenied", 403)
    answer = sts.assume_role(**role, ExternalId=shop.emulator.sts.external_id)
    assert answer["Credentials"]["AccessKeyId"] == "ASIAEMULATED00000000"


def test_the_landing_form_carries_a_token_that_must_be_decoded_once(emulator: AwsEmulator) -> None:
    request = emulator.landing(emulator.buy(trial=True))
    token = request.fields["x-amzn-marketplace-token"]
    assert request.method == "POST"
    assert request.fields["x-amzn-marketplace-offer-type"] == "free-trial"
    assert {"+", "/", "="} <= set(token)
    assert parse_qs(urlencode(request.fields))["x-amzn-marketplace-token"] == [token]
    assert landing_token.clean("aws", token.replace("+", " ")).get_secret_value() == token


def test_it_is_driven_over_http(http: httpx.Client) -> None:
    bought = http.post(
        "/_emulator/purchases", json={"plan": "silver", "quantity": 3, "generation": "concurrent", "trial": True}
    ).json()
    assert bought["quantities"] == {"silver": True, "seats": 3}
    assert bought["live"] is True
    path = f"/_emulator/purchases/{bought['id']}"
    changed = http.post(f"{path}/change_dimensions", json={"dimensions": {"seats": 0, "sso": False, "rate": 1.5}})
    assert changed.json()["quantities"] == {"seats": 0, "sso": False, "rate": 1.5}
    assert http.post(f"{path}/turn_renewal_off", json={}).json()["will_renew"] is False
    assert http.post("/_emulator/clock", json={"seconds": 40 * 86400}).status_code == 200
    assert http.get(path).json()["status"] == "EXPIRED"
    assert http.post(f"{path}/renew", json={}).status_code == 400


@pytest.mark.parametrize("action", ["change_quantity", "renew", "turn_renewal_off"])
def test_pay_as_you_go_has_nothing_to_change_or_renew(emulator: AwsEmulator, action: str) -> None:
    purchase = emulator.buy(model="subscription")
    arguments = {"quantity": 5} if action == "change_quantity" else {}
    with pytest.raises(EmulatorError):
        emulator.act(purchase, action, **arguments)


def test_contracts_renew_by_themselves_every_year(emulator: AwsEmulator) -> None:
    purchase = emulator.buy()
    emulator.pass_time(timedelta(days=365 * 3 + 1))
    truth = emulator.describe(purchase)
    assert truth["live"] is True
    assert isinstance(truth["agreements"], list)
    assert len(truth["agreements"]) == 4
    assert truth["initial_agreement"] == truth["agreements"][0]


def test_a_failed_payment_ends_the_agreement(emulator: AwsEmulator) -> None:
    purchase = emulator.buy(paid=False)
    emulator.act(purchase, "fail_payment")
    assert emulator.describe(purchase)["status"] == "TERMINATED"
    assert emulator.describe(purchase)["live"] is False


def test_only_own_purchases_are_counted(emulator: AwsEmulator) -> None:
    emulator.expired_token()
    emulator.foreign_token()
    assert emulator.purchases() == []


def test_the_judge_sees_what_is_wrong(judge: Callable[[str, str, str, Any], set[str]]) -> None:
    """A judge that finds nothing would prove nothing."""
    entitlements = ("marketplace-entitlement", "GetEntitlements")
    good: dict[str, Any] = {"Entitlements": [{"Dimension": "a", "Value": {"IntegerValue": 1}}], "NextToken": "x"}
    assert judge(*entitlements, "output", good) == set()
    entry = {"Dimension": "a", "Colour": "red", "Value": {"IntegerValue": True}, "ExpirationDate": "2026"}
    assert judge(*entitlements, "output", {"Entitlements": [entry], "NextToken": "with blank"}) == {
        "output.Entitlements[0]: unknown member Colour",
        "output.Entitlements[0].ExpirationDate: no timestamp",
        "output.Entitlements[0].Value.IntegerValue: no integer",
        "output.NextToken: 'with blank' does not match \\S+",
    }
    assert judge(*entitlements, "input", {"MaxResults": 26, "Filter": {"COLOUR": []}}) == {
        "input.Filter key: 'COLOUR' is not in the enumeration",
        "input.Filter.COLOUR: 0 is out of bounds",
        "input.MaxResults: 26 is out of bounds",
        "input: ProductCode is missing",
    }


def test_an_older_botocore_hides_nothing(
    shop: Shop, wire: Wire, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With service models from before 2026-09, the agreement, its chain, its end and its trial are still told."""
    dropped = {
        "meteringmarketplace": {"ResolveCustomerResult": ["Metadata"]},
        "marketplace-agreement": {
            "DescribeAgreementOutput": ["initialAgreementId", "endTimeBehavior", "freeTrialSummary"],
            "AgreementViewSummary": ["initialAgreementId", "entitlements", "endTimeBehaviorType", "freeTrialEndTime"],
        },
    }
    loader = botocore.loaders.Loader()
    for service, shapes in dropped.items():
        model = loader.load_service_model(service, "service-2")
        for shape, members in shapes.items():
            for member in members:
                del model["shapes"][shape]["members"][member]
        folder = tmp_path / service / loader.determine_latest_version(service, "service-2")
        folder.mkdir(parents=True)
        (folder / "service-2.json").write_text(json.dumps(model))
    monkeypatch.setenv("AWS_DATA_PATH", str(tmp_path))
    purchase = shop.emulator.buy(trial=True)
    shop.emulator.act(purchase, "replace")
    token = shop.token(purchase)
    assert "Metadata" not in client(shop, "meteringmarketplace").resolve_customer(
        RegistrationToken=token.get_secret_value()
    )
    facts = shop.connect().resolve(token).facts
    assert facts is not None
    assert facts.marketplace_ids["agreement_id"] == "agmt-000000000000000000000003"
    assert facts.marketplace_ids["initial_agreement_id"] == "agmt-000000000000000000000002"
    assert facts.will_renew is True
    assert facts.follows is not None

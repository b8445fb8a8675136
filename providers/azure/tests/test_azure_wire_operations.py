"""Operation objects of both generations, and the answers that start one."""

from __future__ import annotations

from typing import Any

import pytest

from crossmarket_azure.wire import accepted_operation_id, parse_operation, parse_operations


def test_an_operation() -> None:
    raw = {
        "id  ": "74dfb4db-c193-4891-827d-eb05fbdc64b0",
        "activityId": "74dfb4db-c193-4891-827d-eb05fbdc64b0",
        "planId": "silver",
        "quantity": "20",
        "action": "ChangePlan",
        "timeStamp": "2026-03-01T12:00:00.0000000Z",
        "status": "NotStarted",
        "operationRequestSource": "Partner",
        "errorStatusCode": "",
        "errorMessage": "",
    }
    operation = parse_operation(raw)
    assert operation.id == "74dfb4db-c193-4891-827d-eb05fbdc64b0"
    assert operation.action == "change_plan"
    assert operation.status == "pending"
    assert operation.plan == "silver"
    assert operation.quantity == 20
    assert operation.requested_by == "seller"
    assert (operation.code, operation.message) == (None, None)
    assert operation.provider_state == raw


@pytest.mark.parametrize(
    ("word", "status"),
    [
        ("NotStarted", "pending"),
        ("InProgress", "pending"),
        ("In Progress", "pending"),
        ("Succeeded", "succeeded"),
        ("Succeed", "succeeded"),
        (" Succeeded ", "succeeded"),
        ("Failed", "failed"),
        ("Conflict", "failed"),
        ("Dreaming", "pending"),
        (None, "pending"),
    ],
)
def test_status_words(word: Any, status: str) -> None:
    assert parse_operation({"id": "1", "status": word}).status == status


@pytest.mark.parametrize(
    ("word", "action"),
    [
        ("Subscribe", "activate"),
        ("Activate", "activate"),
        ("ChangePlan", "change_plan"),
        ("Update", "change_plan"),
        ("changequantity", "change_quantity"),
        ("Unsubscribe", "cancel"),
        ("Delete", "cancel"),
        ("Suspend", "suspend"),
        ("Reinstate", "reinstate"),
        ("Renew", "renew"),
        ("Transfer", "transfer"),
        (None, "unknown"),
    ],
)
def test_action_words(word: Any, action: str) -> None:
    assert parse_operation({"id": "1", "action": word}).action == action


def test_the_second_spelling_of_the_source() -> None:
    assert parse_operation({"id": "1", "operationRequestedSource": "Azure"}).requested_by == "buyer"
    assert parse_operation({"id": "1"}).requested_by is None


def test_a_failure_tells_why() -> None:
    operation = parse_operation({"id": "1", "status": "Failed", "errorStatusCode": 400, "errorMessage": "no"})
    assert (operation.status, operation.code, operation.message) == ("failed", "400", "no")


@pytest.mark.parametrize(
    ("body", "count"),
    [
        ({"operations": [{"id": "1"}]}, 1),
        ([{"id": "1"}, {"id": "2"}], 2),
        ({}, 0),
        (None, 0),
        ({"operations": None}, 0),
    ],
)
def test_the_forms_of_a_list(body: Any, count: int) -> None:
    assert len(parse_operations(body)) == count


LOCATION = "https://main.prod.marketplaceapi.azure.com/api/saas/subscriptions/s1/operations/op1?api-version=2018-08-31"


@pytest.mark.parametrize(
    ("headers", "identity"),
    [
        ({"operation-id": "op0", "operation-location": LOCATION, "x-ms-requestid": "r"}, "op0"),
        ({"operation-location": LOCATION, "x-ms-requestid": "r"}, "op1"),
        ({"operation-location": "operations/op2/"}, "op2"),
        ({"x-ms-requestid": "op3"}, "op3"),
        ({"operation-location": "https://[host/op4", "x-ms-requestid": "op5"}, "op5"),
        ({}, ""),
    ],
)
def test_where_the_id_of_an_operation_comes_from(headers: dict[str, str], identity: str) -> None:
    assert accepted_operation_id(headers) == identity

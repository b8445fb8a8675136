from __future__ import annotations

from typing import Any

import pytest
from pydantic import BaseModel, ConfigDict, ValidationError, field_validator, model_validator

from crossmarket.errors import ConfigurationError
from crossmarket.validation import configuration_error, near_miss


class Inner(BaseModel):
    model_config = ConfigDict(extra="forbid", hide_input_in_errors=True)
    region: str


class Options(BaseModel):
    model_config = ConfigDict(extra="forbid", hide_input_in_errors=True)
    tenant_id: str
    port: int = 1
    inner: tuple[Inner, ...] = ()
    other: Inner | None = None

    @field_validator("port")
    @classmethod
    def _small(cls, value: int) -> int:
        if value > 9:
            raise ValueError("it is too great")
        return value

    @model_validator(mode="after")
    def _both(self) -> Options:
        if self.tenant_id == "bad":
            raise ValueError("they do not go together")
        return self


def error_of(prefix: str = "", **content: Any) -> ConfigurationError:
    with pytest.raises(ValidationError) as caught:
        Options.model_validate(content)
    return configuration_error(
        caught.value, Options, source="the test", name_of=lambda place: f"{prefix}{place.upper()}" if prefix else place
    )


@pytest.mark.parametrize(
    ("content", "field", "told"),
    [
        ({}, "tenant_id", "tenant_id is missing"),
        ({"tenant_id": "x", "tenat_id": "y"}, "tenat_id", "tenat_id is not known; did you mean 'tenant_id'?"),
        ({"tenant_id": "x", "qqq": "y"}, "qqq", "qqq is not known"),
        ({"tenant_id": "x", "port": 10}, "port", "port: it is too great"),
        ({"tenant_id": "bad"}, None, "they do not go together"),
        ({"tenant_id": "x", "inner": [{"regoin": "y"}]}, "inner[0].region", "inner[0].region is missing"),
        ({"tenant_id": "x", "inner": [{"regoin": "y"}]}, "inner[0].region", "did you mean 'region'?"),
        ({"tenant_id": "x", "other": {"reg": "y", "region": "z"}}, "other.reg", "other.reg is not known"),
    ],
)
def test_told(content: dict[str, Any], field: str | None, told: str) -> None:
    error = error_of(**content)
    assert error.field == field
    assert told in error.message
    assert error.message.startswith("There is something wrong with the test: ")
    assert error.remedy == "Correct it and try again; nothing was changed."


def test_with_a_prefix_the_name_is_that_of_the_environment() -> None:
    assert "CROSSMARKET_ACME__TENANT_ID is missing" in error_of("CROSSMARKET_ACME__").message
    assert "CROSSMARKET_ACME__PORT: " in error_of("CROSSMARKET_ACME__", tenant_id="x", port="hush").message


def test_values_are_not_shown() -> None:
    error = error_of(tenant_id=["hush"], port="hush", inner="hush", other={"region": {"a": "hush"}})
    assert "hush" not in str(error)
    assert all(name in str(error) for name in ("tenant_id", "port", "inner", "other.region"))


def test_near_miss() -> None:
    assert near_miss("azuer", ["aws", "azure"]) == "azure"
    assert near_miss("azuer", {"aws": 1, "azure": 2}) == "azure"
    assert near_miss("oracle", ["aws", "azure"]) is None
    assert near_miss("azure", []) is None

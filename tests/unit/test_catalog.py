from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from bazaar import held
from hypothesis import given, strategies as st

from crossmarket.catalog import Catalog, CountedAs, Grant, SoldAs, grant_of
from crossmarket.errors import ConfigurationError

TOML = """
[[plan]]
name = "gold"
features = { sso = true, seats = 50, support = "phone", beta = false }
sold_as = [
  { marketplace = "azure", product = "contoso", plan = "gold" },
  { marketplace = "aws", product = "code1", dimension = "gold" },
]

[[limit]]
feature = "seats"
sold_as = [
  { marketplace = "azure", product = "contoso", quantity = true },
  { marketplace = "aws", product = "code1", dimension = "seats" },
]

[[meter]]
feature = "api-calls"
sold_as = [{ marketplace = "aws", product = "code1", dimension = "api_calls" }]

[listing]
azure = "https://azure.example/contoso"
"""


@pytest.fixture
def catalog(tmp_path: Path) -> Catalog:
    path = tmp_path / "catalog.toml"
    path.write_text(TOML)
    return Catalog.load(path)


@pytest.mark.parametrize(
    ("line", "matches"),
    [
        ({}, True),
        ({"product": "contoso"}, True),
        ({"plan": "gold"}, True),
        ({"product": "contoso", "plan": "gold", "dimension": "users"}, True),
        ({"marketplace": "azure"}, False),
        ({"product": "Contoso"}, False),
        ({"plan": "silver"}, False),
        ({"dimension": "users"}, True),
        ({"dimension": "ratio"}, True),
        ({"dimension": "edition"}, True),
        ({"dimension": "enabled"}, True),
        ({"dimension": "none"}, False),
        ({"dimension": "nothing"}, False),
        ({"dimension": "disabled"}, False),
        ({"dimension": "missing"}, False),
        ({"product": "contoso", "plan": "gold", "dimension": "none"}, False),
    ],
)
def test_a_line_matches_where_all_that_it_names_matches(line: dict[str, str], *, matches: bool) -> None:
    subscription = held(
        quantities={
            "users": 3,
            "ratio": 0.5,
            "edition": "pro",
            "enabled": True,
            "none": 0,
            "nothing": 0.0,
            "disabled": False,
        }
    )
    assert SoldAs(**{"marketplace": "bazaar", **line}).matches("bazaar", subscription) is matches


def test_what_is_not_told_matches_only_lines_that_do_not_ask() -> None:
    subscription = held(product=None, plan=None)
    assert SoldAs(marketplace="bazaar").matches("bazaar", subscription)
    assert not SoldAs(marketplace="bazaar", product="contoso").matches("bazaar", subscription)
    assert not SoldAs(marketplace="bazaar", plan="gold").matches("bazaar", subscription)


@pytest.mark.parametrize("value", [0, 0.0, False, 7, 2.5, True])
def test_every_value_counts_nothing_included(value: Any) -> None:
    line = CountedAs(marketplace="bazaar", product="contoso", dimension="seats")
    counted = line.count("bazaar", held(quantities={"seats": value}))
    assert (counted, type(counted)) == (value, type(value))


@pytest.mark.parametrize(("text", "number"), [("50", 50), (" 2.5 ", 2.5), ("", None), ("many", None), ("inf", None)])
def test_a_text_counts_only_where_it_is_a_number(text: str, number: float | None) -> None:
    line = CountedAs(marketplace="bazaar", dimension="seats")
    assert line.count("bazaar", held(quantities={"seats": text})) == number


def test_a_text_is_never_taken_for_a_limit_without_bounds() -> None:
    catalog = Catalog.parse(
        {"limit": [{"feature": "seats", "sold_as": [{"marketplace": "bazaar", "dimension": "seats"}]}]}
    )
    assert catalog.grants(held(quantities={"seats": "many"})) == {}
    assert catalog.grants(held(quantities={"seats": "50"}))["seats"].limit == 50


@pytest.mark.parametrize(
    ("line", "count"),
    [
        ({"quantity": True}, 9),
        ({"dimension": "rows"}, 4),
        ({"dimension": "missing"}, None),
        ({"quantity": True, "product": "other"}, None),
        ({"quantity": True, "plan": "silver"}, None),
        ({"quantity": True, "marketplace": "azure"}, None),
        ({}, None),
    ],
)
def test_count(line: dict[str, Any], count: int | None) -> None:
    subscription = held(quantities={"quantity": 9, "rows": 4})
    assert CountedAs(**{"marketplace": "bazaar", **line}).count("bazaar", subscription) == count


@pytest.mark.parametrize(
    ("value", "grant"),
    [
        (True, Grant(feature="f", line="l")),
        (False, None),
        (0, Grant(feature="f", limit=0, line="l")),
        (5, Grant(feature="f", limit=5, line="l")),
        (0.5, Grant(feature="f", limit=0.5, line="l")),
        ("phone", Grant(feature="f", value="phone", line="l")),
    ],
)
def test_grant_of(value: Any, grant: Grant | None) -> None:
    assert grant_of("f", value, "l") == grant


def grants(catalog: Catalog, **subscription: Any) -> dict[str, tuple[Any, Any]]:
    found = catalog.grants(held(**subscription))
    assert all(feature == grant.feature for feature, grant in found.items())
    return {feature: (grant.limit, grant.value) for feature, grant in found.items()}


def test_the_plan_grants_its_features(catalog: Catalog) -> None:
    assert grants(catalog, marketplace="azure") == {
        "sso": (None, None),
        "seats": (50, None),
        "support": (None, "phone"),
    }


@pytest.mark.parametrize(("quantity", "limit"), [(7, 7), (70, 70), (0, 0), (True, None)])
def test_the_bought_quantity_goes_before_the_number_of_the_plan(catalog: Catalog, quantity: Any, limit: Any) -> None:
    assert grants(catalog, marketplace="azure", quantities={"quantity": quantity})["seats"] == (limit, None)


def test_a_dimension_that_was_bought_as_false_grants_nothing_although_the_plan_has_a_number(catalog: Catalog) -> None:
    assert "seats" not in grants(catalog, marketplace="azure", quantities={"quantity": False})


def test_the_quantity_of_another_product_is_another_thing(catalog: Catalog) -> None:
    assert grants(catalog, marketplace="azure", product="other", quantities={"quantity": 7}) == {}


def test_dimensions(catalog: Catalog) -> None:
    aws = {"marketplace": "aws", "product": "code1", "plan": None}
    assert set(grants(catalog, **aws, quantities={"gold": 1})) == {"sso", "seats", "support"}
    assert grants(catalog, **aws, quantities={"gold": 0}) == {}
    assert grants(catalog, **aws, quantities={"gold": False, "seats": 12}) == {"seats": (12, None)}
    assert grants(catalog, **aws, quantities={"gold": True, "seats": 0})["seats"] == (0, None)


def test_a_meter_grants_nothing(catalog: Catalog) -> None:
    assert grants(catalog, marketplace="aws", product="code1", plan=None, quantities={"api_calls": 5}) == {}


def test_of_several_plans_the_greatest_limit_counts_and_none_is_greater_than_any() -> None:
    def catalog(*limits: Any) -> Catalog:
        line = {"marketplace": "bazaar"}
        return Catalog.parse(
            {"plan": [{"name": f"p{n}", "features": {"f": v}, "sold_as": [line]} for n, v in enumerate(limits)]}
        )

    assert grants(catalog(5, 9, 7))["f"] == (9, None)
    assert grants(catalog(5, True, 7))["f"] == (None, None)
    assert grants(catalog(True, 5))["f"] == (None, None)
    assert grants(catalog(False, 5, False))["f"] == (5, None)
    assert grants(catalog(5, "many"))["f"] == (None, "many")


def test_of_several_bought_quantities_the_greatest_counts() -> None:
    lines = [{"marketplace": "bazaar", "dimension": name} for name in ("small", "large")]
    catalog = Catalog.parse({"limit": [{"feature": "seats", "sold_as": lines}]})
    assert grants(catalog, quantities={"small": 5, "large": 9})["seats"] == (9, None)
    assert grants(catalog, quantities={"small": 5, "large": False})["seats"] == (5, None)


def test_a_line_without_plan_and_dimension_is_pay_as_you_go() -> None:
    catalog = Catalog.parse(
        {
            "plan": [
                {
                    "name": "payg",
                    "features": {"api": True},
                    "sold_as": [{"marketplace": "bazaar", "product": "contoso"}],
                }
            ]
        }
    )
    assert set(grants(catalog, plan=None, quantities={})) == {"api"}
    assert grants(catalog, product="other") == {}


def test_features_marketplaces_and_names(catalog: Catalog) -> None:
    assert catalog.features == {"sso", "seats", "support", "beta", "api-calls"}
    assert catalog.marketplaces == {"azure", "aws"}
    assert catalog.plan_names(held(marketplace="azure")) == ("gold",)
    assert catalog.plan_names(held(marketplace="yandex")) == ()


def test_knows(catalog: Catalog) -> None:
    assert catalog.knows(held(marketplace="azure"))
    assert catalog.knows(held(marketplace="azure", plan="silver", quantities={"quantity": 1}))
    assert catalog.knows(held(marketplace="aws", product="code1", quantities={"api_calls": 4}))
    assert catalog.knows(held(marketplace="aws", product="code1", quantities={"seats": 0}))
    assert not catalog.knows(held(marketplace="yandex"))
    assert not catalog.knows(held(marketplace="aws", product="code1", quantities={"users": 4}))


# What is wrong with one

SOLD = [{"marketplace": "azure"}]


@pytest.mark.parametrize(
    ("content", "field", "words"),
    [
        ({"plans": []}, "plans", "plans is not known; did you mean 'plan'?"),
        ({"zzz": []}, "zzz", "zzz is not known."),
        (
            {"plan": [{"name": "a", "features": {}, "sold_as": [{"marketplce": "azure"}]}]},
            "plan[0].sold_as[0].marketplace",
            "plan[0].sold_as[0].marketplce is not known; did you mean 'marketplace'?",
        ),
        ({"plan": [{"features": {}, "sold_as": SOLD}]}, "plan[0].name", "plan[0].name is missing"),
        ({"plan": [{"name": "a", "sold_as": SOLD}]}, "plan[0].features", "plan[0].features is missing"),
        ({"plan": [{"name": "a", "features": {}}]}, "plan[0].sold_as", "plan[0].sold_as is missing"),
        ({"plan": [{"name": "", "features": {}, "sold_as": SOLD}]}, "plan[0].name", "plan[0].name: "),
        ({"plan": [{"name": 5, "features": {}, "sold_as": SOLD}]}, "plan[0].name", "plan[0].name: "),
        ({"plan": {"name": "a"}}, "plan", "plan: "),
        ({"plan": "hush"}, "plan", "plan: "),
        (
            {"plan": [{"name": "a", "features": {}, "sold_as": [{"marketplace": ""}]}]},
            "plan[0].sold_as[0].marketplace",
            "",
        ),
        ({"limit": [{"feature": "f", "sold_as": SOLD}]}, "limit[0]", "names a dimension, or says quantity = true"),
        (
            {"limit": [{"feature": "f", "sold_as": [{"marketplace": "aws", "dimension": "d", "quantity": True}]}]},
            "limit[0].sold_as[0]",
            "name either a dimension or quantity = true, not both",
        ),
        ({"listing": {"azure": 5}}, "listing.azure", "listing.azure: "),
        ({"listing": {"azure": ["hush"]}}, "listing.azure", "listing.azure: "),
        (
            {"plan": [{"name": "gold", "features": {}, "sold_as": SOLD}] * 2},
            "plan.name",
            "the plan 'gold' stands in it twice",
        ),
    ],
)
def test_each_mistake_is_named(content: dict[str, Any], field: str, words: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        Catalog.parse(content, source="the test")
    assert caught.value.field == field
    assert words in str(caught.value)
    assert "the test" in str(caught.value)


def test_a_feature_of_a_wrong_type_is_named() -> None:
    with pytest.raises(ConfigurationError, match=r"plan\[0\]\.features\.sso"):
        Catalog.parse({"plan": [{"name": "a", "features": {"sso": [1]}, "sold_as": SOLD}]})


def test_all_mistakes_are_told_at_once() -> None:
    with pytest.raises(ConfigurationError) as caught:
        Catalog.parse({"plan": [{"nme": "a", "features": {}, "sold_as": []}], "listing": {"aws": 1}})
    assert "plan[0].nme is not known; did you mean 'name'?" in str(caught.value)
    assert "plan[0].name is missing" in str(caught.value)
    assert "listing.aws: " in str(caught.value)


values = st.text("abcdef", min_size=12, max_size=12).map(lambda text: f"hush-{text}")


@given(values)
def test_no_value_is_shown(value: str) -> None:
    for content in (
        {"plan": value},
        {"plan": [value]},
        {"plan": [{"name": [value], "features": {}, "sold_as": []}]},
        {"plan": [{"name": "a", "features": {"sso": [value]}, "sold_as": [{"marketplace": "a", "quantity": value}]}]},
        {"limit": [{"feature": "f", "sold_as": [{"marketplace": "a", "quantity": value}]}]},
    ):
        with pytest.raises(ConfigurationError) as caught:
            Catalog.parse(content)
        assert "hush" not in str(caught.value)
        assert caught.value.__cause__ is None


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError) as caught:
        Catalog.load(tmp_path / "nowhere.toml")
    assert "nowhere.toml cannot be read: No such file or directory." in str(caught.value)
    assert "CROSSMARKET_CATALOG" in str(caught.value)


def test_a_folder_is_no_file(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="Is a directory"):
        Catalog.load(tmp_path)


@pytest.mark.parametrize("content", [b"[[plan]\nname = 1", b"plan = \xff", b"a = 1\na = 2"])
def test_a_file_that_is_not_toml(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "catalog.toml"
    path.write_bytes(content)
    with pytest.raises(ConfigurationError, match="is not valid TOML"):
        Catalog.load(path)


def test_the_error_of_a_file_names_the_file(tmp_path: Path) -> None:
    path = tmp_path / "mine.toml"
    path.write_text("[[plan]]\nnam = 1\n")
    with pytest.raises(ConfigurationError, match=r"mine\.toml"):
        Catalog.load(path)


def test_gather(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert Catalog.gather(None, None) == Catalog()
    Path("catalog.toml").write_text('listing = { aws = "default" }')
    Path("other.toml").write_text('listing = { aws = "other" }')
    Path("third.toml").write_text('listing = { aws = "third" }')
    assert Catalog.gather(None, None).listing == {"aws": "default"}
    assert Catalog.gather(None, Path("other.toml")).listing == {"aws": "other"}
    assert Catalog.gather("third.toml", Path("other.toml")).listing == {"aws": "third"}
    assert Catalog.gather({"listing": {"aws": "given"}}, Path("other.toml")).listing == {"aws": "given"}
    catalog = Catalog()
    assert Catalog.gather(catalog, Path("other.toml")) is catalog


def test_a_marketplace_of_nearly_a_provider_is_a_slip(catalog: Catalog) -> None:
    catalog.check_marketplaces(["aws", "azure"])
    catalog.check_marketplaces([])
    with pytest.raises(ConfigurationError, match="Did you mean 'azzure'") as caught:
        catalog.check_marketplaces(["aws", "azzure"])
    assert caught.value.field == "marketplace"

"""What the parsed dbt project promises, without building anything."""

import csv
import re
from pathlib import Path
from typing import Any

import psycopg
import pytest
from dbt_command import DBT_DIR, Dbt

from dataflow_assets.connectors.meta_ads.streams import ATTRIBUTION_WINDOWS

FACTS = (
    "fct_ad_performance_daily",
    "fct_campaign_performance",
    "fct_conversions_daily",
    "fct_revenue_daily",
    "fct_pipeline_daily",
    "fct_subscription_mrr_daily",
    "fct_blended_efficiency_daily",
)


def models(dbt: Dbt) -> dict[str, dict[str, Any]]:
    nodes = dbt.manifest()["nodes"].values()
    return {node["name"]: node for node in nodes if node["resource_type"] in {"model", "seed", "snapshot"}}


def test_the_project_parses_with_an_empty_environment_and_no_network(parsed: Dbt) -> None:
    assert set(FACTS) < set(models(parsed))


def test_every_model_and_column_is_described(parsed: Dbt) -> None:
    undescribed = [
        f"{name}.{column['name']}"
        for name, model in models(parsed).items()
        for column in ({"name": "", "description": model["description"]}, *model["columns"].values())
        if not column["description"].strip()
    ]
    assert undescribed == []
    assert [name for name, model in models(parsed).items() if not model["columns"]] == []


def test_who_reads_the_marts_is_told(parsed: Dbt) -> None:
    exposures = {one["name"]: one for one in parsed.manifest()["exposures"].values()}
    assert set(exposures) == {"dashboard", "demo_summary"}
    assert all(one["description"].strip() and one["depends_on"]["nodes"] for one in exposures.values())


def test_marts_have_contracts_and_the_ui_groups_everything(parsed: Dbt) -> None:
    for name, model in models(parsed).items():
        layer = model["schema"]
        if layer == "marts":
            assert model["config"]["contract"]["enforced"], name
            assert all(column["data_type"] for column in model["columns"].values()), name
        # What the vendors' folders read must stand left of them, or the graph runs in a circle.
        groups = {"seed": "reference", "snapshot": "marketing"}
        expected = groups.get(model["resource_type"]) or Path(model["path"]).parent.name
        assert model["config"]["meta"]["dagster"]["group"] == expected, name


def test_nothing_is_ever_dropped_and_rebuilt(parsed: Dbt) -> None:
    """Law 11: aggregates and people's own views stand on these relations."""
    kinds = {name: model["config"]["materialized"] for name, model in models(parsed).items()}
    assert set(kinds.values()) == {"view", "incremental", "seed", "snapshot"}
    for fact in FACTS:
        config = models(parsed)[fact]["config"]
        assert config["full_refresh"] is False
        assert config["incremental_strategy"] == "replace_range"
        assert config["on_schema_change"] == "fail"
    strategies = {m["config"].get("incremental_strategy") for m in models(parsed).values()}
    assert strategies <= {"replace_range", "replace_all", "append", None}


@pytest.mark.parametrize("fact", FACTS)
def test_the_ddl_of_a_fact_is_its_contract(fact: str, parsed: Dbt, connection: psycopg.Connection[Any]) -> None:
    model = models(parsed)[fact]
    contract = [
        (
            column["name"],
            column["data_type"].replace(" ", ""),
            any(constraint["type"] == "not_null" for constraint in column["constraints"]),
        )
        for column in model["columns"].values()
    ]
    table = connection.execute(
        """
        select attname, format_type(atttypid, atttypmod), attnotnull
        from pg_attribute
        where attrelid = ('marts.' || %s)::regclass and attnum > 0 and not attisdropped
        order by attnum
        """,
        [fact],
    )
    assert contract == [tuple(row) for row in table]

    promised = {constraint["type"]: constraint for constraint in model["constraints"]}
    constraints = dict(
        connection.execute(
            """
            select contype, pg_get_constraintdef(oid) from pg_constraint
            where conrelid = ('marts.' || %s)::regclass and contype in ('p', 'c')
            """,
            [fact],
        ).fetchall()
    )
    assert constraints["p"] == f"PRIMARY KEY ({', '.join(promised['primary_key']['columns'])})"
    assert ("c" in constraints) == ("check" in promised)
    if "check" in promised:
        words = set(re.findall(r"'(\w+)'", promised["check"]["expression"]))
        assert words == set(re.findall(r"'(\w+)'", constraints["c"]))


def test_actions_are_kept_for_every_attribution_window_that_is_asked_for(parsed: Dbt) -> None:
    columns = set(models(parsed)["stg_meta_ads__insight_actions"]["columns"])
    for window in ATTRIBUTION_WINDOWS:
        assert {f"action_count_{window}", f"action_value_{window}"} < columns


def test_currencies_have_the_exponents_of_iso_and_of_meta() -> None:
    with (DBT_DIR / "seeds" / "currencies.csv").open(encoding="utf-8") as file:
        currencies = {row["code"]: (row["exponent"], row["meta_ads_exponent"]) for row in csv.DictReader(file)}
    assert all(re.fullmatch("[A-Z]{3}", code) for code in currencies)
    assert {iso for iso, _ in currencies.values()} == {"0", "2", "3"}
    expected = {"EUR": ("2", "2"), "USD": ("2", "2"), "JPY": ("0", "0"), "KWD": ("3", "")}
    # Meta departs from ISO 4217: https://developers.facebook.com/docs/marketing-api/currencies
    expected |= {"HUF": ("2", "0"), "TWD": ("2", "0"), "IDR": ("2", "0"), "BHD": ("3", "2"), "JOD": ("3", "2")}
    assert {code: currencies[code] for code in expected} == expected
    without_minor_unit = {code for code, (_, meta) in currencies.items() if meta == "0"}
    assert without_minor_unit == {"CLP", "COP", "CRC", "HUF", "IDR", "ISK", "JPY", "KRW", "PYG", "TWD", "VND"}

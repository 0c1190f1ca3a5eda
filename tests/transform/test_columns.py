"""Columns of the models: what is known of them without a build, and what the definitions tell."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import dagster as dg
import pytest

from dataflow_assets.resources import dbt as dbt_module
from dataflow_assets.resources.dbt import DBT_DIR, TARGET
from dataflow_assets.settings import get_settings
from dataflow_assets.transform import columns
from dataflow_assets.transform.columns import Column, Translator, from_metadata, keep, known_columns

FOUND = {
    "marts/one": {
        "a": Column("text", ("staging/stg.a",)),
        "b": Column("numeric(38,6)", ("staging/stg.b", "staging/stg.c")),
        "c": Column("date"),
    }
}


@pytest.fixture
def nothing_shipped(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    monkeypatch.setenv("DATAFLOW_STATE_DIR", str(tmp_path))
    get_settings.cache_clear()
    monkeypatch.setattr(columns, "SHIPPED", tmp_path / "shipped")
    yield tmp_path
    get_settings.cache_clear()


def test_what_builds_find_out_is_known_afterwards_and_added_up(nothing_shipped: Path) -> None:
    assert known_columns() == {}
    keep(FOUND)
    keep({"marts/two": {"d": Column("integer")}})
    assert known_columns() == {**FOUND, "marts/two": {"d": Column("integer")}}
    assert (nothing_shipped / TARGET / columns.FOUND_OUT).exists()


@pytest.mark.parametrize("changed", ["dbt_project.yml", "models/marts/crm/fct_deals.sql", "macros/metrics.sql"])
def test_after_a_change_of_a_model_macro_or_variable_nothing_is_known(
    nothing_shipped: Path, monkeypatch: pytest.MonkeyPatch, changed: str
) -> None:
    copied = nothing_shipped / "project"
    shutil.copytree(DBT_DIR, copied, ignore=shutil.ignore_patterns("target", "logs"))
    monkeypatch.setattr(dbt_module, "DBT_DIR", copied)
    keep(FOUND)
    assert known_columns() == FOUND
    with (copied / changed).open("a") as file:
        file.write("\n")
    assert known_columns() == {}


def test_what_dagster_dbt_tells_is_kept_as_it_is_told_again(nothing_shipped: Path) -> None:
    props = {
        "name": "one",
        "schema": "marts",
        "resource_type": "model",
        "unique_id": "model.dataflow.one",
        "config": {"schema": "marts"},
        "columns": {"a": {"name": "a", "description": "The first."}},
    }
    told = Translator(FOUND).get_metadata(props)
    values = {
        "dagster/column_schema": dg.MetadataValue.table_schema(told["dagster/column_schema"]),
        "dagster/column_lineage": dg.MetadataValue.column_lineage(told["dagster/column_lineage"]),
    }
    assert from_metadata(values) == FOUND["marts/one"]
    described = {column.name: column.description for column in told["dagster/column_schema"].columns}
    assert described == {
        "a": "The first. From staging/stg.a.",
        "b": "From staging/stg.b, staging/stg.c.",
        "c": "",
    }


def test_the_shipped_columns_are_those_of_every_model() -> None:
    known = known_columns()
    models = {path.stem for path in (DBT_DIR / "models").rglob("*.sql")}
    assert models - {key.rsplit("/", 1)[1] for key in known} == set()

"""The committed description of the raw tables is the declared one."""

import psycopg
import pytest
import yaml

from dataflow_assets.connectors import all_connectors
from dataflow_assets.connectors.base import Connector, Kind
from dataflow_assets.raw.ddl import schema_name
from dataflow_assets.transform import dbt_sources

CONNECTORS = pytest.mark.parametrize("connector", all_connectors(), ids=lambda connector: connector.name)


@CONNECTORS
def test_the_committed_sources_are_those_of_the_declared_streams(connector: Connector) -> None:
    committed = dbt_sources.path(connector).read_text("utf-8")
    assert committed == dbt_sources.render(connector), "Run `python -m dataflow_assets.transform.dbt_sources`."


@CONNECTORS
def test_the_sources_describe_exactly_the_columns_of_the_raw_tables(
    connector: Connector, connection: psycopg.Connection
) -> None:
    (source,) = yaml.safe_load(dbt_sources.render(connector))["sources"]
    described = {
        (table["name"], column["name"], column["data_type"])
        for table in source["tables"]
        for column in table["columns"]
    }
    stored = connection.execute(
        """
        select
            pg_class.relname, pg_attribute.attname,
            replace(format_type(atttypid, null), 'timestamp with time zone', 'timestamptz')
        from pg_attribute
        join pg_class on pg_class.oid = pg_attribute.attrelid
        where pg_class.relnamespace = %s::regnamespace and relkind = 'r' and attnum > 0 and not attisdropped
        """,
        [schema_name(connector)],
    )
    assert described == set(stored)


@CONNECTORS
def test_every_source_names_its_raw_asset_and_only_reports_grow_stale(connector: Connector) -> None:
    (source,) = yaml.safe_load(dbt_sources.render(connector))["sources"]
    for table in source["tables"]:
        stream = connector.stream(table["name"])
        assert table["config"]["meta"]["dagster"]["asset_key"] == ["raw", connector.name, stream.name]
        # An explicit null switches the limits of the source off.
        assert ("freshness" in table["config"]) == (stream.kind is not Kind.REPORT)


def test_text_that_yaml_would_misread_comes_back_as_it_was() -> None:
    text = "a: 'b' # \"c\" - é, [d]: yes"
    assert yaml.safe_load(f"description: {dbt_sources._quoted(text)}") == {"description": text}

"""Law 11: the same raw rows give the same marts and the same metrics on every server."""

import os
from collections import Counter
from datetime import UTC, datetime
from pathlib import Path

import pytest
from dbt_command import Dbt, dbt_connection
from installation import ENGINES, TIMESCALE, database
from over_sandbox import Synced

from dataflow_assets.aggregates.refresh import refresh_days
from dataflow_assets.aggregates.registry import all_aggregates
from dataflow_assets.aggregates.trailing import refresh_trailing, trailings
from dataflow_assets.connectors import all_connectors
from dataflow_assets.raw.ddl import create_statements
from dataflow_assets.resources.warehouse import Connection, Warehouse

RAW = "select table_schema || '.' || table_name as name from information_schema.tables where table_schema like 'raw%'"
BUILT = """
    select table_schema || '.' || table_name as name from information_schema.tables
    where table_schema in ('marts', 'metrics')
"""


def test_law_10_ratios_of_the_aggregates_are_those_of_the_facts(synced: Synced) -> None:
    # Two definitions, dbt's macros and the headers of sql/aggregates, of what must be one.
    refresh_days(synced.platform.warehouse, all_aggregates(), [])
    names = ("ctr", "cpc", "cpm", "cpa", "conversion_rate", "roas", "roi")
    columns = ", ".join(["platform", "account_id", "campaign_id", *names])
    ours = f"select day, {columns} from metrics.daily_campaign_ratios"
    theirs = f"select date_day, {columns} from marts.fct_campaign_performance"
    assert synced.rows(f"({ours} except all {theirs}) union all ({theirs} except all {ours})") == []
    assert synced.rows(
        "select 1 as one from metrics.daily_campaign_ratios where roas > 0 and ctr > 0 and cpa > 0 limit 1"
    )


def contents(connection: Connection) -> dict[str, Counter[str]]:
    found = {}
    for relation in connection.execute(BUILT).fetchall():
        rows = connection.execute(f"select * from {relation['name']}".encode()).fetchall()
        # Equal numbers can be written with different zeros at their end.
        found[relation["name"]] = Counter(repr({n: _plain(value) for n, value in row.items()}) for row in rows)
    return found


def _plain(value: object) -> object:
    if isinstance(value, datetime):
        return value.astimezone(UTC) if value.tzinfo else value  # a server calls UTC what it likes
    return value.normalize() if hasattr(value, "normalize") else value


def copy_raw(source: Connection, target: Connection) -> None:
    for table in [*(row["name"] for row in source.execute(RAW).fetchall()), "dataflow.watermarks"]:
        with (
            source.cursor().copy(f"copy {table} to stdout".encode()) as out,
            target.cursor().copy(f"copy {table} from stdin".encode()) as into,
        ):
            for data in out:
                into.write(data)


@pytest.mark.long
@pytest.mark.parametrize("server", ["16", *ENGINES[1:]])
def test_law_11_marts_and_metrics_are_the_same_on_every_server(
    server: str, synced: Synced, server_16: str, tmp_path: Path
) -> None:
    synced.build()
    refresh_days(synced.platform.warehouse, all_aggregates(), [])
    refresh_trailing(synced.platform.warehouse, trailings(all_aggregates()))
    with database(server_16 if server == "16" else os.environ[TIMESCALE]) as url:
        other = Warehouse(url)
        other.migrate(s for connector in all_connectors() for s in create_statements(connector))
        with synced.platform.warehouse.connect() as source, other.connect(autocommit=True) as target:
            copy_raw(source, target)
            done = Dbt(tmp_path, dbt_connection(url))("build", "--exclude-resource-type", "unit_test")
            assert done.returncode == 0, done.stdout
            refresh_days(other, all_aggregates(), [])
            refresh_trailing(other, trailings(all_aggregates()))
            expected, found = contents(source), contents(target)
    assert expected.keys() == found.keys()
    for relation, rows in expected.items():
        assert found[relation] == rows, relation
    assert sum(1 for rows in expected.values() if rows) > 20

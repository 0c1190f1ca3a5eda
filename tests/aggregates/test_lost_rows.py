"""No reader of the database loses rows to a scan that parallel workers of TimescaleDB share."""

from datetime import date
from typing import Any

import psycopg
import pytest
from facts import insert_days
from psycopg.rows import dict_row

from dataflow_assets.resources.warehouse import SQL_DIR, Connection, Warehouse, lost_rows_guard, one

SETTING = "timescaledb.enable_parallel_chunk_append"
FIRST, LAST = date(2024, 1, 1), date(2026, 3, 31)
NEWEST = "(select max(date_day) - {days} from marts.fct_campaign_performance)"
STRETCHES = " union all ".join(
    f"select {days} as days, date_day from marts.fct_campaign_performance where date_day > {NEWEST.format(days=days)}"
    for days in (7, 30, 400)
)
ASKED = f"select days, count(*) as n from ({STRETCHES}) as stretches group by days order by days"
EAGER = (
    "set parallel_setup_cost = 0",
    "set parallel_tuple_cost = 0",
    "set min_parallel_table_scan_size = 0",
    "set min_parallel_index_scan_size = 0",
)


def ask(connection: psycopg.Connection[Any]) -> dict[int, int]:
    for setting in EAGER:
        connection.execute(setting.encode())
    return {row["days"]: row["n"] for row in connection.execute(ASKED.encode()).fetchall()}


@pytest.fixture
def filled(warehouse: Warehouse, connection: Connection) -> Warehouse:
    insert_days(connection, FIRST, LAST, 5)
    connection.execute("analyze")
    return warehouse


def test_everybody_sees_all_rows_of_the_newest_days(filled: Warehouse, connection: Connection, engine: str) -> None:
    assert lost_rows_guard(connection) == "everybody"
    with psycopg.connect(filled.database_url, row_factory=dict_row) as reader:
        assert ask(reader) == {7: 35, 30: 150, 400: 2000}
        if engine == "timescale":
            assert one(reader, f"show {SETTING}") == {SETTING: "off"}
            plan = str(reader.execute(f"explain {ASKED}".encode()).fetchall())
            assert "Gather" in plan
            assert "Parallel Custom Scan (ChunkAppend)" not in plan
            reader.execute(f"set {SETTING} = on".encode())
            plan = str(reader.execute(f"explain {ASKED}".encode()).fetchall())
            assert "Parallel Custom Scan (ChunkAppend)" in plan, "Without the guard this test would not see the fault."


def test_a_database_that_lost_its_settings_gets_them_back(
    filled: Warehouse, connection: Connection, engine: str
) -> None:
    name = one(connection, "select current_database() as name")["name"]
    connection.execute(f'alter database "{name}" reset all'.encode())
    assert lost_rows_guard(connection) == ("missing" if engine == "timescale" else "everybody")
    assert filled.migrate() == (engine == "timescale")
    assert lost_rows_guard(connection) == "everybody"
    assert not filled.migrate()


def test_who_may_not_set_it_for_everybody_sets_it_for_himself(
    filled: Warehouse, connection: Connection, engine: str
) -> None:
    name = one(connection, "select current_database() as name")["name"]
    role = f"{name}_reader"
    connection.execute(f'create role "{role}" login'.encode())
    try:
        connection.execute(f'alter database "{name}" reset all'.encode())
        with psycopg.connect(filled.database_url, row_factory=dict_row) as theirs:
            theirs.execute(f'set role "{role}"'.encode())
            theirs.execute((SQL_DIR / "schema" / "001_timescaledb_guard.sql").read_bytes())
            assert lost_rows_guard(theirs) == ("us" if engine == "timescale" else "everybody")
    finally:
        connection.execute(f'drop role "{role}"'.encode())

"""A database of an earlier version gets the columns its facts lack, and the days of these facts are built again."""

from datetime import date

import psycopg
from installation import database

from dataflow_assets.embedded import Endpoints
from dataflow_assets.resources.warehouse import Warehouse

FACTS = ("fct_ad_performance_daily", "fct_campaign_performance")
HOME = ("home_currency", "spend_home", "conversion_value_home")


def test_ad_facts_get_their_home_amounts_and_their_days_are_touched_once(servers: Endpoints) -> None:
    with database(servers.database_url) as url:
        Warehouse(url).migrate()
        with psycopg.connect(url, autocommit=True) as connection:
            for fact in FACTS:
                connection.execute(f"alter table marts.{fact} {', '.join(f'drop column {name}' for name in HOME)}")
            row = "'p', 'campaign', 'a', 'c', date '2026-11-01', 'c', null, null, 'EUR', null, 1, 1, 1, 1, 1, 1"
            connection.execute(f"insert into marts.fct_ad_performance_daily values ({row})")
            for _ in range(2):
                connection.execute("update dataflow.schema_version set digest = ''")
                assert Warehouse(url).migrate()
            found = connection.execute(f"select {', '.join(HOME)} from marts.fct_ad_performance_daily").fetchall()
            touched = connection.execute("select layer, stream, day from dataflow.touched_days").fetchall()
            default = connection.execute(
                "select column_default, is_nullable from information_schema.columns where table_schema = 'marts' "
                "and column_name = 'home_currency' and table_name = any(%s)",
                [list(FACTS)],
            ).fetchall()
    assert found == [("XXX", None, None)]
    assert touched == [("raw", "fct_ad_performance_daily", date(2026, 11, 1))]
    assert default == [(None, "NO")] * 2

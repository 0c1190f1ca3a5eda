"""Law 11: names, columns and rows are the same on every server, whatever happens to the facts and however often.

The servers are PostgreSQL 18 and 16, TimescaleDB where DATAFLOW_TEST_TIMESCALE_URL names one, and its Apache edition
where DATAFLOW_TEST_TIMESCALE_APACHE_URL does.
"""

import os
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from datetime import date, timedelta
from decimal import Decimal
from typing import Any

import pytest
from facts import CAMPAIGN, CONVERSION, FAMILIES, PIPELINE, REVENUE, Family, differing, put, without_home_currency
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from installation import TIMESCALE, database

from dataflow_assets.aggregates.backends import backend_for
from dataflow_assets.aggregates.between import families
from dataflow_assets.aggregates.policies import missing_reason
from dataflow_assets.aggregates.refresh import refresh_days
from dataflow_assets.aggregates.registry import all_aggregates
from dataflow_assets.aggregates.trailing import refresh_trailing, trailings
from dataflow_assets.embedded import Endpoints
from dataflow_assets.resources.warehouse import Connection, Warehouse, one

APACHE = "DATAFLOW_TEST_TIMESCALE_APACHE_URL"  # a server with TimescaleDB on which timescaledb.license is apache
FIRST = date(2026, 2, 23)  # weeks in two months, months in two chunks
CURRENCIES, ACCOUNTS = ("EUR", "JPY"), ("a", "b")
# Of each fact a few things, so that some days have all of them and some none.
THINGS: dict[Family, list[dict[str, Any]]] = {
    CAMPAIGN: [
        {"platform": "meta_ads", "account_id": a, "campaign_id": c, "currency": "EUR"} for a in ACCOUNTS for c in "12"
    ],
    CONVERSION: [
        {
            "platform": "meta_ads",
            "account_id": "a",
            "campaign_id": c,
            "action": action,
            "attribution_window": "7d_click",
            "counts_as": "purchase",
            "is_counted": action == "purchase",
            "currency": "EUR",
        }
        for c in "12"
        for action in ("purchase", "omni_purchase")
    ],
    REVENUE: [{"account_id": "s", "channel": c, "currency": m} for c in ("direct", "meta_ads") for m in CURRENCIES],
    PIPELINE: [
        {"account_id": "h", "pipeline_id": p, "channel": "direct", "currency": m} for p in ("", "p") for m in CURRENCIES
    ],
}


@st.composite
def restatements(draw: st.DrawFn) -> list[tuple[Family, date, list[tuple[dict[str, Any], dict[str, Any]]]]]:
    """Days of facts, each with the rows it has from now on."""
    counts, amounts = st.integers(0, 10**12), st.decimals(-(10**9), 10**9, places=6)
    changes = []
    for _ in range(draw(st.integers(1, 6))):
        family = draw(st.sampled_from(list(THINGS)))
        day = FIRST + timedelta(days=draw(st.integers(-10, 45)))
        rows = [
            (thing, {n: draw(counts) for n in family.counts} | {n: draw(amounts) for n in family.amounts})
            for thing in draw(st.lists(st.sampled_from(THINGS[family]), unique_by=str, max_size=4))
        ]
        changes.append((family, day, rows))
    return changes


@pytest.fixture(scope="module")
def everywhere(servers: Endpoints, server_16: str) -> Iterator[Mapping[str, Warehouse]]:
    """An empty warehouse on every kind of server."""
    addresses = {"18": servers.database_url, "16": server_16}
    addresses |= {name: os.environ[name] for name in (TIMESCALE, APACHE) if os.environ.get(name)}
    with ExitStack() as stack:
        found = {name: Warehouse(stack.enter_context(database(url))) for name, url in addresses.items()}
        for warehouse in found.values():
            warehouse.migrate()
            with warehouse.connect(autocommit=True) as connection:
                without_home_currency(connection)
        yield found


@pytest.fixture(scope="module")
def connections(everywhere: Mapping[str, Warehouse]) -> Iterator[Mapping[str, Connection]]:
    with ExitStack() as stack:
        yield {name: stack.enter_context(w.connect(autocommit=True)) for name, w in everywhere.items()}


def test_the_servers_are_what_they_are_taken_for(connections: Mapping[str, Connection]) -> None:
    versions = {name: one(c, "show server_version_num")["server_version_num"][:2] for name, c in connections.items()}
    assert (versions["18"], versions["16"]) == ("18", "16")
    engines = {name: backend_for(connection).name for name, connection in connections.items()}
    assert engines == {name: "timescale" if name == TIMESCALE else "plain" for name in connections}


@pytest.mark.timescale
def test_the_tests_of_this_file_have_run_on_the_apache_edition(connections: Mapping[str, Connection]) -> None:
    if APACHE not in connections:
        pytest.skip(
            f"{APACHE} IS NOT SET: NOTHING HAS BEEN TESTED ON THE APACHE EDITION OF TIMESCALEDB. "
            "Give it the address of a server with timescaledb.license = 'apache' on which databases may be created."
        )
    connection = connections[APACHE]
    assert missing_reason(connection) == "TimescaleDB is here in its Apache edition"
    assert one(connection, "select count(*) as n from timescaledb_information.hypertables")["n"] >= len(THINGS)


def restate(connection: Connection, changes: list[Any]) -> set[date]:
    """As dbt does: the day's rows go, and what there is now comes."""
    with connection.transaction():
        for family, day, rows in changes:
            connection.execute(f"delete from marts.{family.fact} where date_day = %s".encode(), (day,))
            for thing, figures in rows:
                put(connection, family, day, thing, figures)
    return {day for _, day, _ in changes}


def contents(connection: Connection) -> dict[str, Counter[tuple[Any, ...]]]:
    """All rows of all aggregates, of their views with ratios, and of sums between two days."""
    kept = (*all_aggregates(), *trailings(all_aggregates()))
    relations = [r for a in kept for r in (a.relation, a.ratios_relation)]
    relations += [f"{family.ratios_function}('2026-02-17', '2026-04-02')" for family in families(all_aggregates())]
    return {
        relation: Counter(tuple(row.items()) for row in connection.execute(f"select * from {relation}".encode()))
        for relation in relations
        if relation is not None
    }


@settings(max_examples=8, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
@given(changes=restatements())
def test_law_11_random_restatements_leave_the_same_rows_on_every_server(
    everywhere: Mapping[str, Warehouse], connections: Mapping[str, Connection], changes: list[Any]
) -> None:
    # What earlier examples left stays: the longer, the more there is to restate.
    found = {}
    for name, warehouse in everywhere.items():
        days = restate(connections[name], changes)
        results = refresh_days(warehouse, all_aggregates(), sorted(days))
        results += refresh_trailing(warehouse, trailings(all_aggregates()))
        assert [r.aggregate.name for r in results if r.stale or r.repaired] == []
        assert differing(connections[name]) == []
        found[name] = contents(connections[name])
    first, *others = found
    for other in others:
        assert found[other] == found[first], f"{other} differs from {first}"
    assert all(isinstance(value, (str, int, bool, Decimal, date, type(None))) for value in _values(found[first]))


def _values(found: dict[str, Counter[tuple[Any, ...]]]) -> Iterator[Any]:
    for rows in found.values():
        for row in rows:
            yield from (value for _, value in row)


def test_every_family_was_restated(connections: Mapping[str, Connection]) -> None:
    held = {
        family.name: one(connections["18"], f"select count(*) as n from {family.aggregate('weekly').relation}")["n"]  # type: ignore[arg-type]
        for family in FAMILIES
    }
    assert all(held.values()), held

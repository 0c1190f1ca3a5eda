"""Means of the tests of HubSpot's tables: two portals, a warehouse to sync them into, and what it should hold."""

import asyncio
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import httpx
import pytest
from hasty import HASTY
from psycopg import sql
from pydantic import SecretStr

from dataflow_assets.connectors.base import Stream
from dataflow_assets.connectors.hubspot import CONNECTOR
from dataflow_assets.connectors.hubspot.streams import LINKS, OBJECTS
from dataflow_assets.raw.ddl import table
from dataflow_assets.raw.session import ensure_schema, open_sync
from dataflow_assets.raw.sync import StreamReport
from dataflow_assets.resources.platform import Platform
from dataflow_assets.sandbox.testing import RunningSandbox, run_sandbox
from dataflow_assets.sandbox.world import WorldConfig
from dataflow_assets.settings import HubSpotSettings
from dataflow_assets.windows import DayWindow

Row = dict[str, Any]
MakePlatform = Callable[..., Platform]
PORTALS = ("44556677", "45556710")
WORLD = WorldConfig(hubspot_portals=2, customers_per_day=10)
SPRING = datetime(2026, 3, 1, 12, tzinfo=UTC)
FREE = HubSpotSettings(requests_per_ten_seconds=10**6, searches_per_second=10**6, requests_per_day=10**8)
BOTH = {"access_token": SecretStr("pat-sandbox-0,pat-sandbox-1")}


@dataclass
class Crm:
    """Two portals of a served world, and a warehouse to sync them into."""

    platform: Platform
    sandbox: RunningSandbox

    def sync(self, *names: str, window: DayWindow | None = None, full: bool = False) -> list[StreamReport]:
        """Sync streams, all of them by default."""
        streams = [CONNECTOR.stream(name) for name in names] or CONNECTOR.streams

        async def go() -> list[StreamReport]:
            plain = httpx.AsyncHTTPTransport(verify=False)
            async with open_sync(self.platform, CONNECTOR, clock=HASTY, transport=plain) as sync:
                return [await sync.run(stream, window, full=full, again=window is not None) for stream in streams]

        return asyncio.run(go())

    def later(self, **time: float) -> None:
        self.sandbox.clock.advance(timedelta(**time).total_seconds())

    def stored(self, name: str, *, gone: bool = False) -> dict[tuple[Any, ...], Row]:
        """The rows of a table by portal and key; with `gone` those that have a tombstone, without it the others."""
        stream = CONNECTOR.stream(name)
        columns = sql.SQL(", ").join(map(sql.Identifier, ("_account_id", *stream.column_names)))
        query = sql.SQL("select {} from {}").format(columns, table(CONNECTOR, stream))
        if stream.kind == "entity":
            query += sql.SQL(" where _deleted_at is {} null").format(sql.SQL("not" if gone else ""))
        with self.platform.warehouse.connect() as connection:
            return by_key(stream, connection.execute(query).fetchall())

    def truth(self, name: str) -> dict[tuple[Any, ...], Row]:
        """What the portals hold now, as the table should hold it."""
        stream = CONNECTOR.stream(name)
        rows = []
        for portal in PORTALS:
            told = self.sandbox.truth("hubspot", "pipelines" if name == "pipeline_stages" else name, account=portal)
            rows += [{"_account_id": portal, **row} for one in told for row in as_rows(stream, one)]
        return by_key(stream, rows)

    def query(self, text: str) -> list[Row]:
        with self.platform.warehouse.connect() as connection:
            return connection.execute(text).fetchall()  # type: ignore[arg-type]


def by_key(stream: Stream, rows: list[Row]) -> dict[tuple[Any, ...], Row]:
    keyed = {tuple(row[name] for name in ("_account_id", *stream.key)): row for row in rows}
    assert len(keyed) == len(rows), stream.name
    return keyed


# ------------------------------------------------------------------ the vendor's records as rows, by a way of its own


def as_rows(stream: Stream, told: Mapping[str, Any]) -> list[Row]:
    if stream in OBJECTS:
        return [{column.name: at(told, column.source_path, column.type.value) for column in stream.columns}]
    if stream in LINKS:
        parent, to, type_id, _, _, changed = stream.column_names
        return [
            {
                parent: told["from_id"],
                to: told["to_id"],
                type_id: str(kind["typeId"]),
                "category": kind["category"],
                "label": kind["label"],
                changed: ...,  # not of the link itself
            }
            for kind in told["types"]
        ]
    if stream.name == "deal_stage_history":
        return [
            {"deal_id": told["deal_id"], "stage_id": told["stage"], "entered_at": instant(told["timestamp"])}
            | dict.fromkeys(stream.column_names[3:], ...)
        ]
    records = told["stages"] if stream.name == "pipeline_stages" else [told]
    more = {"pipelineId": told["id"]}
    return [
        {column.name: at({**more, **one}, column.source_path, column.type.value) for column in stream.columns}
        for one in records
    ]


def at(record: Any, path: tuple[str, ...], kind: str) -> Any:
    for name in path:
        record = (record or {}).get(name)
    if record is None or record == "":
        return None
    if kind == "boolean":
        return record in (True, "true")
    return {"numeric": Decimal, "timestamptz": instant, "text": str}.get(kind, lambda value: value)(record)


def instant(text: str) -> datetime:
    return datetime.strptime(text, "%Y-%m-%dT%H:%M:%S.%fZ").replace(tzinfo=UTC)


def assert_same(found: dict[tuple[Any, ...], Row], expected: dict[tuple[Any, ...], Row]) -> None:
    """Both have the same rows; what the truth does not tell (...) may be anything."""
    assert sorted(expected.keys() - found.keys())[:3] == [], "missing"
    assert sorted(found.keys() - expected.keys())[:3] == [], "too many"
    for key, row in expected.items():
        told = {name: value for name, value in row.items() if value is not ...}
        assert {name: found[key][name] for name in told} == told


def fine(reports: list[StreamReport]) -> list[StreamReport]:
    assert [account.error for report in reports for account in report.failed] == []
    assert sum(report.counts.quarantined for report in reports) == 0
    assert [account.unknown_fields for report in reports for account in report.accounts if account.unknown_fields] == []
    return reports


def unseen(crm: Crm, name: str) -> set[tuple[Any, ...]]:
    """Records that are stored and that HubSpot no longer tells of: merged into another, or erased."""
    return crm.stored(name).keys() - crm.truth(name).keys()


# ------------------------------------------------------------------ fixtures


@pytest.fixture(scope="module")
def served() -> Iterator[RunningSandbox]:
    with run_sandbox(WORLD, now=SPRING) as running:
        yield running


@pytest.fixture
def crm(served: RunningSandbox, make_platform: MakePlatform) -> Iterator[Crm]:
    served.clock.set(SPRING)
    served.reset_requests()
    made = make_platform(served.url, hubspot=FREE)
    platform = replace(made, settings=with_hubspot(made, **BOTH))
    ensure_schema(platform)
    yield Crm(platform, served)
    served.clear_faults()
    served.reset_limits()


def with_hubspot(platform: Platform, **changes: Any) -> Any:
    settings = platform.settings
    return settings.model_copy(update={"hubspot": settings.hubspot.model_copy(update=changes)})

"""What a sync of LinkedIn leaves in the raw tables is what the sandbox's world holds."""

import asyncio
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any

import httpx
import pytest
from hasty import HASTY
from linkedin_support import linkedin
from psycopg import sql

from dataflow_assets.connectors.base import Kind, Stream
from dataflow_assets.connectors.linkedin_ads import CONNECTOR
from dataflow_assets.connectors.records import Column, ColumnType
from dataflow_assets.raw.ddl import primary_key, table
from dataflow_assets.raw.session import ensure_schema, open_sync
from dataflow_assets.raw.sync import StreamReport
from dataflow_assets.resources.platform import Platform
from dataflow_assets.sandbox.testing import RunningSandbox, run_sandbox
from dataflow_assets.sandbox.world import WorldConfig
from dataflow_assets.windows import DayWindow

NAME = CONNECTOR.name
NOON = datetime(2026, 3, 10, 12, tzinfo=UTC)
ENTITIES = [stream for stream in CONNECTOR.streams if stream.kind is Kind.ENTITY]
REPORTS = [stream for stream in CONNECTOR.streams if stream.kind is Kind.REPORT]
EVERY_STREAM = pytest.mark.parametrize("stream", CONNECTOR.streams, ids=lambda stream: stream.name)

Row = dict[str, Any]
Rows = dict[tuple[Any, ...], Row]


@dataclass
class World:
    """A platform with LinkedIn's tables, and the sandbox it reads."""

    platform: Platform
    sandbox: RunningSandbox

    def run(self, stream: Stream, window: DayWindow | None = None) -> StreamReport:
        async def go() -> StreamReport:
            transport = httpx.AsyncHTTPTransport(verify=False)
            async with open_sync(self.platform, CONNECTOR, clock=HASTY, transport=transport) as sync:
                return await sync.run(stream, window)

        return asyncio.run(go())

    def fine(self, stream: Stream, window: DayWindow | None = None) -> StreamReport:
        """The report of a sync in which no account failed and no record was refused."""
        report = self.run(stream, window)
        assert [one.error for one in report.failed] == []
        assert report.counts.quarantined == 0
        assert [one.unknown_fields for one in report.accounts if one.unknown_fields] == []
        return report

    def pass_days(self, days: int) -> None:
        self.sandbox.clock.advance(days * 86_400)

    def accounts(self) -> list[str]:
        return [str(row["id"]) for row in self.sandbox.truth(NAME, "ad_accounts")]

    def truth(self, stream: Stream, first: date | None = None, last: date | None = None) -> Rows:
        """What LinkedIn holds now, as rows of the table, by key."""
        return by_key(
            stream,
            [
                {"_account_id": account, **{c.name: value_of(c, record) for c in told(stream)}}
                for account in self.accounts()
                for record in self.sandbox.truth(NAME, stream.name, account=account, first=first, last=last)
            ],
        )

    def stored(self, stream: Stream, *, deleted: bool = False) -> Rows:
        """What the table holds, by key: live rows, or those with a tombstone."""
        query = sql.SQL("select {} from {}").format(
            sql.SQL(", ").join(sql.Identifier(name) for name in ("_account_id", *(c.name for c in told(stream)))),
            table(CONNECTOR, stream),
        )
        if stream.kind is Kind.ENTITY:
            query += sql.SQL(" where _deleted_at is {} null").format(sql.SQL("not" if deleted else ""))
        with self.platform.warehouse.connect() as connection:
            return by_key(stream, connection.execute(query).fetchall())


def told(stream: Stream) -> list[Column]:
    """The columns of which the sandbox's truth speaks: in figures of creatives it does not name the campaign."""
    return [c for c in stream.columns if (stream.name, c.name) != ("analytics_creative", "campaign_id")]


def by_key(stream: Stream, rows: Sequence[Row]) -> Rows:
    """Rows by what of the primary key is told; two rows of one key are an error."""
    found = {tuple(row[name] for name in primary_key(stream) if name in row): row for row in rows}
    assert len(found) == len(rows)
    return found


def value_of(column: Column, record: Mapping[str, Any]) -> Any:
    """A value of LinkedIn's as the table should hold it, by a way of its own."""
    found: Any = record
    for part in column.source_path:
        found = found.get(part) if found is not None else None
    if found is None:
        found = column.default
    return None if found is None else _HELD[column.type](found)


def _text(value: Any) -> str:
    plain = str(value[0] if isinstance(value, list) else value)
    return plain.rpartition(":")[2] if plain.startswith("urn:li:sponsored") else plain


_HELD: Mapping[ColumnType, Callable[[Any], Any]] = {
    ColumnType.TEXT: _text,
    ColumnType.BIGINT: int,
    ColumnType.NUMERIC: lambda value: round(Decimal(value), 6),
    ColumnType.BOOLEAN: bool,
    ColumnType.DATE: lambda value: date.fromisoformat("{year:04}-{month:02}-{day:02}".format_map(value)),
    ColumnType.TIMESTAMPTZ: lambda value: datetime.fromtimestamp(value / 1_000, UTC),
    ColumnType.JSONB: lambda value: value,
}


@pytest.fixture
def world(make_platform: Callable[..., Platform]) -> Iterator[World]:
    config = WorldConfig(linkedin_accounts=2, campaigns_per_account=6, ad_sets_per_campaign=2, ads_per_ad_set=3)
    with run_sandbox(config, now=NOON) as sandbox:
        platform = make_platform(sandbox.url, linkedin_ads=linkedin(initial_history_days=40, lookback_days=30))
        ensure_schema(platform)
        yield World(platform, sandbox)


# ------------------------------------------------------------------ everything is there, twice


@pytest.mark.parametrize("stream", ENTITIES, ids=lambda stream: stream.name)
def test_entities_are_those_of_the_vendor_and_stay_so(world: World, stream: Stream) -> None:
    world.fine(stream)
    before = world.truth(stream)
    assert world.stored(stream) == before
    assert len(before) >= 2
    world.pass_days(45)
    again = world.fine(stream)
    after = world.truth(stream)
    assert world.stored(stream) == after
    assert (after != before) == (stream.name != "ad_accounts")
    # What did not change is not written again.
    assert again.counts.unchanged == sum(before.get(key) == row for key, row in after.items())


@pytest.mark.parametrize("stream", REPORTS, ids=lambda stream: stream.name)
def test_figures_are_those_of_the_vendor_and_follow_their_restatement(world: World, stream: Stream) -> None:
    first, yesterday = NOON.date() - timedelta(days=40), NOON.date() - timedelta(days=1)
    world.fine(stream)
    before = world.truth(stream, first, yesterday)
    assert world.stored(stream) == before
    assert {key[0] for key in before} >= {first, yesterday}
    world.pass_days(9)
    world.fine(stream)
    after = world.truth(stream, first, yesterday + timedelta(days=9))
    assert world.stored(stream) == after
    assert any(after[key] != row for key, row in before.items()), "Nothing was restated: this shows nothing."


def test_law_10_figures_of_creatives_add_up_to_those_of_the_campaign_they_name(world: World) -> None:
    world.pass_days(20)
    for stream in (*REPORTS, CONNECTOR.stream("creatives")):
        world.fine(stream)
    gone, sums = set[str](), Counter[tuple[Any, ...]]()
    listed = {row["id"] for row in world.stored(CONNECTOR.stream("creatives")).values()}
    with world.platform.warehouse.connect() as connection:
        for row in connection.execute("select * from raw_linkedin_ads.analytics_creative").fetchall():
            gone |= {row["creative_id"]} - listed
            for name in ("impressions", "clicks", "cost_in_local_currency"):
                sums[row["date"], row["campaign_id"], name] += row[name]
    assert gone, "No creative was deleted: this shows less than it says."
    campaigns = world.truth(REPORTS[0], NOON.date() - timedelta(days=20), NOON.date() + timedelta(days=19))
    expected = {
        (row["date"], row["campaign_id"], name): row[name]
        for row in campaigns.values()
        for name in ("impressions", "clicks", "cost_in_local_currency")
    }
    assert dict(sums) == expected


def test_an_unfinished_day_can_be_read_and_is_completed_later(world: World) -> None:
    stream, today = REPORTS[0], NOON.date()
    world.fine(stream, DayWindow(today, today + timedelta(days=1)))
    partial = world.stored(stream)
    assert partial == world.truth(stream, today, today) != {}
    world.pass_days(1)
    world.fine(stream, DayWindow(today, today + timedelta(days=1)))
    assert world.stored(stream) == world.truth(stream, today, today) != partial


def test_law_6_days_at_the_cap_are_halved_and_days_alone_are_read_in_parts(world: World) -> None:
    stream = REPORTS[1]
    whole = world.truth(stream, date(2026, 2, 1), date(2026, 2, 20))
    busiest = max(Counter((row["_account_id"], row["date"]) for row in whole.values()).values())
    world.sandbox.limits(NAME, most_rows=busiest)
    capped = replace(stream, page_size=busiest)
    report = world.fine(capped, DayWindow(date(2026, 2, 1), date(2026, 2, 21)))
    assert world.stored(stream) == whole
    assert len(report.accounts[0].windows) > 2


# ------------------------------------------------------------------ what goes away


def test_removed_groups_and_campaigns_stay_listed_and_deleted_creatives_get_a_tombstone(world: World) -> None:
    groups, campaigns, creatives = (CONNECTOR.stream(n) for n in ("campaign_groups", "campaigns", "creatives"))
    world.fine(creatives)
    known = world.stored(creatives)
    world.pass_days(20)
    for stream in (groups, campaigns, creatives):
        world.fine(stream)
    gone = world.stored(creatives, deleted=True)
    assert gone
    assert gone.keys() == known.keys() - world.truth(creatives).keys()
    removed = {row["status"] for stream in (groups, campaigns) for row in world.stored(stream).values()}
    assert "REMOVED" in removed
    assert world.stored(groups, deleted=True) == world.stored(campaigns, deleted=True) == {}


def test_figures_of_deleted_creatives_are_kept(world: World) -> None:
    creatives, report = CONNECTOR.stream("creatives"), REPORTS[1]
    world.pass_days(20)
    world.fine(creatives)
    world.fine(report)
    listed = {row["id"] for row in world.stored(creatives).values()}
    assert {row["creative_id"] for row in world.stored(report).values()} - listed


@pytest.mark.parametrize("stream", REPORTS, ids=lambda stream: stream.name)
def test_law_6_what_is_stored_outlives_the_loss_of_access(world: World, stream: Stream) -> None:
    world.fine(stream)
    before = world.stored(stream)
    lost, kept = world.accounts()
    world.pass_days(1)
    world.sandbox.fault("empty_without_access", account=lost, endpoint="analytics")
    world.sandbox.fault("not_found_account", account=lost, endpoint="entity")
    report = world.run(stream)
    ((failed,),) = [report.failed]
    assert failed.account.id == lost
    assert failed.error
    assert "NOT_FOUND" in failed.error
    after = world.stored(stream)
    assert {k: r for k, r in after.items() if r["_account_id"] == lost} == {
        k: r for k, r in before.items() if r["_account_id"] == lost
    }
    assert {k: r for k, r in after.items() if r["_account_id"] == kept} != {
        k: r for k, r in before.items() if r["_account_id"] == kept
    }


@pytest.mark.parametrize("stream", ENTITIES, ids=lambda stream: stream.name)
def test_law_9_one_account_without_access_holds_no_other_back(world: World, stream: Stream) -> None:
    refused, other = world.accounts()
    world.sandbox.fault("access_denied", account=refused)
    report = world.run(stream)
    assert [one.account.id for one in report.failed] == [refused]
    assert {row["_account_id"] for row in world.stored(stream).values()} == {other}


@EVERY_STREAM
def test_law_6_an_unknown_field_is_kept_and_told(world: World, stream: Stream) -> None:
    world.sandbox.fault("unknown_field")
    report = world.run(stream)
    assert report.failed == []
    assert {name for one in report.accounts for name in one.unknown_fields} == {"fieldOfTomorrow"}
    with world.platform.warehouse.connect() as connection:
        query = sql.SQL("select distinct _extra from {}").format(table(CONNECTOR, stream))
        assert [row["_extra"] for row in connection.execute(query).fetchall()] == [{"fieldOfTomorrow": {"value": 1}}]


@EVERY_STREAM
def test_a_whole_sync_costs_few_requests(world: World, stream: Stream) -> None:
    world.sandbox.reset_requests()
    report = world.fine(stream)
    # Forty days: two windows of 30 days for campaigns, four of ten for creatives.
    each = {"analytics_campaign": 2, "analytics_creative": 4}.get(stream.name, 1)
    asked = world.sandbox.requests()["by_account"][NAME]
    assert asked == dict.fromkeys(world.accounts(), each)
    assert report.tally.requests == sum(asked.values()) + 1

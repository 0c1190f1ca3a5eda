"""Tables that Airbyte has landed: what we store from them is what we would have stored from the vendor."""

import json
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from typing import Any
from uuid import uuid4

import pytest
from psycopg import sql
from raw_support import BY_CAMPAIGN, CAMPAIGNS, META, World, assert_same, fine, only

from dataflow_assets.connectors.base import Probe, Stream
from dataflow_assets.connectors.meta_ads import ATTRIBUTION_WINDOWS
from dataflow_assets.raw.session import ensure_schema
from dataflow_assets.raw.sync import StreamReport
from dataflow_assets.windows import DayWindow

WEEK = DayWindow(date(2026, 5, 10), date(2026, 5, 17))
# What Airbyte's Meta source types itself; the rest is text or JSON.
TYPES = {
    "impressions": "bigint",
    "clicks": "bigint",
    "spend": "numeric(38, 9)",
    "date_start": "date",
    "date_stop": "date",
}
TYPES |= {"created_time": "timestamptz", "updated_time": "timestamptz", "inline_link_clicks": "bigint"}


class Airbyte:
    """Lands rows the way Airbyte's Postgres destination does."""

    def __init__(self, world: World, *, raw: bool = False) -> None:
        self.world = world
        self.raw = raw
        assert META.landing
        self.names = META.landing.tables

    def sync(self, stream: Stream, *, at: datetime | None = None, window: DayWindow | None = None) -> None:
        """Append what the vendor holds now."""
        moment = at or self.world.sandbox.clock.now()
        days = {"first": window.start, "last": window.end - timedelta(days=1)} if window else {}
        rows = self.world.sandbox.truth("meta_ads", stream.name, windows=ATTRIBUTION_WINDOWS, **days)
        self.land(stream, [dict(row) for row in rows], moment)

    def land(self, stream: Stream, rows: list[dict[str, Any]], moment: datetime, changes: Any = ()) -> None:
        meta = json.dumps({"sync_id": 1, "changes": list(changes)})
        with self.world.platform.warehouse.connect() as connection:
            table = self.make(connection, stream, {name for row in rows for name in row})
            for row in rows:
                values = (str(uuid4()), moment, meta, 0)
                if self.raw:
                    connection.execute(
                        sql.SQL("insert into {} values (%s, %s, %s, %s, null, %s)").format(table),
                        (*values, json.dumps(row)),
                    )
                    continue
                names = [n for n, v in row.items() if v is not None]
                connection.execute(
                    sql.SQL("insert into {} ({}, {}) values (%s, %s, %s, %s, {})").format(
                        table,
                        sql.SQL("_airbyte_raw_id, _airbyte_extracted_at, _airbyte_meta, _airbyte_generation_id"),
                        sql.SQL(", ").join(map(sql.Identifier, names)),
                        sql.SQL(", ").join([sql.Placeholder()] * len(names)),
                    ),
                    (*values, *(json.dumps(v) if isinstance(v := row[n], dict | list) else v for n in names)),
                )

    def make(self, connection: Any, stream: Stream, names: set[str]) -> sql.Identifier:
        own = [
            ("_airbyte_raw_id", "varchar"),
            ("_airbyte_extracted_at", "timestamptz"),
            ("_airbyte_meta", "jsonb"),
            ("_airbyte_generation_id", "bigint"),
        ]
        if self.raw:
            table = sql.Identifier("airbyte_internal", f"facebook_raw__stream_{self.names[stream.name]}")
            own += [("_airbyte_loaded_at", "timestamptz"), ("_airbyte_data", "jsonb")]
        else:
            table = sql.Identifier("facebook", self.names[stream.name])
            nested = {"actions", "action_values", "creative", "targeting", "special_ad_categories", "attribution_spec"}
            nested |= {"promoted_object", "tracking_specs"}
            own += [(name, "jsonb" if name in nested else TYPES.get(name, "varchar")) for name in sorted(names)]
        connection.execute("create schema if not exists facebook")
        connection.execute("create schema if not exists airbyte_internal")
        columns = sql.SQL(", ").join(sql.SQL("{} {}").format(sql.Identifier(n), sql.SQL(t)) for n, t in own)
        connection.execute(sql.SQL("create table if not exists {} ({})").format(table, columns))
        return table


@pytest.fixture
def landing_world(world: World) -> Iterator[World]:
    """The world, with Meta landed by Airbyte."""
    platform = world.platform
    meta = platform.settings.meta_ads.model_copy(
        update={"landing": "airbyte", "airbyte_schema": "facebook", "access_token": None}
    )
    settings = platform.settings.model_copy(update={"meta_ads": meta})
    object.__setattr__(platform, "settings", settings)
    ensure_schema(platform)
    yield world
    with platform.warehouse.connect() as connection:
        connection.execute("drop schema if exists facebook, airbyte_internal cascade")


@pytest.fixture(params=["final", "raw"])
def airbyte(request: pytest.FixtureRequest, landing_world: World) -> Airbyte:
    made = Airbyte(landing_world, raw=request.param == "raw")
    made.sync(META.stream("ad_accounts"))
    return made


def run(world: World, stream: Stream, window: DayWindow | None = None) -> StreamReport:
    report: StreamReport = world.with_sync(lambda sync: sync.run(sync.connector.stream(stream.name), window))
    return report


def test_the_same_rows_land_whoever_fetched_them(airbyte: Airbyte, landing_world: World) -> None:
    world = landing_world
    for name in META.landing.tables if META.landing else ():
        stream = META.stream(name)
        window = WEEK if stream.report_day else None
        airbyte.sync(stream, window=window)
        report = fine(run(world, stream, window))
        assert report.tally.requests == 0, "Nothing is asked of the vendor."
        assert report.counts.inserted > 0
        assert report.counts.quarantined == 0, name
        for account in world.accounts():
            assert_same(world.stored(stream, account, window), world.truth(stream, account, window))


def test_the_newest_of_several_landed_versions_is_stored_and_vanished_ones_get_a_tombstone(
    airbyte: Airbyte, landing_world: World
) -> None:
    world, account = landing_world, landing_world.accounts()[0]
    airbyte.sync(CAMPAIGNS)
    run(world, CAMPAIGNS)
    first = world.stored(CAMPAIGNS, account)
    key, row = next(iter(first.items()))
    later = world.sandbox.clock.now() + timedelta(hours=2)
    changed = {"id": key[-1], "account_id": account, "name": "renamed", "updated_time": later.isoformat()}
    airbyte.land(CAMPAIGNS, [changed], later)
    fine(run(world, CAMPAIGNS))
    assert world.stored(CAMPAIGNS, account)[key]["name"] == "renamed"
    assert row["name"] != "renamed"
    with world.platform.warehouse.connect() as connection:
        table = airbyte.make(connection, CAMPAIGNS, set())
        what = sql.SQL("_airbyte_data ->> 'id'" if airbyte.raw else "id")
        connection.execute(sql.SQL("delete from {} where {} = %s").format(table, what), (key[-1],))
    assert only(fine(run(world, CAMPAIGNS)), account).counts.deleted == 1
    assert key not in world.stored(CAMPAIGNS, account)


def test_days_after_the_newest_extraction_are_not_known(airbyte: Airbyte, landing_world: World) -> None:
    world, account = landing_world, landing_world.accounts()[0]
    airbyte.sync(BY_CAMPAIGN, window=DayWindow(date(2026, 5, 1), date(2026, 5, 21)))
    fine(run(world, BY_CAMPAIGN))
    before = world.watermark(BY_CAMPAIGN, account)
    assert before
    world.sandbox.clock.advance(5 * 86_400)
    fine(run(world, BY_CAMPAIGN))
    assert world.watermark(BY_CAMPAIGN, account)["watermark"] == before["watermark"]  # type: ignore[index]


def test_the_sensor_sees_what_was_extracted_since_the_last_reading(airbyte: Airbyte, landing_world: World) -> None:
    world = landing_world
    airbyte.sync(CAMPAIGNS, at=datetime(2026, 5, 20, 11, tzinfo=UTC))
    fine(run(world, CAMPAIGNS))

    def newer(sync: Any) -> Any:
        probes = [Probe(account, CAMPAIGNS, datetime(2020, 1, 1, tzinfo=UTC)) for account in sync.accounts]
        return sync.connector.newer(sync.client.caller(), probes)

    assert list(world.with_sync(newer)) == []
    airbyte.sync(CAMPAIGNS, at=datetime.now(UTC) + timedelta(minutes=1))
    assert len(world.with_sync(newer)) == len(world.accounts())


def test_law_6_values_that_airbyte_nulled_or_cut_are_told(airbyte: Airbyte, landing_world: World) -> None:
    world, account = landing_world, landing_world.accounts()[0]
    change = {"field": "name", "change": "NULLED", "reason": "too long"}
    row = {"id": "1", "account_id": account, "updated_time": "2026-05-01T00:00:00+0000"}
    airbyte.land(CAMPAIGNS, [row], world.sandbox.clock.now(), [change])
    report = fine(run(world, CAMPAIGNS))
    assert only(report, account).unknown_fields == ["_airbyte_changes"]
    (stored,) = world.query("select _extra from raw_meta_ads.campaigns")
    assert stored["_extra"] == {"_airbyte_changes": [change]}


def test_a_table_that_is_not_there_is_named_with_what_to_do(airbyte: Airbyte, landing_world: World) -> None:
    report = run(landing_world, CAMPAIGNS)
    assert len(report.failed) == len(landing_world.accounts())
    assert "Airbyte has landed no table facebook.campaigns" in str(report.failed[0].error)

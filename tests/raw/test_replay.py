"""Records leave quarantine once their contract lets them."""

import asyncio
import dataclasses
import json
from datetime import date

from dataflow_assets.connectors import connector
from dataflow_assets.raw.replay import replay
from dataflow_assets.raw.session import ensure_schema, open_sync
from dataflow_assets.resources.platform import Platform
from dataflow_assets.sandbox.testing import RunningSandbox
from dataflow_assets.windows import ONE_DAY, DayWindow

META = connector("meta_ads")
INSIGHTS = META.stream("insights_campaign")


def sync(platform: Platform, window: DayWindow | None = None) -> None:
    async def go() -> None:
        async with open_sync(platform, META) as running:
            report = await running.run(INSIGHTS, window)
            assert not report.failed

    ensure_schema(platform)
    asyncio.run(go())


def count(platform: Platform, query: str) -> int:
    with platform.warehouse.connect() as connection:
        row = connection.execute(query).fetchone()
        assert row
        return int(row["n"])


def test_law_6_a_mended_record_is_replayed_once_and_its_day_is_touched(
    platform: Platform, sandbox: RunningSandbox
) -> None:
    sandbox.fault("bad_row", endpoint="insights", times=1)
    sync(platform)
    assert count(platform, "select count(*) n from dataflow.quarantine where replayed_at is null") == 1
    rows = count(platform, "select count(*) n from raw_meta_ads.insights_campaign")
    with platform.warehouse.connect() as connection:
        connection.execute("delete from dataflow.touched_days")
        found = connection.execute("select payload from dataflow.quarantine").fetchone()
        assert found
        broken = json.loads(found["payload"])

    still_bad = asyncio.run(replay(platform.warehouse, META, INSIGHTS))
    assert [(item.accepted, item.still_rejected) for item in still_bad] == [(0, 1)]

    mended = {name: ("7" if value == "n/a" else value) for name, value in broken.items()}
    with platform.warehouse.connect() as connection:
        connection.execute("update dataflow.quarantine set payload = %s", (json.dumps(mended),))
    landed = asyncio.run(replay(platform.warehouse, META, INSIGHTS))
    assert [(item.accepted, item.still_rejected) for item in landed] == [(1, 0)]
    assert count(platform, "select count(*) n from raw_meta_ads.insights_campaign") == rows + 1
    assert count(platform, "select count(*) n from dataflow.touched_days where layer = 'raw'") == 1
    assert asyncio.run(replay(platform.warehouse, META, INSIGHTS)) == []


def test_law_6_a_replayed_record_does_not_overwrite_a_later_reading(
    platform: Platform, sandbox: RunningSandbox
) -> None:
    sandbox.fault("bad_row", endpoint="insights", times=1)
    sync(platform)
    with platform.warehouse.connect() as connection:
        payload = connection.execute("select payload from dataflow.quarantine").fetchone()
        assert payload
        broken = json.loads(payload["payload"])
        connection.execute("update dataflow.quarantine set replayed_at = now()")
    day = date.fromisoformat(broken["date_start"])
    sync(platform, DayWindow(day, day + ONE_DAY))  # without the fault, so the row is there now
    good = {**broken, **{name: "1" for name, value in broken.items() if value == "n/a"}}
    with platform.warehouse.connect() as connection:
        connection.execute("update dataflow.quarantine set replayed_at = null, payload = %s", (json.dumps(good),))
    before = _all_rows(platform)
    asyncio.run(replay(platform.warehouse, META, INSIGHTS))
    assert _all_rows(platform) == before


def test_law_6_an_entity_is_replayed_with_its_nested_fields(platform: Platform, sandbox: RunningSandbox) -> None:
    ads = META.stream("ads")
    # A contract that no ad can keep, because every one lacks a field it requires.
    first = ads.columns[0]
    too_strict = dataclasses.replace(ads, columns=(*ads.columns, dataclasses.replace(first, name="never_sent")))

    async def read_strictly() -> None:
        async with open_sync(platform, META) as running:
            running.connector = dataclasses.replace(META, streams=(too_strict,), read=_without("never_sent"))
            await running.run(too_strict)

    ensure_schema(platform)
    with platform.warehouse.connect() as connection:
        connection.execute("alter table raw_meta_ads.ads add column never_sent text")
    asyncio.run(read_strictly())
    set_aside = count(platform, "select count(*) n from dataflow.quarantine where replayed_at is null")
    assert set_aside > 0
    assert count(platform, "select count(*) n from raw_meta_ads.ads") == 0

    done = asyncio.run(replay(platform.warehouse, META, ads))
    assert sum(item.accepted for item in done) == set_aside
    assert count(platform, "select count(*) n from raw_meta_ads.ads where creative_id is not null") == set_aside


def _without(name: str):  # noqa: ANN202  the connector's own type
    """Reads like Meta's connector, without asking for a field Meta does not have."""

    async def read(caller, account, stream, window):  # noqa: ANN001, ANN202  as above
        kept = dataclasses.replace(stream, columns=tuple(c for c in stream.columns if c.name != name))
        async for page in META.read(caller, account, kept, window):
            yield page

    return read


def _all_rows(platform: Platform) -> list[dict[str, object]]:
    with platform.warehouse.connect() as connection:
        return connection.execute("select * from raw_meta_ads.insights_campaign order by 1, 2, 4").fetchall()

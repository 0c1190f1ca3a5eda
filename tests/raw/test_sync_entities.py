"""Entity streams: the newest version of each id, whatever the order of reading; what is gone has a tombstone."""

import json
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec
import pytest
from raw_support import ADS, CAMPAIGNS, META, World, as_row, assert_same, fine, only, reading, slow_and_quick

from dataflow_assets.connectors.base import Account, Page, Since, Stream, Window
from dataflow_assets.resources.http import Caller

ENTITIES = ("ad_accounts", "campaigns", "ad_sets", "ads", "creatives")
DAY = timedelta(days=1).total_seconds()


def requests_to(world: World, endpoint: str) -> int:
    return int(world.sandbox.requests()["by_endpoint"]["meta_ads"].get(endpoint, 0))


def tombstones(world: World, stream: Stream) -> dict[str, datetime]:
    rows = world.query(f"select id, _deleted_at from raw_meta_ads.{stream.name} where _deleted_at is not null")
    return {row["id"]: row["_deleted_at"] for row in rows}


@pytest.mark.parametrize("name", ENTITIES)
def test_law_4_day_after_day_the_table_holds_what_the_vendor_lists_and_the_rest_has_tombstones(
    stories: World, name: str
) -> None:
    stream, (account,) = META.stream(name), stories.accounts()
    ever: set[Any] = set()
    gone = 0
    for _ in range(8):
        stories.sandbox.clock.advance(17 * DAY)
        fine(stories.run(stream))
        expected = stories.truth(stream, account)
        assert_same(stories.stored(stream, account), expected)
        ever |= {key[-1] for key in expected}
        buried = set(tombstones(stories, stream))
        assert buried == ever - {key[-1] for key in expected}
        gone = max(gone, len(buried))
    # The stories delete a campaign with all it holds, and single ads; a creative outlives its ad.
    assert (gone > 0) == (name not in {"ad_accounts", "creatives"})


def test_between_two_sweeps_only_what_changed_is_asked_for(stories: World) -> None:
    stories.sandbox.clock.advance(40 * DAY)
    (account,) = stories.accounts()
    first = fine(stories.run(ADS))
    assert first.counts.read == len(stories.truth(ADS, account))
    stories.sandbox.clock.advance(DAY / 2)
    second = fine(stories.run(ADS))
    assert isinstance(window := only(second, account).windows[0], Since)
    assert window.cursor == only(second, account).before.instant - timedelta(minutes=10)
    assert second.counts.read < first.counts.read
    assert (second.counts.inserted, second.counts.deleted) == (0, 0)
    stories.sandbox.clock.advance(DAY / 2)
    third = fine(stories.run(ADS))
    assert only(third, account).windows == [Since(None)], "Everything is listed once a day."


def test_changes_arrive_without_a_sweep(stories: World) -> None:
    (account,) = stories.accounts()
    patient = replace(CAMPAIGNS, sweep_every=timedelta(days=365))
    fine(stories.run(patient))
    changed = 0
    for _ in range(12):
        stories.sandbox.clock.advance(10 * DAY)
        report = fine(stories.run(patient))
        changed += report.counts.written
        # A parent's change does not move the time of change of its children, but campaigns have no parents.
        expected = stories.truth(CAMPAIGNS, account)
        found = stories.stored(CAMPAIGNS, account)
        assert_same({key: found[key] for key in expected}, expected)
    assert changed > 5


def overtaken(world: World, stream: Stream, *, by_days: int) -> Any:
    """The report of a reader who listed everything, and published only after another one had done so days later."""
    late, soon = slow_and_quick(
        world,
        lambda sync: sync.run(stream, full=True),
        lambda sync: sync.run(stream, full=True),
        between=lambda: world.sandbox.clock.advance(by_days * DAY),
    )
    fine(soon)
    return fine(late)


@pytest.mark.parametrize("name", ENTITIES)
def test_law_4_an_older_reading_never_overwrites_a_newer_one(stories: World, name: str) -> None:
    stream, (account,) = META.stream(name), stories.accounts()
    fine(stories.run(stream))
    report = overtaken(stories, stream, by_days=100)
    assert report.counts.read > 0
    assert report.counts.written == 0
    assert_same(stories.stored(stream, account), stories.truth(stream, account))
    mark = stories.watermark(stream, account)
    assert mark
    assert mark["swept_at"] >= stories.sandbox.clock.now()


def test_law_4_an_older_listing_does_not_raise_what_a_newer_one_found_deleted(stories: World) -> None:
    (account,) = stories.accounts()
    stories.sandbox.clock.advance(30 * DAY)
    fine(stories.run(CAMPAIGNS))
    overtaken(stories, CAMPAIGNS, by_days=90)
    assert len(tombstones(stories, CAMPAIGNS)) == 1
    assert_same(stories.stored(CAMPAIGNS, account), stories.truth(CAMPAIGNS, account))


CAMPAIGN = {
    "id": "120210000000000101",
    "account_id": "920000000000011",
    "name": "Spring",
    "effective_status": "ACTIVE",
    "updated_time": "2026-01-04T08:00:00+0100",
}


class Listing:
    """A vendor whose listing the test writes. Everything but the listing itself is the sandbox's."""

    def __init__(self, *records: dict[str, Any]) -> None:
        self.records = list(records)
        self.asked: list[Window] = []

    async def read(self, _caller: Caller, _account: Account, _stream: Stream, window: Window) -> AsyncIterator[Page]:
        self.asked.append(window)
        yield Page(msgspec.Raw(json.dumps(self.records).encode()))


def test_law_4_a_campaign_that_is_listed_again_comes_back_to_life(stories: World) -> None:
    other = {**CAMPAIGN, "id": "120210000000000102", "name": "Autumn"}
    vendor = Listing(CAMPAIGN, other)
    source = reading(META, vendor.read)
    fine(stories.run(CAMPAIGNS, source=source))
    vendor.records = [other]
    report = fine(stories.run(CAMPAIGNS, source=source, full=True))
    assert report.counts.deleted == 1
    assert list(tombstones(stories, CAMPAIGNS)) == [CAMPAIGN["id"]]
    again = fine(stories.run(CAMPAIGNS, source=source, full=True))
    assert again.counts.written == 0, "A tombstone is set once."
    vendor.records = [CAMPAIGN, other]
    report = fine(stories.run(CAMPAIGNS, source=source, full=True))
    assert (report.counts.updated, report.counts.unchanged) == (1, 1)
    assert tombstones(stories, CAMPAIGNS) == {}


def test_only_a_sweep_sets_tombstones(stories: World) -> None:
    vendor = Listing(CAMPAIGN)
    source = reading(META, vendor.read)
    fine(stories.run(CAMPAIGNS, source=source))
    vendor.records = []
    fine(stories.run(CAMPAIGNS, source=source))
    assert isinstance(window := vendor.asked[-1], Since)
    assert window.cursor
    assert tombstones(stories, CAMPAIGNS) == {}
    stories.sandbox.clock.advance(DAY)
    fine(stories.run(CAMPAIGNS, source=source))
    assert vendor.asked[-1] == Since(None)
    assert list(tombstones(stories, CAMPAIGNS)) == [CAMPAIGN["id"]]


def test_of_two_versions_in_one_listing_the_newer_is_stored(stories: World) -> None:
    newer = {**CAMPAIGN, "name": "Spring v2", "updated_time": "2026-01-05T09:00:00+0100"}
    for order in ([CAMPAIGN, newer], [newer, CAMPAIGN]):
        report = fine(stories.run(CAMPAIGNS, source=reading(META, Listing(*order).read), full=True))
        assert report.counts.duplicate == 1
        (found,) = stories.stored(CAMPAIGNS, stories.accounts()[0]).values()
        assert found["name"] == "Spring v2"


def test_a_status_that_changed_with_the_parents_is_taken_though_the_time_of_change_stayed(stories: World) -> None:
    fine(stories.run(CAMPAIGNS, source=reading(META, Listing(CAMPAIGN).read)))
    stopped = {**CAMPAIGN, "effective_status": "WITH_ISSUES"}
    report = fine(stories.run(CAMPAIGNS, source=reading(META, Listing(stopped).read), full=True))
    assert report.counts.updated == 1
    (found,) = stories.stored(CAMPAIGNS, stories.accounts()[0]).values()
    assert found["effective_status"] == "WITH_ISSUES"


def test_an_entity_whose_time_of_change_the_vendor_leaves_out_is_still_updated(stories: World) -> None:
    timeless = {name: value for name, value in CAMPAIGN.items() if name != "updated_time"}
    fine(stories.run(CAMPAIGNS, source=reading(META, Listing(timeless).read)))
    renamed = {**timeless, "name": "Summer"}
    fine(stories.run(CAMPAIGNS, source=reading(META, Listing(renamed).read), full=True))
    (found,) = stories.stored(CAMPAIGNS, stories.accounts()[0]).values()
    assert found["name"] == "Summer"


def test_law_6_a_bad_record_of_a_listed_entity_does_not_bury_it(stories: World) -> None:
    fine(stories.run(CAMPAIGNS, source=reading(META, Listing(CAMPAIGN).read)))
    spoiled = {**CAMPAIGN, "updated_time": "n/a"}
    report = fine(stories.run(CAMPAIGNS, source=reading(META, Listing(spoiled).read), full=True))
    assert report.counts.quarantined == 1
    assert tombstones(stories, CAMPAIGNS) == {}, "The vendor does list it; what it says is in quarantine."


def test_an_account_with_nothing_has_a_watermark_that_claims_nothing(stories: World) -> None:
    (account,) = stories.accounts()
    fine(stories.run(CAMPAIGNS, source=reading(META, Listing().read)))
    mark = stories.watermark(CAMPAIGNS, account)
    assert mark
    assert mark["watermark"] == datetime(1970, 1, 1, tzinfo=UTC)
    fine(stories.run(CAMPAIGNS, full=True))
    expected = stories.truth(CAMPAIGNS, account)
    assert_same(stories.stored(CAMPAIGNS, account), expected)
    mark = stories.watermark(CAMPAIGNS, account)
    assert mark
    assert mark["watermark"] == max(row["updated_time"] for row in expected.values())


def test_a_field_inside_another_is_a_column_of_its_own(stories: World) -> None:
    fine(stories.run(ADS))
    found = stories.stored(ADS, stories.accounts()[0])
    (record, *_) = stories.sandbox.truth("meta_ads", "ads")
    assert found[stories.accounts()[0], record["id"]]["creative_id"] == record["creative"]["id"]
    assert as_row(ADS, record)["creative_id"] == record["creative"]["id"]

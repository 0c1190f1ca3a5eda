"""What lands of HubSpot's tables is what HubSpot holds: at first, as it changes, and of given days."""

from dataclasses import replace
from datetime import UTC, date, datetime
from decimal import Decimal

import pytest
from hubspot_support import PORTALS, Crm, assert_same, crm, fine, served, unseen, with_hubspot

from dataflow_assets.connectors.hubspot import CONNECTOR
from dataflow_assets.connectors.hubspot.streams import LINKS, OBJECTS
from dataflow_assets.windows import DayWindow

__all__ = ["crm", "served"]  # fixtures


# ------------------------------------------------------------------ what lands


@pytest.mark.parametrize("version", ["2026-09", "v3"])
def test_the_first_sync_brings_everything_there_is(crm: Crm, version: str) -> None:
    crm.platform = replace(crm.platform, settings=with_hubspot(crm.platform, api_version=version))
    fine(crm.sync())
    for stream in CONNECTOR.streams:
        expected = crm.truth(stream.name)
        assert {key[0] for key in expected} == set(PORTALS)
        assert_same(crm.stored(stream.name), expected)
    archived = [row for row in crm.stored("deals").values() if row["archived"]]
    assert archived
    assert all(row["archived_at"] for row in archived)
    assert {row["deal_currency_code"] for row in crm.stored("deals").values()} > {"EUR", "JPY"}
    assert any(row["hs_merged_object_ids"] for row in crm.stored("deals").values())


@pytest.mark.parametrize("hours", [1, 24, 72])
def test_what_changed_is_brought_without_listing_everything(crm: Crm, hours: int) -> None:
    names = [stream.name for stream in OBJECTS]
    fine(crm.sync(*names))
    before = {name: crm.stored(name) for name in names}
    crm.later(hours=hours)
    crm.sandbox.reset_requests()
    crm.later(minutes=1)  # the index is late by some seconds
    reports = fine(crm.sync(*names))
    for name in names:
        # Who has vanished without a trace stays until everything is listed again; who was merged is named by the other.
        lost = unseen(crm, name)
        stored = {key: row for key, row in crm.stored(name).items() if key not in lost}
        assert_same(stored, crm.truth(name))
        assert len(lost) <= hours
        if hours > 1:
            assert stored != before[name]
    assert all(str(window).startswith("changed since") for r in reports for a in r.accounts for window in a.windows)
    lists = [crm.sandbox.requests()["by_endpoint"]["hubspot"][f"{name}_list"] for name in names]
    assert lists == [2, 2, 2], "Of each portal the archived ones alone."


def test_within_a_week_what_vanished_without_a_trace_gets_a_tombstone(crm: Crm) -> None:
    fine(crm.sync("contacts", "deals"))
    crm.later(days=5)
    fine(crm.sync("contacts", "deals"))
    lost = {name: unseen(crm, name) for name in ("contacts", "deals")}
    assert lost["contacts"]
    assert lost["deals"]
    survivors = [row["hs_merged_object_ids"] or "" for row in crm.stored("deals").values()]
    assert all(any(key[1] in listed.split(";") for listed in survivors) for key in lost["deals"])
    crm.later(days=2, hours=1)
    fine(crm.sync("contacts", "deals"))
    for name, keys in lost.items():
        assert_same(crm.stored(name), crm.truth(name))
        assert keys <= crm.stored(name, gone=True).keys()


def test_a_deal_that_is_archived_is_seen_though_its_time_of_change_does_not_move(crm: Crm) -> None:
    fine(crm.sync("deals"))
    before = crm.stored("deals")
    crm.later(days=6)
    fine(crm.sync("deals"))
    after = crm.stored("deals")
    archived = [key for key, row in after.items() if row["archived"] and key in before and not before[key]["archived"]]
    assert archived
    still = [key for key in archived if before[key]["updated_at"] == after[key]["updated_at"]]
    assert still, "Of all that were archived, one at least had not been changed as well."


def test_links_are_complete_after_each_day_and_sooner_for_what_changed(crm: Crm) -> None:
    names = [stream.name for stream in LINKS]
    fine(crm.sync(*names))
    first = {name: crm.stored(name) for name in names}
    crm.later(hours=11)
    (report, *_) = fine(crm.sync(*names))
    assert all(str(window).startswith("changed since") for one in report.accounts for window in one.windows)
    for name in names:
        found, expected = crm.stored(name), crm.truth(name)
        missing = expected.keys() - found.keys()
        assert missing == set(), "Every new link of the world is one of a record that is new or changed."
        assert found.keys() >= first[name].keys(), "One that is gone stays until all are listed."
    crm.later(hours=11)
    fine(crm.sync(*names))
    for name in names:
        assert_same(crm.stored(name), crm.truth(name))


def test_links_that_fill_several_pages_of_a_record_are_all_read(crm: Crm) -> None:
    crm.sandbox.limits("hubspot", associations_per_page=1)
    fine(crm.sync("deal_contacts", "deal_companies"))
    assert_same(crm.stored("deal_contacts"), crm.truth("deal_contacts"))
    assert_same(crm.stored("deal_companies"), crm.truth("deal_companies"))


def test_a_batch_that_leaves_out_what_has_no_links_is_like_one_that_names_it(crm: Crm) -> None:
    crm.sandbox.limits("hubspot", report_no_associations=False)
    fine(crm.sync("contact_companies"))
    assert_same(crm.stored("contact_companies"), crm.truth("contact_companies"))


def test_stages_entered_are_appended_once_and_kept_when_the_deal_is_merged(crm: Crm) -> None:
    fine(crm.sync("deal_stage_history"))
    first = crm.stored("deal_stage_history")
    assert_same(first, crm.truth("deal_stage_history"))
    for _ in range(3):
        crm.later(days=2)
        fine(crm.sync("deal_stage_history"))
    crm.later(minutes=1)
    found, expected = crm.stored("deal_stage_history"), crm.truth("deal_stage_history")
    (again,) = fine(crm.sync("deal_stage_history"))
    assert again.counts.inserted == 0
    assert expected.keys() <= found.keys()
    assert {key: found[key] for key in first} == first
    told_no_more = {key[:2] for key in found.keys() - expected.keys()}
    deals = {
        (key[0], id_)
        for key, row in crm.truth("deals").items()
        for id_ in (row["hs_merged_object_ids"] or "").split(";")
    }
    assert told_no_more
    assert told_no_more <= deals


def test_a_stage_is_of_the_pipeline_and_says_whether_it_closes(crm: Crm) -> None:
    fine(crm.sync("pipelines", "pipeline_stages"))
    stages = crm.stored("pipeline_stages")
    closed = {(row["pipeline_id"], row["id"]): row["probability"] for row in stages.values() if row["is_closed"]}
    assert set(closed.values()) == {Decimal("1.0"), Decimal("0.0")}
    assert len({pipeline for pipeline, _ in closed}) == 2


def test_owners_who_left_stay_known_and_are_marked(crm: Crm) -> None:
    crm.sandbox.clock.set(datetime(2026, 4, 1, tzinfo=UTC))
    fine(crm.sync("owners"))
    assert_same(crm.stored("owners"), crm.truth("owners"))
    archived = [row for row in crm.stored("owners").values() if row["archived"]]
    assert len(archived) == 2
    assert all(row["user_id"] is None and row["user_id_including_inactive"] for row in archived)


# ------------------------------------------------------------------ days


def test_given_days_bring_the_records_last_changed_on_them_and_leave_the_watermark(crm: Crm) -> None:
    first, last = date(2026, 2, 20), date(2026, 2, 23)
    fine(crm.sync("deals"))
    (mark,) = crm.query("select min(watermark) as at from dataflow.watermarks where stream = 'deals'")
    crm.query("delete from raw_hubspot.deals returning 1")
    fine(crm.sync("deals", window=DayWindow(first, last)))
    days = {key: row for key, row in crm.truth("deals").items() if first <= row["updated_at"].date() < last}
    assert len(days) > 3
    assert_same(crm.stored("deals"), days)
    assert crm.query("select min(watermark) as at from dataflow.watermarks where stream = 'deals'") == [mark]

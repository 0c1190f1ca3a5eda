"""What lands of HubSpot's tables is what HubSpot holds: at first, as it changes, and when the API has a bad day."""

import asyncio
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any

import httpx
import pytest
from psycopg import sql
from pydantic import SecretStr

from dataflow_assets.connectors.base import Stream
from dataflow_assets.connectors.hubspot import CONNECTOR, search
from dataflow_assets.connectors.hubspot.streams import LINKS, OBJECTS
from dataflow_assets.raw.ddl import table
from dataflow_assets.raw.session import ensure_schema, open_sync
from dataflow_assets.raw.sync import StreamReport
from dataflow_assets.resources.clock import SYSTEM_CLOCK, Clock
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


async def _no_sleep(seconds: float) -> None:
    await asyncio.sleep(min(seconds, 0.001))


HASTY = Clock(now=SYSTEM_CLOCK.now, monotonic=SYSTEM_CLOCK.monotonic, sleep=_no_sleep)


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


def unseen(crm: Crm, name: str) -> set[tuple[Any, ...]]:
    """Records that are stored and that HubSpot no longer tells of: merged into another, or erased."""
    return crm.stored(name).keys() - crm.truth(name).keys()


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


# ------------------------------------------------------------------ bad days of the API


@pytest.mark.parametrize("fault", ["empty_page_with_next", "short_page_with_next", "duplicate_rows"])
def test_law_6_pages_that_are_odd_lose_and_double_nothing(crm: Crm, fault: str) -> None:
    crm.sandbox.fault(fault)
    names = ["contacts", "deals", "owners", "deal_companies", "deal_stage_history"]
    fine(crm.sync(*names))
    for name in names:
        assert_same(crm.stored(name), crm.truth(name))
    crm.later(hours=30)
    crm.later(minutes=1)
    fine(crm.sync("contacts"))
    lost = unseen(crm, "contacts")
    assert_same({key: row for key, row in crm.stored("contacts").items() if key not in lost}, crm.truth("contacts"))


@pytest.mark.parametrize("order", ["numeric", "text"])
def test_law_6_more_changes_than_search_gives_out_are_all_read(
    crm: Crm, order: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(search, "CEILING", 20)
    monkeypatch.setattr(search, "PAGE", 6)
    crm.sandbox.limits("hubspot", search_ceiling=20, search_id_order=order)
    fine(crm.sync("contacts"))
    crm.later(days=6)
    fine(crm.sync("contacts"))
    crm.later(minutes=1)
    lost = unseen(crm, "contacts")
    assert_same({key: row for key, row in crm.stored("contacts").items() if key not in lost}, crm.truth("contacts"))
    assert crm.sandbox.requests()["by_endpoint"]["hubspot"]["contacts_search"] > 20


def test_records_the_index_shows_with_an_old_time_are_brought_by_the_next_sync(crm: Crm) -> None:
    crm.sandbox.fault("out_of_window_rows")
    fine(crm.sync("contacts"))
    for _ in range(3):
        crm.later(hours=7)
        fine(crm.sync("contacts"))
    crm.sandbox.clear_faults()
    crm.later(minutes=1)
    fine(crm.sync("contacts"))
    lost = unseen(crm, "contacts")
    assert_same({key: row for key, row in crm.stored("contacts").items() if key not in lost}, crm.truth("contacts"))


def test_law_6_a_bad_record_is_set_aside_and_an_unknown_field_is_kept(crm: Crm) -> None:
    crm.sandbox.fault("bad_row", endpoint="deals_list", times=1)
    crm.sandbox.fault("unknown_field", endpoint="companies_list", times=1)
    deals, companies = crm.sync("deals", "companies")
    assert deals.counts.quarantined == 1
    assert len(crm.stored("deals")) == len(crm.truth("deals")) - 1
    (noticed,) = [account.unknown_fields for account in companies.accounts if account.unknown_fields]
    assert noticed == ["fieldOfTomorrow"]
    assert companies.counts.quarantined == 0
    assert_same(crm.stored("companies"), crm.truth("companies"))


@pytest.mark.parametrize(
    ("fault", "endpoint"),
    [
        *((fault, "contacts_list") for fault in ("malformed_page", "html_502", "cut_connection", "transient_503")),
        *(("malformed_page", endpoint) for endpoint in ("associations_batch", "deals_batch_read", "contacts_search")),
        ("locked_423", "contacts_search"),
    ],
)
def test_a_passing_fault_is_waited_out(crm: Crm, fault: str, endpoint: str) -> None:
    fine(crm.sync("contacts", "deal_stage_history"))
    crm.later(hours=6)
    crm.sandbox.fault(fault, endpoint=endpoint, times=2)
    names = {"associations_batch": "contact_companies", "deals_batch_read": "deal_stage_history"}
    (report,) = fine(crm.sync(names.get(endpoint, "contacts"), full=endpoint == "contacts_list"))
    assert report.tally.retries >= 2


@pytest.mark.parametrize(
    ("fault", "seconds"),
    [("throttle_ten_seconds", 2), ("throttle_search", 1)],
)
def test_a_throttle_of_seconds_is_waited_for_as_told(crm: Crm, fault: str, seconds: int) -> None:
    fine(crm.sync("contacts"))
    crm.later(hours=6)
    told = {"seconds": seconds} if seconds > 1 else {}
    endpoint = "contacts_search" if "search" in fault else "contacts_list"
    crm.sandbox.fault(fault, endpoint=endpoint, times=1, account=PORTALS[0], **told)
    naps: list[float] = []

    async def nap(wanted: float) -> None:
        naps.append(wanted)
        await _no_sleep(wanted)

    async def go() -> StreamReport:
        clock = replace(HASTY, sleep=nap)
        plain = httpx.AsyncHTTPTransport(verify=False)
        async with open_sync(crm.platform, CONNECTOR, clock=clock, transport=plain) as sync:
            return await sync.run(CONNECTOR.stream("contacts"))

    asyncio.run(go())
    assert seconds in naps


def test_law_9_a_portal_out_of_calls_waits_for_its_midnight_and_the_other_is_read(crm: Crm) -> None:
    crm.sandbox.fault("throttle_daily", account=PORTALS[0], endpoint="deals_list")
    (report,) = crm.sync("deals")
    (failed,) = report.failed
    assert failed.account.id == PORTALS[0]
    # Noon UTC is 13:00 in Berlin in March.
    assert failed.retry_after_seconds == pytest.approx(11 * 3_600, abs=5)
    assert {key[0] for key in crm.stored("deals")} == {PORTALS[1]}
    crm.sandbox.reset_requests()
    (again,) = crm.sync("contacts")
    (held,) = again.failed
    assert held.account.id == PORTALS[0]
    assert "budget" in (held.error or "")
    assert crm.sandbox.requests()["by_account"]["hubspot"][PORTALS[0]] == 1, "Whose portal it is, and nothing more."


def test_a_portal_that_moves_is_left_alone_until_it_has(crm: Crm) -> None:
    crm.sandbox.fault("moving_477", account=PORTALS[1], endpoint="owners")
    (report,) = crm.sync("owners")
    (failed,) = report.failed
    assert (failed.account.id, failed.retry_after_seconds) == (PORTALS[1], 86_400)


@pytest.mark.parametrize("fault", ["bad_token", "expired_token", "missing_scopes", "cloudflare_530"])
def test_law_9_a_refused_token_stops_its_own_portal_alone(crm: Crm, fault: str) -> None:
    crm.sandbox.fault(fault, account=PORTALS[0], endpoint="deals_list")
    deals, owners = crm.sync("deals", "owners")
    (failed,) = deals.failed
    assert failed.account.id == PORTALS[0]
    assert failed.retry_after_seconds is None
    assert {key[0] for key in crm.stored("deals")} == {PORTALS[1]}
    assert owners.failed == []


def test_law_9_a_token_that_opens_nothing_is_named_by_its_place_and_the_others_are_read(crm: Crm) -> None:
    three = SecretStr("pat-sandbox-0,pat-unknown-XYZW,pat-sandbox-1")
    crm.platform = replace(crm.platform, settings=with_hubspot(crm.platform, access_token=three))
    (report,) = crm.sync("owners")
    (failed,) = report.failed
    assert failed.account.id == "token 2 of 3"
    assert "INVALID_AUTHENTICATION" in (failed.error or "")
    assert "XYZW" not in (failed.error or "")
    assert {key[0] for key in crm.stored("owners")} == set(PORTALS)


def test_when_no_token_opens_anything_that_is_said(crm: Crm) -> None:
    none = SecretStr("pat-unknown-1,pat-unknown-2")
    crm.platform = replace(crm.platform, settings=with_hubspot(crm.platform, access_token=none))
    with pytest.raises(Exception, match=r"token 1 of 2.*DATAFLOW_HUBSPOT__ACCESS_TOKEN"):
        crm.sync("owners")


def test_an_app_reads_each_portal_with_its_refresh_token_and_renews_the_access(crm: Crm) -> None:
    oauth = {
        "access_token": None,
        "client_id": "sandbox-client",
        "client_secret": SecretStr("sandbox-hubspot-secret"),
        "refresh_token": SecretStr("sandbox-hubspot-refresh-0,sandbox-hubspot-refresh-1"),
    }
    crm.platform = replace(crm.platform, settings=with_hubspot(crm.platform, **oauth))
    fine(crm.sync("owners"))
    assert_same(crm.stored("owners"), crm.truth("owners"))
    fine(crm.sync("pipelines"))
    assert_same(crm.stored("pipelines"), crm.truth("pipelines"))


def test_law_9_an_app_that_was_removed_from_one_portal_still_reads_the_other(crm: Crm) -> None:
    oauth = {
        "access_token": None,
        "client_id": "sandbox-client",
        "client_secret": SecretStr("sandbox-hubspot-secret"),
        "refresh_token": SecretStr("sandbox-hubspot-refresh-1,sandbox-hubspot-refresh-unknown"),
    }
    crm.platform = replace(crm.platform, settings=with_hubspot(crm.platform, **oauth))
    (report,) = crm.sync("owners")
    (failed,) = report.failed
    assert failed.account.id == "token 2 of 2"
    assert "DATAFLOW_HUBSPOT__REFRESH_TOKEN" in (failed.error or "")
    assert {key[0] for key in crm.stored("owners")} == {PORTALS[1]}

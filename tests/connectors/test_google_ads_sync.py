"""What a sync of Google Ads stores, against what the sandbox's world holds; and how it takes Google's bad days."""

import asyncio
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from google_support import BERLIN, CANCELED, CLIENTS, LOS_ANGELES, MANAGER, TOKYO, Wire
from hasty import HASTY
from psycopg import sql

from dataflow_assets.connectors.base import Kind, Stream
from dataflow_assets.connectors.google_ads import CONNECTOR
from dataflow_assets.connectors.records import Column, ColumnType
from dataflow_assets.raw.ddl import create_statements, primary_key, table
from dataflow_assets.raw.session import open_sync
from dataflow_assets.raw.sync import StreamReport
from dataflow_assets.resources import auth
from dataflow_assets.resources.failures import Throttled
from dataflow_assets.resources.platform import Platform
from dataflow_assets.sandbox.testing import RunningSandbox, run_sandbox
from dataflow_assets.sandbox.world import WorldConfig
from dataflow_assets.settings import GoogleAdsSettings
from dataflow_assets.windows import ONE_DAY, DayWindow, local_day

ZONES = {BERLIN: ZoneInfo("Europe/Berlin"), LOS_ANGELES: ZoneInfo("America/Los_Angeles"), TOKYO: ZoneInfo("Asia/Tokyo")}
NOON = datetime(2026, 5, 20, 12, tzinfo=UTC)
# Every story of the sandbox (renamed, paused, removed), at the smallest size that tells them.
STORIES = WorldConfig(google_accounts=3, campaigns_per_account=6, ad_sets_per_campaign=2, ads_per_ad_set=3)
FORTNIGHT = DayWindow(date(2026, 5, 1), date(2026, 5, 15))
Row = Mapping[str, Any]
Rows = dict[tuple[Any, ...], Row]
MakePlatform = Callable[..., Platform]


@pytest.fixture(autouse=True)
def no_tokens(monkeypatch: pytest.MonkeyPatch) -> None:
    """Tokens are kept by address, and a later sandbox may get the port of an earlier one."""
    monkeypatch.setattr(auth, "_tokens", {})


@dataclass(frozen=True)
class World:
    """A platform with Google's tables, and the sandbox it reads."""

    platform: Platform
    sandbox: RunningSandbox

    def run(self, stream: str, window: DayWindow | None = None, wire: Wire | None = None) -> StreamReport:
        """Sync one stream with a client of its own."""

        async def go() -> StreamReport:
            transport = wire or Wire()
            async with open_sync(self.platform, CONNECTOR, clock=HASTY, transport=transport) as sync:
                return await sync.run(CONNECTOR.stream(stream), window)

        return asyncio.run(go())

    def query(self, text: sql.Composable | str, *values: Any) -> list[dict[str, Any]]:
        with self.platform.warehouse.connect() as connection:
            return connection.execute(text, values).fetchall()  # type: ignore[arg-type]

    def stored(self, stream: str) -> Rows:
        """What the table holds and is not gone, by primary key."""
        declared = CONNECTOR.stream(stream)
        names = sql.SQL(", ").join(map(sql.Identifier, ("_account_id", *declared.column_names)))
        query = sql.SQL("select {} from {}").format(names, table(CONNECTOR, declared))
        query += sql.SQL(" where _deleted_at is null" if declared.kind is Kind.ENTITY else "")
        return keyed(declared, self.query(query))

    def truth(self, stream: str, days: Mapping[str, DayWindow]) -> Rows:
        """What Google holds, as rows of the table, by primary key."""
        declared, found = CONNECTOR.stream(stream), []
        for account in CLIENTS:
            ends = {"first": days[account].start, "last": days[account].end - ONE_DAY} if declared.report_day else {}
            records = self.sandbox.truth("google_ads", stream, account=account, **ends)
            found += [{"_account_id": account, **as_row(declared, record)} for record in records]
        return keyed(declared, found)


def keyed(stream: Stream, rows: list[Any]) -> Rows:
    found = {tuple(row[name] for name in primary_key(stream)): row for row in rows}
    assert len(found) == len(rows), "Some rows are doubled."
    return found


def as_row(stream: Stream, record: Row) -> Row:
    """A record as the table should hold it, by a way of its own: plain Python, no decoder."""
    return {column.name: value_of(column, record) for column in stream.columns}


def value_of(column: Column, record: Any) -> Any:
    if column.name == "budget_id":
        return record["campaign"]["campaignBudget"].rpartition("/")[2]
    for part in column.source_path:
        record = record.get(part) if record is not None else None
    if record is None:
        record = column.default
    kinds: dict[ColumnType, Callable[[Any], Any]] = {
        ColumnType.BIGINT: int,
        ColumnType.NUMERIC: lambda value: Decimal(str(value)),
        ColumnType.DATE: date.fromisoformat,
    }
    return record if record is None else kinds.get(column.type, lambda value: value)(record)


@pytest.fixture
def sandbox() -> Iterator[RunningSandbox]:
    """A world with all stories at noon of 2026-05-20, standing still."""
    with run_sandbox(STORIES, now=NOON) as running:
        yield running


@pytest.fixture
def world(platform: Platform, sandbox: RunningSandbox) -> World:
    platform.warehouse.migrate(create_statements(CONNECTOR))
    return World(platform, sandbox)


def settled(report: StreamReport) -> StreamReport:
    """The report, after making sure that all went well."""
    assert [one.error for one in report.failed] == []
    assert report.counts.quarantined == 0
    assert [one.unknown_fields for one in report.accounts] == [[]] * len(report.accounts)
    return report


def of(report: StreamReport, account: str) -> Any:
    return next(one for one in report.accounts if one.account.id == account)


# ------------------------------------------------------------------ what is stored is what Google holds

# The truth of conversions by action has no names of campaigns; they are compared with those of the campaigns.
UNTOLD = {"conversions_by_action": {"campaign_name"}}


def compare(stream: str, found: Rows, expected: Rows) -> None:
    assert found.keys() == expected.keys()
    untold = UNTOLD.get(stream, set())
    for key, row in expected.items():
        assert {n: v for n, v in found[key].items() if n not in untold} == {
            n: v for n, v in row.items() if n not in untold
        }


@pytest.mark.parametrize("stream", [stream.name for stream in CONNECTOR.streams])
def test_a_sync_stores_what_google_holds_and_the_next_what_it_holds_then(world: World, stream: str) -> None:
    world.sandbox.limits("google_ads", page_rows=50)
    start = {one: local_day(world.sandbox.clock.now(), zone) - timedelta(days=90) for one, zone in ZONES.items()}
    before: Rows = {}
    for passed in (timedelta(0), timedelta(days=4, hours=7)):
        world.sandbox.clock.advance(passed.total_seconds())
        auth._tokens.clear()  # days have passed for them
        settled(world.run(stream))
        today = {one: local_day(world.sandbox.clock.now(), zone) for one, zone in ZONES.items()}
        expected = world.truth(stream, {one: DayWindow(start[one], today[one]) for one in CLIENTS})
        found = world.stored(stream)
        assert found
        compare(stream, found, expected)
        if CONNECTOR.stream(stream).kind is Kind.REPORT and before:
            changed = {key[0] for key in before if found.get(key) != before[key]}
            assert changed, "Nothing was restated: the second comparison shows nothing."
        before = found


def test_names_stand_in_every_report(world: World) -> None:
    settled(world.run("campaigns"))
    names = {row["id"]: row["name"] for row in world.stored("campaigns").values()}
    settled(world.run("conversions_by_action"))
    rows = world.stored("conversions_by_action").values()
    assert rows
    assert all(row["campaign_name"] == names[row["campaign_id"]] for row in rows)


def test_removed_ones_stay_and_performance_max_has_no_ads(world: World) -> None:
    for stream in ("campaigns", "ads"):
        settled(world.run(stream))
    campaigns = world.stored("campaigns").values()
    assert "REMOVED" in {row["status"] for row in [*campaigns, *world.stored("ads").values()]}
    pmax = {row["id"] for row in campaigns if row["advertising_channel_type"] == "PERFORMANCE_MAX"}
    assert pmax
    assert not pmax & {row["campaign_id"] for row in world.stored("ads").values()}


def test_a_night_costs_one_operation_per_report_and_account(world: World) -> None:
    settled(world.run("ad_performance"))
    world.sandbox.clock.advance(timedelta(days=1).total_seconds())
    auth._tokens.clear()
    wire = Wire()
    settled(world.run("ad_performance", wire=wire))
    asked = [search.customer for search in wire.searches if "segments.date" in search.query]
    assert sorted(asked) == sorted(CLIENTS)


# ------------------------------------------------------------------ accounts


def test_law_9_a_cancelled_account_that_is_named_makes_the_run_red_and_holds_no_other_back(
    make_platform: MakePlatform, sandbox: RunningSandbox, world: World
) -> None:
    named = GoogleAdsSettings(account_ids=f"{CANCELED},{BERLIN},4711")
    report = World(make_platform(sandbox.url, google_ads=named), sandbox).run("campaigns")
    assert {one.account.id: one.error for one in report.accounts}[BERLIN] is None
    errors = {one.account.id: str(one.error) for one in report.failed}
    assert "CANCELED" in errors[CANCELED]
    assert "do not see this account" in errors["4711"]
    assert {key[0] for key in world.stored("campaigns")} == {BERLIN}


def test_the_cancelled_account_makes_no_run_red_by_itself(world: World) -> None:
    report = settled(world.run("customers"))
    assert {one.account.id for one in report.accounts} == set(CLIENTS)
    assert {key[1] for key in world.stored("customers")} == set(CLIENTS)


@pytest.mark.parametrize("fault", ["permission_denied", "customer_not_enabled", "mixed_errors"])
def test_law_9_an_account_that_is_refused_is_named_and_holds_no_other_back(world: World, fault: str) -> None:
    world.sandbox.fault(fault, account=LOS_ANGELES, endpoint="campaign_metrics")
    report = world.run("campaign_performance", FORTNIGHT)
    assert [one.account.id for one in report.failed] == [LOS_ANGELES]
    assert {row["customer_id"] for row in world.stored("campaign_performance").values()} == {BERLIN, TOKYO}
    assert of(report, LOS_ANGELES).retry_after_seconds is None


# ------------------------------------------------------------------ throttles: laws 7 and 8


def test_law_7_a_throttle_of_one_account_ends_its_step_with_the_told_wait(world: World) -> None:
    world.sandbox.fault("throttle_account", account=TOKYO, endpoint="campaign", seconds=900.5)
    report = world.run("campaigns")
    (failed,) = report.failed
    assert (failed.account.id, failed.retry_after_seconds) == (TOKYO, pytest.approx(900.5, abs=5))
    # And nothing is sent for it meanwhile, while the others go on.
    wire = Wire()
    again = world.run("ad_groups", wire=wire)
    assert [one.account.id for one in again.failed] == [TOKYO]
    assert {s.customer for s in wire.searches if s.resource == "ad_group"} == {BERLIN, LOS_ANGELES}


def test_law_7_an_exhausted_day_of_the_project_stops_every_account_without_further_calls(world: World) -> None:
    world.sandbox.fault("throttle_project", endpoint="campaign_metrics", seconds=40_591)
    report = world.run("campaign_performance", FORTNIGHT)
    assert len(report.failed) == 3
    assert all(one.retry_after_seconds == pytest.approx(40_591, abs=10) for one in report.failed)
    world.sandbox.clear_faults()
    wire = Wire()
    with pytest.raises(Throttled):
        world.run("campaign_performance", FORTNIGHT, wire)
    assert wire.searches == []


def test_law_7_further_pages_are_free_in_the_count_of_google_too(world: World) -> None:
    # Listing accessible accounts, the manager, its tree, and one query per client.
    world.sandbox.limits("google_ads", page_rows=5, operations_per_day=6)
    report = settled(world.run("ad_performance", FORTNIGHT))
    assert report.tally.requests > 20


# ------------------------------------------------------------------ what passes, and what is read anew


@pytest.mark.parametrize(
    "fault",
    [
        *("internal_error", "transient_error", "deadline_exceeded", "unavailable"),
        *("html_502", "cut_connection", "malformed_page", "expired_token"),
    ],
)
def test_law_8_what_passes_is_tried_again_and_nothing_is_missing_or_doubled(world: World, fault: str) -> None:
    world.sandbox.limits("google_ads", page_rows=20)
    # In the middle of an answer: the page is asked for again, not the answer.
    world.sandbox.fault(fault, account=BERLIN, endpoint="ad_group_ad_metrics", after=2, times=1)
    report = settled(world.run("ad_performance", FORTNIGHT))
    assert [rule["fired"] for rule in world.sandbox.faults()] == [1]
    assert of(report, BERLIN).tally.retries == 1
    compare("ad_performance", world.stored("ad_performance"), world.truth("ad_performance", windows(FORTNIGHT)))


def windows(window: DayWindow) -> dict[str, DayWindow]:
    return dict.fromkeys(CLIENTS, window)


@pytest.mark.parametrize("fault", ["duplicate_rows", "empty_page_with_next"])
def test_law_6_odd_pages_neither_double_nor_lose_rows(world: World, fault: str) -> None:
    world.sandbox.limits("google_ads", page_rows=20)
    world.sandbox.fault(fault, endpoint="campaign_metrics")
    settled(world.run("campaign_performance", FORTNIGHT))
    found, expected = world.stored("campaign_performance"), world.truth("campaign_performance", windows(FORTNIGHT))
    compare("campaign_performance", found, expected)


def test_law_6_an_answer_that_outlives_its_page_tokens_is_read_in_halves(world: World) -> None:
    world.sandbox.limits("google_ads", page_rows=20)
    world.sandbox.fault("expired_page_token", account=TOKYO, endpoint="ad_group_ad_metrics", after=1, times=1)
    wire = Wire()
    settled(world.run("ad_performance", FORTNIGHT, wire))
    compare("ad_performance", world.stored("ad_performance"), world.truth("ad_performance", windows(FORTNIGHT)))
    asked = [s.query for s in wire.searches if s.customer == TOKYO and "pageToken" not in s.body]
    between = [query.split("BETWEEN ")[1].split(" PARAMETERS")[0] for query in asked]
    assert between == [
        "'2026-05-01' AND '2026-05-14'",
        "'2026-05-01' AND '2026-05-07'",
        "'2026-05-08' AND '2026-05-14'",
    ]


def test_a_token_that_ran_out_at_google_is_renewed(world: World) -> None:
    settled(world.run("customers"))
    world.sandbox.clock.advance(3_600)
    wire = Wire()
    settled(world.run("customers", wire=wire))
    assert sum(request.url.path.endswith("/token") for request in wire.sent) == 1


def test_law_6_a_bad_record_is_set_aside_and_a_new_field_is_kept_with_a_notice(world: World) -> None:
    world.sandbox.fault("bad_row", account=BERLIN, endpoint="campaign_metrics", times=1)
    world.sandbox.fault("unknown_field", account=TOKYO, endpoint="campaign_metrics", times=1)
    report = world.run("campaign_performance", FORTNIGHT)
    assert report.failed == []
    assert (of(report, BERLIN).counts.quarantined, of(report, TOKYO).counts.quarantined) == (1, 0)
    assert of(report, TOKYO).unknown_fields == ["fieldOfTomorrow"]
    expected = world.truth("campaign_performance", windows(FORTNIGHT))
    assert len(world.stored("campaign_performance")) == len(expected) - 1


def test_nothing_is_asked_of_the_manager_but_who_is_below_it(world: World) -> None:
    wire = Wire()
    for stream in ("campaigns", "campaign_performance"):
        settled(world.run(stream, FORTNIGHT if "performance" in stream else None, wire))
    resources = {search.resource for search in wire.searches if search.customer == MANAGER}
    assert resources == {"customer", "customer_client"}


def test_the_watermark_of_entities_is_the_time_of_reading_at_google(world: World) -> None:
    # The feed of changes is asked from there on.
    settled(world.run("campaigns"))
    rows = world.query(
        "select watermark from dataflow.watermarks where (connector, stream) = ('google_ads', 'campaigns')"
    )
    assert len(rows) == 3
    assert all(timedelta(0) <= row["watermark"] - NOON < timedelta(minutes=1) for row in rows)

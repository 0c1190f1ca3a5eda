"""What every registered connector passes by being registered: however it was synced, it stores what a fresh load does,
whatever goes wrong on the way, and no account takes another one down.
"""

import asyncio
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from typing import Any

from conformance_support import EVERY_VENDOR, HISTORY_DAYS, REVOKED, START, WORLD, Place, assert_same
from hasty import HASTY
from hypothesis import Phase, given, settings
from hypothesis import strategies as st
from psycopg import sql
from pydantic import SecretStr

from dataflow_assets.connectors.base import Connector, Kind
from dataflow_assets.raw.ddl import table
from dataflow_assets.raw.session import open_sync
from dataflow_assets.sandbox.testing import RunningSandbox, run_sandbox
from dataflow_assets.sandbox.world import WorldConfig
from dataflow_assets.windows import DayWindow

# ------------------------------------------------------------------ full = incremental + backfill, in any order

moves = st.one_of(
    st.integers(1, 30).map(lambda hours: ("advance", hours)),
    st.just(("sync", 0)),
    st.tuples(st.just("backfill"), st.integers(1, 40)),
    st.just(("full", 0)),
)


@EVERY_VENDOR
# Each example is a minute of somebody's life; shrinking one would take hours.
@settings(max_examples=2, phases=[Phase.explicit, Phase.generate])
@given(story=st.lists(moves, min_size=3, max_size=6))
def test_law_4_incremental_syncs_and_backfills_in_any_order_store_what_a_fresh_load_stores(
    vendor: Connector, story: list[tuple[str, int]], make_place: Callable[..., Any]
) -> None:
    with run_sandbox(WORLD, now=START) as sandbox, make_place(sandbox) as long_lived, make_place(sandbox) as fresh:
        long_lived.sync_all(vendor)
        for what, amount in story:
            if what == "advance":
                sandbox.clock.advance(amount * 3_600)
            elif what == "backfill":
                first = sandbox.clock.now().date() - timedelta(days=amount)
                window = DayWindow(first, first + timedelta(days=min(amount, 5)))
                for stream in vendor.streams:
                    if stream.is_daily:
                        assert not long_lived.sync(vendor, stream, window, again=True).failed
            else:
                long_lived.sync_all(vendor, full=what == "full")
        sandbox.clock.advance(26 * 3_600)
        long_lived.sync_all(vendor)
        fresh.sync_all(vendor)
        # Days that a fresh load reads, in every zone.
        since = sandbox.clock.now().date() - timedelta(days=HISTORY_DAYS - 2)
        shown = 0
        for stream in vendor.streams:
            expected = fresh.rows(vendor, stream, since)
            shown += bool(expected)
            if stream.kind is Kind.EVENT:
                # Events are kept when the vendor has forgotten them.
                found = long_lived.rows(vendor, stream, since)
                assert expected.keys() <= found.keys()
                continue
            assert_same(long_lived.rows(vendor, stream, since), expected, stream)
        # In so small a world nobody may dispute a charge; most tables have rows.
        assert shown >= 0.8 * len(vendor.streams)


# ------------------------------------------------------------------ what goes wrong on the way

PASSING = ("cut_connection", "html_502", "malformed_page")


@EVERY_VENDOR
def test_law_2_passing_faults_cost_requests_and_no_row(
    vendor: Connector, calm: tuple[RunningSandbox, Place], make_place: Callable[..., Any]
) -> None:
    sandbox, undisturbed = calm
    with make_place(sandbox) as place:
        for fault in PASSING:
            sandbox.fault(fault, vendor=vendor.name, after=2, times=2)
        place.sync_all(vendor)
        assert sum(rule["fired"] for rule in sandbox.faults()) == 2 * len(PASSING)  # type: ignore[misc]
        for stream in vendor.streams:
            assert_same(place.rows(vendor, stream), undisturbed.rows(vendor, stream), stream)


@EVERY_VENDOR
def test_pages_that_are_empty_or_repeat_rows_lose_and_double_nothing(
    vendor: Connector, calm: tuple[RunningSandbox, Place], make_place: Callable[..., Any]
) -> None:
    sandbox, undisturbed = calm
    quirks = [name for name in sandbox.fault_names(vendor.name) if name.startswith(("empty_page", "duplicate_rows"))]
    assert len(quirks) == 2
    for quirk in quirks:
        with make_place(sandbox) as place:
            sandbox.fault(quirk, vendor=vendor.name, after=1, times=1)
            place.sync_all(vendor)
            sandbox.clear_faults()
            for stream in vendor.streams:
                assert_same(place.rows(vendor, stream), undisturbed.rows(vendor, stream), stream)


@EVERY_VENDOR
def test_law_6_an_unknown_field_is_kept_and_a_broken_record_is_set_aside(
    vendor: Connector, calm: tuple[RunningSandbox, Place], make_place: Callable[..., Any]
) -> None:
    sandbox, undisturbed = calm
    for fault in ("unknown_field", "bad_row"):
        with make_place(sandbox) as place:
            sandbox.fault(fault, vendor=vendor.name)
            reports = [place.sync(vendor, stream) for stream in vendor.streams]
            sandbox.clear_faults()
            unknown = {name for report in reports for one in report.accounts for name in one.unknown_fields}
            quarantined = sum(report.counts.quarantined for report in reports)
            assert [one.error for report in reports for one in report.failed] == []
            if fault == "unknown_field":
                assert unknown
                assert quarantined == 0
            else:
                assert quarantined > 0
                # Where "n/a" is no value: an id may well be called that.
                for stream in vendor.streams:
                    if stream.kind is Kind.REPORT:
                        assert place.rows(vendor, stream).keys() <= undisturbed.rows(vendor, stream).keys()


# ------------------------------------------------------------------ bulkheads

TEN = WorldConfig(
    start=date(2026, 3, 1),
    days=60,
    meta_accounts=10,
    google_accounts=10,
    linkedin_accounts=10,
    hubspot_portals=9,
    stripe_accounts=10,
    campaigns_per_account=2,
    ad_sets_per_campaign=1,
    ads_per_ad_set=1,
    customers_per_day=40,
)
CREDENTIALS = {
    "hubspot": {"access_token": ",".join(f"pat-sandbox-{n}" for n in range(9))},
    "stripe": {"api_key": ",".join(f"sk_test_sandbox_{n}" for n in range(10))},
}


@EVERY_VENDOR
def test_law_9_of_ten_accounts_one_revoked_and_one_that_cannot_be_written_the_others_land(
    vendor: Connector, make_place: Callable[..., Any]
) -> None:
    name, fault, endpoint = REVOKED[vendor.name]
    stream = vendor.stream(name)
    with run_sandbox(TEN, now=datetime(2026, 4, 20, 12, tzinfo=UTC)) as sandbox, make_place(sandbox) as place:
        _all_credentials(place, vendor)
        ids = sorted(account.id for account in asyncio.run(_accounts(place, vendor)))
        revoked, unwritable = ids[2], ids[5]
        sandbox.fault(fault, vendor=vendor.name, account=revoked, endpoint=endpoint)
        with place.platform.warehouse.connect() as connection:
            connection.execute(
                sql.SQL("alter table {} add constraint no check (_account_id <> {})").format(
                    table(vendor, stream), sql.Literal(unwritable)
                )
            )
        report = place.sync(vendor, stream)
        assert sorted(one.account.id for one in report.failed) == [revoked, unwritable]
        assert all(one.account.id in str(one.error) for one in report.failed)
        landed = {row["_account_id"] for row in place.rows(vendor, stream).values()}
        assert landed == set(ids) - {revoked, unwritable}
        # Mended, the next sync brings the two, and fetches what was landed only as far as it has changed.
        sandbox.clear_faults()
        with place.platform.warehouse.connect() as connection:
            connection.execute(sql.SQL("alter table {} drop constraint no").format(table(vendor, stream)))
        assert not place.sync(vendor, stream).failed
        assert {row["_account_id"] for row in place.rows(vendor, stream).values()} == set(ids)


def _all_credentials(place: Place, vendor: Connector) -> None:
    if vendor.name in CREDENTIALS:
        secrets = {name: SecretStr(value) for name, value in CREDENTIALS[vendor.name].items()}
        configured = place.platform.settings.vendors[vendor.name].model_copy(update=secrets)
        settings_ = place.platform.settings.model_copy(update={vendor.name: configured})
        object.__setattr__(place.platform, "settings", settings_)


async def _accounts(place: Place, vendor: Connector) -> Any:
    async with open_sync(place.platform, vendor, clock=HASTY) as sync:
        return sync.accounts

"""Each run shows what reading everything would have cost, and where that figure is from."""

from datetime import date, timedelta

from raw_support import BY_AD, CAMPAIGNS, World, fine

from dataflow_assets.raw.report import summary
from dataflow_assets.raw.savings import FullSync
from dataflow_assets.windows import DayWindow

HOUR = timedelta(hours=1).total_seconds()


def test_a_listing_is_measured_by_the_latest_whole_one(world: World) -> None:
    first = fine(world.run(CAMPAIGNS, full=True))
    for account in first.accounts:
        assert account.full == FullSync(account.tally.requests, is_measured=True)
    second = fine(world.run(CAMPAIGNS))
    assert [account.full for account in second.accounts] == [account.full for account in first.accounts]


def test_report_days_are_measured_by_the_widest_reading_of_them(world: World) -> None:
    month = DayWindow(date(2026, 4, 1), date(2026, 5, 1))
    for account in fine(world.run(BY_AD, month)).accounts:
        assert account.full == FullSync(account.tally.requests, is_measured=True)
    one_day = fine(world.run(BY_AD, DayWindow(date(2026, 4, 30), date(2026, 5, 1))))
    assert (
        summary(one_day, "sandbox").items()
        >= {
            "requests": len(one_day.accounts) + one_day.overhead.requests,
            "requests_of_a_full_sync": sum(account.full.requests for account in one_day.accounts if account.full),
            "requests_of_a_full_sync_are": "measured, in the ledger",
        }.items()
    )


def test_without_a_whole_reading_in_the_ledger_it_is_estimated_and_says_so(world: World) -> None:
    fine(world.run(CAMPAIGNS, full=True))
    with world.platform.warehouse.connect() as connection:
        connection.execute("truncate dataflow.sync_ledger")
    world.sandbox.clock.advance(HOUR)
    report = fine(world.run(CAMPAIGNS))
    assert {account.full for account in report.accounts} == {FullSync(1, is_measured=False)}
    told = summary(report, "sandbox")
    assert told["requests_of_a_full_sync_are"] == "estimated, from rows and page size"
    assert told["requests_saved_percent"] == 0.0

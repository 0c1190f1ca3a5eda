"""Which days a sync covers, and what the schedules ask for."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, date, datetime

import dagster as dg
import pytest
from installation import Installation

from dataflow_assets.automation.schedules import build_schedules
from dataflow_assets.automation.windows import sync_window, today_window
from dataflow_assets.connectors import connector
from dataflow_assets.resources.dagster import PlatformResource
from dataflow_assets.windows import DayWindow

SCHEDULES = {schedule.name: schedule for schedule in build_schedules()}


@pytest.fixture
def known(landed: Installation) -> Installation:
    """Everything is known from long ago up to yesterday."""
    landed.rows("update dataflow.watermarks set complete_from = complete_from - interval '200 days'")
    return landed


@dataclass(frozen=True)
class Standing:
    """A clock that stands."""

    moment: datetime

    def now(self) -> datetime:
        return self.moment


def covered(installed: Installation, on_trouble: Callable[[str], None] = print, **settings: str) -> str:
    installed.settings.update(settings)
    with installed.here() as platform:
        return str(asyncio.run(sync_window(platform, [connector("meta_ads")], on_trouble=on_trouble)))


def test_a_first_sync_covers_the_initial_history_and_the_running_day(installed: Installation) -> None:
    assert covered(installed) == "2026-02-19...2026-05-20"


def test_law_5_a_later_sync_reaches_the_lookback_below_what_is_known(known: Installation) -> None:
    # Known through the 19th: 28 days below the 20th.
    assert covered(known) == "2026-04-22...2026-05-20"


def test_days_before_the_first_known_one_are_left_to_a_backfill(landed: Installation) -> None:
    assert covered(landed) == "2026-05-14...2026-05-20"


def test_after_an_outage_it_reaches_below_the_last_known_day_not_below_today(known: Installation) -> None:
    known.sandbox.clock.advance(10 * 86_400)
    assert covered(known) == "2026-04-22...2026-05-30"


def test_the_account_that_is_furthest_behind_decides(known: Installation) -> None:
    known.rows(
        """
        update dataflow.watermarks set watermark = watermark - interval '3 days'
        where stream = 'insights_ad' and account_id = (select min(account_id) from raw_meta_ads.ad_accounts)
        """
    )
    assert covered(known) == "2026-04-19...2026-05-20"


def test_a_stream_without_a_watermark_gets_its_initial_history(known: Installation) -> None:
    known.rows("delete from dataflow.watermarks where stream = 'insights_ad_set'")
    assert covered(known) == "2026-02-19...2026-05-20"


def test_the_running_day_is_that_of_the_account_furthest_ahead(known: Installation) -> None:
    known.sandbox.clock.set(datetime(2026, 5, 20, 16, tzinfo=UTC))  # the 21st in Tokyo
    assert covered(known).endswith("...2026-05-21")


def test_nothing_before_the_first_partition_is_covered(installed: Installation) -> None:
    assert covered(installed, DATAFLOW_PARTITIONS_START="2026-05-01").startswith("2026-05-01...")


def test_a_day_whose_partition_does_not_exist_yet_is_left_to_the_next_sync(known: Installation) -> None:
    known.sandbox.clock.set(datetime(2026, 5, 20, 16, tzinfo=UTC))  # the 21st in Tokyo, not in UTC
    clock = Standing(datetime(2026, 5, 20, 16, tzinfo=UTC))
    with known.here() as platform:
        window = asyncio.run(sync_window(platform, clock=clock))
    assert window == DayWindow(date(2026, 4, 22), date(2026, 5, 21))


def test_law_9_a_vendor_that_shows_no_account_is_named_and_leaves_the_window_to_the_others(
    installed: Installation,
) -> None:
    heard: list[str] = []
    window = covered(installed, heard.append, DATAFLOW_META_ADS__ACCOUNT_IDS="12345")
    assert window == str(today_window(datetime.now(UTC)))
    assert heard == ["meta_ads: the credentials see no account."]


def test_today_is_the_running_day_and_the_one_that_still_runs_in_the_west() -> None:
    assert today_window(datetime(2026, 5, 20, 0, 1, tzinfo=UTC)) == DayWindow(date(2026, 5, 19), date(2026, 5, 21))


def evaluated(schedule: str, installed: Installation, moment: datetime) -> dg.RunRequest:
    resources = {"platform": PlatformResource()}
    with (
        installed.there(),
        dg.DagsterInstance.ephemeral() as instance,
        dg.build_schedule_context(instance, scheduled_execution_time=moment, resources=resources) as context,
    ):
        (request,) = SCHEDULES[schedule].evaluate_tick(context).run_requests or []
    return request


def test_nightly_reads_again_every_day_that_may_still_change(known: Installation) -> None:
    request = evaluated("nightly", known, datetime(2026, 5, 20, 4, tzinfo=UTC))
    assert request.tags["dagster/asset_partition_range_start"] == "2026-04-22"
    assert request.tags["dagster/asset_partition_range_end"] == "2026-05-20"


def test_intraday_reads_the_running_day(known: Installation) -> None:
    request = evaluated("intraday", known, datetime(2026, 5, 20, 14, 15, tzinfo=UTC))
    assert request.tags["dagster/asset_partition_range_start"] == "2026-05-19"
    assert request.tags["dagster/asset_partition_range_end"] == "2026-05-20"

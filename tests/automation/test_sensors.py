"""Sensors that fire on new data: what they ask for, and when they ask for nothing."""

import asyncio
from collections.abc import Callable
from datetime import UTC, datetime

import dagster as dg
import pytest
from installation import Installation

from dataflow_assets.automation.jobs import ONLY_TOUCHED
from dataflow_assets.automation.sensors import build_sensors
from dataflow_assets.connectors import connector
from dataflow_assets.raw.session import open_sync
from dataflow_assets.resources.platform import Platform

META = connector("meta_ads")
SENSORS = {sensor.name: sensor for sensor in build_sensors([META])}
NEW_DATA, TOUCHED_DAYS = SENSORS["meta_ads_new_data"], SENSORS["touched_days"]
INSIGHTS = {f"raw/meta_ads/{name}" for name in ("insights_ad", "insights_ad_set", "insights_campaign")}
NOTHING_NEWER = "Meta Ads has nothing newer than the watermarks."
UNFINISHED = ["NOT_STARTED", "STARTING", "STARTED"]  # a queued run can only be made by a daemon
FINISHED = ["SUCCESS", "FAILURE", "CANCELED"]
Look = Callable[[dg.SensorDefinition, Installation], dg.RunRequest | str]


def selected(request: dg.RunRequest | str) -> set[str]:
    assert isinstance(request, dg.RunRequest), request
    return {key.to_user_string() for key in request.asset_selection or []}


def partitions(request: dg.RunRequest | str) -> tuple[str | None, str | None]:
    assert isinstance(request, dg.RunRequest), request
    ends = ("dagster/asset_partition_range_start", "dagster/asset_partition_range_end")
    return (request.tags.get(ends[0]), request.tags.get(ends[1]))


def a_run(instance: dg.DagsterInstance, status: str, job: str = "sync", **tags: str) -> None:
    marked = {name.replace("__", "/"): value for name, value in tags.items()}
    instance.add_run(dg.DagsterRun(job_name=job, status=dg.DagsterRunStatus(status), tags=marked))


# --------------------------------------------------------------------------- anything new at the vendor?


def test_nothing_is_asked_for_while_nothing_is_newer(landed: Installation, look: Look) -> None:
    assert look(NEW_DATA, landed) == NOTHING_NEWER


def test_before_the_first_sync_nothing_is_newer(installed: Installation, look: Look) -> None:
    # How far back to begin is the first sync's to decide.
    assert look(NEW_DATA, installed) == NOTHING_NEWER


def test_days_that_are_over_are_asked_for_together(landed: Installation, look: Look) -> None:
    landed.sandbox.clock.advance(5 * 86_400)
    request = look(NEW_DATA, landed)
    assert selected(request) == INSIGHTS
    assert partitions(request) == ("2026-05-20", "2026-05-24")


@pytest.mark.parametrize(
    ("now", "accounts_with_a_new_day"),
    [("14:59", 0), ("15:01", 1), ("21:59", 1), ("22:01", 2)],  # Tokyo is nine hours ahead of UTC, Berlin two
)
def test_law_10_a_day_is_over_when_it_is_in_the_accounts_own_zone(
    landed: Installation, look: Look, now: str, accounts_with_a_new_day: int
) -> None:
    landed.sandbox.clock.set(datetime.fromisoformat(f"2026-05-20T{now}").replace(tzinfo=UTC))
    # Accounts whose 20th has been read already have nothing new.
    zones = ["Asia/Tokyo", "Europe/Berlin"][: max(accounts_with_a_new_day - 1, 0)]
    landed.rows(
        """
        update dataflow.watermarks set watermark = watermark + interval '1 day' where account_id in (
            select account_id from raw_meta_ads.ad_accounts where timezone_name = any(%s))
        """,
        zones,
    )
    answer = look(NEW_DATA, landed)
    if accounts_with_a_new_day:
        assert partitions(answer) == ("2026-05-20", "2026-05-20")
    else:
        assert answer == NOTHING_NEWER


def test_a_changed_entity_asks_for_its_stream_alone(landed: Installation, look: Look) -> None:
    # As if the newest campaign had been edited after it was read.
    landed.rows("update dataflow.watermarks set watermark = watermark - interval '1 day' where stream = 'campaigns'")
    request = look(NEW_DATA, landed)
    assert selected(request) == {"raw/meta_ads/campaigns"}
    today = datetime.now(UTC).date().isoformat()
    assert partitions(request) == (today, today), "What changed belongs to the running day."


def test_both_kinds_of_news_make_one_request(landed: Installation, look: Look) -> None:
    landed.rows("update dataflow.watermarks set watermark = watermark - interval '1 day' where stream = 'ads'")
    landed.sandbox.clock.advance(86_400)
    request = look(NEW_DATA, landed)
    assert selected(request) == INSIGHTS | {"raw/meta_ads/ads"}
    assert partitions(request) == ("2026-05-20", "2026-05-20")


def test_asking_costs_two_requests_however_many_accounts_there_are(landed: Installation, look: Look) -> None:
    landed.sandbox.reset_requests()
    look(NEW_DATA, landed)
    # The accounts, and one batch with every question.
    assert landed.sandbox.requests()["by_vendor"] == {"meta_ads": 2}


def test_within_an_hour_the_accounts_are_not_listed_again(landed: Installation, look: Look) -> None:
    look(NEW_DATA, landed)
    landed.sandbox.reset_requests()
    look(NEW_DATA, landed)
    assert landed.sandbox.requests()["by_endpoint"]["meta_ads"].keys().isdisjoint({"ad_accounts"})
    assert landed.sandbox.requests()["by_vendor"] == {"meta_ads": 1}


def test_the_run_that_follows_takes_the_accounts_along(landed: Installation, look: Look) -> None:
    look(NEW_DATA, landed)
    landed.sandbox.reset_requests()

    async def go(platform: Platform) -> int:
        async with open_sync(platform, META, run_id="the one that follows") as sync:
            return len(sync.accounts)

    with landed.here() as platform:
        assert asyncio.run(go(platform)) == 3
    assert landed.sandbox.requests()["total"] == 0


def test_only_accounts_with_news_are_read(landed: Installation, look: Look) -> None:
    landed.sandbox.clock.set(datetime(2026, 5, 20, 15, 1, tzinfo=UTC))  # the day has ended in Tokyo, and only there
    request = look(NEW_DATA, landed)
    assert isinstance(request, dg.RunRequest)
    tokyo = "select account_id from raw_meta_ads.ad_accounts where timezone_name = 'Asia/Tokyo'"
    reading = {"config": {"accounts": [landed.value(tokyo)]}}
    assert request.run_config == {"ops": {name.replace("/", "__"): reading for name in INSIGHTS}}


@pytest.mark.parametrize("status", UNFINISHED)
def test_while_its_own_run_is_not_finished_it_asks_for_no_other(
    landed: Installation, look: Look, instance: dg.DagsterInstance, status: str
) -> None:
    landed.sandbox.clock.advance(86_400)
    a_run(instance, status, dataflow__sensor="meta_ads_new_data")
    assert look(NEW_DATA, landed) == "The run this sensor asked for last is not finished."


@pytest.mark.parametrize("status", FINISHED)
def test_what_a_finished_run_did_not_bring_is_asked_for_again(
    landed: Installation, look: Look, instance: dg.DagsterInstance, status: str
) -> None:
    landed.sandbox.clock.advance(86_400)
    a_run(instance, status, dataflow__sensor="meta_ads_new_data")
    request = look(NEW_DATA, landed)
    assert isinstance(request, dg.RunRequest)
    assert request.run_key is None, "a run key is used up by the run that failed"
    assert request.tags["dataflow/sensor"] == "meta_ads_new_data"


def test_a_vendor_that_does_not_answer_is_no_failure_of_the_sensor(landed: Installation, look: Look) -> None:
    landed.sandbox.fault("expired_token")
    answer = look(NEW_DATA, landed)
    assert isinstance(answer, str)
    assert answer.startswith("Could not ask: meta_ads: Meta answered code 190/463")
    assert "set DATAFLOW_META_ADS__ACCESS_TOKEN" in answer


def test_law_9_an_account_that_is_refused_does_not_silence_the_others(landed: Installation, look: Look) -> None:
    accounts = [row["account_id"] for row in landed.rows("select account_id from raw_meta_ads.ad_accounts order by 1")]
    landed.sandbox.fault("revoked_account", account=accounts[0], endpoint="campaigns")
    landed.rows("update dataflow.watermarks set watermark = watermark - interval '9 days' where stream = 'campaigns'")
    assert selected(look(NEW_DATA, landed)) == {"raw/meta_ads/campaigns"}


# --------------------------------------------------------------------------- days that wait to be carried on


def touch(installed: Installation, layer: str, *days: str) -> None:
    for day in days:
        installed.rows(
            """
            insert into dataflow.touched_days (layer, connector, account_id, stream, day, sync_id)
            values (%s, 'meta_ads', '1', 'insights_ad', %s, gen_random_uuid())
            """,
            layer,
            day,
        )


def test_no_waiting_day_no_run(installed: Installation, look: Look) -> None:
    assert look(TOUCHED_DAYS, installed) == "No changed day is waiting."


def test_waiting_days_of_both_layers_are_carried_in_one_run(installed: Installation, look: Look) -> None:
    touch(installed, "raw", "2026-05-03", "2026-05-19")
    touch(installed, "facts", "2026-04-30")
    request = look(TOUCHED_DAYS, installed)
    assert partitions(request) == ("2026-04-30", "2026-05-19")
    assert isinstance(request, dg.RunRequest)
    assert request.run_config == ONLY_TOUCHED, "the days between stay as they are"
    assert request.run_key is None


@pytest.mark.parametrize("status", UNFINISHED)
@pytest.mark.parametrize("run", [{"job": "sync"}, {"job": "transform", "dataflow__sensor": "touched_days"}])
def test_days_are_left_to_a_run_that_is_under_way(
    installed: Installation, look: Look, instance: dg.DagsterInstance, status: str, run: dict[str, str]
) -> None:
    touch(installed, "raw", "2026-05-19")
    a_run(instance, status, **run)
    assert look(TOUCHED_DAYS, installed) == "A run is under way; it may carry the changed days itself."


@pytest.mark.parametrize("status", FINISHED)
def test_days_that_a_run_left_behind_are_carried_by_the_next(
    installed: Installation, look: Look, instance: dg.DagsterInstance, status: str
) -> None:
    touch(installed, "raw", "2026-05-19")
    a_run(instance, status)
    a_run(instance, status, job="transform", dataflow__sensor="touched_days")
    assert partitions(look(TOUCHED_DAYS, installed)) == ("2026-05-19", "2026-05-19")

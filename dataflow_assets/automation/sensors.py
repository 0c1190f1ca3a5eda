"""Sensors that fire on new data: at the vendor, and between our own layers."""

import asyncio
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import dagster as dg

from dataflow_assets.automation.jobs import ONLY_TOUCHED, SYNC, TRANSFORM
from dataflow_assets.connectors.base import Account, Connector, Kind, Probe, Stream
from dataflow_assets.partitions import range_tags
from dataflow_assets.raw.factory import asset_key, op_name
from dataflow_assets.raw.session import ensure_schema, open_sync
from dataflow_assets.resources.clock import SYSTEM_CLOCK
from dataflow_assets.resources.dagster import PlatformResource
from dataflow_assets.resources.failures import VendorError
from dataflow_assets.resources.platform import Platform
from dataflow_assets.resources.touched import waiting
from dataflow_assets.resources.watermarks import StreamId, Watermark, read_watermarks
from dataflow_assets.windows import ONE_DAY, DayWindow, local_day

LOOK_EVERY_SECONDS = 300
CARRY_EVERY_SECONDS = 60
# To list the accounts anew every few minutes would cost more than to ask what is newer. An account that is new waits
# for the next full sync, or for this long.
LISTING_HOLDS = timedelta(hours=1)
TAG = "dataflow/sensor"
UNFINISHED = [
    dg.DagsterRunStatus.QUEUED,
    dg.DagsterRunStatus.NOT_STARTED,
    dg.DagsterRunStatus.STARTING,
    dg.DagsterRunStatus.STARTED,
]


def build_sensors(connectors: Sequence[Connector]) -> list[dg.SensorDefinition]:
    """One "anything newer?" sensor per vendor, and one that carries changed days on."""
    return [*(_new_data_sensor(connector) for connector in connectors), _touched_days_sensor()]


@dataclass(frozen=True)
class Newer:
    """What a vendor has that we do not: changes of entities and events, and complete days not read yet.

    `accounts` gives, by stream, those that have it; `requests` is what it cost to ask.
    """

    accounts: Mapping[str, tuple[str, ...]]
    days: DayWindow | None
    requests: int = 0

    def __bool__(self) -> bool:
        return bool(self.accounts)


async def find_newer(platform: Platform, connector: Connector) -> Newer:
    """Ask the vendor, in as few round trips as it allows. Streams without a watermark are left to their first sync."""
    ensure_schema(platform)
    with platform.warehouse.connect() as connection:
        known = read_watermarks(connection)
    async with open_sync(platform, connector, listing_holds=LISTING_HOLDS) as sync:
        caller = sync.client.caller()
        probes = [
            Probe(account, stream, watermark.instant)
            for account in sync.accounts
            for stream in sync.connector.streams
            if stream.kind is not Kind.REPORT
            and (watermark := known.get(StreamId(connector.name, account.id, stream.name)))
        ]
        found = await sync.connector.newer(caller, probes) if probes else []
        now = sync.client.vendor_now()  # by the answers just had
        requests = caller.tally.requests + sync.overhead.requests
        news = [(probe.stream.name, probe.account.id) for probe in found]
        windows = []
        for account in sync.accounts:
            for stream, window in _new_days(connector, account, known, now):
                news.append((stream.name, account.id))
                windows.append(window)
    accounts: defaultdict[str, tuple[str, ...]] = defaultdict(tuple)
    for name, account_id in news:
        accounts[name] += (account_id,)
    days = DayWindow(min(w.start for w in windows), max(w.end for w in windows)) if windows else None
    return Newer(accounts, days, requests)


def _new_days(
    connector: Connector, account: Account, known: Mapping[StreamId, Watermark], now: datetime
) -> Iterator[tuple[Stream, DayWindow]]:
    """Complete days of each report stream that one account has and we have not."""
    today = local_day(now, account.zone)
    partitions_end = SYSTEM_CLOCK.now().date() + ONE_DAY
    for stream in connector.streams:
        mark = known.get(StreamId(connector.name, account.id, stream.name))
        if stream.kind is Kind.REPORT and mark and (start := local_day(mark.instant, account.zone)) < today:
            window = DayWindow(start, today).clip(end=partitions_end)
            if window is not None:
                yield stream, window


def _is_busy(context: dg.SensorEvaluationContext, name: str) -> bool:
    # A run key would block the same request for ever once it was used; a run in progress blocks it until it ends.
    runs = context.instance.get_runs(dg.RunsFilter(tags={TAG: name}, statuses=UNFINISHED), limit=1)
    return bool(runs)


def _new_data_sensor(connector: Connector) -> dg.SensorDefinition:
    name = f"{connector.name}_new_data"

    @dg.sensor(name=name, job=SYNC, minimum_interval_seconds=LOOK_EVERY_SECONDS)
    def new_data(context: dg.SensorEvaluationContext, platform: PlatformResource) -> dg.SensorResult | dg.SkipReason:
        """Asks the vendor whether anything is newer than the watermarks, and syncs exactly what is."""
        if _is_busy(context, name):
            return dg.SkipReason("The run this sensor asked for last is not finished.")
        try:
            newer = asyncio.run(find_newer(platform.get(), connector))
        except VendorError as error:
            return dg.SkipReason(f"Could not ask: {error}")
        if not newer:
            return dg.SkipReason(f"{connector.title} has nothing newer than the watermarks.")
        return dg.SensorResult(run_requests=_requests(connector, newer, name))

    return new_data


def _requests(connector: Connector, newer: Newer, name: str) -> list[dg.RunRequest]:
    tags = {TAG: name} | range_tags(newer.days or running_day())
    config = {"ops": newer_ops(connector, newer)}
    return [dg.RunRequest(asset_selection=newer_assets(connector, newer), tags=tags, run_config=config)]


def newer_assets(connector: Connector, newer: Newer) -> list[dg.AssetKey]:
    """The raw assets that have something to read."""
    return [asset_key(connector, connector.stream(name)) for name in newer.accounts]


def newer_ops(connector: Connector, newer: Newer) -> dict[str, Any]:
    """Run configuration of those assets: each reads the accounts that have something, and asks the others nothing."""
    return {
        op_name(connector, connector.stream(name)): {"config": {"accounts": list(accounts)}}
        for name, accounts in newer.accounts.items()
    }


def running_day() -> DayWindow:
    """The newest partition: what changed since the watermark belongs to it."""
    today = SYSTEM_CLOCK.now().date()
    return DayWindow(today, today + ONE_DAY)


def _touched_days_sensor() -> dg.SensorDefinition:
    name = "touched_days"

    @dg.sensor(
        name=name,
        job=TRANSFORM,
        minimum_interval_seconds=CARRY_EVERY_SECONDS,
        default_status=dg.DefaultSensorStatus.RUNNING,
    )
    def touched_days(context: dg.SensorEvaluationContext, platform: PlatformResource) -> dg.RunRequest | dg.SkipReason:
        """Carries changed days to the facts and aggregates: after a sensor's sync, or one that broke off half way."""
        if _is_busy(context, name) or context.instance.get_runs(
            dg.RunsFilter(job_name=SYNC.name, statuses=UNFINISHED), limit=1
        ):
            return dg.SkipReason("A run is under way; it may carry the changed days itself.")
        found = platform.get()
        ensure_schema(found)
        # Days outside the partitions, such as the expected end of an open deal, wait until their partition exists.
        there_is = DayWindow(found.settings.partitions_start, SYSTEM_CLOCK.now().date() + ONE_DAY)
        with found.warehouse.connect() as connection:
            days = waiting(connection, "raw", there_is).days | waiting(connection, "facts", there_is).days
        if not days:
            return dg.SkipReason("No changed day is waiting.")
        window = DayWindow(min(days), max(days) + ONE_DAY)
        return dg.RunRequest(tags={TAG: name} | range_tags(window), run_config=ONLY_TOUCHED)

    return touched_days

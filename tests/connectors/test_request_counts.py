"""What syncs cost in requests, vendor by vendor, in a world with a hundred campaigns in each account."""

import asyncio
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from uuid import uuid4

import pytest
from conformance_support import Place
from hasty import HASTY

from dataflow_assets.automation.sensors import find_newer
from dataflow_assets.connectors import all_connectors
from dataflow_assets.connectors.base import Connector
from dataflow_assets.raw.session import open_sync
from dataflow_assets.sandbox.testing import run_sandbox
from dataflow_assets.sandbox.world import WorldConfig

NOW = datetime(2026, 4, 20, 9, tzinfo=UTC)
WORLD = WorldConfig(meta_accounts=1, google_accounts=1, linkedin_accounts=1, campaigns_per_account=100)
HOURS = 3


@dataclass(frozen=True)
class Cost:
    """Requests of a vendor as the sandbox has counted them, listings of accounts included."""

    full: int
    full_by_stream: dict[str, int]
    daily_by_stream: dict[str, int]
    asking: list[int]  # of each of some hours: whether anything is newer
    hourly: list[int]  # the same, and the reading of what is


@pytest.fixture(scope="module")
def costs(make_place: Callable[..., Any]) -> Iterator[dict[str, Cost]]:
    with run_sandbox(WORLD, now=NOW) as sandbox, make_place(sandbox) as place:
        for name, vendor in place.platform.settings.vendors.items():
            days = {"initial_history_days": 90} if "initial_history_days" in type(vendor).model_fields else {}
            changed = place.platform.settings.model_copy(update={name: vendor.model_copy(update=days)})
            object.__setattr__(place.platform, "settings", changed)
        yield {vendor.name: cost_of(place, vendor) for vendor in all_connectors()}


def cost_of(place: Place, vendor: Connector) -> Cost:
    sandbox = place.sandbox
    sandbox.clock.set(NOW)
    sandbox.reset_requests()
    full = read(place, vendor, {stream.name: () for stream in vendor.streams})
    total = counted(place)
    sandbox.clock.advance(86_400)
    daily = read(place, vendor, {stream.name: () for stream in vendor.streams})
    asking, hourly = [], []
    counted(place)
    for _ in range(HOURS):
        sandbox.clock.advance(3_600)
        newer = asyncio.run(find_newer(place.platform, vendor))
        asking.append(counted(place))
        read(place, vendor, newer.accounts)
        hourly.append(asking[-1] + counted(place))
    return Cost(total, full, daily, asking, hourly)


def read(place: Place, vendor: Connector, accounts: Any) -> dict[str, int]:
    """One run: requests by stream, without the listing of accounts."""

    async def go() -> dict[str, int]:
        found, run_id = {}, uuid4().hex
        for name, only in accounts.items():
            async with open_sync(place.platform, vendor, clock=HASTY, run_id=run_id, only_accounts=only) as sync:
                listing = sync.overhead.requests
                report = await sync.run(sync.connector.stream(name))
                assert [one.error for one in report.failed] == []
                found[name] = report.tally.requests - listing
        return found

    return asyncio.run(go())


def counted(place: Place) -> int:
    """Requests since this was asked last."""
    told = place.sandbox.requests()
    place.sandbox.reset_requests()
    # Whose clock jumps by an hour needs a new token at each look; and no budget counts tokens.
    tokens = sum(n for calls in told["by_endpoint"].values() for name, n in calls.items() if name.endswith("token"))
    return int(told["total"]) - tokens


# One after the other it would be a request for each of the hundred.
HUNDRED_CAMPAIGNS = {
    "google_ads": ("campaigns", "campaign_performance"),
    "linkedin_ads": ("campaign_groups", "analytics_campaign"),
    "meta_ads": ("campaigns", "insights_campaign"),
}


@pytest.mark.parametrize("vendor", HUNDRED_CAMPAIGNS)
def test_a_hundred_campaigns_and_a_month_of_their_figures_take_at_most_ten_requests(
    vendor: str, costs: dict[str, Cost]
) -> None:
    entities, figures = HUNDRED_CAMPAIGNS[vendor]
    daily = costs[vendor].daily_by_stream
    assert daily[entities] == 1
    assert daily[entities] + daily[figures] <= 10


@pytest.mark.parametrize("vendor", all_connectors(), ids=lambda vendor: vendor.name)
def test_to_ask_what_is_newer_takes_at_most_a_tenth_of_the_requests_of_a_full_sync(
    vendor: Connector, costs: dict[str, Cost]
) -> None:
    # The first time the accounts are listed as well. A question may be refused once, since the token is too old.
    assert max(costs[vendor.name].asking[1:]) <= 0.1 * costs[vendor.name].full, costs[vendor.name]


def test_an_hourly_sync_of_all_vendors_takes_at_most_a_tenth_of_the_requests_of_a_full_one(
    costs: dict[str, Cost],
) -> None:
    full = sum(cost.full for cost in costs.values())
    hourly = [sum(hours) for hours in zip(*(cost.hourly for cost in costs.values()), strict=True)]
    assert sum(hourly) / HOURS <= 0.1 * full, (full, hourly, costs)

"""Google's own types and its OAuth client read the sandbox as they read Google; all of it is the world's truth."""

from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from typing import Any

import google.auth.transport.requests
import pytest
from google.ads.googleads.v26.services.types.google_ads_service import GoogleAdsRow
from google.auth.exceptions import RefreshError
from google.oauth2.credentials import Credentials
from google_client import BERLIN, TOKYO, Ads, between, plain, select, signed_in

from dataflow_assets.sandbox.google_ads import ids
from dataflow_assets.sandbox.google_ads.auth import CLIENT_ID, CLIENT_SECRET, REFRESH_TOKEN
from dataflow_assets.sandbox.google_ads.fields import FIELDS, Type
from dataflow_assets.sandbox.google_ads.selects import SELECT
from dataflow_assets.sandbox.testing import RunningSandbox, run_sandbox
from dataflow_assets.sandbox.world import Moment, World, WorldConfig
from dataflow_assets.sandbox.world.performance import ad_day

SPRING, LATER = datetime(2026, 3, 20, 16, tzinfo=UTC), datetime(2026, 5, 1, 12, tzinfo=UTC)
FIRST = date(2026, 2, 20)
DAILY = {stream for stream, fields in SELECT.items() if "segments.date" in fields}


@pytest.fixture
def ads(sandbox: RunningSandbox) -> Iterator[Ads]:
    with signed_in(sandbox) as client:
        yield client


def where(stream: str) -> str:
    return between(FIRST, "2026-05-01") if stream in DAILY else ""


# The OAuth client.


def credentials(sandbox: RunningSandbox, refresh_token: str = REFRESH_TOKEN) -> Credentials:
    return Credentials(
        None,
        refresh_token=refresh_token,
        token_uri=f"{sandbox.google_url}/token",
        client_id=CLIENT_ID,
        client_secret=CLIENT_SECRET,
    )


@pytest.fixture
def transport() -> Iterator[google.auth.transport.requests.Request]:
    request = google.auth.transport.requests.Request()
    yield request
    request.session.close()


def test_googles_oauth_client_takes_a_token_that_opens_the_api(
    sandbox: RunningSandbox, ads: Ads, transport: Any
) -> None:
    held = credentials(sandbox)
    held.refresh(transport)
    assert held.valid
    ads.headers["authorization"] = f"Bearer {held.token}"
    assert ads.accessible() == [f"customers/{ids.MANAGER_ID}", f"customers/{BERLIN}"]


def test_googles_oauth_client_takes_a_revoked_grant_for_final(sandbox: RunningSandbox, transport: Any) -> None:
    with pytest.raises(RefreshError, match="invalid_grant: Token has been expired or revoked") as caught:
        credentials(sandbox, "another").refresh(transport)
    assert caught.value.retryable is False


# Rows and types.


@pytest.mark.parametrize("now", [SPRING, LATER])
@pytest.mark.parametrize("stream", SELECT)
def test_a_stream_is_the_truth_for_every_client_paged_and_streamed(
    sandbox: RunningSandbox, ads: Ads, stream: str, now: datetime
) -> None:
    sandbox.clock.set(now)
    ads.sign_in()
    sandbox.limits("google_ads", page_rows=101 if stream in DAILY else 7)
    for client in sandbox.truth("google_ads", "customers"):
        customer = client["customer"]["id"]
        truth = sandbox.truth("google_ads", stream, account=customer, first=FIRST)
        assert ads.rows(select(stream, where(stream)), customer) == truth
        pieces = ads.pieces(select(stream, where(stream), parameters=False), customer)
        assert plain([row for piece in pieces for row in piece["results"]]) == truth
        assert len(truth) > (80 if stream in DAILY else 0)


@pytest.mark.parametrize("stream", ["campaigns", "ads", "campaign_performance", "ad_performance"])
def test_what_was_not_removed_is_the_truth_without_what_was(sandbox: RunningSandbox, ads: Ads, stream: str) -> None:
    resource = "ad_group_ad" if stream.startswith("ad") else "campaign"
    query = select(stream, (where(stream) or " WHERE campaign.id > 0") + f" AND {resource}.status != 'REMOVED'")
    truth = sandbox.truth("google_ads", stream, account=BERLIN, first=FIRST, deleted=False)
    assert ads.rows(query) == truth
    assert len(truth) < len(sandbox.truth("google_ads", stream, account=BERLIN, first=FIRST))


@pytest.mark.parametrize("path", FIELDS)
def test_a_field_is_googles_by_name_and_type(path: str) -> None:
    *above, last = path.split(".")
    message = GoogleAdsRow.pb().DESCRIPTOR
    for name in above:
        message = message.fields_by_name[name].message_type
    found = message.fields_by_name.get(last) or message.fields_by_name[f"{last}_"]
    field = FIELDS[path]
    kinds = {Type.INT64: found.TYPE_INT64, Type.DOUBLE: found.TYPE_DOUBLE, Type.BOOL: found.TYPE_BOOL}
    if field.type is Type.ENUM:
        assert {value.name for value in found.enum_type.values} == field.constants
    else:
        assert found.type == kinds.get(field.type, found.TYPE_STRING)
    assert (field.type is Type.STRINGS) == found.is_repeated


def test_figures_are_those_of_the_world_in_micros_and_in_whole_units(sandbox: RunningSandbox, ads: Ads) -> None:
    world = World(sandbox.config)
    day = date(2026, 3, 12)
    for number, (customer, minor_micros) in enumerate([(BERLIN, 10_000), ("", 0), (TOKYO, 1_000_000)]):
        if not customer:
            continue
        account = world.accounts("google_ads")[number]
        campaign = world.campaign(account, 0)
        moment = Moment.of(account, sandbox.clock.epoch())
        cells = [
            counts
            for ad in world.ads_under(campaign)
            if any(begin <= day.toordinal() < end for begin, end in ad.life.spans)
            and (counts := ad_day(ad, day.toordinal(), moment))
        ]
        (row,) = ads.rows(
            select("campaign_performance", f"{between(day, day)} AND campaign.id = {ids.campaign_id(campaign)}"),
            customer,
        )
        found = row["metrics"]
        assert found["costMicros"] == str(sum(cell.spend for cell in cells) * minor_micros)
        assert found["clicks"] == str(sum(cell.clicks for cell in cells))
        purchases = sum(cell.purchases_28d_click for cell in cells)
        viewed = sum(cell.purchases_1d_view for cell in cells)
        assert (found["conversions"], found["viewThroughConversions"]) == (purchases, str(viewed))
        assert found["allConversions"] == purchases + viewed
        worth = sum(cell.value_28d_click for cell in cells) * minor_micros / 1_000_000
        assert found["conversionsValue"] == pytest.approx(worth)
        assert found["conversions"] > 0


def test_conversions_are_booked_on_the_day_of_the_click_and_found_for_weeks(sandbox: RunningSandbox, ads: Ads) -> None:
    first, last = date(2026, 2, 10), date(2026, 2, 16)

    def read(after: int) -> tuple[float, int]:
        sandbox.clock.set(datetime(2026, 2, 17, 12, tzinfo=UTC) + timedelta(days=after))
        ads.sign_in()
        rows = ads.rows(select("campaign_performance", between(first, last)))
        assert rows == sandbox.truth("google_ads", "campaign_performance", account=BERLIN, first=first, last=last)
        metrics = [row["metrics"] for row in rows]
        return sum(one["conversions"] for one in metrics), sum(int(one["clicks"]) for one in metrics)

    fresh, week, month, year = read(0), read(7), read(27), read(300)
    assert fresh[0] < week[0] < month[0]
    assert fresh[1] == month[1]
    assert year == month


def test_the_cost_of_some_days_is_corrected_downward_and_of_none_upward(sandbox: RunningSandbox, ads: Ads) -> None:
    def cost(day: date, age: int) -> int:
        sandbox.clock.set(datetime(day.year, day.month, day.day, 12, tzinfo=UTC) + timedelta(days=age))
        ads.sign_in()
        query = f"SELECT metrics.cost_micros FROM customer WHERE segments.date = '{day}'"
        return int(ads.rows(query)[0]["metrics"]["costMicros"])

    days = [date(2026, 2, 1) + timedelta(days=number) for number in range(20)]
    taken = [cost(day, 1) - cost(day, 4) for day in days]
    assert min(taken) == 0
    assert max(taken) > 0


def test_ids_are_whole_only_as_text_and_lead_back_to_what_they_stand_for() -> None:
    world = World(WorldConfig(google_accounts=3, campaigns_per_account=3))
    found: set[int] = set()
    for account in world.accounts("google_ads"):
        assert ids.client_of(world, ids.client_id(account)) is account
        assert int(ids.client_id(account)) > 2**32 - 2**31
        for campaign in world.campaigns(account):
            number = ids.campaign_id(campaign)
            assert ids.campaign_of(world, account, number) is campaign
            assert ids.campaign_of(world, account, number + 1) is None
            found |= {number, ids.budget_id(campaign)}
            for ad in world.ads_under(campaign):
                found |= {ids.ad_id(ad), ids.ad_group_id(ad.ad_set)}
    assert len(found) == 3 * 3 * (1 + 1 + 2 + 6)
    assert all(2**53 < number < 2**63 for number in found)


def test_a_world_of_many_accounts_has_ten_digits_for_each() -> None:
    with run_sandbox(WorldConfig(google_accounts=9_999, campaigns_per_account=1)) as sandbox:
        known = [row["customer"]["id"] for row in sandbox.truth("google_ads", "customers")]
    assert len(set(known)) == 9_999
    assert {len(one) for one in known} == {10}
    assert not {ids.MANAGER_ID, ids.CANCELED_ID} & set(known)

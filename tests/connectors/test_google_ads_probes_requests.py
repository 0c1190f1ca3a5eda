"""How the Google Ads connector asks whether there is anything newer. Facts: `apis/google_ads.md`, sections 2 and 5."""

import json
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from google_support import (
    BERLIN,
    CLIENTS,
    LOS_ANGELES,
    MANAGER,
    NOON,
    TOKYO,
    ScriptedGoogle,
    Wire,
    accounts,
    caller_for,
    client_of,
    database_url,
    newer,
    no_tokens,
    with_client,
)

from dataflow_assets.connectors.base import Account, Probe
from dataflow_assets.connectors.google_ads import CONNECTOR
from dataflow_assets.resources.failures import Fatal, Throttled, VendorError
from dataflow_assets.resources.http import ApiClient
from dataflow_assets.resources.platform import Platform
from dataflow_assets.sandbox.testing import RunningSandbox

__all__ = ["database_url", "no_tokens"]  # fixtures
STREAMS = ("customers", "campaigns", "ad_groups", "ads", "conversion_actions")
IN_FEED = ("campaigns", "ad_groups", "ads")


def probes(platform: Platform, moment: datetime, streams: Sequence[str] = STREAMS) -> list[Probe]:
    return [Probe(one, CONNECTOR.stream(name), moment) for name in streams for one in accounts(platform)]


def test_one_operation_per_account_tells_of_all_its_streams(platform: Platform, sandbox: RunningSandbox) -> None:
    wire = Wire()
    long_ago = NOON - timedelta(days=85)
    found = newer(platform, probes(platform, long_ago), wire)
    # In 85 days something happened to everything. Accounts and conversion actions are not in the feed.
    assert found == sorted((one, stream) for one in CLIENTS for stream in IN_FEED)
    assert [(search.customer, search.login) for search in wire.searches] == [(one, MANAGER) for one in CLIENTS]
    query = wire.searches[0].query
    assert "LIMIT 10000" in query
    assert "change_status.resource_type IN ('CAMPAIGN', 'CAMPAIGN_BUDGET', 'AD_GROUP', 'AD_GROUP_AD')" in query


def last_change(platform: Platform, account: Account, kinds: Sequence[str]) -> datetime:
    """When one of these kinds was last changed, by a question of our own."""

    async def work(client: ApiClient) -> datetime:
        query = (
            "SELECT change_status.last_change_date_time FROM change_status "
            "WHERE change_status.last_change_date_time DURING LAST_30_DAYS "
            f"AND change_status.resource_type IN ({', '.join(kinds)}) "
            "ORDER BY change_status.last_change_date_time DESC LIMIT 1"
        )
        path = f"customers/{account.id}/googleAds:search"
        reply = await caller_for(client, account).post_json(path, {"query": query})
        (row,) = json.loads(reply.body)["results"]
        local = datetime.fromisoformat(row["changeStatus"]["lastChangeDateTime"])
        return local.replace(tzinfo=account.zone).astimezone(UTC)

    return with_client(platform, work)


@pytest.mark.parametrize("number", [BERLIN, LOS_ANGELES, TOKYO])
@pytest.mark.parametrize(
    ("stream", "kinds"),
    [("campaigns", ("CAMPAIGN", "CAMPAIGN_BUDGET")), ("ad_groups", ("AD_GROUP",)), ("ads", ("AD_GROUP_AD",))],
)
def test_a_probe_finds_what_changed_after_its_watermark_in_every_time_zone(
    platform: Platform, sandbox: RunningSandbox, number: str, stream: str, kinds: Sequence[str]
) -> None:
    now = datetime(2026, 4, 20, 12, tzinfo=UTC)
    sandbox.clock.set(now)
    account = client_of(platform, number)
    changed = last_change(platform, account, kinds)
    for watermark, is_newer in ((changed - timedelta(seconds=1), True), (changed, False)):
        found = newer(platform, [Probe(account, CONNECTOR.stream(stream), watermark)], now=now)
        assert found == ([(number, stream)] if is_newer else [])


def test_each_stream_is_judged_by_its_own_watermark(platform: Platform, sandbox: RunningSandbox) -> None:
    moments = {"campaigns": NOON - timedelta(days=80), "ads": NOON, "ad_groups": NOON + timedelta(hours=3)}
    account = client_of(platform)
    asked = [Probe(account, CONNECTOR.stream(stream), moment) for stream, moment in moments.items()]
    assert newer(platform, asked) == [(BERLIN, "campaigns")]


def test_beyond_the_reach_of_the_feed_everything_may_be_newer_and_nothing_is_asked(
    platform: Platform, sandbox: RunningSandbox
) -> None:
    asked, wire = probes(platform, NOON - timedelta(days=89)), Wire()
    found = newer(platform, asked, wire)
    assert found == sorted((one, stream) for one in CLIENTS for stream in IN_FEED)
    assert wire.searches == []


def test_an_account_with_a_problem_is_not_asked(platform: Platform, sandbox: RunningSandbox) -> None:
    account = client_of(platform)
    ill = Account(account.id, account.name, account.currency, account.zone, "it is ill.")
    wire = Wire()
    assert newer(platform, [Probe(ill, CONNECTOR.stream("ads"), NOON)], wire) == []
    assert newer(platform, [], wire) == []
    assert wire.sent == []


def change(kind: str, at: str) -> Mapping[str, Any]:
    return {"changeStatus": {"resourceType": kind, "lastChangeDateTime": at}}


def scripted_changes(platform: Platform, rows: Sequence[Mapping[str, Any]], moment: datetime) -> list[str]:
    """Streams found newer in the first account."""
    account = client_of(platform)
    asked = [Probe(account, CONNECTOR.stream(stream), moment) for stream in IN_FEED]
    google = ScriptedGoogle(answers={(BERLIN, "change_status"): rows})
    return [stream for _, stream in newer(platform, asked, google.wire())]


def test_law_6_an_answer_at_the_limit_may_hide_changes_of_any_stream(platform: Platform) -> None:
    ads = [change("AD_GROUP_AD", "2030-01-01 00:00:00.000001")] * 9_999
    assert scripted_changes(platform, ads, NOON) == ["ads"]
    assert scripted_changes(platform, [*ads, ads[0]], NOON) == sorted(IN_FEED)


def test_of_an_hour_that_comes_twice_the_second_is_meant(platform: Platform) -> None:
    # In Berlin clocks go from 3 back to 2 on 2026-10-25 at 1:00 UTC; half past two is 0:30 and 1:30 UTC.
    rows = [change("CAMPAIGN_BUDGET", "2026-10-25 02:30:00.000000")]
    first_time, in_between = datetime(2026, 10, 25, 0, 40, tzinfo=UTC), datetime(2026, 10, 25, 1, 20, tzinfo=UTC)
    assert scripted_changes(platform, rows, first_time) == ["campaigns"]
    assert scripted_changes(platform, rows, in_between) == ["campaigns"]
    assert scripted_changes(platform, rows, datetime(2026, 10, 25, 1, 30, tzinfo=UTC)) == []


def test_the_range_of_the_question_holds_what_an_hour_that_comes_twice_writes_as_earlier(platform: Platform) -> None:
    # A change at 1:10 UTC, in the second half past two of Berlin, is written as 2:10; the watermark stands at 2:40.
    watermark, now = datetime(2026, 10, 25, 0, 40, tzinfo=UTC), datetime(2026, 10, 25, 1, 15, 30, tzinfo=UTC)
    wire = ScriptedGoogle(answers={(BERLIN, "change_status"): []}).wire()
    assert newer(platform, [Probe(client_of(platform), CONNECTOR.stream("ads"), watermark)], wire, now) == []
    query = wire.searches[0].query
    assert "change_status.last_change_date_time >= '2026-10-25 01:40:00'" in query
    assert "change_status.last_change_date_time <= '2026-10-25 02:15:30'" in query


def test_law_9_an_account_without_access_does_not_silence_the_others(
    platform: Platform, sandbox: RunningSandbox
) -> None:
    sandbox.fault("permission_denied", account=LOS_ANGELES, endpoint="change_status")
    found = newer(platform, probes(platform, NOON - timedelta(days=80), ["campaigns"]))
    assert found == [(BERLIN, "campaigns"), (TOKYO, "campaigns")]


@pytest.mark.parametrize(
    ("fault", "kind", "asked"),
    [
        ("permission_denied", Fatal, 3),
        ("throttle_project", Throttled, 1),
        ("revoked_token", Fatal, 2),  # once more with the token anew
    ],
)
def test_a_probe_that_fails_for_all_is_an_error_of_its_kind(
    platform: Platform, sandbox: RunningSandbox, fault: str, kind: type[VendorError], asked: int
) -> None:
    wanted = probes(platform, NOON - timedelta(days=80), ["campaigns"])
    sandbox.fault(fault, endpoint="change_status")
    wire = Wire()
    with pytest.raises(kind):
        newer(platform, wanted, wire)
    assert len(wire.searches) == asked


def test_a_change_of_another_shape_is_an_error(platform: Platform) -> None:
    with pytest.raises(Fatal, match="not as documented"):
        scripted_changes(platform, [change("CAMPAIGN", "yesterday")], NOON)

"""LinkedIn's limiters: the quota of a day, calls and values within minutes, and the silent cut."""

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import httpx
import msgspec
import pytest
from linkedin_client import FIELDS, Rest, daily

from dataflow_assets.sandbox.linkedin_ads.limits import Limits
from dataflow_assets.sandbox.testing import RunningSandbox, run_sandbox
from dataflow_assets.sandbox.world import WorldConfig

ALL_CREATIVES = "q=criteria&intendedStatuses=List(ACTIVE,PAUSED,ARCHIVED)&pageSize=1000"


@pytest.fixture
def rest(sandbox: RunningSandbox) -> Iterator[Rest]:
    with httpx.Client() as client:
        yield Rest(sandbox, client)


@pytest.fixture
def account(sandbox: RunningSandbox) -> int:
    return int(sandbox.truth("linkedin_ads", "ad_accounts")[0]["id"])


def statuses(rest: Rest, path: str, query: str, times: int) -> list[int]:
    return [rest.get(path, query).status_code for _ in range(times)]


@pytest.mark.parametrize(
    ("limit", "whose"), [("member_calls_per_day", "APPLICATION_AND_MEMBER"), ("app_calls_per_day", "APPLICATION")]
)
def test_the_quota_of_a_resource_lasts_until_midnight_of_utc(
    sandbox: RunningSandbox, rest: Rest, account: int, limit: str, whose: str
) -> None:
    sandbox.clock.set(datetime(2026, 4, 1, 23, 0, tzinfo=UTC))
    sandbox.limits("linkedin_ads", **{limit: 3})
    assert statuses(rest, "adAnalytics", daily(account), 5) == [200, 200, 200, 429, 429]
    message = rest.get("adAnalytics", daily(account)).json()["message"]
    assert message == f"Resource level throttle {whose} DAY limit for calls to this resource is reached."
    # Another resource has a quota of its own, whatever the account or the kind of call.
    assert statuses(rest, f"adAccounts/{account}/adCampaigns", "q=search", 2) == [200, 200]
    assert statuses(rest, f"adAccounts/{account}/adCampaigns", "ids=List(1)", 2) == [200, 429]
    sandbox.clock.advance(3599)
    assert statuses(rest, "adAnalytics", daily(account), 1) == [429]
    sandbox.clock.advance(1)
    assert statuses(rest, "adAnalytics", daily(account), 4) == [200, 200, 200, 429]
    assert sandbox.requests()["throttled"] == 6


def test_a_batch_counts_once_unless_told_otherwise(sandbox: RunningSandbox, rest: Rest, account: int) -> None:
    sandbox.limits("linkedin_ads", member_calls_per_day=4)
    batch = (f"adAccounts/{account}/adCampaigns", "ids=List(1,2,3)")
    assert statuses(rest, *batch, 2) == [200, 200]
    sandbox.reset_limits()
    sandbox.limits("linkedin_ads", member_calls_per_day=4, batch_counts_each=True)
    assert statuses(rest, *batch, 2) == [200, 429]


def test_too_many_calls_within_10_seconds_are_throttled_without_a_word_of_a_day(
    sandbox: RunningSandbox, rest: Rest, account: int
) -> None:
    sandbox.limits("linkedin_ads", calls_per_10_seconds=2)
    sandbox.clock.advance(10)
    assert statuses(rest, f"adAccounts/{account}", "", 3) == [200, 200, 429]
    message = rest.get(f"adAccounts/{account}").json()["message"]
    assert message == "Resource level throttle limit for calls to this resource is reached."
    assert rest.get("adAnalytics", daily(account)).status_code == 200
    sandbox.clock.advance(10)
    assert statuses(rest, f"adAccounts/{account}", "", 1) == [200]


def test_the_values_of_5_minutes_are_metrics_times_rows(sandbox: RunningSandbox, rest: Rest, account: int) -> None:
    rows = len(rest.analytics(account))
    metrics = len(FIELDS.split(",")) - 2
    sandbox.reset_limits()
    sandbox.limits("linkedin_ads", values_per_5_minutes=2 * rows * metrics)
    assert statuses(rest, "adAnalytics", daily(account), 3) == [200, 200, 429]
    message = rest.get("adAnalytics", daily(account)).json()["message"]
    assert "data request limit has been exceeded" in message
    assert "45 million metric values" in message
    assert rest.get(f"adAccounts/{account}").status_code == 200
    sandbox.clock.advance(300)
    fewer = daily(account, fields="dateRange,pivotValues,impressions")
    assert statuses(rest, "adAnalytics", fewer, 2 * metrics + 1) == [200] * (2 * metrics) + [429]


def test_a_window_of_values_slides(sandbox: RunningSandbox, rest: Rest, account: int) -> None:
    one_answer = len(rest.analytics(account, fields="impressions"))
    sandbox.reset_limits()
    sandbox.limits("linkedin_ads", values_per_5_minutes=one_answer + 1)
    impressions = daily(account, fields="impressions")
    assert statuses(rest, "adAnalytics", impressions, 1) == [200]
    sandbox.clock.advance(200)
    assert statuses(rest, "adAnalytics", impressions, 2) == [200, 429]
    sandbox.clock.advance(101)
    assert statuses(rest, "adAnalytics", impressions, 2) == [200, 429]


def test_an_answer_is_cut_off_without_a_word(sandbox: RunningSandbox, rest: Rest, account: int) -> None:
    whole = rest.analytics(account)
    sandbox.limits("linkedin_ads", most_rows=100)
    answer = rest.get("adAnalytics", daily(account))
    assert answer.status_code == 200
    assert answer.json() == {"elements": whole[:100], "paging": {"start": 0, "count": 10, "links": []}}
    sandbox.limits("linkedin_ads", most_rows=len(whole))
    assert rest.analytics(account) == whole


def test_the_usual_cut_is_at_15000_rows_and_big_worlds_are_served_whole_below_it() -> None:
    config = WorldConfig(
        days=120,
        meta_accounts=1,
        linkedin_accounts=1,
        campaigns_per_account=400,
        ad_sets_per_campaign=2,
        ads_per_ad_set=2,
    )
    with run_sandbox(config) as sandbox, httpx.Client(timeout=60) as client:
        rest = Rest(sandbox, client)
        account = int(sandbox.truth("linkedin_ads", "ad_accounts")[0]["id"])
        rows = rest.analytics(account, "CREATIVE", fields="dateRange,pivotValues,clicks")
        assert len(rows) == 15_000
        assert len(rest.find(f"adAccounts/{account}/creatives", ALL_CREATIVES)) > 1_000


@pytest.mark.parametrize(
    "change",
    [
        {"most_row": 1},
        {"most_rows": 0},
        {"newest_version": "2026"},
        {"batch_counts_each": "yes"},
        {"token_warm_up_seconds": -1},
        {"values_per_5_minutes": "many"},
    ],
)
def test_a_threshold_that_makes_no_sense_is_refused(sandbox: RunningSandbox, change: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=next(iter(change))):
        sandbox.limits("linkedin_ads", **change)


def test_resetting_restores_everything(sandbox: RunningSandbox, rest: Rest, account: int) -> None:
    sandbox.limits("linkedin_ads", most_rows=1, member_calls_per_day=1)
    assert statuses(rest, "adAnalytics", daily(account), 2) == [200, 429]
    sandbox.reset_limits()
    assert len(rest.analytics(account)) > 1
    shown = httpx.get(f"{sandbox.control_url}/limits").json()["linkedin_ads"]
    assert shown == msgspec.to_builtins(Limits())

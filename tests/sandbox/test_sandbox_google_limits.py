"""Google's quotas: operations of the project in any 24 hours, calls a second of one customer."""

from collections.abc import Iterator
from typing import Any

import httpx
import pytest
from google_client import BERLIN, LOS_ANGELES, Ads, code, failure, signed_in

from dataflow_assets.sandbox.google_ads.errors import AdsError
from dataflow_assets.sandbox.google_ads.limits import Accounting
from dataflow_assets.sandbox.testing import RunningSandbox

CAMPAIGNS = "SELECT campaign.id FROM campaign"
ADS = "SELECT ad_group_ad.ad.id FROM ad_group_ad"
EXHAUSTED = (429, "quotaError", "RESOURCE_EXHAUSTED")


@pytest.fixture
def ads(sandbox: RunningSandbox) -> Iterator[Ads]:
    sandbox.limits("google_ads", access_token_seconds=1_000_000)
    with signed_in(sandbox) as client:
        yield client


def quota(answer: httpx.Response) -> dict[str, Any]:
    (error,) = failure(answer)
    found: dict[str, Any] = error["details"]["quotaErrorDetails"]
    return found


def test_a_project_has_so_many_operations_in_any_24_hours(sandbox: RunningSandbox, ads: Ads) -> None:
    sandbox.limits("google_ads", operations_per_day=3, access_level="basic")
    assert ads.post(CAMPAIGNS).status_code == 200
    sandbox.clock.advance(3600)
    assert ads.post(CAMPAIGNS, LOS_ANGELES).status_code == 200
    assert ads.get("v26/customers:listAccessibleCustomers").status_code == 200
    refused = ads.post(CAMPAIGNS)
    assert code(refused) == EXHAUSTED
    found = quota(refused)
    assert found["rateScope"] == "DEVELOPER"
    assert found["rateName"] == "Number of operations for basic access"
    seconds = int(found["retryDelay"].removesuffix("s"))
    assert 82_790 <= seconds <= 82_800
    assert code(ads.post(CAMPAIGNS, LOS_ANGELES)) == EXHAUSTED
    assert sandbox.requests()["throttled"] == 2
    sandbox.clock.advance(seconds)
    assert ads.post(CAMPAIGNS).status_code == 200
    assert code(ads.post(CAMPAIGNS)) == EXHAUSTED


def test_further_pages_cost_no_operation_and_a_stream_costs_one(sandbox: RunningSandbox, ads: Ads) -> None:
    sandbox.limits("google_ads", operations_per_day=2, page_rows=4)
    assert len(ads.rows(ADS)) == 30
    assert len(ads.pieces(ADS)) == 8
    assert code(ads.post(ADS)) == EXHAUSTED


def test_a_query_that_was_refused_costs_an_operation_and_a_throttled_one_does_not(
    sandbox: RunningSandbox, ads: Ads
) -> None:
    sandbox.limits("google_ads", operations_per_day=2)
    assert code(ads.post("SELECT campaign.nme FROM campaign"))[2] == "UNRECOGNIZED_FIELD"
    assert ads.post(CAMPAIGNS).status_code == 200
    for _ in range(5):
        assert code(ads.post(CAMPAIGNS)) == EXHAUSTED
    sandbox.limits("google_ads", operations_per_day=3)
    assert ads.post(CAMPAIGNS).status_code == 200


@pytest.mark.parametrize(("level", "most"), [("explorer", 2_880), ("test", 15_000), ("basic", 15_000)])
def test_an_access_level_stands_for_a_number_of_operations(level: str, most: int) -> None:
    now = 0.0
    accounting = Accounting(lambda: now)
    accounting.configure({"access_level": level})
    for _ in range(most):
        accounting.charge(None, operation=True)
    with pytest.raises(AdsError, match="Retry in 86400 seconds"):
        accounting.charge(None, operation=True)
    now = 86_400.0
    accounting.charge(None, operation=True)


def test_standard_access_has_no_daily_limit() -> None:
    accounting = Accounting(lambda: 0.0)
    for _ in range(20_000):
        accounting.charge(None, operation=True)
    assert accounting.limits.access_level == "standard"


def test_one_customer_takes_so_many_calls_a_second(sandbox: RunningSandbox, ads: Ads) -> None:
    sandbox.limits("google_ads", customer_qps=0.01)
    assert ads.post(CAMPAIGNS).status_code == 200
    refused = ads.post(CAMPAIGNS)
    assert code(refused) == (429, "quotaError", "RESOURCE_TEMPORARILY_EXHAUSTED")
    found = quota(refused)
    assert found["rateScope"] == "ACCOUNT"
    seconds = float(found["retryDelay"].removesuffix("s"))
    assert 95 < seconds <= 100
    assert ads.post(CAMPAIGNS, LOS_ANGELES).status_code == 200
    sandbox.clock.advance(seconds)
    assert ads.post(CAMPAIGNS).status_code == 200


def test_a_call_for_a_further_page_counts_by_the_second(sandbox: RunningSandbox, ads: Ads) -> None:
    sandbox.limits("google_ads", page_rows=4, customer_qps=0.001)
    token = ads.search(ADS)["nextPageToken"]
    assert code(ads.post(ADS, pageToken=token))[2] == "RESOURCE_TEMPORARILY_EXHAUSTED"


def test_calls_are_forgiven_with_the_default_thresholds(sandbox: RunningSandbox, ads: Ads) -> None:
    sandbox.limits("google_ads", operations_per_day=1)
    assert ads.post(CAMPAIGNS).status_code == 200
    assert code(ads.post(CAMPAIGNS)) == EXHAUSTED
    sandbox.reset_limits()
    sandbox.limits("google_ads", operations_per_day=1)
    assert ads.post(CAMPAIGNS).status_code == 200


def test_a_token_costs_nothing(sandbox: RunningSandbox, ads: Ads) -> None:
    sandbox.limits("google_ads", operations_per_day=1)
    for _ in range(3):
        ads.sign_in()
    assert ads.post(CAMPAIGNS, BERLIN).status_code == 200


@pytest.mark.parametrize(
    "change",
    [{"page_row": 1}, {"page_rows": 0}, {"customer_qps": 0}, {"access_level": "gold"}, {"history_error": "OTHER"}],
)
def test_a_threshold_that_makes_no_sense_is_refused(sandbox: RunningSandbox, change: dict[str, object]) -> None:
    with pytest.raises(ValueError, match=next(iter(change))):
        sandbox.limits("google_ads", **change)

"""Meta's own SDK reads the sandbox as it reads Meta. Whatever it gets is compared with the world's truth."""

from collections.abc import Iterator
from datetime import date
from typing import Any

import pytest
from facebook_business.adobjects.adaccount import AdAccount
from facebook_business.adobjects.adreportrun import AdReportRun
from facebook_business.adobjects.user import User
from facebook_business.api import FacebookAdsApi
from facebook_business.exceptions import FacebookRequestError
from facebook_business.session import FacebookSession

from dataflow_assets.sandbox.testing import APP_SECRET, TOKEN, RunningSandbox

# Per edge: the stream it feeds, and every status with which its things are listed.
EDGES = {
    "get_campaigns": ("campaigns", ["ACTIVE", "PAUSED", "ARCHIVED"]),
    "get_ad_sets": ("ad_sets", ["ACTIVE", "PAUSED", "ARCHIVED", "CAMPAIGN_PAUSED"]),
    "get_ads": ("ads", ["ACTIVE", "PAUSED", "ARCHIVED", "CAMPAIGN_PAUSED", "ADSET_PAUSED"]),
    "get_ad_creatives": ("creatives", None),
}
STREAM_OF_LEVEL = {"campaign": "insights_campaign", "adset": "insights_ad_set", "ad": "insights_ad"}
INSIGHT_FIELDS = [
    "account_id",
    "account_currency",
    "campaign_id",
    "campaign_name",
    "adset_id",
    "ad_id",
    "impressions",
    "clicks",
    "inline_link_clicks",
    "spend",
    "reach",
    "actions",
    "action_values",
]
MARCH = {"since": "2026-03-01", "until": "2026-03-31"}


@pytest.fixture
def api(sandbox: RunningSandbox, monkeypatch: pytest.MonkeyPatch) -> Iterator[FacebookAdsApi]:
    monkeypatch.setattr(FacebookSession, "GRAPH", sandbox.meta_url)
    session = FacebookSession("1", APP_SECRET, TOKEN)
    yield FacebookAdsApi(session)
    session.requests.close()


def plain(rows: Any) -> list[dict[str, Any]]:
    return [row.export_all_data() for row in rows]


def only(rows: list[Any], fields: list[str]) -> list[dict[str, Any]]:
    return [{name: row[name] for name in (*fields, "date_start", "date_stop") if name in row} for row in rows]


def test_me_lists_every_account(api: FacebookAdsApi, sandbox: RunningSandbox) -> None:
    truth = sandbox.truth("meta_ads", "ad_accounts")
    found = plain(User("me", api=api).get_ad_accounts(fields=list(truth[0]), params={"limit": 3}))
    assert found == truth
    assert {row["currency"] for row in truth} == {"EUR", "USD", "JPY", "NZD"}


def test_an_account_reads_itself(api: FacebookAdsApi, sandbox: RunningSandbox, account: str) -> None:
    truth = sandbox.truth("meta_ads", "ad_accounts", account=account)[0]
    assert AdAccount(account, api=api).api_get(fields=list(truth)).export_all_data() == truth


@pytest.mark.parametrize("method", EDGES)
def test_an_edge_pages_through_everything(
    api: FacebookAdsApi, sandbox: RunningSandbox, account: str, method: str
) -> None:
    stream, statuses = EDGES[method]
    truth = sandbox.truth("meta_ads", stream, account=account)
    fields = sorted({name for row in truth for name in row})
    params: dict[str, Any] = {"limit": 7}
    if statuses:
        params["effective_status"] = statuses
    found = getattr(AdAccount(account, api=api), method)(fields=fields, params=params)
    first_page = len(found)
    assert plain(found) == truth
    assert first_page == min(7, len(truth))
    assert found.total() == len(truth)


@pytest.mark.parametrize("level", STREAM_OF_LEVEL)
def test_insights_page_through_every_row(
    api: FacebookAdsApi, sandbox: RunningSandbox, account: str, level: str
) -> None:
    windows = ["7d_click", "1d_view"]
    params = {
        "level": level,
        "time_increment": 1,
        "time_range": MARCH,
        "limit": 100,
        "action_attribution_windows": windows,
    }
    found = plain(AdAccount(account, api=api).get_insights(fields=INSIGHT_FIELDS, params=params))
    truth = sandbox.truth(
        "meta_ads",
        STREAM_OF_LEVEL[level],
        account=account,
        first=date(2026, 3, 1),
        last=date(2026, 3, 31),
        windows=tuple(windows),
        deleted=False,
    )
    assert found == only(truth, INSIGHT_FIELDS)
    assert len(found) > 100


def test_an_asynchronous_report_brings_the_same_rows(
    api: FacebookAdsApi, sandbox: RunningSandbox, account: str
) -> None:
    params = {"level": "campaign", "time_increment": 1, "time_range": MARCH}
    run = AdAccount(account, api=api).get_insights(fields=INSIGHT_FIELDS, params=dict(params), is_async=True)
    assert isinstance(run, AdReportRun)
    states = []
    for _ in range(5):
        run.api_get()
        states.append((run["async_status"], run["async_percent_completion"]))
        if states[-1] == ("Job Completed", 100):
            break
    assert states == [("Job Started", 0), ("Job Completed", 100)]
    found = plain(run.get_insights(params={"limit": 60}))
    assert found == plain(AdAccount(account, api=api).get_insights(fields=INSIGHT_FIELDS, params=params))
    assert len(found) > 60


def test_a_batch_keeps_its_order_repeats_what_was_not_finished_and_reports_errors_per_item(
    api: FacebookAdsApi, sandbox: RunningSandbox
) -> None:
    nodes = [row["id"] for row in sandbox.truth("meta_ads", "ad_accounts")]
    sandbox.fault("batch_null_items", endpoint="batch", times=1)
    found: list[tuple[int, str]] = []
    failed: list[tuple[int, int]] = []
    batch = api.new_batch()
    for number, node in enumerate([nodes[0], nodes[1], "act_404", nodes[2], nodes[3]]):
        AdAccount(node, api=api).api_get(
            fields=["currency"],
            batch=batch,
            success=lambda answer, number=number: found.append((number, answer.json()["currency"])),
            failure=lambda answer, number=number: failed.append((number, answer.error().api_error_subcode())),
        )
    again = batch.execute()
    assert (found, failed) == ([(0, "EUR"), (4, "NZD")], [(2, 33)])
    assert again.execute() is None
    assert found == [(0, "EUR"), (4, "NZD"), (1, "USD"), (3, "JPY")]
    assert sandbox.requests()["total"] == 2


def test_a_throttle_reaches_the_sdk_with_all_its_details(
    api: FacebookAdsApi, sandbox: RunningSandbox, account: str
) -> None:
    sandbox.fault("throttle_17_2446079", endpoint="campaigns", seconds=90)
    with pytest.raises(FacebookRequestError) as caught:
        AdAccount(account, api=api).get_campaigns()
    error = caught.value
    assert (error.api_error_code(), error.api_error_subcode(), error.http_status()) == (17, 2446079, 400)
    assert error.api_transient_error() is True
    assert '"reset_time_duration": 90' in error.http_headers()["X-Ad-Account-Usage"]
    assert sandbox.requests()["throttled"] == 1

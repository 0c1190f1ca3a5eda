"""What the Google Ads connector asks of an account, as it goes over the wire. Facts: `apis/google_ads.md`, 2 and 5."""

from datetime import UTC, date, datetime, timedelta
from typing import Any

import google_support
import httpx
import pytest
from google_support import BERLIN, MANAGER, Wire, caller_for, client_of, database_url, no_tokens, with_client

from dataflow_assets.connectors.base import Kind, Since
from dataflow_assets.connectors.google_ads import CONNECTOR
from dataflow_assets.resources import auth
from dataflow_assets.resources.failures import Fatal, Retryable
from dataflow_assets.resources.http import ApiClient
from dataflow_assets.resources.platform import Platform
from dataflow_assets.sandbox.testing import RunningSandbox
from dataflow_assets.windows import ONE_DAY, DayWindow

__all__ = ["database_url", "no_tokens"]  # fixtures
WEEK = DayWindow(date(2026, 5, 1), date(2026, 5, 8))


def read(platform: Platform, stream: str, window: Any, wire: Wire | None = None) -> list[list[Any]]:
    return google_support.read(platform, client_of(platform), stream, window, wire)


@pytest.mark.parametrize(
    ("stream", "resource"),
    [
        ("customers", "customer"),
        ("campaigns", "campaign"),
        ("ad_groups", "ad_group"),
        ("ads", "ad_group_ad"),
        ("conversion_actions", "conversion_action"),
        ("campaign_performance", "campaign"),
        ("ad_group_performance", "ad_group"),
        ("ad_performance", "ad_group_ad"),
        ("conversions_by_action", "campaign"),
    ],
)
def test_each_stream_is_one_query_for_its_own_columns(platform: Platform, stream: str, resource: str) -> None:
    wire = Wire()
    declared = CONNECTOR.stream(stream)
    read(platform, stream, WEEK if declared.kind is Kind.REPORT else Since(), wire)
    (search,) = wire.searches
    assert (search.customer, search.login, search.resource) == (BERLIN, MANAGER, resource)
    # A page size is refused by Google, whatever it is.
    assert set(search.body) == {"query"}
    selected, rest = search.query.removeprefix("SELECT ").split(" FROM ")
    assert len(selected.split(", ")) == len(declared.columns)
    days = " WHERE segments.date BETWEEN '2026-05-01' AND '2026-05-07'" if declared.report_day else ""
    assert rest == f"{resource}{days} PARAMETERS omit_unselected_resource_names=true"


def test_names_are_spelled_as_gaql_spells_them(platform: Platform) -> None:
    wire = Wire()
    read(platform, "ads", Since(), wire)
    fields = wire.searches[0].query.split(" FROM ")[0].removeprefix("SELECT ").split(", ")
    assert {"ad_group_ad.ad.final_urls", "ad_group_ad.policy_summary.approval_status", "ad_group.id"} < set(fields)


def test_further_pages_repeat_the_query_and_take_no_operation_from_the_budget(
    platform: Platform, sandbox: RunningSandbox
) -> None:
    sandbox.limits("google_ads", page_rows=4)
    account, wire = client_of(platform), Wire()

    async def work(client: ApiClient) -> tuple[int, int]:
        budget, limit = client._budget, client.api.limits(account.id, "")["vendor"]
        (before,) = await budget.snapshot([limit])
        stream = CONNECTOR.stream("ad_performance")
        pages = [page async for page in CONNECTOR.read(caller_for(client, account), account, stream, WEEK)]
        (after,) = await budget.snapshot([limit])
        return len(pages), after.spent - before.spent

    pages, spent = with_client(platform, work, wire)
    assert (len(wire.searches), spent) == (pages, 1)
    assert pages > 4
    assert len({search.query for search in wire.searches}) == 1
    tokens = [search.body.get("pageToken") for search in wire.searches]
    assert tokens[0] is None
    assert len(set(tokens)) == pages


def test_an_empty_page_with_a_next_one_is_not_the_end(platform: Platform, sandbox: RunningSandbox) -> None:
    whole = read(platform, "ads", Since())
    sandbox.fault("empty_page_with_next", endpoint="ad_group_ad", times=1)
    pages = read(platform, "ads", Since())
    assert pages == [[], *whole]


def test_paging_that_does_not_move_on_is_given_up(platform: Platform) -> None:
    stuck = httpx.MockTransport(
        lambda request: httpx.Response(
            200, json={"access_token": "a"} if request.url.path.endswith("/token") else {"nextPageToken": "again"}
        )
    )
    wire = Wire(below=stuck)
    with pytest.raises(Retryable, match="does not move on"):
        google_support.read(platform, client_of(platform), "ads", Since(), wire)
    assert len(wire.searches) == 2


@pytest.mark.parametrize("code", ["INVALID_DATE", "REQUESTED_DATE_GRANULARITY_NOT_SUPPORTED"])
def test_days_of_too_long_ago_are_explained_by_both_codes(
    platform: Platform, sandbox: RunningSandbox, code: str
) -> None:
    sandbox.limits("google_ads", history_error=code)
    with pytest.raises(Fatal, match="37 months") as caught:
        read(platform, "campaign_performance", DayWindow(date(2023, 4, 1), date(2023, 4, 20)))
    assert caught.value.scope == "account"


def test_the_oldest_day_that_the_engine_asks_for_is_still_there(platform: Platform, sandbox: RunningSandbox) -> None:
    account = client_of(platform)

    async def work(client: ApiClient) -> int:
        # In every month of four years: months differ in length, and 37 of them in days.
        for months in range(48):
            sandbox.clock.set(datetime(2026 + months // 12, months % 12 + 1, 28, 12, tzinfo=UTC))
            auth._tokens.clear()  # for the sandbox months have passed
            oldest = sandbox.clock.now().date() - timedelta(days=CONNECTOR.retention_days)
            window, stream = DayWindow(oldest, oldest + ONE_DAY), CONNECTOR.stream("campaign_performance")
            async for _ in CONNECTOR.read(caller_for(client, account), account, stream, window):
                pass
        return months

    assert with_client(platform, work) == 47

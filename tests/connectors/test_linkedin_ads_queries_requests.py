"""What the LinkedIn connector asks and how it follows pages. Facts: `apis/linkedin_ads.md`, sections 1 to 3."""

import logging
import re
from dataclasses import replace
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

import pytest
from linkedin_support import (
    ALL,
    BY_CAMPAIGN,
    BY_CREATIVE,
    FIVE_OH_EIGHT,
    NOON,
    WEEK,
    MakePlatform,
    Wire,
    ask,
    first_account,
    linkedin,
    listing,
    nowhere,
    page,
    pages,
    platform,
    reading,
    reading_508,
    script,
    scripted,
    tell,
)

from dataflow_assets.connectors.base import Account, Probe, Since, Stream
from dataflow_assets.connectors.linkedin_ads import CONNECTOR
from dataflow_assets.resources.failures import Fatal, Retryable
from dataflow_assets.resources.http import Caller
from dataflow_assets.resources.platform import Platform
from dataflow_assets.sandbox.testing import RunningSandbox
from dataflow_assets.windows import DayWindow

__all__ = ["platform", "scripted"]  # fixtures


# ------------------------------------------------------------------ what is asked


def test_every_visible_account_is_found_with_its_currency_and_days_of_utc(
    platform: Platform, sandbox: RunningSandbox
) -> None:
    truth = [(str(row["id"]), row["name"], row["currency"]) for row in sandbox.truth("linkedin_ads", "ad_accounts")]
    found = ask(platform, listing)
    assert [(one.id, one.name, one.currency) for one in found] == truth
    assert {one.zone.key for one in found} == {"UTC"}
    assert len(truth) == 2


def test_accounts_of_every_status_are_asked_for_and_test_accounts_left_out_unless_configured(
    make_platform: MakePlatform,
) -> None:
    rows = [{"id": 1, "name": "Real", "currency": "EUR"}, {"id": 2, "name": "Test", "currency": "USD", "test": True}]
    for configured, expected in (((), ["1"]), (("2",), ["1", "2"])):
        wire = script([(200, {"elements": rows})])
        platform = make_platform(nowhere(), linkedin_ads=linkedin(account_ids=configured))

        async def work(caller: Caller, where: Platform = platform) -> list[str]:
            return [account.id for account in await CONNECTOR.accounts(caller, where.settings)]

        assert tell(platform, work, wire) == expected
        statuses = "ACTIVE,CANCELED,DRAFT,PENDING_DELETION,REMOVED"
        assert wire.calls == [f"adAccounts?q=search&search=(status:(values:List({statuses})))&pageSize=500"]


@pytest.mark.parametrize(
    ("rows", "said"), [([], "sees no ad account"), ([{"id": {"value": 1}}], "list of accounts cannot be read")]
)
def test_law_6_no_accounts_are_an_error_and_no_empty_green_run(
    scripted: Platform, rows: list[dict[str, Any]], said: str
) -> None:
    async def work(caller: Caller) -> Any:
        return await CONNECTOR.accounts(caller, scripted.settings)

    with pytest.raises(Fatal, match=said) as failure:
        tell(scripted, work, script([(200, {"elements": rows})]))
    assert failure.value.scope == "vendor"


def test_accounts_are_listed_without_search_where_it_is_refused_with_a_page_token(
    platform: Platform, sandbox: RunningSandbox
) -> None:
    sandbox.limits("linkedin_ads", refuse_search_with_page_token=True)
    sandbox.fault("empty_page_with_next", endpoint="ad_accounts")

    async def work(caller: Caller) -> int:
        return len(await CONNECTOR.accounts(caller, platform.settings))

    wire = Wire()
    assert tell(platform, work, wire) == 2
    told = [("search=(" in call, "pageToken=" in call) for call in wire.calls]
    assert told == [(True, False), (True, True), (False, False), (False, True)]


STATUSES = "ACTIVE,ARCHIVED,CANCELED,DRAFT,PAUSED,PENDING_DELETION,REMOVED"
SEARCH = "q=search&search=(status:(values:List"


@pytest.mark.parametrize(
    ("stream", "question"),
    [
        ("campaign_groups", f"adCampaignGroups?{SEARCH}({STATUSES})))&pageSize=500"),
        ("campaigns", f"adCampaigns?{SEARCH}({STATUSES},COMPLETED)))&pageSize=500"),
        ("creatives", f"creatives?q=criteria&intendedStatuses=List({STATUSES})&pageSize=100"),
    ],
)
@pytest.mark.parametrize("window", [ALL, Since(NOON)], ids=["everything", "changed since"])
def test_entities_of_every_status_are_listed_since_linkedin_knows_no_changed_since(
    platform: Platform, sandbox: RunningSandbox, stream: str, question: str, window: Since
) -> None:
    wire = Wire()
    found = ask(platform, reading(stream, window), wire)
    assert wire.calls == [f"adAccounts/{first_account(sandbox)}/{question}"]
    assert len(found) == len(sandbox.truth("linkedin_ads", stream, account=first_account(sandbox)))


def test_an_account_is_read_by_its_id(platform: Platform, sandbox: RunningSandbox) -> None:
    wire = Wire()
    (found,) = ask(platform, reading("ad_accounts", ALL), wire)
    assert wire.calls == [f"adAccounts/{first_account(sandbox)}"]
    assert found == sandbox.truth("linkedin_ads", "ad_accounts")[0]


@pytest.mark.parametrize(
    ("stream", "by"),
    [(BY_CAMPAIGN, "q=analytics&pivot=CAMPAIGN"), (BY_CREATIVE, "q=statistics&pivots=List(CAMPAIGN,CREATIVE)")],
)
def test_all_figures_of_an_account_are_one_question_with_both_days_included(
    platform: Platform, sandbox: RunningSandbox, stream: Stream, by: str
) -> None:
    wire = Wire()
    found = ask(platform, reading(stream, WEEK), wire)
    (asked,) = wire.calls
    question, fields = asked.split("&fields=")
    assert question == (
        f"adAnalytics?{by}&timeGranularity=DAILY"
        "&dateRange=(start:(year:2026,month:5,day:1),end:(year:2026,month:5,day:7))"
        f"&accounts=List(urn%3Ali%3AsponsoredAccount%3A{first_account(sandbox)})"
    )
    assert set(fields.split(",")) == {column.source_path[0] for column in stream.columns}
    assert {row["dateRange"]["start"]["day"] for row in found} == set(range(1, 8))


def test_every_request_has_linkedins_headers_and_no_marks_of_structure_are_encoded(
    platform: Platform, sandbox: RunningSandbox
) -> None:
    async def work(caller: Caller, accounts: list[Account]) -> None:
        for stream in CONNECTOR.streams:
            await pages(caller, accounts[0], stream, WEEK if stream.report_day else ALL)

    wire = Wire()
    ask(platform, work, wire)
    assert len(wire.sent) == len(CONNECTOR.streams)
    for request in wire.sent:
        assert request.headers["LinkedIn-Version"] == "202608"
        assert request.headers["X-Restli-Protocol-Version"] == "2.0.0"
        assert request.headers.get("X-RestLi-Method") == ("FINDER" if request.url.query else None)
    assert not re.search("%28|%29|%2C", " ".join(wire.calls))
    assert "List(" in wire.calls[-1]


def test_law_13_secrets_are_in_headers_and_in_the_body_of_a_refresh_alone(
    platform: Platform, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    wire = Wire()

    async def work(caller: Caller) -> None:
        await CONNECTOR.accounts(caller, platform.settings)

    tell(platform, work, wire)
    refresh, *others = wire.sent
    assert refresh.url.path == "/linkedin/oauth/v2/accessToken"
    assert b"sandbox-linkedin-refresh" in refresh.content
    assert others
    for request in others:
        assert request.headers["Authorization"].startswith("Bearer AQX")
        assert request.content == b""
    said = "\n".join(record.getMessage() for record in caplog.records) + " ".join(str(r.url) for r in wire.sent)
    assert not [s for s in ("AQX", "sandbox-linkedin-refresh", "sandbox-linkedin-secret") if s in said]


def test_linkedin_is_never_asked_whether_anything_is_newer(platform: Platform) -> None:
    async def work(caller: Caller, accounts: list[Account]) -> Any:
        moment = datetime(2020, 1, 1, tzinfo=UTC)
        return await CONNECTOR.newer(caller, [Probe(accounts[0], CONNECTOR.stream("campaigns"), moment)])

    wire = Wire()
    assert list(ask(platform, work, wire)) == []
    assert wire.sent == []


# ------------------------------------------------------------------ pages


def test_pages_are_followed_to_the_one_without_a_token(platform: Platform, sandbox: RunningSandbox) -> None:
    wire = Wire()
    stream = replace(CONNECTOR.stream("creatives"), page_size=5)
    found = ask(platform, reading(stream, ALL), wire)
    assert len(found) == len(sandbox.truth("linkedin_ads", "creatives", account=first_account(sandbox))) > 10
    first, *others = wire.calls
    assert "pageToken" not in first
    # All other parameters are repeated.
    assert all(call.startswith(f"{first}&pageToken=") for call in others)
    assert len(others) == (len(found) - 1) // 5
    assert len(set(others)) == len(others)


@pytest.mark.parametrize("fault", ["short_page_with_token", "empty_page_with_next"])
def test_law_6_a_short_or_empty_page_is_not_the_end(platform: Platform, sandbox: RunningSandbox, fault: str) -> None:
    sandbox.fault(fault, endpoint="campaigns", times=1)
    wire = Wire()
    truth = sandbox.truth("linkedin_ads", "campaigns", account=first_account(sandbox))
    found = ask(platform, reading(replace(CONNECTOR.stream("campaigns"), page_size=len(truth)), ALL), wire)
    assert [row["id"] for row in found] == [row["id"] for row in truth]
    assert len(wire.calls) == 2


def test_paging_that_does_not_move_on_is_an_error_and_no_endless_loop(scripted: Platform) -> None:
    wire = script([page(1, token="a"), page(2, token="b"), page(3, token="b")])
    with pytest.raises(Retryable, match="does not move on"):
        tell(scripted, reading_508("campaigns"), wire)


@pytest.mark.parametrize("body", [{}, {"metadata": {}}, {"elements": None}, {"elements": {"1": {}}}])
@pytest.mark.parametrize(("stream", "window"), [("campaigns", ALL), ("analytics_campaign", WEEK)])
def test_law_6_an_answer_without_a_list_is_no_empty_list(
    scripted: Platform, stream: str, window: Any, body: dict[str, Any]
) -> None:
    with pytest.raises(Retryable, match="not a list"):
        tell(scripted, reading_508(stream, window), script([(200, body)]))


def test_what_is_handed_on_is_what_came(scripted: Platform) -> None:
    noisy = '{"elements": [ {"id" : 1,"cost":"107.5300000000000335346"}, {"id":99999999999999999} ], "metadata": {}}'

    async def work(caller: Caller) -> bytes:
        (only,) = await pages(caller, FIVE_OH_EIGHT, CONNECTOR.stream("campaigns"), ALL)
        return bytes(only.records)

    found = tell(scripted, work, script([(200, noisy)]))
    assert found == b'[{"id" : 1,"cost":"107.5300000000000335346"},{"id":99999999999999999}]'


def test_money_is_handed_on_with_its_noise(platform: Platform, sandbox: RunningSandbox) -> None:
    found = ask(platform, reading(BY_CAMPAIGN, WEEK))
    truth = sandbox.truth(
        "linkedin_ads", BY_CAMPAIGN.name, account=first_account(sandbox), first=WEEK.start, last=date(2026, 5, 7)
    )
    costs = [row["costInLocalCurrency"] for row in found]
    assert any(len(cost) > 15 for cost in costs)
    exact = [Decimal(row["costInLocalCurrency"]) for row in truth]
    assert sorted(round(Decimal(cost), 6) for cost in costs) == sorted(exact)


# ------------------------------------------------------------------ law 6: nothing found is not believed


@pytest.mark.parametrize(
    ("stream", "window", "answer"),
    [("analytics_creative", WEEK, {"elements": []}), ("campaigns", ALL, {"elements": [], "metadata": {}})],
)
def test_law_6_an_empty_answer_of_an_account_without_access_is_an_error(
    scripted: Platform, stream: str, window: Any, answer: dict[str, Any]
) -> None:
    wire = script([(200, answer), (404, {"status": 404, "code": "NOT_FOUND", "message": "No such account"})])
    with pytest.raises(Fatal, match="ACCOUNT_IDS") as failure:
        tell(scripted, reading_508(stream, window), wire)
    assert (failure.value.scope, failure.value.account) == ("account", "508")
    assert wire.calls[1] == "adAccounts/508"


def test_an_empty_answer_of_an_account_with_access_is_believed(platform: Platform, sandbox: RunningSandbox) -> None:
    wire = Wire()
    before = DayWindow(date(2020, 1, 1), date(2020, 1, 3))
    assert ask(platform, reading(BY_CAMPAIGN, before), wire) == []
    assert wire.calls[1:] == [f"adAccounts/{first_account(sandbox)}"]

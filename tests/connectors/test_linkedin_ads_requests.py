"""What the LinkedIn connector sends, as it goes over the wire. Facts: `apis/linkedin_ads.md`, sections 1, 2 and 3."""

import json
import logging
import re
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

import pytest
from linkedin_support import Answer, Wire, ask, linkedin, nowhere, pages, records, script, tell

from dataflow_assets.connectors.base import Account, Probe, Since, Stream
from dataflow_assets.connectors.linkedin_ads import CONNECTOR
from dataflow_assets.connectors.linkedin_ads.reading import UTC_ZONE
from dataflow_assets.resources.clock import SYSTEM_CLOCK
from dataflow_assets.resources.failures import Fatal, Retryable, Throttled, TooMuchData, Unauthorized
from dataflow_assets.resources.http import Caller
from dataflow_assets.resources.platform import Platform
from dataflow_assets.sandbox.testing import RunningSandbox, run_sandbox
from dataflow_assets.sandbox.world import WorldConfig
from dataflow_assets.windows import DayWindow

MakePlatform = Callable[..., Platform]
NOON = datetime(2026, 5, 20, 12, tzinfo=UTC)
WEEK = DayWindow(date(2026, 5, 1), date(2026, 5, 8))
ONE = DayWindow(date(2026, 2, 15), date(2026, 2, 16))  # a busy day of the world
ALL = Since()
BY_CAMPAIGN, BY_CREATIVE = CONNECTOR.stream("analytics_campaign"), CONNECTOR.stream("analytics_creative")
FIVE_OH_EIGHT = Account("508", "Demo", "EUR", UTC_ZONE)


@pytest.fixture
def platform(make_platform: MakePlatform, sandbox: RunningSandbox) -> Platform:
    return make_platform(sandbox.url, linkedin_ads=linkedin())


@pytest.fixture
def scripted(make_platform: MakePlatform) -> Platform:
    """A platform for scripts: nobody listens."""
    return make_platform(nowhere(), linkedin_ads=linkedin())


def reading(stream: str | Stream, window: Any) -> Callable[[Caller, list[Account]], Any]:
    async def work(caller: Caller, accounts: list[Account]) -> list[dict[str, Any]]:
        wanted = CONNECTOR.stream(stream) if isinstance(stream, str) else stream
        return records(await pages(caller, accounts[0], wanted, window))

    return work


def reading_508(stream: str, window: Any = ALL) -> Callable[[Caller], Any]:
    async def work(caller: Caller) -> list[dict[str, Any]]:
        return records(await pages(caller, FIVE_OH_EIGHT, CONNECTOR.stream(stream), window))

    return work


async def listing(_caller: Caller, accounts: list[Account]) -> list[Account]:
    return accounts


def first_account(sandbox: RunningSandbox) -> str:
    return str(sandbox.truth("linkedin_ads", "ad_accounts")[0]["id"])


def element(number: int) -> dict[str, Any]:
    return {"id": number, "name": f"Campaign {number}"}


def page(*numbers: int, token: str | None = None) -> Answer:
    return 200, {"elements": [element(n) for n in numbers], "metadata": {"nextPageToken": token} if token else {}}


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


# ------------------------------------------------------------------ what is too much


def test_law_6_an_answer_at_the_cap_is_too_much_data(platform: Platform, sandbox: RunningSandbox) -> None:
    rows = len(ask(platform, reading(BY_CAMPAIGN, WEEK)))
    sandbox.limits("linkedin_ads", most_rows=rows)
    with pytest.raises(TooMuchData, match=rf"{rows} rows or more of 2026-05-01\.\.\.2026-05-07"):
        ask(platform, reading(replace(BY_CAMPAIGN, page_size=rows), WEEK))
    assert len(ask(platform, reading(replace(BY_CAMPAIGN, page_size=rows + 1), WEEK))) == rows


@pytest.mark.parametrize("stream", [BY_CAMPAIGN, BY_CREATIVE], ids=lambda stream: stream.name)
@pytest.mark.parametrize("cap", [5, 6, 8])
def test_law_6_a_day_at_the_cap_is_read_in_parts_and_is_whole(
    make_platform: MakePlatform, stream: Stream, cap: int
) -> None:
    config = WorldConfig(linkedin_accounts=1, campaigns_per_account=4, ad_sets_per_campaign=4, ads_per_ad_set=4)
    with run_sandbox(config, now=NOON) as sandbox:
        platform = make_platform(sandbox.url, linkedin_ads=linkedin())
        whole = ask(platform, reading(stream, ONE))
        assert len(whole) >= cap
        sandbox.limits("linkedin_ads", most_rows=cap)
        in_parts = ask(platform, reading(replace(stream, page_size=cap), ONE))
    assert len(in_parts) == len(whole)
    assert {json.dumps(row) for row in in_parts} == {json.dumps(row) for row in whole}


def test_law_6_a_campaign_group_at_the_cap_is_read_by_campaign(make_platform: MakePlatform) -> None:
    config = WorldConfig(linkedin_accounts=1, campaigns_per_account=1, ad_sets_per_campaign=5, ads_per_ad_set=4)
    with run_sandbox(config, now=NOON) as sandbox:
        platform, cap, wire = make_platform(sandbox.url, linkedin_ads=linkedin()), 6, Wire()
        whole = ask(platform, reading(BY_CREATIVE, ONE))
        assert len(whole) > cap
        sandbox.limits("linkedin_ads", most_rows=cap)
        in_parts = ask(platform, reading(replace(BY_CREATIVE, page_size=cap), ONE), wire)
    assert {json.dumps(row) for row in in_parts} == {json.dumps(row) for row in whole}
    assert len(in_parts) == len(whole)
    asked = [re.findall(r"pivots?=([^&]+)&.*&(\w+)=List", call)[0] for call in wire.calls]
    creatives = "List(CAMPAIGN,CREATIVE)"
    levels = [(creatives, "accounts"), ("CAMPAIGN_GROUP", "accounts")]
    levels += [(creatives, "campaignGroups"), ("CAMPAIGN", "campaignGroups")]
    assert asked[:4] == levels
    assert set(asked[4:]) == {(creatives, "campaigns")}


def test_law_6_what_cannot_be_split_any_more_is_an_error(platform: Platform, sandbox: RunningSandbox) -> None:
    sandbox.limits("linkedin_ads", most_rows=1)
    with pytest.raises(TooMuchData):
        ask(platform, reading(replace(BY_CREATIVE, page_size=1), ONE))


URNS = {"CAMPAIGN_GROUP": "urn:li:sponsoredCampaignGroup:", "CAMPAIGN": "urn:li:sponsoredCampaign:"}
URNS |= {"CREATIVE": "urn:li:sponsoredCreative:"}


def figures(*things: tuple[str, int]) -> dict[str, Any]:
    day = {"year": 2026, "month": 2, "day": 15}
    return {
        "dateRange": {"start": day, "end": day},
        "pivotValues": [f"{URNS[kind]}{number}" for kind, number in things],
        "impressions": 1,
    }


def of_creatives(*numbers: int, campaign: int = 7) -> Answer:
    return 200, {"elements": [figures(("CAMPAIGN", campaign), ("CREATIVE", number)) for number in numbers]}


def of(kind: str, *numbers: int) -> Answer:
    return 200, {"elements": [figures((kind, number)) for number in numbers]}


def in_parts_of_508(platform: Platform, *answers: Answer) -> list[list[str]]:
    """`pivotValues` of what is read of one day, of which LinkedIn gives three rows at most."""

    async def work(caller: Caller) -> list[dict[str, Any]]:
        return records(await pages(caller, FIVE_OH_EIGHT, replace(BY_CREATIVE, page_size=3), ONE))

    return [row["pivotValues"] for row in tell(platform, work, script(answers))]


def test_law_6_the_parts_of_a_day_are_all_handed_on(scripted: Platform) -> None:
    found = in_parts_of_508(
        scripted,
        of_creatives(1, 2, 3),
        of("CAMPAIGN_GROUP", 4, 5),
        of_creatives(1, 2),
        of_creatives(3, 6),
    )
    assert [urns[1].rpartition(":")[2] for urns in found] == ["1", "2", "3", "6"]


@pytest.mark.parametrize(
    "answers",
    [
        pytest.param([of("CAMPAIGN_GROUP"), (200, {"id": 508})], id="no groups"),
        pytest.param([of("CAMPAIGN_GROUP", 4, 5), of_creatives(), of_creatives()], id="nothing in the groups"),
        pytest.param([of("CAMPAIGN_GROUP", 4, 5), of_creatives(1, 2), of_creatives()], id="less in the groups"),
        pytest.param(
            [of("CAMPAIGN_GROUP", 4), of_creatives(1, 2, 3), of("CAMPAIGN", 7, 8), of_creatives(1), of_creatives(2)],
            id="less in the campaigns",
        ),
    ],
)
def test_law_6_parts_that_hold_less_than_was_seen_of_the_whole_are_an_error(
    scripted: Platform, answers: list[Answer]
) -> None:
    with pytest.raises(Retryable, match="in parts, of which it has 3 or more"):
        in_parts_of_508(scripted, of_creatives(1, 2, 3), *answers)


def test_law_6_a_row_that_does_not_say_what_it_is_about_cannot_be_read_in_parts(scripted: Platform) -> None:
    for rows in ([figures()], [{"impressions": 1}], [figures(("CAMPAIGN", 4))]):
        with pytest.raises(Fatal, match="cannot be told by CAMPAIGN_GROUP") as failure:
            in_parts_of_508(scripted, of_creatives(1, 2, 3), (200, {"elements": rows}))
        assert (failure.value.account, failure.value.scope) == ("508", "account")


def test_a_question_longer_than_an_address_travels_in_the_body(make_platform: MakePlatform) -> None:
    config = WorldConfig(linkedin_accounts=1, campaigns_per_account=400, ad_sets_per_campaign=1, ads_per_ad_set=2)
    with run_sandbox(config, now=NOON) as sandbox:
        platform, wire = make_platform(sandbox.url, linkedin_ads=linkedin()), Wire()
        whole = ask(platform, reading(BY_CREATIVE, ONE))
        sandbox.limits("linkedin_ads", most_rows=len(whole))
        in_parts = ask(platform, reading(replace(BY_CREATIVE, page_size=len(whole)), ONE), wire)
    assert {json.dumps(row) for row in in_parts} == {json.dumps(row) for row in whole}
    tunnelled = [request for request in wire.sent if request.method == "POST"]
    assert tunnelled
    for request in tunnelled:
        assert request.headers["X-HTTP-Method-Override"] == "GET"
        assert request.headers["X-RestLi-Method"] == "FINDER"
        assert request.headers["Content-Type"] == "application/x-www-form-urlencoded"
        assert request.url.query == b""
        assert len(request.content) > 4_000
        assert b"&campaignGroups=List(urn%3Ali%3AsponsoredCampaignGroup%3A" in request.content
    assert all(len(request.url.query) <= 4_000 for request in wire.sent)


# ------------------------------------------------------------------ faults


@pytest.mark.parametrize("fault", ["timeout_504", "timeout_408"])
def test_a_report_that_takes_too_long_is_not_asked_again_as_it_was(
    platform: Platform, sandbox: RunningSandbox, fault: str
) -> None:
    sandbox.fault(fault, endpoint="analytics", times=1)
    wire = Wire()
    with pytest.raises(TooMuchData):
        ask(platform, reading(BY_CREATIVE, WEEK), wire)
    assert len(wire.calls) == 1


def test_a_day_that_takes_too_long_is_read_in_parts(platform: Platform, sandbox: RunningSandbox) -> None:
    whole = ask(platform, reading(BY_CREATIVE, ONE))
    sandbox.fault("timeout_504", endpoint="analytics", times=1)
    in_parts = ask(platform, reading(BY_CREATIVE, ONE))
    assert {json.dumps(row) for row in in_parts} == {json.dumps(row) for row in whole}


def test_a_report_that_never_comes_is_given_up_soon(platform: Platform, sandbox: RunningSandbox) -> None:
    sandbox.fault("timeout_504", endpoint="analytics")
    wire = Wire()
    with pytest.raises(TooMuchData):
        ask(platform, reading(BY_CREATIVE, ONE), wire)
    assert len(wire.calls) == 2


@pytest.mark.parametrize(
    "fault",
    ["timeout_504", "timeout_408", "transient_500", "maintenance_503", "html_502", "cut_connection", "malformed_page"],
)
def test_a_listing_is_asked_again_after_a_passing_fault(
    platform: Platform, sandbox: RunningSandbox, fault: str
) -> None:
    sandbox.fault(fault, endpoint="campaigns", times=2)
    wire = Wire()
    assert len(ask(platform, reading("campaigns", ALL), wire)) > 0
    assert len(wire.calls) == 3


def test_law_7_a_used_up_day_stops_its_resource_and_no_other(platform: Platform, sandbox: RunningSandbox) -> None:
    sandbox.limits("linkedin_ads", member_calls_per_day=1)

    async def work(caller: Caller, accounts: list[Account]) -> float:
        await pages(caller, accounts[0], BY_CAMPAIGN, WEEK)
        with pytest.raises(Throttled) as throttled:
            await pages(caller, accounts[0], BY_CAMPAIGN, WEEK)
        # Nobody asks before midnight, whoever it is for.
        with pytest.raises(Throttled, match="adAnalytics is used up or blocked"):
            await pages(caller.client.caller(accounts[1].id), accounts[1], BY_CREATIVE, WEEK)
        assert await pages(caller, accounts[0], CONNECTOR.stream("campaigns"), ALL)
        return throttled.value.wait_seconds

    wire = Wire()
    # The sandbox stands still at noon.
    assert ask(platform, work, wire) == 12 * 3_600
    assert len(wire.calls) == 3


@pytest.mark.parametrize(("fault", "seconds"), [("throttle_values", 330), ("throttle_day", 43_200)])
def test_law_7_waits_beyond_a_minute_end_the_step(
    platform: Platform, sandbox: RunningSandbox, fault: str, seconds: float
) -> None:
    sandbox.fault(fault, endpoint="analytics", times=1)
    with pytest.raises(Throttled) as throttled:
        ask(platform, reading(BY_CAMPAIGN, WEEK))
    assert throttled.value.wait_seconds == seconds


def test_an_exceeded_limit_of_segments_is_no_throttle(platform: Platform, sandbox: RunningSandbox) -> None:
    sandbox.fault("throttle_segment", endpoint="analytics")
    wire = Wire()
    with pytest.raises(Fatal, match="SEGMENT_LIMIT_EXCEEDED"):
        ask(platform, reading(BY_CAMPAIGN, WEEK), wire)
    assert len(wire.calls) == 1


@pytest.mark.parametrize("fault", ["access_denied", "not_found_account"])
def test_law_9_an_account_without_access_is_an_error_of_that_account(
    platform: Platform, sandbox: RunningSandbox, fault: str
) -> None:
    refused = first_account(sandbox)
    sandbox.fault(fault, account=refused, endpoint="campaigns")

    async def work(caller: Caller, accounts: list[Account]) -> int:
        with pytest.raises(Fatal) as failure:
            await pages(caller, accounts[0], CONNECTOR.stream("campaigns"), ALL)
        assert (failure.value.account, failure.value.scope) == (refused, "account")
        other = caller.client.caller(accounts[1].id)
        return len(await pages(other, accounts[1], CONNECTOR.stream("campaigns"), ALL))

    assert ask(platform, work) == 1


def test_a_dead_version_stops_everything_and_names_the_setting(make_platform: MakePlatform) -> None:
    with run_sandbox(WorldConfig(linkedin_accounts=1), now=datetime(2026, 11, 24, tzinfo=UTC)) as sandbox:
        platform = make_platform(sandbox.url, linkedin_ads=linkedin(api_version="202511"))
        with pytest.raises(Fatal, match="DATAFLOW_LINKEDIN_ADS__API_VERSION") as failure:
            ask(platform, listing)
    assert failure.value.scope == "vendor"


# ------------------------------------------------------------------ tokens

REVOKED: Answer = (401, {"status": 401, "serviceErrorCode": 65601, "code": "REVOKED_ACCESS_TOKEN", "message": "no"})
EXPIRED: Answer = (401, {"status": 401, "serviceErrorCode": 65602, "code": "EXPIRED_ACCESS_TOKEN", "message": "no"})


def test_a_token_that_is_not_known_everywhere_yet_is_tried_again_for_a_while(scripted: Platform) -> None:
    wire = script([REVOKED, REVOKED, REVOKED, REVOKED, page(1)])
    assert tell(scripted, reading_508("campaigns"), wire) == [element(1)]
    assert len(wire.calls) == 5
    assert len({request.headers["Authorization"] for request in wire.sent[1:]}) == 1


def test_a_token_that_warms_up_is_waited_for(platform: Platform, sandbox: RunningSandbox) -> None:
    # While the world stands still this is real time: the connector really waits.
    sandbox.limits("linkedin_ads", token_warm_up_seconds=0.3)
    assert len(ask(platform, listing, clock=SYSTEM_CLOCK)) == 2


def test_an_expired_token_is_an_error_after_one_renewal(scripted: Platform) -> None:
    wire = script([EXPIRED, EXPIRED])
    with pytest.raises(Unauthorized, match="DATAFLOW_LINKEDIN_ADS__REFRESH_TOKEN"):
        tell(scripted, reading_508("campaigns"), wire)
    assert len(wire.calls) == 2


def test_a_fixed_token_that_is_refused_is_not_tried_again(make_platform: MakePlatform) -> None:
    platform = make_platform(nowhere(), linkedin_ads=linkedin())
    fixed = platform.settings.linkedin_ads.model_copy(
        update={"refresh_token": None, "access_token": platform.settings.linkedin_ads.client_secret}
    )
    platform = replace(platform, settings=platform.settings.model_copy(update={"linkedin_ads": fixed}))
    wire = script([REVOKED])
    with pytest.raises(Unauthorized):
        tell(platform, reading_508("campaigns"), wire)
    assert len(wire.sent) == 1


def test_a_refresh_token_that_ended_asks_for_a_login(platform: Platform, sandbox: RunningSandbox) -> None:
    sandbox.fault("expired_refresh_token", endpoint="access_token")
    with pytest.raises(Fatal, match="log in again and set DATAFLOW_LINKEDIN_ADS__REFRESH_TOKEN") as failure:
        ask(platform, listing)
    assert failure.value.scope == "vendor"


def test_a_refresh_token_that_ends_soon_is_announced_when_it_is_used(
    platform: Platform, sandbox: RunningSandbox, caplog: pytest.LogCaptureFixture
) -> None:
    # The member's consent is of the world's first day, 2026-01-01; it is 2026-05-20.
    sandbox.limits("linkedin_ads", refresh_token_days=150)
    ask(platform, listing)
    assert "refresh token ends in 10 days" in caplog.text


def test_money_is_handed_on_with_its_noise(platform: Platform, sandbox: RunningSandbox) -> None:
    found = ask(platform, reading(BY_CAMPAIGN, WEEK))
    truth = sandbox.truth(
        "linkedin_ads", BY_CAMPAIGN.name, account=first_account(sandbox), first=WEEK.start, last=date(2026, 5, 7)
    )
    costs = [row["costInLocalCurrency"] for row in found]
    assert any(len(cost) > 15 for cost in costs)
    exact = [Decimal(row["costInLocalCurrency"]) for row in truth]
    assert sorted(round(Decimal(cost), 6) for cost in costs) == sorted(exact)

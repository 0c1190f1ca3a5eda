"""How the LinkedIn connector reads in parts what is too much for one answer. Facts: `apis/linkedin_ads.md`, 2 and 3."""

import json
import re
from dataclasses import replace
from datetime import date
from typing import Any

import pytest
from linkedin_support import (
    BY_CAMPAIGN,
    BY_CREATIVE,
    FIVE_OH_EIGHT,
    NOON,
    WEEK,
    Answer,
    MakePlatform,
    Wire,
    ask,
    linkedin,
    pages,
    platform,
    reading,
    records,
    script,
    scripted,
    tell,
)

from dataflow_assets.connectors.base import Stream
from dataflow_assets.resources.failures import Fatal, Retryable, TooMuchData
from dataflow_assets.resources.http import Caller
from dataflow_assets.resources.platform import Platform
from dataflow_assets.sandbox.testing import RunningSandbox, run_sandbox
from dataflow_assets.sandbox.world import WorldConfig
from dataflow_assets.windows import DayWindow

__all__ = ["platform", "scripted"]  # fixtures
ONE = DayWindow(date(2026, 2, 15), date(2026, 2, 16))  # a busy day of the world


# ------------------------------------------------------------------ an answer at the cap


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


# ------------------------------------------------------------------ a report that takes too long


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

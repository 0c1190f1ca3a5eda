"""What the LinkedIn connector makes of faults, limits and tokens that ended. Facts: `apis/linkedin_ads.md`, 1 and 3."""

from dataclasses import replace
from datetime import UTC, datetime

import pytest
from linkedin_support import (
    ALL,
    BY_CAMPAIGN,
    BY_CREATIVE,
    WEEK,
    Answer,
    MakePlatform,
    Wire,
    ask,
    element,
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

from dataflow_assets.connectors.base import Account
from dataflow_assets.connectors.linkedin_ads import CONNECTOR
from dataflow_assets.resources.clock import SYSTEM_CLOCK
from dataflow_assets.resources.failures import Fatal, Throttled, Unauthorized
from dataflow_assets.resources.http import Caller
from dataflow_assets.resources.platform import Platform
from dataflow_assets.sandbox.testing import RunningSandbox, run_sandbox
from dataflow_assets.sandbox.world import WorldConfig

__all__ = ["platform", "scripted"]  # fixtures


# ------------------------------------------------------------------ faults


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

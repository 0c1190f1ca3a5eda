"""What the Google Ads connector asks, as it goes over the wire. Facts: `apis/google_ads.md`, sections 1, 2 and 5."""

import json
import logging
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, date, datetime, timedelta
from typing import Any

import google_support
import httpx
import pytest
from google_support import (
    BERLIN,
    CANCELED,
    CLIENTS,
    LOS_ANGELES,
    MANAGER,
    TOKYO,
    ScriptedGoogle,
    Wire,
    accounts,
    by_resource,
    caller_for,
    denied,
    with_client,
)

from dataflow_assets.connectors.base import Account, Kind, Probe, Since
from dataflow_assets.connectors.google_ads import CONNECTOR
from dataflow_assets.resources import auth
from dataflow_assets.resources.failures import Fatal, Retryable, Throttled, VendorError
from dataflow_assets.resources.http import ApiClient
from dataflow_assets.resources.platform import Platform
from dataflow_assets.sandbox.testing import RunningSandbox
from dataflow_assets.settings import GoogleAdsSettings
from dataflow_assets.windows import ONE_DAY, DayWindow

NOON = datetime(2026, 5, 20, 12, tzinfo=UTC)  # the sandbox's time
WEEK = DayWindow(date(2026, 5, 1), date(2026, 5, 8))
MakePlatform = Callable[..., Platform]


@pytest.fixture
def database_url() -> str:
    """Nothing is stored here: a database for each test would take most of its time."""
    return "postgresql://127.0.0.1:9/none"


@pytest.fixture(autouse=True)
def no_tokens(monkeypatch: pytest.MonkeyPatch) -> None:
    """Tokens are kept by address, and a later sandbox may get the port of an earlier one."""
    monkeypatch.setattr(auth, "_tokens", {})


# ------------------------------------------------------------------ accounts


def test_every_client_is_found_once_with_its_currency_and_zone(platform: Platform, sandbox: RunningSandbox) -> None:
    wire = Wire()
    found = accounts(platform, wire)
    truth = [row["customer"] for row in sandbox.truth("google_ads", "customers")]
    assert [(one.id, one.name, one.currency, one.zone.key) for one in found] == [
        (row["id"], row["descriptiveName"], row["currencyCode"], row["timeZone"]) for row in truth
    ]
    assert [one.problem for one in found] == [""] * 3
    # The first is reached directly as well; the tree of the manager has it already. The cancelled one is not asked.
    assert list(by_resource(wire.searches)) == [(MANAGER, "customer"), (MANAGER, "customer_client")]
    assert {one.headers["login-customer-id"] for one in found} == {MANAGER}


def test_a_configured_manager_is_gone_through_without_asking_what_is_accessible(
    make_platform: MakePlatform, sandbox: RunningSandbox
) -> None:
    wire = Wire()
    google = GoogleAdsSettings(login_customer_id=f"{MANAGER[:3]}-{MANAGER[3:6]}-{MANAGER[6:]}")
    found = accounts(make_platform(sandbox.url, google_ads=google), wire)
    assert [one.id for one in found] == list(CLIENTS)
    assert not [request for request in wire.sent if "listAccessibleCustomers" in request.url.path]


def test_a_client_that_is_logged_in_to_itself_needs_no_header(
    make_platform: MakePlatform, sandbox: RunningSandbox
) -> None:
    (found,) = accounts(make_platform(sandbox.url, google_ads=GoogleAdsSettings(login_customer_id=BERLIN)))
    assert (found.id, found.headers) == (BERLIN, {})


def test_the_cancelled_client_has_a_problem_only_when_it_is_named(
    make_platform: MakePlatform, sandbox: RunningSandbox
) -> None:
    google = GoogleAdsSettings(account_ids=f"{TOKYO},298-765-4321,{MANAGER}")
    found = {one.id: one.problem for one in accounts(make_platform(sandbox.url, google_ads=google))}
    assert "CANCELED" in found[CANCELED]
    assert "DATAFLOW_GOOGLE_ADS__ACCOUNT_IDS" in found[CANCELED]
    assert "manager account" in found[MANAGER]
    assert found[TOKYO] == ""


def customer(number: str, **more: Any) -> Mapping[str, Any]:
    return {"id": number, "descriptiveName": f"No {number}", "currencyCode": "EUR", "timeZone": "UTC", **more}


def tree(*clients: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    return [{"customerClient": one} for one in clients]


def itself(number: str, **more: Any) -> list[Mapping[str, Any]]:
    return [{"customer": customer(number, **more)}]


FOREST = ScriptedGoogle(
    ["7", "1", "10", "2", "11", "3", "4"],
    {
        ("7", "customer"): denied("CUSTOMER_NOT_ENABLED"),
        ("1", "customer"): itself("1", manager=True),
        ("1", "customer_client"): tree(
            customer("10", manager=True, status="ENABLED"),
            customer("2", status="ENABLED"),
            customer("11", status="ENABLED", hidden=True),
            customer("12", status="SUSPENDED"),
            customer("13", status="CLOSED"),
            customer("14", status="ENABLED", timeZone="Mars/Olympus"),
            {"id": "15"},
        ),
        ("11", "customer"): itself("11", status="ENABLED"),
        ("3", "customer"): denied("TWO_STEP_VERIFICATION_NOT_ENROLLED", "authenticationError"),
        ("4", "customer"): itself("4", status="ENABLED"),
    },
)


def through(found: Sequence[Account]) -> dict[str, str]:
    return {one.id: one.headers.get("login-customer-id", "") for one in found}


def test_a_tree_is_walked_once_and_what_it_hides_may_still_be_reached_directly(platform: Platform) -> None:
    wire = FOREST.wire()
    found = accounts(platform, wire)
    # 10 is a manager below 1, and 2 its client: both are in the tree of 1. Of 11 the tree says it is hidden.
    assert list(by_resource(wire.searches)) == [
        ("7", "customer"),
        ("1", "customer"),
        ("1", "customer_client"),
        ("11", "customer"),
        ("3", "customer"),
        ("4", "customer"),
    ]
    assert through(found) == {"2": "1", "14": "1", "15": "1", "11": "", "3": "", "4": ""}


def test_law_9_an_account_that_cannot_be_listed_is_named_and_holds_no_other_back(platform: Platform) -> None:
    problems = {one.id: one.problem for one in accounts(platform, FOREST.wire())}
    assert "TWO_STEP_VERIFICATION_NOT_ENROLLED" in problems.pop("3")
    assert "'Mars/Olympus'" in problems.pop("14")
    assert "''" in problems.pop("15")
    assert set(problems.values()) == {""}


def test_what_is_named_is_read_although_it_is_hidden_or_suspended_and_explained_when_it_is_gone(
    make_platform: MakePlatform, sandbox: RunningSandbox
) -> None:
    named = make_platform(sandbox.url, google_ads=GoogleAdsSettings(account_ids="7,11,12,13"))
    found = {one.id: one for one in accounts(named, FOREST.wire())}
    assert (found["11"].problem, found["12"].problem) == ("", "")
    assert found["12"].headers == {"login-customer-id": "1"}
    assert "CUSTOMER_NOT_ENABLED" in found["7"].problem
    assert "CLOSED" in found["13"].problem


def test_what_cannot_be_reached_directly_is_read_through_a_manager(platform: Platform) -> None:
    google = ScriptedGoogle(["2", "1"], {**FOREST.answers, ("2", "customer"): denied("USER_PERMISSION_DENIED")})
    found = {one.id: one for one in accounts(platform, google.wire())}
    assert (found["2"].problem, found["2"].headers) == ("", {"login-customer-id": "1"})


@pytest.mark.parametrize(
    ("answer", "kind"),
    [
        (denied("MISSING_TOS"), Fatal),
        (denied("RESOURCE_EXHAUSTED", "quotaError", quotaErrorDetails={"retryDelay": "5400s"}), Throttled),
        (denied("OAUTH_TOKEN_REVOKED", "authenticationError"), Fatal),
    ],
)
def test_what_concerns_every_account_is_no_problem_of_one(
    platform: Platform, answer: Any, kind: type[VendorError]
) -> None:
    google = ScriptedGoogle(["1", "4"], {("1", "customer"): answer, ("4", "customer"): itself("4")})
    with pytest.raises(kind):
        accounts(platform, google.wire())


def test_no_account_at_all_is_an_error_and_not_a_green_run_without_rows(platform: Platform) -> None:
    for accessible in ([], ["7"]):
        with pytest.raises(Fatal, match="no client account"):
            accounts(platform, ScriptedGoogle(accessible, FOREST.answers).wire())


def test_an_account_of_another_shape_is_said_to_be_one(platform: Platform, sandbox: RunningSandbox) -> None:
    wire = ScriptedGoogle(["1"], {("1", "customer"): [{"customer": {"id": {"value": "1"}}}]}).wire()
    (found,) = accounts(platform, wire)
    assert "not as documented" in found.problem


# ------------------------------------------------------------------ what is asked


def client_of(platform: Platform, number: str = BERLIN) -> Account:
    return next(one for one in accounts(platform) if one.id == number)


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


@pytest.mark.parametrize(("version", "said"), [("v22", "UNSUPPORTED_VERSION"), ("v99", "404")])
def test_a_dead_version_is_named_with_the_setting_to_change(
    make_platform: MakePlatform, sandbox: RunningSandbox, version: str, said: str
) -> None:
    with pytest.raises(Fatal, match=said) as caught:
        accounts(make_platform(sandbox.url, google_ads=GoogleAdsSettings(api_version=version)))
    assert caught.value.scope == "vendor"
    assert "DATAFLOW_GOOGLE_ADS__API_VERSION" in str(caught.value)


def test_a_refresh_token_that_was_revoked_needs_a_person(platform: Platform, sandbox: RunningSandbox) -> None:
    sandbox.fault("invalid_grant")
    wire = Wire()
    with pytest.raises(Fatal, match="invalid_grant") as caught:
        accounts(platform, wire)
    assert "DATAFLOW_GOOGLE_ADS__REFRESH_TOKEN" in str(caught.value)
    assert len(wire.sent) == 1


def test_law_13_tokens_travel_in_headers_and_are_in_no_url_body_or_log(
    platform: Platform, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    wire = Wire()
    account = client_of(platform)
    google_support.read(platform, account, "campaigns", Since(), wire)
    newer(platform, [Probe(account, CONNECTOR.stream("ads"), datetime(2026, 5, 1, tzinfo=UTC))], wire)
    tokens = {request.headers["authorization"].removeprefix("Bearer ") for request in wire.sent}
    (token,) = tokens
    secrets = (token, "sandbox-google-secret", "sandbox-google-refresh")
    for request in wire.sent:
        assert not [one for one in secrets if one in str(request.url) or one in request.content.decode()]
    said = "\n".join(record.getMessage() for record in caplog.records)
    assert not [one for one in secrets if one in said]


# ------------------------------------------------------------------ probes: is there anything newer?

STREAMS = ("customers", "campaigns", "ad_groups", "ads", "conversion_actions")
IN_FEED = ("campaigns", "ad_groups", "ads")


def probes(platform: Platform, moment: datetime, streams: Sequence[str] = STREAMS) -> list[Probe]:
    return [Probe(one, CONNECTOR.stream(name), moment) for name in streams for one in accounts(platform)]


def newer(
    platform: Platform, asked: Sequence[Probe], wire: Wire | None = None, now: datetime = NOON
) -> list[tuple[str, str]]:
    """Account and stream of the probes that found something. The time at the vendor is known from a listing before."""

    async def work(client: ApiClient) -> list[tuple[str, str]]:
        found = await CONNECTOR.newer(client.caller(), asked)
        assert all(probe in asked for probe in found)
        return sorted((probe.account.id, probe.stream.name) for probe in found)

    return with_client(platform, work, wire, now)


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

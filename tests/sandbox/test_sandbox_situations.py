"""Each scenario: that its situation really is there, in the world or in what the vendors answer."""

from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

import httpx
import pytest
from google_client import BERLIN, LOS_ANGELES, Ads, code, select, signed_in
from linkedin_client import METRICS, Rest

from dataflow_assets.sandbox import scenario
from dataflow_assets.sandbox.linkedin_ads.oauth import CLIENT_ID, CLIENT_SECRET, REFRESH_TOKEN
from dataflow_assets.sandbox.testing import TOKEN, RunningSandbox, run_sandbox

DAY = 86_400
HOUR = 3_600

Proof = Callable[[RunningSandbox], None]
PROOFS: dict[str, Proof] = {}


def proves(name: str) -> Callable[[Proof], Proof]:
    def keep(proof: Proof) -> Proof:
        PROOFS[name] = proof
        return proof

    return keep


def test_every_scenario_is_proved() -> None:
    assert sorted(PROOFS) == scenario.names()


@pytest.mark.parametrize("name", scenario.names())
def test_the_situation_is_there(name: str) -> None:
    with run_sandbox(scenario=name) as sandbox:
        PROOFS[name](sandbox)


def meta(sandbox: RunningSandbox, path: str, **params: str) -> httpx.Response:
    return httpx.get(f"{sandbox.meta_url}/v26.0/{path}", params={"access_token": TOKEN, **params})


def linkedin(sandbox: RunningSandbox, path: str, query: str = "q=search") -> httpx.Response:
    with httpx.Client() as client:
        return Rest(sandbox, client).get(path, query)


def analytics(sandbox: RunningSandbox) -> httpx.Response:
    days = "dateRange=(start:(year:2026,month:5,day:30),end:(year:2026,month:5,day:30))"
    account = sandbox.truth("linkedin_ads", "ad_accounts")[0]["id"]
    query = f"q=analytics&pivot=CAMPAIGN&timeGranularity=DAILY&{days}&fields={METRICS}"
    return linkedin(sandbox, "adAnalytics", f"{query}&accounts=List(urn%3Ali%3AsponsoredAccount%3A{account})")


# --------------------------------------------------------------------------- no fault at all


@proves("airtight")
def _airtight(sandbox: RunningSandbox) -> None:
    assert sandbox.faults() == []
    accounts = sandbox.truth("meta_ads", "ad_accounts")
    assert len(accounts) == 1
    ads = meta(sandbox, f"{accounts[0]['id']}/ads", limit="100", fields="id").json()["data"]
    assert {ad["id"] for ad in ads} == {ad["id"] for ad in sandbox.truth("meta_ads", "ads")}
    assert ads
    assert linkedin(sandbox, "adAccounts").status_code == 200
    assert analytics(sandbox).status_code == 200
    with signed_in(sandbox) as google:
        assert google.post(select("campaigns")).status_code == 200


@proves("restatement")
def _restatement(sandbox: RunningSandbox) -> None:
    day, berlin = date(2026, 3, 5), ZoneInfo("Europe/Berlin")
    assert sandbox.clock.now().astimezone(berlin).date() == day + timedelta(days=1)

    def read(age: int) -> tuple[Decimal, int]:
        sandbox.clock.set(datetime(day.year, day.month, day.day, 13, tzinfo=berlin) + timedelta(days=age))
        rows = sandbox.truth("meta_ads", "insights_ad", account="920000000000011", first=day, last=day)
        actions = [action for row in rows for action in row.get("actions", ())]
        bought = sum(int(action["value"]) for action in actions if action["action_type"] == "purchase")
        return sum((Decimal(row["spend"]) for row in rows), Decimal()), bought

    first, third, week, settled = (read(age) for age in (1, 3, 7, 27))
    assert len({first, third, week, settled}) == 4
    assert first[0] > third[0] == week[0] == settled[0]
    assert round(1 - third[0] / first[0], 3) == Decimal("0.034")
    assert first[1] < third[1] < week[1] < settled[1]
    assert settled == read(28) == read(60)


@proves("campaign_deleted_with_spend")
def _campaign_deleted_with_spend(sandbox: RunningSandbox) -> None:
    def listed() -> set[str]:
        return {row["id"] for row in sandbox.truth("meta_ads", "campaigns")}

    def spend() -> dict[str, Decimal]:
        sums: dict[str, Decimal] = {}
        last = date(2026, 3, 10)
        for row in sandbox.truth("meta_ads", "insights_campaign", last=last):
            sums[row["campaign_id"]] = sums.get(row["campaign_id"], Decimal()) + Decimal(row["spend"])
        return sums

    def google_status() -> str:
        with signed_in(sandbox) as google:
            return str(google.rows(select("campaigns"), BERLIN)[5]["campaign"]["status"])

    listed_before, spend_before, google_before = listed(), spend(), google_status()
    sandbox.clock.advance(5 * DAY)
    gone = listed_before - listed()
    assert {campaign[-9:] for campaign in gone} == {"000060000"}
    assert len(gone) == 4, "one of each account"
    assert spend() == spend_before
    assert all(spend_before[campaign] > 0 for campaign in gone)
    assert (google_before, google_status()) == ("PAUSED", "REMOVED")


@proves("token_expiring_in_six_days")
def _token_expiring_in_six_days(sandbox: RunningSandbox) -> None:
    def refresh() -> httpx.Response:
        client = {"client_id": CLIENT_ID, "client_secret": CLIENT_SECRET}
        form = {**client, "grant_type": "refresh_token", "refresh_token": REFRESH_TOKEN}
        return httpx.post(f"{sandbox.linkedin_url}/oauth/v2/accessToken", data=form)

    told = refresh().json()
    assert told["refresh_token_expires_in"] == told["expires_in"] == 6 * DAY - 1
    sandbox.clock.advance(6 * DAY - 1)
    assert refresh().status_code == 200
    sandbox.clock.advance(1)
    assert (refresh().status_code, refresh().json()["error"]) == (400, "invalid_grant")


def rows_by_id(sandbox: RunningSandbox, stream: str) -> dict[str, Any]:
    return {row["id"]: row for row in sandbox.truth(*stream.split("/"))}


@proves("contacts_merged")
def _contacts_merged(sandbox: RunningSandbox) -> None:
    before = rows_by_id(sandbox, "hubspot/contacts")
    sandbox.clock.advance(3 * HOUR)
    after = rows_by_id(sandbox, "hubspot/contacts")
    took_in = {
        row["properties"]["hs_merged_object_ids"]: row["id"]
        for row in after.values()
        if row["properties"]["hs_merged_object_ids"] != before.get(row["id"], row)["properties"]["hs_merged_object_ids"]
    }
    assert before.keys() - after.keys() == took_in.keys()
    assert len(took_in) == 2
    for gone, kept in took_in.items():
        assert before[gone]["properties"]["lastname"] == after[kept]["properties"]["lastname"]
        assert before[kept]["updatedAt"] < after[kept]["updatedAt"]


@proves("deal_amount_corrected")
def _deal_amount_corrected(sandbox: RunningSandbox) -> None:
    before = rows_by_id(sandbox, "hubspot/deals")
    sandbox.clock.advance(HOUR)
    (deal,) = (
        (old["properties"], new["properties"])
        for new in rows_by_id(sandbox, "hubspot/deals").values()
        if (old := before.get(new["id"])) and old["properties"]["amount"] != new["properties"]["amount"]
    )
    old, new = deal
    assert Decimal(new["amount"]) == Decimal(old["amount"]) * 9 / 10
    assert new["hs_is_closed_won"] == old["hs_is_closed_won"] == "true"
    assert new["closedate"] == old["closedate"]
    closed = datetime.fromisoformat(new["closedate"])
    assert (sandbox.clock.now() - closed).days == 40
    assert closed.month == 2


@proves("late_partial_refund")
def _late_partial_refund(sandbox: RunningSandbox) -> None:
    charges, refunds = rows_by_id(sandbox, "stripe/charges"), rows_by_id(sandbox, "stripe/refunds")
    sandbox.clock.advance(DAY)
    new = [row for name, row in rows_by_id(sandbox, "stripe/refunds").items() if name not in refunds]
    (late,) = (row for row in new if row["created"] - charges[row["charge"]]["created"] > 150 * DAY)
    before, after = charges[late["charge"]], rows_by_id(sandbox, "stripe/charges")[late["charge"]]
    charged, given_back = (datetime.fromtimestamp(row["created"], UTC).date() for row in (before, late))
    assert (charged, given_back) == (date(2026, 5, 18), date(2026, 11, 14))
    assert (given_back - charged).days == 180
    assert after["created"] == before["created"]
    assert after["amount_refunded"] == before["amount_refunded"] + late["amount"] < after["amount"]


# --------------------------------------------------------------------------- faults


@proves("quota_exhausted_at_noon")
def _quota_exhausted_at_noon(sandbox: RunningSandbox) -> None:
    def seen() -> tuple[int, int, int]:
        return (
            analytics(sandbox).status_code,
            linkedin(sandbox, "adAccounts").status_code,
            meta(sandbox, "me").status_code,
        )

    assert seen() == (200, 200, 200)
    for seconds, status in ((HOUR // 2 - 1, 200), (1, 429), (12 * HOUR - 1, 429), (1, 200)):
        sandbox.clock.advance(seconds)
        assert seen() == (status, 200, 200), sandbox.clock.now()
    assert (sandbox.clock.now().hour, sandbox.clock.now().minute) == (0, 0)


@proves("token_revoked")
def _token_revoked(sandbox: RunningSandbox) -> None:
    assert meta(sandbox, "me/adaccounts").status_code == 200
    sandbox.clock.advance(HOUR)
    error = meta(sandbox, "me/adaccounts").json()["error"]
    assert (error["code"], error["error_subcode"]) == (190, 460)
    assert linkedin(sandbox, "adAccounts").status_code == 200


@proves("account_paused")
def _account_paused(sandbox: RunningSandbox) -> None:
    def ask(google: Ads, customer: str) -> httpx.Response:
        return google.post(select("campaign_performance", " WHERE segments.date DURING YESTERDAY"), customer)

    with signed_in(sandbox) as google:
        assert ask(google, LOS_ANGELES).status_code == 200
    sandbox.clock.advance(6 * HOUR)
    with signed_in(sandbox) as google:
        assert code(ask(google, LOS_ANGELES)) == (403, "authorizationError", "CUSTOMER_NOT_ENABLED")
        assert ask(google, BERLIN).status_code == 200
        listed = google.rows("SELECT customer_client.id FROM customer_client", "2718281828")
        assert LOS_ANGELES in {row["customerClient"]["id"] for row in listed}


@proves("api_version_blocked")
def _api_version_blocked(sandbox: RunningSandbox) -> None:
    assert linkedin(sandbox, "adAccounts").status_code == 200
    sandbox.clock.advance(12 * HOUR)
    assert (sandbox.clock.now().hour, sandbox.clock.now().minute) == (0, 0)
    assert linkedin(sandbox, "adAccounts").status_code == 426
    assert analytics(sandbox).status_code == 426
    assert meta(sandbox, "me/adaccounts").status_code == 200


@proves("one_account_fails_of_ten")
def _one_account_fails_of_ten(sandbox: RunningSandbox) -> None:
    accounts: list[Any] = [row["id"] for row in sandbox.truth("meta_ads", "ad_accounts")]
    answers = {account: meta(sandbox, f"{account}/insights") for account in accounts}
    assert len(answers) == 10
    refused = {account: answer for account, answer in answers.items() if answer.status_code != 200}
    assert list(refused) == ["act_920003000000032"]
    assert refused["act_920003000000032"].json()["error"]["code"] == 200

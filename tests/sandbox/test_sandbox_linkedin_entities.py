"""LinkedIn's accounts, campaign groups, campaigns, creatives and conversions: what a client has to get right."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest
from linkedin_client import Rest, code

from dataflow_assets.sandbox.testing import RunningSandbox, run_sandbox
from dataflow_assets.sandbox.world import WorldConfig

FINDER = {"X-RestLi-Method": "FINDER"}
ALL = "ACTIVE,ARCHIVED,CANCELED,DRAFT,PAUSED,PENDING_DELETION,REMOVED"
ALL_GROUPS = f"q=search&search=(status:(values:List({ALL})))"
ALL_CAMPAIGNS = f"q=search&search=(status:(values:List({ALL},COMPLETED)))"
ALL_CREATIVES = f"q=criteria&intendedStatuses=List({ALL})"
EVERYTHING = {"adCampaignGroups": ALL_GROUPS, "adCampaigns": ALL_CAMPAIGNS, "creatives": ALL_CREATIVES}
STREAMS = {"adCampaignGroups": "campaign_groups", "adCampaigns": "campaigns", "creatives": "creatives"}


@pytest.fixture
def rest(sandbox: RunningSandbox) -> Iterator[Rest]:
    with httpx.Client() as client:
        yield Rest(sandbox, client)


@pytest.fixture
def account(sandbox: RunningSandbox) -> int:
    return int(sandbox.truth("linkedin_ads", "ad_accounts")[0]["id"])


def statuses(rows: list[dict[str, Any]]) -> dict[str, str]:
    return {str(row["id"]): row.get("status") or row["intendedStatus"] for row in rows}


# Ids and shapes.


@pytest.mark.parametrize("stream", ["ad_accounts", "campaign_groups", "campaigns"])
def test_ids_are_whole_numbers_that_no_double_holds(sandbox: RunningSandbox, stream: str) -> None:
    rows = sandbox.truth("linkedin_ads", stream)
    assert {type(row["id"]) for row in rows} == {int}
    assert all(int(float(row["id"])) != row["id"] for row in rows)
    assert len({row["id"] for row in rows}) == len(rows)


def test_creatives_have_urns_for_ids_and_everything_refers_by_urn(sandbox: RunningSandbox) -> None:
    creatives = sandbox.truth("linkedin_ads", "creatives")
    campaigns = sandbox.truth("linkedin_ads", "campaigns")
    groups = sandbox.truth("linkedin_ads", "campaign_groups")
    accounts = sandbox.truth("linkedin_ads", "ad_accounts")
    assert all(row["id"].startswith("urn:li:sponsoredCreative:") for row in creatives)
    assert {row["campaign"] for row in creatives} <= {f"urn:li:sponsoredCampaign:{row['id']}" for row in campaigns}
    assert {row["campaignGroup"] for row in campaigns} == {
        f"urn:li:sponsoredCampaignGroup:{row['id']}" for row in groups
    }
    assert {row["account"] for row in groups} == {f"urn:li:sponsoredAccount:{row['id']}" for row in accounts}


def test_times_are_milliseconds_and_budgets_decimal_texts_with_their_currency(sandbox: RunningSandbox) -> None:
    now = int(sandbox.clock.now().timestamp()) * 1000
    for row in sandbox.truth("linkedin_ads", "campaigns"):
        stamps = row["changeAuditStamps"]
        assert now - 400 * 86_400_000 < stamps["created"]["time"] <= stamps["lastModified"]["time"] <= now
        assert row["runSchedule"]["start"] % 86_400_000 == 0
        assert row["unitCost"]["currencyCode"] in {"EUR", "USD"}
        assert row["unitCost"]["amount"] == f"{float(row['unitCost']['amount']):.2f}"
    budgets = [row for row in sandbox.truth("linkedin_ads", "campaigns") if "dailyBudget" in row]
    assert 0 < len(budgets) < len(sandbox.truth("linkedin_ads", "campaigns"))
    ends = [row for row in sandbox.truth("linkedin_ads", "campaign_groups") if "end" in row["runSchedule"]]
    assert len(ends) == 2


def test_money_of_a_currency_without_decimals_has_none() -> None:
    with run_sandbox(WorldConfig(linkedin_accounts=3, meta_accounts=1)) as sandbox:
        campaigns = sandbox.truth("linkedin_ads", "campaigns")
        yen = [row for row in campaigns if row["unitCost"]["currencyCode"] == "JPY"]
        assert yen
        assert all("." not in row["unitCost"]["amount"] for row in yen)
        assert all("." not in row["dailyBudget"]["amount"] for row in yen if "dailyBudget" in row)


# Reading one, and many.


@pytest.mark.parametrize("resource", STREAMS)
def test_an_entity_is_read_by_its_key(sandbox: RunningSandbox, rest: Rest, account: int, resource: str) -> None:
    for row in sandbox.truth("linkedin_ads", STREAMS[resource], account=str(account)):
        key = str(row["id"]).replace(":", "%3A")
        assert rest.get(f"adAccounts/{account}/{resource}/{key}").json() == row


def test_an_entity_is_not_found_elsewhere_nor_under_another_kind(
    sandbox: RunningSandbox, rest: Rest, account: int
) -> None:
    other = sandbox.truth("linkedin_ads", "ad_accounts")[1]["id"]
    campaign = sandbox.truth("linkedin_ads", "campaigns", account=str(account))[0]["id"]
    assert rest.get(f"adAccounts/{account}/adCampaigns/{campaign}").status_code == 200
    for path in (
        f"adAccounts/{other}/adCampaigns/{campaign}",
        f"adAccounts/{account}/adCampaignGroups/{campaign}",
        f"adAccounts/{account}/adCampaigns/{campaign + 2}",
        f"adAccounts/{campaign}",
        "adAccounts/508000111",
        "adAccounts/508000111/adCampaigns/1",
    ):
        assert code(rest.get(path)) == (404, "NOT_FOUND")


def test_an_entity_is_not_there_before_it_is_created(sandbox: RunningSandbox, rest: Rest, account: int) -> None:
    newest = max(
        sandbox.truth("linkedin_ads", "campaign_groups", account=str(account)),
        key=lambda row: row["changeAuditStamps"]["created"]["time"],
    )
    created = datetime.fromtimestamp(newest["changeAuditStamps"]["created"]["time"] / 1000, UTC)
    path = f"adAccounts/{account}/adCampaignGroups/{newest['id']}"
    sandbox.clock.set(created - timedelta(seconds=1))
    assert rest.get(path).status_code == 404
    before = rest.find(f"adAccounts/{account}/adCampaignGroups", ALL_GROUPS)
    sandbox.clock.set(created)
    assert rest.get(path).json()["id"] == newest["id"]
    assert len(rest.find(f"adAccounts/{account}/adCampaignGroups", ALL_GROUPS)) == len(before) + 1


def test_a_batch_of_creatives_is_keyed_as_addresses_are_written(
    sandbox: RunningSandbox, rest: Rest, account: int
) -> None:
    row = sandbox.truth("linkedin_ads", "creatives", account=str(account))[0]
    key = row["id"].replace(":", "%3A")
    answer = rest.get(f"adAccounts/{account}/creatives", f"ids=List({key})&fields=id,name").json()
    assert answer["results"] == {key: {"id": row["id"], "name": row["name"]}}
    assert rest.get(f"adAccounts/{account}/creatives", "ids=List(12)").status_code == 400
    assert rest.get(f"adAccounts/{account}/adCampaigns", "ids=List(a)").status_code == 400
    accounts = rest.get("adAccounts", f"ids=List({account},7)").json()
    assert (list(accounts["results"]), list(accounts["errors"])) == ([str(account)], ["7"])
    assert rest.get("adAccounts", "ids=List()").json() == {"results": {}, "statuses": {}, "errors": {}}


def test_only_the_fields_asked_for_come_back(rest: Rest, account: int) -> None:
    rows = rest.find(f"adAccounts/{account}/adCampaigns", f"{ALL_CAMPAIGNS}&fields=id,dailyBudget")
    assert {frozenset(row) for row in rows} == {frozenset({"id"}), frozenset({"id", "dailyBudget"})}
    assert code(rest.get("adAccounts", "q=search&fields=id,timeZone")) == (400, "FIELD_INVALID")
    assert code(rest.get("adAccounts", "q=search&fields=version:(versionTag)")) == (400, "PARAM_INVALID")


# Statuses.


def test_what_happens_to_things_shows_in_their_status(rest: Rest, account: int) -> None:
    groups = rest.find(f"adAccounts/{account}/adCampaignGroups", ALL_GROUPS)
    assert list(statuses(groups).values()) == ["ACTIVE", "ACTIVE", "ACTIVE", "PAUSED", "ARCHIVED", "REMOVED"]
    campaigns = rest.find(f"adAccounts/{account}/adCampaigns", ALL_CAMPAIGNS)
    assert set(statuses(campaigns).values()) == {"ACTIVE", "PAUSED", "COMPLETED"}
    creatives = rest.find(f"adAccounts/{account}/creatives", ALL_CREATIVES)
    assert set(statuses(creatives).values()) == {"ACTIVE", "ARCHIVED"}
    assert {row["isServing"] for row in creatives} == {True, False}
    assert all(row["isServing"] == ("servingHoldReasons" not in row) for row in creatives)


@pytest.mark.parametrize("resource", EVERYTHING)
def test_statuses_that_are_not_named_are_not_listed(rest: Rest, account: int, resource: str) -> None:
    path = f"adAccounts/{account}/{resource}"
    whole = statuses(rest.find(path, EVERYTHING[resource]))
    for status in set(whole.values()):
        named = EVERYTHING[resource].replace(f"{ALL},COMPLETED", status).replace(ALL, status)
        assert set(statuses(rest.find(path, named)).values()) == {status}
    unsaid = statuses(rest.find(path, EVERYTHING[resource].partition("&")[0]))
    hidden = {"ARCHIVED", "REMOVED"}
    assert unsaid == {key: status for key, status in whole.items() if status not in hidden}


@pytest.mark.parametrize("resource", EVERYTHING)
def test_whether_unnamed_statuses_are_listed_can_be_switched(
    sandbox: RunningSandbox, rest: Rest, account: int, resource: str
) -> None:
    path = f"adAccounts/{account}/{resource}"
    sandbox.limits("linkedin_ads", list_all_statuses=True)
    assert rest.find(path, EVERYTHING[resource].partition("&")[0]) == rest.find(path, EVERYTHING[resource])


def test_a_removed_group_is_still_fetched_and_a_deleted_creative_is_not(
    sandbox: RunningSandbox, rest: Rest, account: int
) -> None:
    removed = [
        row
        for row in sandbox.truth("linkedin_ads", "campaign_groups", account=str(account))
        if row["status"] == "REMOVED"
    ]
    assert rest.get(f"adAccounts/{account}/adCampaignGroups/{removed[0]['id']}").json() == removed[0]
    assert removed[0] not in sandbox.truth("linkedin_ads", "campaign_groups", deleted=False)
    start = sandbox.clock.now()
    sandbox.clock.set(datetime(2026, 2, 15, tzinfo=UTC))
    then = {row["id"] for row in sandbox.truth("linkedin_ads", "creatives", account=str(account))}
    sandbox.clock.set(start)
    now = {row["id"] for row in rest.find(f"adAccounts/{account}/creatives", ALL_CREATIVES)}
    gone = then - now
    assert len(gone) > 3
    for urn in gone:
        key = urn.replace(":", "%3A")
        assert rest.get(f"adAccounts/{account}/creatives/{key}").status_code == 404
        assert key in rest.get(f"adAccounts/{account}/creatives", f"ids=List({key})").json()["errors"]


def test_a_campaign_whose_schedule_ends_is_completed_and_changed_at_that_instant(
    sandbox: RunningSandbox, rest: Rest, account: int
) -> None:
    campaigns = rest.find(f"adAccounts/{account}/adCampaigns", ALL_CAMPAIGNS)
    (done,) = [row for row in campaigns if row["status"] == "COMPLETED"]
    end = done["runSchedule"]["end"]
    assert done["changeAuditStamps"]["lastModified"]["time"] == end
    sandbox.clock.set(datetime.fromtimestamp(end / 1000 - 1, UTC))
    before = rest.get(f"adAccounts/{account}/adCampaigns/{done['id']}").json()
    assert before["status"] == "ACTIVE"
    assert before["changeAuditStamps"]["lastModified"]["time"] < end


def test_a_change_moves_the_time_of_the_last_change(sandbox: RunningSandbox, rest: Rest, account: int) -> None:
    row = rest.find(f"adAccounts/{account}/adCampaignGroups", ALL_GROUPS)[1]
    changed = row["changeAuditStamps"]["lastModified"]["time"]
    assert row["name"].endswith("✓")
    sandbox.clock.set(datetime.fromtimestamp(changed / 1000 - 1, UTC))
    before = rest.get(f"adAccounts/{account}/adCampaignGroups/{row['id']}").json()
    assert before["name"] != row["name"]
    assert before["changeAuditStamps"]["lastModified"]["time"] < changed


# Conditions and order.


def test_conditions_of_a_search_hold_together(sandbox: RunningSandbox, rest: Rest, account: int) -> None:
    path = f"adAccounts/{account}/adCampaigns"
    rows = rest.find(path, "q=search")
    row = rows[3]
    group = row["campaignGroup"].replace(":", "%3A")
    urn = f"urn%3Ali%3AsponsoredCampaign%3A{row['id']}"

    def found(search: str) -> list[int]:
        return [one["id"] for one in rest.find(path, f"q=search&search=({search})")]

    assert found(f"id:(values:List({row['id']}))") == found(f"id:(values:List({urn}))") == [row["id"]]
    in_group = [one["id"] for one in rows if one["campaignGroup"] == row["campaignGroup"]]
    assert found(f"campaignGroup:(values:List({group}))") == in_group
    assert found(f"campaignGroup:(values:List({group})),status:(values:List({row['status']}))") == [
        one["id"] for one in rows if one["campaignGroup"] == row["campaignGroup"] and one["status"] == row["status"]
    ]
    assert found("type:(values:List(TEXT_AD))") == [one["id"] for one in rows if one["type"] == "TEXT_AD"] != []
    assert found("test:true") == []
    assert found("test:false") == [one["id"] for one in rows]


def test_creatives_are_found_by_campaign_and_by_urn(rest: Rest, account: int) -> None:
    path = f"adAccounts/{account}/creatives"
    rows = rest.find(path, ALL_CREATIVES)
    campaign = rows[-1]["campaign"]
    below = rest.find(path, f"{ALL_CREATIVES}&campaigns=List({campaign.replace(':', '%3A')})")
    assert below == [row for row in rows if row["campaign"] == campaign] != []
    one = rows[4]["id"].replace(":", "%3A")
    assert rest.find(path, f"{ALL_CREATIVES}&creatives=List({one})") == [rows[4]]
    for wrong in ("campaigns=List(7)", "campaigns=List(urn%3Ali%3AsponsoredCreative%3A7)", "intendedStatuses=List(X)"):
        assert rest.get(path, f"q=criteria&{wrong}", FINDER).status_code == 400


@pytest.mark.parametrize("resource", EVERYTHING)
def test_the_last_may_come_first(rest: Rest, account: int, resource: str) -> None:
    order = "sortOrder=DESCENDING" if resource == "creatives" else "sort=(field:ID,order:DESCENDING)"
    path = f"adAccounts/{account}/{resource}"
    rows = rest.find(path, f"{EVERYTHING[resource]}&{order}&pageSize=4")
    assert rows == rest.find(path, EVERYTHING[resource])[::-1]
    wrong = order.replace("DESCENDING", "SIDEWARD")
    assert rest.get(path, f"{EVERYTHING[resource]}&{wrong}", FINDER).status_code == 400


def test_accounts_may_be_listed_from_the_last(rest: Rest) -> None:
    backward = rest.find("adAccounts", "q=search&sort=(field:ID,order:DESCENDING)&pageSize=1")
    assert backward == rest.find("adAccounts", "q=search")[::-1]
    assert rest.get("adAccounts", "q=search&sort=(field:NAME)").status_code == 400


# Pages.


@pytest.mark.parametrize("size", [1, 4, 30, 1000])
def test_pages_of_any_size_hold_everything_once(rest: Rest, account: int, size: int) -> None:
    path = f"adAccounts/{account}/creatives"
    assert rest.find(path, f"{ALL_CREATIVES}&pageSize={size}") == rest.find(path, ALL_CREATIVES)


def test_a_page_has_100_rows_unless_told_otherwise_and_1000_at_most() -> None:
    config = WorldConfig(
        meta_accounts=1, linkedin_accounts=1, campaigns_per_account=18, ad_sets_per_campaign=3, ads_per_ad_set=5
    )
    with run_sandbox(config) as sandbox, httpx.Client() as client:
        rest = Rest(sandbox, client)
        path = f"adAccounts/{sandbox.truth('linkedin_ads', 'ad_accounts')[0]['id']}/creatives"
        page = rest.get(path, ALL_CREATIVES, FINDER).json()
        assert len(page["elements"]) == 100
        assert "nextPageToken" in page["metadata"]
        assert rest.find(path, ALL_CREATIVES) == sandbox.truth("linkedin_ads", "creatives")
        for size in ("0", "1001", "many", "-1"):
            assert code(rest.get(path, f"{ALL_CREATIVES}&pageSize={size}", FINDER)) == (400, "PARAM_INVALID")


def test_a_token_belongs_to_its_question(sandbox: RunningSandbox, rest: Rest, account: int) -> None:
    path = f"adAccounts/{account}/adCampaigns"
    token = rest.get(path, f"{ALL_CAMPAIGNS}&pageSize=2").json()["metadata"]["nextPageToken"]
    assert rest.get(path, f"{ALL_CAMPAIGNS}&pageSize=3&pageToken={token}").status_code == 200
    assert code(rest.get(path, f"q=search&pageSize=2&pageToken={token}")) == (400, "PARAM_INVALID")
    other = sandbox.truth("linkedin_ads", "ad_accounts")[1]["id"]
    assert rest.get(f"adAccounts/{other}/adCampaigns", f"{ALL_CAMPAIGNS}&pageToken={token}").status_code == 400
    for wrong in ("x", "AAAA", token[:-2], "%F0%9F%8E%AC"):
        assert rest.get(path, f"{ALL_CAMPAIGNS}&pageSize=2&pageToken={wrong}").status_code == 400


def test_pages_neither_skip_nor_repeat_while_things_change(sandbox: RunningSandbox, rest: Rest, account: int) -> None:
    path = f"adAccounts/{account}/creatives"
    sandbox.clock.set(datetime(2026, 2, 1, tzinfo=UTC))
    there = [row["id"] for row in rest.find(path, ALL_CREATIVES)]
    seen: list[str] = []
    token = ""
    while token is not None:
        page = rest.get(path, f"{ALL_CREATIVES}&pageSize=2{'&pageToken=' + token if token else ''}", FINDER).json()
        seen += [row["id"] for row in page["elements"]]
        token = page["metadata"].get("nextPageToken")
        sandbox.clock.advance(86_400)
    left = {row["id"] for row in rest.find(path, ALL_CREATIVES)}
    assert len(seen) == len(set(seen))
    assert {urn for urn in there if urn in left} <= set(seen)
    assert seen == sorted(seen)


def test_accounts_may_refuse_a_search_together_with_a_token(sandbox: RunningSandbox, rest: Rest) -> None:
    search = "q=search&search=(status:(values:List(ACTIVE)))&pageSize=1"
    assert len(rest.find("adAccounts", search)) == 2
    sandbox.limits("linkedin_ads", refuse_search_with_page_token=True)
    token = rest.get("adAccounts", search).json()["metadata"]["nextPageToken"]
    assert code(rest.get("adAccounts", f"{search}&pageToken={token}")) == (400, "PARAM_INVALID")
    assert len(rest.find("adAccounts", "q=search&pageSize=1")) == 2


# Conversions.


def test_conversion_rules_page_by_offset(rest: Rest, account: int) -> None:
    query = f"q=account&account=urn%3Ali%3AsponsoredAccount%3A{account}"
    answer = rest.get("conversions", query).json()
    assert answer["paging"] == {"start": 0, "count": 10, "links": [], "total": 1}
    (rule,) = answer["elements"]
    assert (rule["account"], rule["type"]) == (f"urn:li:sponsoredAccount:{account}", "PURCHASE")
    assert rest.get("conversions", f"{query}&start=1&count=5").json()["elements"] == []
    assert rest.get("conversions", f"{query}&fields=id").json()["elements"] == [{"id": rule["id"]}]
    refused = rest.get("conversions", f"{query}&count=1001")
    assert (refused.status_code, refused.json()["message"]) == (400, "Specified count is larger than 1000")
    assert rest.get("conversions", f"{query}&fields=value").status_code == 400
    assert rest.get("conversions", "q=account&account=urn%3Ali%3AsponsoredAccount%3A7").status_code == 404
    assert rest.get("conversions", f"q=account&account={account}").status_code == 400

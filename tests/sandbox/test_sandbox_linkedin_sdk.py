"""LinkedIn's own SDK reads the sandbox as it reads LinkedIn. Whatever it gets is compared with the world's truth."""

from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest
from linkedin_api.clients.auth.client import AuthClient
from linkedin_api.clients.restli.client import RestliClient
from linkedin_api.common import constants
from linkedin_client import FIELDS, VERSION, settled

from dataflow_assets.sandbox.linkedin_ads.oauth import CLIENT_ID, CLIENT_SECRET, REFRESH_TOKEN
from dataflow_assets.sandbox.testing import RunningSandbox

GROUP_STATUSES = ["ACTIVE", "ARCHIVED", "CANCELED", "DRAFT", "PAUSED", "PENDING_DELETION", "REMOVED"]
CAMPAIGN_STATUSES = [*GROUP_STATUSES, "COMPLETED"]
# Per stream: resource, finder, and the parameters that list everything.
ENTITIES: dict[str, tuple[str, str, dict[str, Any]]] = {
    "campaign_groups": ("adCampaignGroups", "search", {"search": {"status": {"values": GROUP_STATUSES}}}),
    "campaigns": ("adCampaigns", "search", {"search": {"status": {"values": CAMPAIGN_STATUSES}}}),
    "creatives": ("creatives", "criteria", {"intendedStatuses": GROUP_STATUSES, "sortOrder": "ASCENDING"}),
}
ANALYTICS = {"analytics_campaign": "CAMPAIGN", "analytics_creative": "CREATIVE"}
INSTANTS = [datetime(2026, 3, 20, 15, 40, tzinfo=UTC), datetime(2026, 5, 1, 12, tzinfo=UTC)]


class Sdk:
    """The SDK with a token it has refreshed itself."""

    def __init__(self) -> None:
        self.auth = AuthClient(CLIENT_ID, CLIENT_SECRET)
        self.rest = RestliClient()
        self.token = self.auth.exchange_refresh_token_for_access_token(REFRESH_TOKEN).access_token

    def finder(self, path: str, name: str, params: dict[str, Any], **keys: Any) -> Any:
        return self.rest.finder(
            resource_path=path,
            path_keys=keys or None,
            finder_name=name,
            query_params=params,
            access_token=self.token,
            version_string=VERSION,
        )

    def everything(self, path: str, name: str, params: dict[str, Any], **keys: Any) -> list[dict[str, Any]]:
        """All rows of all pages. The SDK itself loses the way to the next page."""
        found: list[dict[str, Any]] = []
        token = None
        while True:
            page = self.finder(path, name, {**params, **({"pageToken": token} if token else {})}, **keys)
            assert page.status_code == 200, page.response.text
            found += page.elements
            token = page.response.json()["metadata"].get("nextPageToken")
            if token is None:
                return found


@pytest.fixture
def sdk(sandbox: RunningSandbox, monkeypatch: pytest.MonkeyPatch) -> Iterator[Sdk]:
    monkeypatch.setattr(constants, "VERSIONED_BASE_URL", f"{sandbox.linkedin_url}/rest")
    monkeypatch.setattr(constants, "NON_VERSIONED_BASE_URL", f"{sandbox.linkedin_url}/v2")
    monkeypatch.setattr(constants, "OAUTH_BASE_URL", f"{sandbox.linkedin_url}/oauth/v2")
    client = Sdk()
    yield client
    client.auth.session.close()
    client.rest.session.close()


@pytest.fixture
def ids(sandbox: RunningSandbox) -> list[int]:
    return [row["id"] for row in sandbox.truth("linkedin_ads", "ad_accounts")]


def day(of: date) -> dict[str, int]:
    return {"year": of.year, "month": of.month, "day": of.day}


def query(account: int, pivot: str, first: date, last: date) -> dict[str, Any]:
    return {
        "pivot": pivot,
        "timeGranularity": "DAILY",
        "dateRange": {"start": day(first), "end": day(last)},
        "accounts": [f"urn:li:sponsoredAccount:{account}"],
        "fields": FIELDS,
    }


def test_a_refreshed_token_lasts_60_days_and_tells_about_itself(sdk: Sdk, sandbox: RunningSandbox) -> None:
    answer = sdk.auth.exchange_refresh_token_for_access_token(REFRESH_TOKEN)
    assert (answer.status_code, answer.expires_in, answer.refresh_token) == (200, 60 * 86_400 - 1, REFRESH_TOKEN)
    about = sdk.auth.introspect_access_token(answer.access_token)
    assert (about.active, about.status, about.auth_type, about.client_id) == (True, "active", "3L", CLIENT_ID)
    assert about.expires_at - about.created_at == 60 * 86_400
    assert about.created_at == int(sandbox.clock.now().timestamp())


@pytest.mark.parametrize("now", INSTANTS)
def test_the_accounts_are_those_of_the_world(sdk: Sdk, sandbox: RunningSandbox, now: datetime) -> None:
    sandbox.clock.set(now)
    search = {"search": {"status": {"values": ["ACTIVE"]}, "test": False}, "pageSize": 1}
    truth = sandbox.truth("linkedin_ads", "ad_accounts")
    assert sdk.everything("/adAccounts", "search", search) == truth
    assert [row["currency"] for row in truth] == ["EUR", "USD"]


def test_an_account_is_read_by_its_id(sdk: Sdk, sandbox: RunningSandbox, ids: list[int]) -> None:
    answer = sdk.rest.get(
        resource_path="/adAccounts/{id}",
        path_keys={"id": ids[1]},
        query_params={"fields": "id,name,currency"},
        access_token=sdk.token,
        version_string=VERSION,
    )
    truth = sandbox.truth("linkedin_ads", "ad_accounts", account=str(ids[1]))[0]
    assert answer.entity == {name: truth[name] for name in ("id", "name", "currency")}


@pytest.mark.parametrize("now", INSTANTS)
@pytest.mark.parametrize("stream", ENTITIES)
def test_a_finder_pages_through_everything(
    sdk: Sdk, sandbox: RunningSandbox, ids: list[int], stream: str, now: datetime
) -> None:
    sandbox.clock.set(now)
    resource, finder, params = ENTITIES[stream]
    path = f"/adAccounts/{{id}}/{resource}"
    for account in ids:
        truth = sandbox.truth("linkedin_ads", stream, account=str(account))
        assert sdk.everything(path, finder, {**params, "pageSize": 7}, id=account) == truth
        assert len(truth) >= 5


def test_the_sdk_does_not_show_that_there_is_a_next_page(sdk: Sdk, ids: list[int]) -> None:
    page = sdk.finder("/adAccounts/{id}/creatives", "criteria", {"pageSize": 3}, id=ids[0])
    assert (len(page.elements), page.metadata) == (3, None)
    assert page.response.json()["metadata"]["nextPageToken"]


@pytest.mark.parametrize("now", INSTANTS)
@pytest.mark.parametrize("stream", ANALYTICS)
def test_analytics_bring_every_row_of_every_day_and_only_their_own_noise(
    sdk: Sdk, sandbox: RunningSandbox, ids: list[int], stream: str, now: datetime
) -> None:
    sandbox.clock.set(now)
    first, last = now.date() - timedelta(days=35), now.date()
    for account in ids:
        found = sdk.finder("/adAnalytics", "analytics", query(account, ANALYTICS[stream], first, last)).elements
        truth = sandbox.truth("linkedin_ads", stream, account=str(account), first=first, last=last)
        assert [settled(row) for row in found] == [settled(row) for row in truth]
        assert len({str(row["dateRange"]) for row in truth}) == 36
        assert found != truth


def test_statistics_name_campaign_and_creative(sdk: Sdk, ids: list[int]) -> None:
    params = query(ids[0], "", date(2026, 3, 1), date(2026, 3, 5))
    params["pivots"] = ["CAMPAIGN", "CREATIVE"]
    del params["pivot"]
    rows = sdk.finder("/adAnalytics", "statistics", params).elements
    assert {tuple(value.rpartition(":")[0] for value in row["pivotValues"]) for row in rows} == {
        ("urn:li:sponsoredCampaign", "urn:li:sponsoredCreative")
    }
    by_creative = sdk.finder(
        "/adAnalytics", "analytics", query(ids[0], "CREATIVE", date(2026, 3, 1), date(2026, 3, 5))
    ).elements
    assert [{**row, "pivotValues": row["pivotValues"][1:]} for row in rows] == by_creative


def test_a_batch_keeps_what_it_finds_and_reports_the_rest_per_id(
    sdk: Sdk, sandbox: RunningSandbox, ids: list[int]
) -> None:
    campaigns = sandbox.truth("linkedin_ads", "campaigns", account=str(ids[0]))
    wanted = [campaigns[2]["id"], 404, campaigns[0]["id"]]
    answer = sdk.rest.batch_get(
        resource_path="/adAccounts/{id}/adCampaigns",
        path_keys={"id": ids[0]},
        ids=wanted,
        access_token=sdk.token,
        version_string=VERSION,
    )
    assert answer.status_code == 200
    assert answer.results == {str(row["id"]): row for row in (campaigns[2], campaigns[0])}
    assert answer.statuses == dict.fromkeys(answer.results, 200)
    assert {name: error["status"] for name, error in answer.errors.items()} == {"404": 404}


def test_a_finder_over_4000_characters_is_tunnelled_and_answers_the_same(
    sdk: Sdk, sandbox: RunningSandbox, ids: list[int]
) -> None:
    short = query(ids[0], "CAMPAIGN", date(2026, 3, 1), date(2026, 3, 5))
    campaigns = [f"urn:li:sponsoredCampaign:{row['id']}" for row in sandbox.truth("linkedin_ads", "campaigns")]
    unknown = [f"urn:li:sponsoredCampaign:{number}" for number in range(1000, 1100)]
    answer = sdk.finder("/adAnalytics", "analytics", {**short, "campaigns": campaigns + unknown})
    assert answer.response.request.method == "POST"
    assert len(answer.response.request.body) > 4000
    assert answer.elements == sdk.finder("/adAnalytics", "analytics", short).elements
    assert len(answer.elements) > 20


def test_a_list_of_fields_silently_gives_the_default_metrics(sdk: Sdk, ids: list[int]) -> None:
    params = query(ids[0], "CAMPAIGN", date(2026, 3, 1), date(2026, 3, 5))
    params["fields"] = ["dateRange", "costInUsd"]
    rows = sdk.finder("/adAnalytics", "analytics", params).elements
    assert {frozenset(row) for row in rows} == {frozenset({"impressions", "clicks"})}


def test_a_throttle_is_no_exception_of_the_sdk(sdk: Sdk, sandbox: RunningSandbox, ids: list[int]) -> None:
    sandbox.fault("throttle_day", endpoint="analytics")
    answer = sdk.finder("/adAnalytics", "analytics", query(ids[0], "CAMPAIGN", date(2026, 3, 1), date(2026, 3, 2)))
    assert (answer.status_code, answer.elements) == (429, None)
    assert "DAY limit" in answer.response.json()["message"]


def test_the_sdk_without_a_version_reaches_no_resource(sdk: Sdk) -> None:
    answer = sdk.rest.get(resource_path="/me", access_token=sdk.token)
    assert answer.status_code == 404

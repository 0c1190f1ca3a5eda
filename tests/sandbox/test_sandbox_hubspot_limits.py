"""HubSpot's limits and tokens: what is counted where, when it is forgiven, and what the headers tell."""

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import httpx
import pytest
from hubspot_client import Crm, problem

from dataflow_assets.sandbox.hubspot.auth import CLIENT_ID, CLIENT_SECRET, private_token, refresh_token
from dataflow_assets.sandbox.testing import RunningSandbox, run_sandbox
from dataflow_assets.sandbox.world import WorldConfig

LIST = "crm/v3/objects/deals"
STANDING = 1e-12
RATES = {"X-HubSpot-RateLimit-Interval-Milliseconds", "X-HubSpot-RateLimit-Max", "X-HubSpot-RateLimit-Remaining"}
DAILY = {"X-HubSpot-RateLimit-Daily", "X-HubSpot-RateLimit-Daily-Remaining"}
GOOD = {
    "grant_type": "refresh_token",
    "client_id": CLIENT_ID,
    "client_secret": CLIENT_SECRET,
    "refresh_token": refresh_token(0),
}


@pytest.fixture(scope="module")
def http() -> Iterator[httpx.Client]:
    with httpx.Client() as client:
        yield client


@pytest.fixture
def crm(sandbox: RunningSandbox, http: httpx.Client) -> Iterator[Crm]:
    # While the world stands still its limiters go by real time; all but standing still, they go by what a test says.
    sandbox.clock.run(STANDING)
    yield Crm(sandbox, http)
    sandbox.clock.run(0)


def associations(crm: Crm) -> httpx.Response:
    return crm.post("crm/v4/associations/deals/contacts/batch/read", {"inputs": [{"id": "1"}]})


def renew(crm: Crm, path: str = "oauth/v1/token", **changes: str) -> httpx.Response:
    return crm.client.post(f"{crm.url}/{path}", data={**GOOD, **changes})


def told(answer: httpx.Response, names: set[str]) -> set[str]:
    return {name for name in names if name in answer.headers}


def test_a_call_too_many_within_ten_seconds_is_refused_until_the_first_is_old(crm: Crm) -> None:
    crm.sandbox.limits("hubspot", calls_per_10_seconds=3)
    first = crm.get(LIST)
    assert first.headers["X-HubSpot-RateLimit-Max"] == "3"
    assert first.headers["X-HubSpot-RateLimit-Interval-Milliseconds"] == "10000"
    crm.sandbox.clock.advance(4)
    remaining = [crm.get(LIST).headers["X-HubSpot-RateLimit-Remaining"] for _ in range(2)]
    assert remaining == ["1", "0"]
    refused = crm.get(LIST)
    assert (refused.status_code, refused.json()["policyName"]) == (429, "TEN_SECONDLY_ROLLING")
    assert "Retry-After" not in refused.headers
    crm.sandbox.clock.advance(6)
    assert [crm.get(LIST).status_code for _ in range(2)] == [200, 429]


def test_the_way_back_is_told_when_that_is_switched_on(crm: Crm) -> None:
    crm.sandbox.limits("hubspot", calls_per_10_seconds=1, search_calls_per_second=1, send_retry_after=True)
    crm.get(LIST)
    crm.search("deals")
    assert crm.search("deals").headers["Retry-After"] == "1"
    crm.sandbox.clock.advance(0.5)
    assert crm.search("deals").headers["Retry-After"] == "1"
    assert crm.get(LIST).headers["Retry-After"] == "10"
    crm.sandbox.clock.advance(10)
    assert crm.get(LIST).status_code == 200


def test_searches_have_a_second_of_their_own_and_tell_no_rates(crm: Crm) -> None:
    crm.sandbox.limits("hubspot", search_calls_per_second=2, calls_per_10_seconds=1)
    assert crm.get(LIST).status_code == 200
    answers = [crm.search("deals", limit=1) for _ in range(3)]
    assert [answer.status_code for answer in answers] == [200, 200, 429]
    assert answers[2].json()["policyName"] == "SECONDLY"
    assert told(answers[0], RATES | DAILY) == set()
    crm.sandbox.clock.advance(1)
    assert crm.search("deals", limit=1).status_code == 200
    crm.sandbox.limits("hubspot", search_has_rate_headers=True, search_calls_per_second=100)
    assert told(crm.search("deals", limit=1), RATES | DAILY) == RATES | DAILY


def test_batches_of_associations_are_counted_by_the_day_only(crm: Crm) -> None:
    crm.sandbox.limits("hubspot", calls_per_10_seconds=1)
    assert [associations(crm).status_code for _ in range(3)] == [207] * 3
    assert [crm.get(LIST).status_code for _ in range(2)] == [200, 429]
    crm.sandbox.limits("hubspot", calls_per_10_seconds=1000, calls_per_day=6)
    assert [associations(crm).status_code for _ in range(3)] == [207, 207, 429]


def test_a_day_ends_at_midnight_of_the_portal(crm: Crm) -> None:
    crm.sandbox.clock.set(datetime(2026, 4, 20, 21, 59, tzinfo=UTC))
    crm.sandbox.limits("hubspot", calls_per_day=2)
    first = crm.get(LIST)
    assert (first.headers["X-HubSpot-RateLimit-Daily"], first.headers["X-HubSpot-RateLimit-Daily-Remaining"]) == (
        "2",
        "1",
    )
    assert crm.search("deals").status_code == 200
    for refused in (crm.get(LIST), crm.search("deals"), associations(crm)):
        assert (refused.status_code, refused.json()["policyName"]) == (429, "DAILY")
    crm.sandbox.clock.set(datetime(2026, 4, 20, 22, 0, tzinfo=UTC))
    assert crm.get(LIST).status_code == 200


def test_portals_have_budgets_of_their_own() -> None:
    with run_sandbox(WorldConfig(hubspot_portals=2)) as sandbox, httpx.Client() as client:
        sandbox.limits("hubspot", calls_per_10_seconds=1, search_calls_per_second=1)
        sandbox.clock.run(STANDING)
        one, other = Crm(sandbox, client, 0), Crm(sandbox, client, 1)
        assert [one.get(LIST).status_code, one.get(LIST).status_code, other.get(LIST).status_code] == [200, 429, 200]
        assert [one.search("deals").status_code, other.search("deals").status_code] == [200, 200]


def test_an_app_with_oauth_has_its_own_ten_seconds_and_no_day(crm: Crm) -> None:
    crm.sandbox.limits("hubspot", calls_per_10_seconds=1, oauth_calls_per_10_seconds=2, calls_per_day=2)
    assert [crm.get(LIST).status_code for _ in range(2)] == [200, 429]
    crm.token = renew(crm).json()["access_token"]
    answers = [crm.get(LIST) for _ in range(3)]
    assert [answer.status_code for answer in answers] == [200, 200, 429]
    assert (told(answers[0], RATES), told(answers[0], DAILY)) == (RATES, set())
    crm.sandbox.clock.advance(10)
    assert crm.get(LIST).status_code == 200


def test_what_was_refused_is_not_counted_and_a_reset_forgives_everything(crm: Crm) -> None:
    crm.sandbox.limits("hubspot", calls_per_10_seconds=1, calls_per_day=2)
    assert [crm.get(LIST).status_code for _ in range(3)] == [200, 429, 429]
    crm.sandbox.clock.advance(10)
    assert crm.get(LIST).status_code == 200
    assert crm.get(LIST).json()["policyName"] == "DAILY"
    crm.sandbox.reset_limits()
    assert crm.get(LIST).status_code == 200


@pytest.mark.parametrize(
    "change", [{"calls": 1}, {"search_ceiling": 0}, {"search_id_order": "random"}, {"search_lag_seconds": -1}]
)
def test_a_limit_that_makes_no_sense_is_refused(sandbox: RunningSandbox, change: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=r"unknown field|Expected|Invalid"):
        sandbox.limits("hubspot", **change)


# Tokens.


@pytest.mark.parametrize("path", ["oauth/v1/token", "oauth/v3/token", "oauth/2026-03/token"])
def test_every_address_of_the_token_endpoint_gives_access_for_half_an_hour(crm: Crm, path: str) -> None:
    answer = renew(crm, path).json()
    assert answer["expires_in"] == 1_800
    assert answer["refresh_token"] == refresh_token(0)
    assert answer["hub_id"] == crm.get("account-info/v3/details").json()["portalId"]
    crm.token = answer["access_token"]
    crm.sandbox.clock.advance(1_799)
    assert crm.get(LIST).status_code == 200
    crm.sandbox.clock.advance(1)
    assert problem(crm.get(LIST)) == (401, "EXPIRED_AUTHENTICATION")


def test_access_tokens_differ_and_their_life_can_be_set(crm: Crm) -> None:
    crm.sandbox.limits("hubspot", access_token_seconds=60)
    one, other = renew(crm).json(), renew(crm).json()
    assert one["access_token"] != other["access_token"]
    assert one["expires_in"] == 60


@pytest.mark.parametrize(
    ("changes", "word"),
    [
        ({"grant_type": "authorization_code"}, "BAD_GRANT_TYPE"),
        ({"client_id": "other"}, "BAD_CLIENT_ID"),
        ({"client_secret": "other"}, "BAD_CLIENT_SECRET"),
        ({"refresh_token": "other"}, "BAD_REFRESH_TOKEN"),
        ({"refresh_token": refresh_token(1)}, "BAD_REFRESH_TOKEN"),
    ],
)
def test_wrong_credentials_give_no_token(crm: Crm, changes: dict[str, str], word: str) -> None:
    answer = renew(crm, **changes)
    assert (answer.status_code, answer.json()["status"]) == (400, word)
    assert answer.json().keys() == {"status", "message", "correlationId"}


def test_the_token_endpoint_wants_a_form_that_is_posted(crm: Crm) -> None:
    assert crm.client.get(f"{crm.url}/oauth/v1/token").status_code == 405
    assert crm.client.post(f"{crm.url}/oauth/v1/token", json=GOOD).status_code == 415


@pytest.mark.parametrize(
    "header",
    [
        {},
        {"Authorization": "Bearer"},
        {"Authorization": "Bearer pat-sandbox-1"},
        {"Authorization": f"Basic {private_token(0)}"},
        {"Authorization": "Bearer AAAA"},
        {"Authorization": "Bearer AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA="},
    ],
)
def test_without_a_good_token_nothing_is_told(crm: Crm, header: dict[str, str]) -> None:
    answer = crm.client.get(f"{crm.url}/{LIST}", headers=header)
    assert problem(answer) == (401, "INVALID_AUTHENTICATION")


def test_a_token_survives_a_restart_and_not_another_world(crm: Crm) -> None:
    token = renew(crm).json()["access_token"]
    now = crm.sandbox.clock.now()
    for seed, status in ((crm.sandbox.config.seed, 200), (crm.sandbox.config.seed + 1, 401)):
        with run_sandbox(WorldConfig(seed=seed), now=now) as other, httpx.Client() as client:
            again = Crm(other, client)
            again.token = token
            assert again.get(LIST).status_code == status

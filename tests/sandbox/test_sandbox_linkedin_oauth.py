"""LinkedIn's tokens: what they need, how long they last, what is said of bad ones."""

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import httpx
import pytest
from linkedin_client import Rest, code

from dataflow_assets.sandbox.linkedin_ads.oauth import CLIENT_ID, CLIENT_SECRET, REFRESH_TOKEN, TOKEN
from dataflow_assets.sandbox.testing import RunningSandbox, run_sandbox
from dataflow_assets.sandbox.world import WorldConfig

CLIENT = {"client_id": CLIENT_ID, "client_secret": CLIENT_SECRET}
REFRESH = {**CLIENT, "grant_type": "refresh_token", "refresh_token": REFRESH_TOKEN}
DAY = 86_400


class OAuth(Rest):
    """The token endpoints, and calls with the tokens they give."""

    def post(self, endpoint: str, form: dict[str, str]) -> httpx.Response:
        return self.client.post(f"{self.base.removesuffix('/rest')}/oauth/v2/{endpoint}", data=form)

    def token(self) -> str:
        return str(self.post("accessToken", REFRESH).json()["access_token"])

    def introspect(self, token: str) -> dict[str, Any]:
        found: dict[str, Any] = self.post("introspectToken", {**CLIENT, "token": token}).json()
        return found

    def ask(self, authorization: str | None) -> httpx.Response:
        return self.get("adAccounts", "q=search", {"Authorization": authorization})


@pytest.fixture
def oauth(sandbox: RunningSandbox) -> Iterator[OAuth]:
    with httpx.Client() as client:
        yield OAuth(sandbox, client)


def test_a_token_works_for_60_days_of_world_time(sandbox: RunningSandbox, oauth: OAuth) -> None:
    token = oauth.token()
    assert oauth.ask(f"Bearer {token}").status_code == 200
    sandbox.clock.advance(60 * DAY - 1)
    assert oauth.ask(f"bearer {token}").status_code == 200
    assert oauth.introspect(token)["status"] == "active"
    sandbox.clock.advance(1)
    answer = oauth.ask(f"Bearer {token}")
    assert code(answer) == (401, "EXPIRED_ACCESS_TOKEN")
    assert answer.json()["serviceErrorCode"] == 65602
    about = oauth.introspect(token)
    assert (about["active"], about["status"]) == (False, "expired")
    assert oauth.ask(f"Bearer {oauth.token()}").status_code == 200
    assert oauth.ask(f"Bearer {TOKEN}").status_code == 200


def test_each_refresh_gives_another_token_and_the_older_ones_go_on(oauth: OAuth) -> None:
    tokens = [oauth.token() for _ in range(3)]
    assert len(set(tokens)) == 3
    assert all(oauth.ask(f"Bearer {token}").status_code == 200 for token in tokens)


def test_a_token_outlives_a_restart_and_belongs_to_its_world() -> None:
    small = {"meta_accounts": 1, "linkedin_accounts": 1, "campaigns_per_account": 1}
    with run_sandbox(WorldConfig(seed=7, **small)) as first, httpx.Client() as client:
        token = OAuth(first, client).token()
    for seed, status in ((7, 200), (8, 401)):
        with run_sandbox(WorldConfig(seed=seed, **small)) as again, httpx.Client() as client:
            assert OAuth(again, client).ask(f"Bearer {token}").status_code == status


@pytest.mark.parametrize("authorization", [None, "", "Bearer", "Basic abc", TOKEN])
def test_no_token_is_said_to_be_empty(oauth: OAuth, authorization: str | None) -> None:
    answer = oauth.ask(authorization)
    assert answer.status_code == 401
    assert answer.json() == {"message": "Empty oauth2_access_token", "serviceErrorCode": 401, "status": 401}


@pytest.mark.parametrize("token", ["x", "AQX", "AQX!!!", f"{TOKEN}x", "AQXAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"])
def test_a_wrong_token_is_invalid(oauth: OAuth, token: str) -> None:
    answer = oauth.get("adAccounts", "q=search", {"Authorization": f"Bearer {token}"})
    assert code(answer) == (401, "INVALID_ACCESS_TOKEN")
    assert answer.json()["serviceErrorCode"] == 65600
    assert oauth.introspect(token) == {"active": False}


def test_a_token_that_was_changed_is_invalid(oauth: OAuth) -> None:
    token = oauth.token()
    for number in (3, 12, 25):
        other = "A" if token[number] != "A" else "B"
        assert code(oauth.ask(f"Bearer {token[:number]}{other}{token[number + 1 :]}")) == (401, "INVALID_ACCESS_TOKEN")


def test_the_fixed_token_is_always_as_good_as_new(sandbox: RunningSandbox, oauth: OAuth) -> None:
    sandbox.clock.advance(2000 * DAY)
    sandbox.limits("linkedin_ads", newest_version="203201")
    answer = oauth.get("adAccounts", "q=search", {"LinkedIn-Version": "203109"})
    assert answer.status_code == 200
    about = oauth.introspect(TOKEN)
    assert (about["active"], about["expires_at"] - about["created_at"]) == (True, 60 * DAY)


def test_refreshing_does_not_prolong_the_year_of_the_refresh_token(sandbox: RunningSandbox, oauth: OAuth) -> None:
    start = datetime(2026, 1, 1, tzinfo=UTC)
    for day, access, refresh in ((0, 60, 365), (59, 60, 306), (360, 5, 5)):
        sandbox.clock.set(start)
        sandbox.clock.advance(day * DAY)
        answer = oauth.post("accessToken", REFRESH).json()
        assert (answer["expires_in"], answer["refresh_token_expires_in"]) == (access * DAY - 1, refresh * DAY - 1)
    token = answer["access_token"]
    sandbox.clock.advance(5 * DAY)
    refused = oauth.post("accessToken", REFRESH)
    assert (refused.status_code, refused.json()["error"]) == (400, "invalid_grant")
    assert code(oauth.ask(f"Bearer {token}")) == (401, "EXPIRED_ACCESS_TOKEN")
    sandbox.limits("linkedin_ads", refresh_token_days=730)
    assert oauth.post("accessToken", REFRESH).status_code == 200


@pytest.mark.parametrize(
    ("change", "status", "error"),
    [
        ({"refresh_token": "other"}, 400, "invalid_grant"),
        ({"refresh_token": None}, 400, "invalid_request"),
        ({"grant_type": "authorization_code"}, 400, "unsupported_grant_type"),
        ({"grant_type": None}, 400, "unsupported_grant_type"),
        ({"client_secret": "other"}, 401, "invalid_client"),
        ({"client_id": None}, 401, "invalid_client"),
    ],
)
def test_a_refresh_that_lacks_something_says_what(
    oauth: OAuth, change: dict[str, str | None], status: int, error: str
) -> None:
    form = {name: value for name, value in {**REFRESH, **change}.items() if value is not None}
    answer = oauth.post("accessToken", form)
    assert (answer.status_code, answer.json()["error"]) == (status, error)
    assert answer.json().keys() == {"error", "error_description"}


def test_introspection_wants_the_client_and_a_token(oauth: OAuth) -> None:
    assert oauth.post("introspectToken", {"token": TOKEN}).status_code == 401
    assert oauth.post("introspectToken", CLIENT).json()["error"] == "invalid_request"
    assert oauth.client.get(f"{oauth.base.removesuffix('/rest')}/oauth/v2/introspectToken").status_code == 405


def test_a_token_may_need_some_seconds_before_it_works(sandbox: RunningSandbox, oauth: OAuth) -> None:
    sandbox.limits("linkedin_ads", token_warm_up_seconds=600)
    token = oauth.token()
    answer = oauth.ask(f"Bearer {token}")
    assert code(answer) == (401, "REVOKED_ACCESS_TOKEN")
    assert answer.json()["serviceErrorCode"] == 65601
    assert oauth.ask(f"Bearer {TOKEN}").status_code == 200
    sandbox.clock.advance(600)
    assert oauth.ask(f"Bearer {token}").status_code == 200
    assert code(oauth.ask(f"Bearer {oauth.token()}")) == (401, "REVOKED_ACCESS_TOKEN")
    assert oauth.ask(f"Bearer {token}").status_code == 200

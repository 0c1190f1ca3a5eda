"""Scenarios: what their files may hold, how they are put in force and how they are refused."""

import json
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest

from dataflow_assets.sandbox import scenario
from dataflow_assets.sandbox.faults import FaultRule, Match
from dataflow_assets.sandbox.testing import TOKEN, RunningSandbox, run_sandbox
from dataflow_assets.sandbox.world import WorldConfig

GOOD = 'title = "A"\ndescription = "B"\n'


def written(folder: Path, text: str) -> Path:
    path = folder / "storm.toml"
    path.write_text(text)
    return path


def test_a_file_tells_world_time_faults_and_limits(tmp_path: Path) -> None:
    text = """
        title = "A storm"
        description = \"\"\"
        Much rain
        in the evening.
        \"\"\"
        day = 20
        time = 18:30:00
        [world]
        start = 2026-03-01
        seed = 5
        [[faults]]
        fault = "slow"
        match = { vendor = "meta_ads", endpoint = "ads" }
        since = "+1d6h"
        until = 2026-03-24T01:00:00+01:00
        times = 4
        [[faults]]
        fault = "html_502"
        since = "-30m"
        [limits.meta_ads]
        max_limit = 100
    """
    storm = scenario.read(written(tmp_path, text))
    config = WorldConfig(start=date(2026, 3, 1), seed=5)
    assert (storm.name, storm.title, storm.description) == ("storm", "A storm", "Much rain in the evening.")
    assert storm.config() == config
    assert storm.now(config) == datetime(2026, 3, 21, 18, 30, tzinfo=UTC)
    evening, midnight = datetime(2026, 3, 23, 0, 30, tzinfo=UTC), datetime(2026, 3, 24, tzinfo=UTC)
    assert storm.rules(config) == [
        FaultRule("slow", Match("meta_ads", None, "ads"), times=4, since=evening, until=midnight),
        FaultRule("html_502", since=datetime(2026, 3, 21, 18, tzinfo=UTC)),
    ]
    assert storm.limits == {"meta_ads": {"max_limit": 100}}


def test_a_file_may_tell_its_time_as_an_instant(tmp_path: Path) -> None:
    text = f"{GOOD}now = 2026-03-21T18:30:00+02:00\n[world]\nstart = 2026-03-01"
    assert scenario.read(written(tmp_path, text)).now(WorldConfig()) == datetime(2026, 3, 21, 16, 30, tzinfo=UTC)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("title = ", "Invalid"),
        ('title = "A"\nday = 3', "description"),
        (f"{GOOD}day = 3\nmood = 1", "mood"),
        (GOOD, "either `now` or `day`"),
        (f"{GOOD}day = 3\nnow = 2026-03-01T00:00:00Z", "either `now` or `day`"),
        (f"{GOOD}day = -1", ">= 0"),
        (f"{GOOD}now = 2026-03-01T00:00:00", "time zone"),
        (f"{GOOD}now = 2026-03-01T00:00:00Z", "the world's `start`"),
        (f"{GOOD}now = 2026-03-01T00:00:00Z\ntime = 10:00:00\n[world]\nstart = 2026-01-01", "without `time`"),
        (f"{GOOD}day = 3\n[world]\nmoons = 2", "a world has no moons; known: ad_sets_per_campaign"),
        (f'{GOOD}day = 3\n[world]\nseed = "7"', "seed"),
        (f"{GOOD}day = 3\n[world]\nmeta_accounts = 0", "meta_accounts must lie between"),
        (f"{GOOD}day = 3\n[[faults]]\nmatch = {{}}", "fault"),
        (f'{GOOD}day = 3\n[[faults]]\nfault = "slow"\noften = true', "often"),
        (f'{GOOD}day = 3\n[[faults]]\nfault = "slow"\nsince = "noon"', "'noon' is no time like"),
        (f'{GOOD}day = 3\n[[faults]]\nfault = "slow"\nsince = "+"', "is no time like"),
        (f'{GOOD}day = 3\n[[faults]]\nfault = "slow"\nsince = 2026-03-01T00:00:00', "time zone"),
        (f'{GOOD}day = 3\n[[faults]]\nfault = "slow"\nsince = "+2h"\nuntil = "+2h"', "cannot strike until"),
    ],
)
def test_a_file_that_holds_anything_else_is_refused_by_its_name(tmp_path: Path, text: str, says: str) -> None:
    with pytest.raises(ValueError, match=r"^storm\.toml is no scenario: ") as refused:
        scenario.read(written(tmp_path, text))
    assert says in str(refused.value)


def test_an_unknown_scenario_is_refused_with_those_that_there_are() -> None:
    with pytest.raises(ValueError, match=r"There is no scenario '\.\./storm'; known: account_paused, "):
        scenario.load("../storm")


# --------------------------------------------------------------------------- in a test


def test_a_scenario_brings_its_world_time_faults_and_limits() -> None:
    with run_sandbox(scenario="quota_exhausted_at_noon") as sandbox:
        assert sandbox.clock.now() == datetime(2026, 5, 31, 11, 30, tzinfo=UTC)
        assert [(rule["fault"], rule["until"]) for rule in sandbox.faults()] == [
            ("throttle_day", "2026-06-01T00:00:00Z")
        ]
    with run_sandbox(scenario="one_account_fails_of_ten") as sandbox:
        assert sandbox.config == WorldConfig(meta_accounts=10)


def test_a_world_and_a_time_given_besides_are_taken() -> None:
    config, now = WorldConfig(start=date(2026, 2, 1), meta_accounts=1), datetime(2026, 3, 1, tzinfo=UTC)
    with run_sandbox(config, now=now, scenario="token_revoked") as sandbox:
        assert (sandbox.config, sandbox.clock.now()) == (config, now)
        # The scenario's hour stays where it lies in this world.
        assert sandbox.faults()[0]["since"] == "2026-07-01T13:00:00Z"


def test_a_world_that_cannot_show_it_is_refused() -> None:
    with (
        pytest.raises(ValueError, match=r"one_account_fails_of_ten needs another world: one with meta_accounts=10\."),
        run_sandbox(WorldConfig(), scenario="one_account_fails_of_ten"),
    ):
        pass


# --------------------------------------------------------------------------- control plane


class Plane:
    """The control plane of a sandbox."""

    def __init__(self, sandbox: RunningSandbox) -> None:
        self._base = sandbox.control_url

    def get(self, path: str) -> Any:
        return httpx.get(f"{self._base}/{path}").json()

    def apply(self, body: object) -> httpx.Response:
        return httpx.post(f"{self._base}/scenario", content=json.dumps(body))


@pytest.fixture
def plane(sandbox: RunningSandbox) -> Plane:
    return Plane(sandbox)


def test_a_running_world_takes_time_faults_and_limits_of_a_scenario_in_the_place_of_its_own(
    sandbox: RunningSandbox, plane: Plane
) -> None:
    sandbox.fault("slow", seconds=600)
    sandbox.limits("meta_ads", max_limit=7)
    answer = plane.apply({"name": "token_expiring_in_six_days"})
    assert answer.status_code == 200, answer.text
    assert (answer.json()["now"], answer.json()["missing"]) == ("2026-05-31T00:00:00Z", [])
    assert sandbox.clock.now() == datetime(2026, 5, 31, tzinfo=UTC)
    limits = plane.get("limits")
    assert limits["linkedin_ads"]["refresh_token_days"] == 156
    assert limits["meta_ads"]["max_limit"] == 5_000
    assert plane.get("faults") == []
    assert plane.apply({"name": "token_revoked"}).status_code == 200
    assert [rule["fault"] for rule in plane.get("faults")] == ["revoked_token"]
    assert plane.get("limits")["linkedin_ads"]["refresh_token_days"] == 365


@pytest.mark.parametrize(
    ("body", "says"),
    [
        ({"name": "one_account_fails_of_ten"}, "needs another world: one with meta_accounts=10."),
        ({"name": "airtight"}, "days=30, meta_accounts=1, "),
        ({"name": "storm"}, "There is no scenario 'storm'"),
        ({"name": "token_revoked", "speed": 1}, "speed"),
        ({}, "name"),
    ],
)
def test_a_scenario_that_cannot_be_applied_changes_nothing(
    sandbox: RunningSandbox, plane: Plane, body: object, says: str
) -> None:
    sandbox.fault("slow", vendor="meta_ads", account="nobody")
    now = sandbox.clock.now()
    answer = plane.apply(body)
    assert answer.status_code == 400
    assert says in answer.json()["error"]
    assert sandbox.clock.now() == now
    assert [rule["fault"] for rule in sandbox.faults()] == ["slow"]


def test_all_scenarios_are_listed_with_what_this_world_lacks_for_them(plane: Plane) -> None:
    listed = {told["name"]: told for told in plane.get("scenarios")}
    assert sorted(listed) == scenario.names()
    assert listed["one_account_fails_of_ten"]["missing"] == ["meta_accounts=10"]
    assert listed["restatement"]["missing"] == []
    assert listed["restatement"]["at"] == "2026-03-06T12:00:00Z"
    assert all(told["title"] and len(told["description"]) > 80 for told in listed.values())


def test_scenarios_do_not_reach_into_one_another(sandbox: RunningSandbox, plane: Plane) -> None:
    assert plane.apply({"name": "token_revoked"}).status_code == 200
    sandbox.clock.advance(timedelta(hours=2).total_seconds())
    ask = {"access_token": TOKEN}
    assert httpx.get(f"{sandbox.meta_url}/v26.0/me/adaccounts", params=ask).status_code == 401
    assert plane.apply({"name": "restatement"}).status_code == 200
    assert httpx.get(f"{sandbox.meta_url}/v26.0/me/adaccounts", params=ask).status_code == 200

"""`dataflow doctor`: what is set, what is broken, what does not answer; never a secret."""

from datetime import date
from pathlib import Path

import pytest
from dataflow_command import Dataflow
from installation import installation

from dataflow_assets.cli.doctor import _versions
from dataflow_assets.embedded import Endpoints
from dataflow_assets.resources import auth
from dataflow_assets.sandbox.testing import RunningSandbox, run_sandbox
from dataflow_assets.settings import GoogleAdsSettings, Settings

NOWHERE = "127.0.0.1:9"
PASSWORD = "pw-5f1c9e"
TOKEN = "EAAB-token-77aa"


def test_all_is_well(dataflow: Dataflow) -> None:
    answer = dataflow("doctor", "--json")
    assert answer.code == 0, answer.out
    report = answer.json
    assert report["mode"] == "sandbox"
    assert report["unknown"] == []
    assert report["probes"].keys() == {"warehouse", "redis", "storage", "meta_ads"}
    assert all(is_well for is_well, _ in report["probes"].values())
    assert report["probes"]["meta_ads"][1] == "sandbox, 2 accounts"
    assert "PostgreSQL" in report["probes"]["warehouse"][1]
    assert report["probes"]["storage"][1] == "facts stay rows and are kept for ever: the server has no TimescaleDB"


def test_text_says_mode_settings_and_probes(dataflow: Dataflow) -> None:
    answer = dataflow("doctor")
    assert answer.code == 0
    assert "mode: sandbox (no vendor has credentials)" in answer.out
    assert "meta_ads.lookback_days = 28" in answer.out
    assert "ok  warehouse: " in answer.out


def test_law_13_secrets_are_masked(dataflow: Dataflow) -> None:
    answer = dataflow(
        "doctor",
        "--no-connect",
        DATAFLOW_META_ADS__ACCESS_TOKEN=TOKEN,
        DATAFLOW_META_ADS__APP_SECRET=TOKEN,
        DATAFLOW_SLACK_WEBHOOK_URL=f"https://hooks/{TOKEN}",
        DATABASE_URL=f"postgresql://u:{PASSWORD}@{NOWHERE}/d",
        REDIS_URL=f"redis://:{PASSWORD}@{NOWHERE}/0",
    )
    assert answer.code == 0
    assert answer.out.count("set (masked)") == 5
    assert "mode: live" in answer.out
    assert TOKEN not in answer.out + answer.err
    assert PASSWORD not in answer.out + answer.err


@pytest.mark.parametrize("how", [(), ("--json",), ("--no-connect",)])
def test_a_broken_setting_is_named_and_ends_with_2(dataflow: Dataflow, how: tuple[str, ...]) -> None:
    answer = dataflow("doctor", *how, DATAFLOW_META_ADS__LOOKBACK_DAYS="many", DATAFLOW_PARTITIONS_START="soon")
    assert answer.code == 2
    assert "DATAFLOW_META_ADS__LOOKBACK_DAYS: " in answer.err
    assert "DATAFLOW_PARTITIONS_START: " in answer.err
    assert "many" not in answer.err


def test_an_unknown_setting_is_named_and_ends_with_2(dataflow: Dataflow) -> None:
    answer = dataflow("doctor", "--no-connect", DATAFLOW_META_ADS__ACESS_TOKEN=TOKEN)
    assert answer.code == 2
    assert "DATAFLOW_META_ADS__ACESS_TOKEN is set, but nothing reads it: is it misspelt?" in answer.out
    assert TOKEN not in answer.out + answer.err


def test_a_missing_secret_file_is_named_and_ends_with_2(dataflow: Dataflow, tmp_path: Path) -> None:
    answer = dataflow("doctor", DATAFLOW_META_ADS__ACCESS_TOKEN_FILE=str(tmp_path / "nowhere"))
    assert answer.code == 2
    assert "DATAFLOW_META_ADS__ACCESS_TOKEN_FILE: cannot read" in answer.err


@pytest.mark.parametrize(
    ("probe", "variable", "url"),
    [
        ("warehouse", "DATABASE_URL", f"postgresql://someone:{PASSWORD}@{NOWHERE}/warehouse"),
        ("redis", "REDIS_URL", f"redis://:{PASSWORD}@{NOWHERE}/0"),
    ],
)
def test_a_server_that_is_away_ends_with_3_and_the_rest_is_still_looked_at(
    dataflow: Dataflow, probe: str, variable: str, url: str
) -> None:
    answer = dataflow("doctor", "--json", **{variable: url})
    assert answer.code == 3
    is_well, said = answer.json["probes"][probe]
    assert not is_well
    assert NOWHERE in said
    assert PASSWORD not in answer.out + answer.err
    others = {name: is_well for name, (is_well, _) in answer.json["probes"].items() if name in {"warehouse", "redis"}}
    assert others == {"warehouse": probe != "warehouse", "redis": probe != "redis"}


def test_a_vendor_that_refuses_ends_with_3_and_says_what_to_do(dataflow: Dataflow) -> None:
    dataflow.installed.sandbox.fault("expired_token")
    answer = dataflow("doctor")
    assert answer.code == 3
    said = " ".join(answer.out.split())
    assert "BAD meta_ads: meta_ads: Meta answered code 190/463" in said
    assert "Make a new token with the scope ads_read and set DATAFLOW_META_ADS__ACCESS_TOKEN." in said


def test_a_configured_account_that_cannot_be_seen_is_named(dataflow: Dataflow) -> None:
    answer = dataflow("doctor", "--json", DATAFLOW_META_ADS__ACCOUNT_IDS="act_12345")
    assert answer.json["probes"]["meta_ads"][1] == "sandbox, 0 accounts; not visible: 12345"


def test_without_connecting_no_server_is_needed(dataflow: Dataflow, tmp_path: Path) -> None:
    state = tmp_path / "untouched"
    answer = dataflow("doctor", "--no-connect", DATABASE_URL="", REDIS_URL="", DATAFLOW_STATE_DIR=str(state))
    assert answer.code == 0
    assert not state.exists()


@pytest.mark.parametrize(
    ("setting", "words"),
    [
        ("DATAFLOW_STORAGE__RETENTION_DAYS", "days that are still refreshed would be dropped"),
        ("DATAFLOW_STORAGE__COLUMNSTORE_AFTER_DAYS", "every sync would have to unpack what was packed"),
    ],
)
def test_a_policy_that_would_undercut_what_is_still_refreshed_is_refused_by_its_name(
    dataflow: Dataflow, setting: str, words: str
) -> None:
    answer = dataflow("doctor", "--json", **{setting: "28"})
    assert answer.code == 3
    is_well, text = answer.json["probes"]["storage"]
    assert not is_well
    assert text.startswith(f"{setting} is 28, but vendors change figures for 28 days: {words}")
    assert dataflow("doctor", "--json", **{setting: "29"}).code == 0


TODAY = date(2026, 12, 20)
SINCE_THE_LOGIN = 139  # days; it was as the world began


@pytest.mark.parametrize(
    ("version", "says"),
    [
        ("v26", ""),
        ("v24", ""),
        ("v23", "google_ads: API version v23 stops working on 2027-02-01, in 43 days."),
        ("v22", "google_ads: API version v22 has ended on 2026-10-07."),
    ],
)
def test_an_api_version_is_told_of_45_days_before_it_ends(version: str, says: str) -> None:
    settings = Settings(
        google_ads=GoogleAdsSettings(client_id="x", client_secret="y", refresh_token="z", api_version=version)
    )
    found = _versions(settings, TODAY)
    assert [line.partition(" Set ")[0] for line in found] == ([says] if says else [])
    assert all("DATAFLOW_GOOGLE_ADS__API_VERSION" in line for line in found)


@pytest.mark.parametrize(("days", "says"), [(15, False), (14, True), (7, True), (3, True), (1, True)])
def test_a_credential_is_told_of_14_days_before_it_ends(
    dataflow: Dataflow, world: RunningSandbox, monkeypatch: pytest.MonkeyPatch, days: int, says: bool
) -> None:
    monkeypatch.setattr(auth, "_tokens", {})  # as in a process of its own
    world.limits("linkedin_ads", refresh_token_days=SINCE_THE_LOGIN + days)
    answer = dataflow("doctor", "--json", DATAFLOW_SANDBOX__VENDORS="linkedin_ads")
    world.reset_limits()
    assert answer.code == 0
    assert bool(answer.json["warnings"]) is says, answer.json["warnings"]
    assert all("the credential ends in" in line for line in answer.json["warnings"])


def test_the_scenario_of_a_token_that_ends_in_six_days_is_told(
    servers: Endpoints, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(auth, "_tokens", {})
    with (
        run_sandbox(scenario="token_expiring_in_six_days") as sandbox,
        installation(servers, tmp_path, sandbox, {"DATAFLOW_SANDBOX__VENDORS": "linkedin_ads"}) as installed,
    ):
        answer = Dataflow(installed)("doctor")
    assert "!! linkedin_ads: the credential ends in" in " ".join(answer.out.split())

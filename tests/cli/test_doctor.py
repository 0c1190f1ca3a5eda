"""`dataflow doctor`: what is set, what is broken, what does not answer; never a secret."""

from pathlib import Path

import pytest
from dataflow_command import Dataflow

NOWHERE = "127.0.0.1:9"
PASSWORD = "pw-5f1c9e"
TOKEN = "EAAB-token-77aa"


def test_all_is_well(dataflow: Dataflow) -> None:
    answer = dataflow("doctor", "--json")
    assert answer.code == 0, answer.out
    report = answer.json
    assert report["mode"] == "sandbox"
    assert report["unknown"] == []
    assert report["probes"].keys() == {"warehouse", "redis", "meta_ads"}
    assert all(is_well for is_well, _ in report["probes"].values())
    assert report["probes"]["meta_ads"][1] == "sandbox, 2 accounts"
    assert "PostgreSQL" in report["probes"]["warehouse"][1]


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

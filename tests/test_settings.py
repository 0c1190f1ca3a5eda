"""Settings: names, files, masks, and what is said about those that cannot be used."""

import sys
from datetime import date
from pathlib import Path

import pytest
from installation import bare_environment, run
from pydantic import SecretStr, ValidationError

from dataflow_assets.settings import (
    PROJECT_ROOT,
    Settings,
    SettingsError,
    get_settings,
    known_names,
    load_settings,
    unknown_names,
)

TOKEN = "EAAB-a-token-of-a-system-user"
Env = pytest.MonkeyPatch


def load(env_file: Path | None = None) -> Settings:
    return load_settings(env_file)


def secret(value: SecretStr | None) -> str:
    assert value is not None
    return value.get_secret_value()


def test_an_empty_environment_is_enough() -> None:
    settings = load()
    assert settings.database_url is None
    assert settings.redis_url is None
    assert settings.slack_webhook_url is None
    assert settings.state_dir == PROJECT_ROOT / ".dataflow"
    assert settings.partitions_start == date(2024, 1, 1)


def test_hosts_names_are_read_without_a_prefix(monkeypatch: Env) -> None:
    monkeypatch.setenv("DATABASE_URL", "postgresql://u:p@h/d")
    monkeypatch.setenv("REDIS_URL", "redis://h/0")
    monkeypatch.setenv("DAGSTER_HOME", "/srv/dagster")
    settings = load()
    assert secret(settings.database_url) == "postgresql://u:p@h/d"
    assert secret(settings.redis_url) == "redis://h/0"
    assert settings.dagster_home == Path("/srv/dagster")


def test_everything_else_has_our_prefix_and_nests_with_two_underscores(monkeypatch: Env) -> None:
    monkeypatch.setenv("DATAFLOW_META_ADS__ACCESS_TOKEN", TOKEN)
    monkeypatch.setenv("DATAFLOW_META_ADS__LOOKBACK_DAYS", "35")
    monkeypatch.setenv("DATAFLOW_META_ADS__ACCOUNT_IDS", "act_1, 2,,act_3")
    monkeypatch.setenv("DATAFLOW_ACCOUNT_CONCURRENCY", "7")
    monkeypatch.setenv("DATAFLOW_PARTITIONS_START", "2025-07-01")
    settings = load()
    assert secret(settings.meta_ads.access_token) == TOKEN
    assert settings.meta_ads.lookback_days == 35
    assert settings.meta_ads.account_ids == ("1", "2", "3")
    assert settings.account_concurrency == 7
    assert settings.partitions_start == date(2025, 7, 1)
    assert settings.meta_ads.initial_history_days == 90, "a neighbour keeps its default"


def test_an_empty_value_is_no_value(monkeypatch: Env) -> None:
    # Compose files pass a variable that is not set as an empty one.
    for name in ("DATABASE_URL", "DATAFLOW_META_ADS__ACCESS_TOKEN", "DATAFLOW_META_ADS__LOOKBACK_DAYS"):
        monkeypatch.setenv(name, "")
    settings = load()
    assert settings.database_url is None
    assert settings.uses_sandbox
    assert settings.meta_ads.lookback_days == 28


# --------------------------------------------------------------------------- .env


def test_a_dotenv_file_is_read_and_the_environment_wins(tmp_path: Path, monkeypatch: Env) -> None:
    file = tmp_path / ".env"
    file.write_text(
        f"DATAFLOW_META_ADS__ACCESS_TOKEN={TOKEN}\nDATAFLOW_META_ADS__LOOKBACK_DAYS=35\nDATABASE_URL=file\n"
    )
    monkeypatch.setenv("DATAFLOW_META_ADS__LOOKBACK_DAYS", "40")
    settings = load(file)
    assert secret(settings.meta_ads.access_token) == TOKEN
    assert secret(settings.database_url) == "file"
    assert settings.meta_ads.lookback_days == 40


def test_the_dotenv_file_of_the_working_directory_is_the_one(tmp_path: Path, monkeypatch: Env) -> None:
    (tmp_path / ".env").write_text("DATAFLOW_ACCOUNT_CONCURRENCY=9\n")
    monkeypatch.chdir(tmp_path)
    assert load_settings().account_concurrency == 9


def test_no_dotenv_file_is_no_fault(tmp_path: Path) -> None:
    assert load(tmp_path / ".env").uses_sandbox


# --------------------------------------------------------------------------- _FILE


@pytest.mark.parametrize("name", ["DATABASE_URL", "DATAFLOW_SLACK_WEBHOOK_URL", "DATAFLOW_META_ADS__ACCESS_TOKEN"])
def test_law_13_a_value_can_lie_in_a_file(name: str, tmp_path: Path, monkeypatch: Env) -> None:
    (tmp_path / "secret").write_text(f"{TOKEN}\n")
    monkeypatch.setenv(f"{name}_FILE", str(tmp_path / "secret"))
    settings = load()
    values = {
        "DATABASE_URL": settings.database_url,
        "DATAFLOW_SLACK_WEBHOOK_URL": settings.slack_webhook_url,
        "DATAFLOW_META_ADS__ACCESS_TOKEN": settings.meta_ads.access_token,
    }
    assert {key for key, value in values.items() if value is not None} == {name}
    assert secret(values[name]) == TOKEN


def test_values_beside_one_from_a_file_are_kept(tmp_path: Path, monkeypatch: Env) -> None:
    (tmp_path / "secret").write_text(TOKEN)
    monkeypatch.setenv("DATAFLOW_META_ADS__ACCESS_TOKEN_FILE", str(tmp_path / "secret"))
    monkeypatch.setenv("DATAFLOW_META_ADS__APP_SECRET", "from-the-environment")
    monkeypatch.setenv("DATAFLOW_META_ADS__LOOKBACK_DAYS", "35")
    meta = load().meta_ads
    assert (secret(meta.access_token), secret(meta.app_secret), meta.lookback_days) == (
        TOKEN,
        "from-the-environment",
        35,
    )


def test_a_file_variant_in_the_dotenv_file_counts(tmp_path: Path) -> None:
    (tmp_path / "secret").write_text(TOKEN)
    (tmp_path / ".env").write_text(f"DATAFLOW_META_ADS__ACCESS_TOKEN_FILE={tmp_path / 'secret'}\n")
    assert secret(load(tmp_path / ".env").meta_ads.access_token) == TOKEN


@pytest.mark.parametrize("variant", ["", "_FILE"])
def test_the_environment_wins_over_a_file_variant_in_the_dotenv_file(
    tmp_path: Path, monkeypatch: Env, variant: str
) -> None:
    (tmp_path / "old").write_text("from the file that .env names")
    (tmp_path / "new").write_text(TOKEN)
    (tmp_path / ".env").write_text(f"DATAFLOW_META_ADS__ACCESS_TOKEN_FILE={tmp_path / 'old'}\n")
    monkeypatch.setenv(f"DATAFLOW_META_ADS__ACCESS_TOKEN{variant}", str(tmp_path / "new") if variant else TOKEN)
    assert secret(load(tmp_path / ".env").meta_ads.access_token) == TOKEN


def test_a_file_that_cannot_be_read_is_named_with_its_setting(tmp_path: Path, monkeypatch: Env) -> None:
    monkeypatch.setenv("DATAFLOW_META_ADS__ACCESS_TOKEN_FILE", str(tmp_path / "nowhere"))
    with pytest.raises(
        SettingsError, match=r"DATAFLOW_META_ADS__ACCESS_TOKEN_FILE: cannot read .*nowhere \(No such file"
    ):
        load()


def test_names_of_other_programs_that_end_in_file_are_left_alone(tmp_path: Path, monkeypatch: Env) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "nowhere"))
    load()


# --------------------------------------------------------------------------- broken values


@pytest.mark.parametrize(
    ("name", "value", "words"),
    [
        ("DATAFLOW_META_ADS__LOOKBACK_DAYS", "many-9f", "valid integer"),
        ("DATAFLOW_META_ADS__LOOKBACK_DAYS", "9100", "less than or equal to 90"),
        ("DATAFLOW_META_ADS__API_VERSION", "26-9f", "match pattern"),
        ("DATAFLOW_PARTITIONS_START", "yesterday-9f", "date"),
        ("DATAFLOW_ACCOUNT_CONCURRENCY", "-91", "greater than 0"),
        ("DATAFLOW_SANDBOX__SPEED", "fast-9f", "number"),
    ],
)
def test_a_broken_value_is_named_without_being_shown(name: str, value: str, words: str, monkeypatch: Env) -> None:
    monkeypatch.setenv(name, value)
    with pytest.raises(SettingsError) as caught:
        load()
    message = str(caught.value)
    assert f"{name}: " in message
    assert words in message
    assert value not in message
    assert caught.value.__cause__ is None
    assert caught.value.__suppress_context__, "a traceback would print the value after all"


def test_every_broken_value_is_named_at_once(monkeypatch: Env) -> None:
    monkeypatch.setenv("DATAFLOW_META_ADS__LOOKBACK_DAYS", "x")
    monkeypatch.setenv("DATAFLOW_ACCOUNT_CONCURRENCY", "x")
    with pytest.raises(
        SettingsError, match=r"(?s)^These settings cannot be used:\n.*CONCURRENCY.*LOOKBACK|LOOKBACK.*CONCURR"
    ):
        load()


def test_settings_cannot_be_changed_while_the_program_runs() -> None:
    settings = load()
    with pytest.raises(ValidationError, match="frozen"):
        settings.account_concurrency = 9
    with pytest.raises(ValidationError, match="frozen"):
        settings.meta_ads.lookback_days = 9


def test_a_process_reads_its_settings_once(monkeypatch: Env) -> None:
    first = get_settings()
    monkeypatch.setenv("DATAFLOW_ACCOUNT_CONCURRENCY", "9")
    assert get_settings() is first


# --------------------------------------------------------------------------- unknown names


def test_a_misspelt_name_is_found(monkeypatch: Env) -> None:
    monkeypatch.setenv("DATAFLOW_META_ADS__ACESS_TOKEN", TOKEN)
    monkeypatch.setenv("DATAFLOW_META_ADS_ACCESS_TOKEN", TOKEN)
    monkeypatch.setenv("DATAFLOW_SLACK_WEBHOOK_FILE", "x")
    monkeypatch.setenv("DATAFLOW_TEST_TIMESCALE_URL", "a test's own")
    assert unknown_names() == [
        "DATAFLOW_META_ADS_ACCESS_TOKEN",
        "DATAFLOW_META_ADS__ACESS_TOKEN",
        "DATAFLOW_SLACK_WEBHOOK",
    ]


def test_no_known_name_is_called_unknown(monkeypatch: Env) -> None:
    for name in known_names():
        monkeypatch.setenv(name, "x")
        monkeypatch.setenv(f"{name}_FILE", "x")
    assert unknown_names() == []


def test_the_known_names_are_those_that_are_read(monkeypatch: Env) -> None:
    # Each of them, given nonsense, must be missed by nobody: either it is taken or it is named as broken.
    for name in known_names():
        monkeypatch.setenv(name, "\N{SNOWMAN}")
        try:
            taken = "\N{SNOWMAN}" in load().model_dump_json() or any(
                value.get_secret_value() == "\N{SNOWMAN}" for value in secrets_of(load())
            )
        except SettingsError as error:
            taken = name in str(error)
        assert taken, f"{name} is read by nothing"
        monkeypatch.delenv(name)


def secrets_of(settings: Settings) -> list[SecretStr]:
    values = [value for part in (settings, *settings.vendors.values()) for value in vars(part).values()]
    return [value for value in values if isinstance(value, SecretStr)]


def test_variables_we_set_ourselves_for_dagster_and_dbt_are_not_called_unknown() -> None:
    # `dataflow env` exports them; a doctor who calls them misspelt would send people looking.
    code = (
        "from dataflow_assets.resources.dbt import connect_dbt, build_windows\n"
        "from dataflow_assets.cli.instance import STORAGE_VARIABLE\n"
        "from dataflow_assets.settings import unknown_names\n"
        "import os\n"
        "connect_dbt('postgresql://u:p@h/d')\n"
        "os.environ[STORAGE_VARIABLE] = 'x'\n"
        "print(unknown_names())"
    )
    done = run(sys.executable, "-c", code, env=bare_environment())
    assert done.stdout.strip() == "[]", done.stdout + done.stderr


# --------------------------------------------------------------------------- secrets and mode


def test_law_13_secrets_are_masked_in_every_text_of_the_settings(monkeypatch: Env) -> None:
    names = [
        "DATABASE_URL",
        "REDIS_URL",
        "DATAFLOW_SLACK_WEBHOOK_URL",
        "DATAFLOW_META_ADS__ACCESS_TOKEN",
        "DATAFLOW_META_ADS__APP_SECRET",
    ]
    for name in names:
        monkeypatch.setenv(name, f"hush-{name}")
    settings = load()
    for text in (repr(settings), str(settings), settings.model_dump_json(), str(settings.model_dump())):
        assert "hush" not in text
    assert len(secrets_of(settings)) == len(names)


def test_without_credentials_the_sandbox_is_used_and_said(monkeypatch: Env) -> None:
    assert (load().uses_sandbox, load().mode) == (True, "sandbox")
    monkeypatch.setenv("DATAFLOW_META_ADS__ACCESS_TOKEN", TOKEN)
    assert (load().uses_sandbox, load().mode) == (False, "live")


def test_law_12_the_sandbox_differs_in_base_url_and_credentials_only(monkeypatch: Env) -> None:
    monkeypatch.setenv("DATAFLOW_META_ADS__LOOKBACK_DAYS", "35")
    before = load()
    after = before.on_sandbox("http://127.0.0.1:9")
    assert after.meta_ads.base_url.startswith("http://127.0.0.1:9/")
    secret = {name for vendor in before.vendors.values() for name in type(vendor).model_fields if is_secret(name)}
    own = {"base_url", "token_url", "app_id", "client_id", *secret}
    for name, vendor in after.vendors.items():
        assert vendor.base_url.startswith("http://127.0.0.1:9/")  # type: ignore[attr-defined]
        assert vendor.is_configured
        assert vendor.model_dump(exclude=own) == before.vendors[name].model_dump(exclude=own)
    others = set(before.vendors)
    assert after.model_dump(exclude=others) == before.model_dump(exclude=others)


def is_secret(name: str) -> bool:
    return name.endswith(("_token", "_secret", "api_key"))


def test_a_vendor_that_has_credentials_is_never_sent_to_the_sandbox(monkeypatch: Env) -> None:
    monkeypatch.setenv("DATAFLOW_META_ADS__ACCESS_TOKEN", TOKEN)
    monkeypatch.setenv("DATAFLOW_SANDBOX__URL", "http://127.0.0.1:9")
    assert load().meta_ads.base_url == "https://graph.facebook.com"
    assert not load().uses_sandbox

"""Environment in, one frozen `Settings` out. The only reader of `os.environ`.

Names: `DATABASE_URL`, `REDIS_URL` and `DAGSTER_HOME` as hosts provide them; everything else starts with `DATAFLOW_` and
nests with `__` (`DATAFLOW_META_ADS__ACCESS_TOKEN`). A file `.env` in the working directory is read if it is there; the
environment wins over it. Any name may be given as NAME_FILE, the path of a file that holds the value (Docker and
Kubernetes secrets).
"""

import os
from collections.abc import Mapping
from datetime import date
from functools import cache
from pathlib import Path
from typing import Any

from dotenv import dotenv_values
from pydantic import AliasChoices, BaseModel, ConfigDict, Field, SecretStr, ValidationError, field_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from dataflow_assets.vendor_settings import (
    GoogleAdsSettings,
    HubSpotSettings,
    LinkedInAdsSettings,
    MetaAdsSettings,
    Names,
    StripeSettings,
    VendorSettings,
    split_names,
)

PROJECT_ROOT = Path(__file__).resolve().parent.parent
# Set by us for what we start, or by the tests: no settings.
INTERNAL_NAMES = ("DATAFLOW_TEST_", "DATAFLOW_DBT_", "DATAFLOW_BUILD_WINDOWS", "DATAFLOW_DAGSTER_STORAGE_URL")
STANDARD_NAMES = ("DATABASE_URL", "REDIS_URL", "DAGSTER_HOME")


class SettingsError(Exception):
    """One or more settings are unusable. The message names each one and says what is expected."""


class SandboxSettings(BaseModel):
    """The local twin of the vendors, used while no vendor has credentials."""

    model_config = ConfigDict(frozen=True)

    url: str | None = Field(None, description="A running sandbox; empty starts one.")
    vendors: Names = Field((), description="The vendors it stands in for, comma separated. Empty: all.")
    seed: int = 7
    now: str | None = Field(None, description="World time at the first start, ISO 8601 in UTC; empty is now.")
    speed: float = Field(1.0, ge=0, description="World seconds per second; 0 freezes the world.")

    @field_validator("vendors", mode="before")
    @classmethod
    def _names(cls, value: Any) -> Any:
        return split_names(value)


class StorageSettings(BaseModel):
    """How long facts are kept, and in which form. Both need TimescaleDB; without it facts are rows and stay."""

    model_config = ConfigDict(frozen=True)

    columnstore_after_days: int | None = Field(
        None,
        ge=0,
        description="Age at which facts become columns. 0: never. Empty: 90 days after vendors stopped changing them.",
    )
    retention_days: int | None = Field(
        None,
        ge=1,
        description="Ad and conversion facts older than this are dropped; aggregates keep their sums. Empty: never.",
    )
    sweep_days: int = Field(
        400, ge=1, description="How far back the weekly sweep compares aggregates with their facts."
    )


class Settings(BaseSettings):
    """Everything that can be configured. Frozen: one process has one set of values."""

    model_config = SettingsConfigDict(
        env_prefix="DATAFLOW_",
        env_nested_delimiter="__",
        env_ignore_empty=True,
        extra="ignore",
        frozen=True,
        populate_by_name=True,
    )

    database_url: SecretStr | None = Field(
        None,
        validation_alias=AliasChoices("DATABASE_URL", "database_url"),
        description="PostgreSQL 16 or newer, with TimescaleDB or without. Empty starts a private server.",
    )
    redis_url: SecretStr | None = Field(
        None,
        validation_alias=AliasChoices("REDIS_URL", "redis_url"),
        description="Any server that speaks the Redis protocol, 6.2 or newer. Empty starts a private server.",
    )
    dagster_home: Path | None = Field(
        None,
        validation_alias=AliasChoices("DAGSTER_HOME", "dagster_home"),
        description="Where Dagster keeps its configuration. Empty: a folder below state_dir.",
    )
    state_dir: Path = Field(PROJECT_ROOT / ".dataflow", description="Private servers, Dagster home and logs.")
    partitions_start: date = Field(date(2024, 1, 1), description="The first daily partition.")
    slack_webhook_url: SecretStr | None = Field(None, description="Incoming webhook that hears of trouble.")
    dagster_url: str = Field("http://127.0.0.1:3000", description="Where people open the Dagster UI.")
    max_inline_wait_seconds: float = Field(
        60, gt=0, description="Longest wait inside a client; a longer one ends the step with a retry."
    )
    account_concurrency: int = Field(4, gt=0, le=32, description="Accounts of one stream fetched at once.")
    google_ads: GoogleAdsSettings = GoogleAdsSettings()
    meta_ads: MetaAdsSettings = MetaAdsSettings()
    linkedin_ads: LinkedInAdsSettings = LinkedInAdsSettings()
    hubspot: HubSpotSettings = HubSpotSettings()
    stripe: StripeSettings = StripeSettings()
    sandbox: SandboxSettings = SandboxSettings()
    storage: StorageSettings = StorageSettings()

    @property
    def vendors(self) -> dict[str, VendorSettings]:
        """What is configured of each vendor, by its name."""
        values = {name: getattr(self, name) for name in type(self).model_fields}
        return {name: value for name, value in values.items() if isinstance(value, VendorSettings)}

    def is_on(self, vendor: str) -> bool:
        """Whether a vendor is read: it has credentials, or no vendor has and the sandbox stands in for it."""
        if self.uses_sandbox:
            return not self.sandbox.vendors or vendor in self.sandbox.vendors
        return self.vendors[vendor].is_on

    @property
    def uses_sandbox(self) -> bool:
        """No vendor has credentials: the sandbox stands in for all of them, and every surface says so."""
        return not any(vendor.is_on for vendor in self.vendors.values())

    @property
    def mode(self) -> str:
        """`sandbox` or `live`, for people."""
        return "sandbox" if self.uses_sandbox else "live"

    @property
    def secrets(self) -> tuple[str, ...]:
        """Every secret of vendors and of Slack, for redaction."""
        found = [secret for vendor in self.vendors.values() for secret in vendor.secrets]
        return tuple(found + ([self.slack_webhook_url.get_secret_value()] if self.slack_webhook_url else []))

    def on_sandbox(self, url: str) -> "Settings":
        """These settings with the vendors pointed at the sandbox: its base URL and credentials, nothing else."""
        standing_in = {name: vendor.on_sandbox(url) for name, vendor in self.vendors.items() if self.is_on(name)}
        return self.model_copy(update=standing_in)


def load_settings(env_file: Path | None = Path(".env")) -> Settings:
    """Read settings from the environment and, if it is there, from `env_file`.

    Raises:
        SettingsError: naming every broken setting, without its value.
    """
    names = dict(dotenv_values(env_file)) if env_file and env_file.is_file() else {}
    # The environment wins over the file, also where one names a value and the other the path of one.
    names = {n: v for n, v in names.items() if n.removesuffix("_FILE") not in os.environ}
    names.update(os.environ)
    try:
        return Settings(_env_file=env_file, **_nest(_file_variants(names)))
    except ValidationError as error:
        problems = [f"{_env_name(item['loc'])}: {item['msg']}" for item in error.errors(include_input=False)]
        raise SettingsError("These settings cannot be used:\n  " + "\n  ".join(problems)) from None


@cache
def get_settings() -> Settings:
    """The settings of this process, read once."""
    return load_settings()


def known_names() -> list[str]:
    """Every name this program reads, without the _FILE variants."""
    names = []
    for name, info in Settings.model_fields.items():
        if isinstance(info.annotation, type) and issubclass(info.annotation, BaseModel):
            names += [_env_name((name, inner)) for inner in info.annotation.model_fields]
        else:
            names.append(name.upper() if name.upper() in STANDARD_NAMES else _env_name((name,)))
    return names


def unknown_names() -> list[str]:
    """Names in the environment that look like ours and are not, most likely misspelt."""
    ours = (name for name in os.environ if name.startswith("DATAFLOW_") and not name.startswith(INTERNAL_NAMES))
    return sorted({name.removesuffix("_FILE") for name in ours} - set(known_names()))


def _file_variants(names: Mapping[str, str | None]) -> dict[str, str]:
    values = {}
    for name, path in names.items():
        target = name.removesuffix("_FILE")
        if target == name or not path or not (target in STANDARD_NAMES or target.startswith("DATAFLOW_")):
            continue
        try:
            values[target] = Path(path).read_text("utf-8").strip()
        except OSError as error:
            raise SettingsError(f"{name}: cannot read {path} ({error.strerror}).") from None
    return values


def _nest(values: dict[str, str]) -> dict[str, Any]:
    nested: dict[str, Any] = {}
    for name, value in values.items():
        *path, last = name.removeprefix("DATAFLOW_").lower().split("__")
        branch = nested
        for part in path:
            branch = branch.setdefault(part, {})
        branch[last] = value
    return nested


def _env_name(location: tuple[int | str, ...]) -> str:
    name = "__".join(str(part).upper() for part in location)
    return name if name in STANDARD_NAMES else f"DATAFLOW_{name}"

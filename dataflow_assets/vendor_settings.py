"""What can be configured of each vendor. Read by `settings.py`; every name starts with DATAFLOW_<VENDOR>__."""

from collections.abc import Iterable
from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, SecretStr, field_validator
from pydantic_settings import NoDecode

Names = Annotated[tuple[str, ...], NoDecode]


def split_names(value: Any, prefix: str = "") -> Any:
    """The parts of a comma separated text, each without the prefix; a list stays one."""
    if isinstance(value, str):
        value = [part.strip() for part in value.split(",")]
    return tuple(str(part).removeprefix(prefix) for part in value if part)


class VendorSettings(BaseModel):
    """What every vendor has. A vendor is on when its credentials are set."""

    model_config = ConfigDict(frozen=True)

    landing: Literal["api", "airbyte"] = Field(
        "api",
        description="Who lands the raw tables: this program from the vendor's API, or Airbyte into the warehouse.",
    )
    airbyte_schema: str = Field("public", description="Schema of the warehouse into which Airbyte lands this vendor.")
    airbyte_prefix: str = Field("", description="Prefix Airbyte gives its tables.")

    @property
    def is_on(self) -> bool:
        """Whether the vendor is read."""
        return self.landing == "airbyte" or self.is_configured

    @property
    def is_configured(self) -> bool:
        """Whether credentials are set, which is what switches a vendor on."""
        raise NotImplementedError

    def on_sandbox(self, url: str) -> Self:
        """The same with the sandbox's base URL and credentials, and nothing else changed."""
        raise NotImplementedError

    @property
    def secrets(self) -> Iterable[str]:
        """Every secret, and every part of one that lists several."""
        for name in type(self).model_fields:
            value = getattr(self, name)
            if isinstance(value, SecretStr):
                yield value.get_secret_value()
                yield from parts(value)


def parts(secret: SecretStr | None) -> tuple[str, ...]:
    """The secrets of a comma separated list."""
    return tuple(part.strip() for part in secret.get_secret_value().split(",") if part.strip()) if secret else ()


class MetaAdsSettings(VendorSettings):
    """A Meta Marketing API connection. Sources: `apis/meta_ads.md` sections 1 and 3."""

    access_token: SecretStr | None = Field(None, description="System-user token with the scope ads_read.")
    app_id: str = Field("", description="The app the token belongs to; request budgets are kept per app.")
    app_secret: SecretStr | None = Field(
        None, description="Adds appsecret_proof to every call. Needed when the app demands it."
    )
    account_ids: Names = Field(
        (), description="Ad account ids, comma separated, with or without act_. Empty: all the token can see."
    )
    base_url: str = Field("https://graph.facebook.com", description="Root of the Graph API.")
    token_url: str = Field("", description="Token endpoint; empty means oauth/access_token below base_url.")
    api_version: str = Field("v26.0", pattern=r"^v\d+\.\d+$")
    requests_per_hour: int = Field(3_000, gt=0, description="Our own ceiling of calls per ad account and hour.")
    app_requests_per_hour: int = Field(12_000, gt=0, description="Our own ceiling of calls per app and hour.")
    initial_history_days: int = Field(90, gt=0, le=1_123, description="Days fetched by the very first sync.")
    lookback_days: int = Field(28, ge=1, le=90, description="How long Meta keeps changing the figures of a day.")

    @field_validator("account_ids", mode="before")
    @classmethod
    def _ids(cls, value: Any) -> Any:
        return split_names(value, "act_")

    @property
    def is_configured(self) -> bool:
        """A token is set."""
        return self.access_token is not None

    def on_sandbox(self, url: str) -> Self:
        """The same, on the sandbox."""
        credentials = {"access_token": SecretStr("sandbox-token"), "app_secret": SecretStr("sandbox-app-secret")}
        return self.model_copy(update={"app_id": "sandbox", "base_url": f"{url}/meta", **credentials})


class GoogleAdsSettings(VendorSettings):
    """A Google Ads API connection. Sources: `apis/google_ads.md` sections 1 and 3."""

    client_id: str = Field("", description="OAuth client of the Google Cloud project; request budgets are kept per it.")
    client_secret: SecretStr | None = Field(None, description="Secret of the OAuth client.")
    refresh_token: SecretStr | None = Field(None, description="Refresh token with the scope adwords.")
    developer_token: SecretStr | None = Field(
        None, description="Sent when set; Google ignores it since September 2026."
    )
    login_customer_id: str = Field(
        "", description="Manager account to go through, digits only. Empty: found by walking the accessible accounts."
    )
    account_ids: Names = Field(
        (), description="Customer ids, comma separated, dashes allowed. Empty: every enabled client account."
    )
    base_url: str = Field("https://googleads.googleapis.com", description="Root of the REST API.")
    token_url: str = Field("https://oauth2.googleapis.com/token", description="Token endpoint.")
    api_version: str = Field("v26", pattern=r"^v\d+$")
    requests_per_day: int = Field(14_000, gt=0, description="Our own ceiling of operations per project and 24 hours.")
    requests_per_minute: int = Field(300, gt=0, description="Our own ceiling of calls per customer and minute.")
    initial_history_days: int = Field(90, gt=0, le=1_123, description="Days fetched by the very first sync.")
    lookback_days: int = Field(30, ge=1, le=90, description="How long Google keeps changing the figures of a day.")

    @field_validator("account_ids", mode="before")
    @classmethod
    def _ids(cls, value: Any) -> Any:
        return tuple(part.replace("-", "") for part in split_names(value))

    @field_validator("login_customer_id", mode="before")
    @classmethod
    def _digits(cls, value: Any) -> Any:
        return value.replace("-", "") if isinstance(value, str) else value

    @property
    def is_configured(self) -> bool:
        """A refresh token is set."""
        return self.refresh_token is not None

    def on_sandbox(self, url: str) -> Self:
        """The same, on the sandbox."""
        return self.model_copy(
            update={
                "client_id": "sandbox-client",
                "client_secret": SecretStr("sandbox-google-secret"),
                "refresh_token": SecretStr("sandbox-google-refresh"),
                "base_url": f"{url}/google",
                "token_url": f"{url}/google/token",
            }
        )


class LinkedInAdsSettings(VendorSettings):
    """A LinkedIn Marketing API connection. Sources: `apis/linkedin_ads.md` sections 1 and 3."""

    access_token: SecretStr | None = Field(None, description="Token with r_ads and r_ads_reporting; lives 60 days.")
    client_id: str = Field("", description="The app; request budgets are kept per app.")
    client_secret: SecretStr | None = Field(None, description="Secret of the app; goes with refresh_token.")
    refresh_token: SecretStr | None = Field(None, description="Instead of access_token, where LinkedIn grants one.")
    account_ids: Names = Field((), description="Ad account ids, comma separated. Empty: all the member can see.")
    base_url: str = Field("https://api.linkedin.com/rest", description="Root of the versioned API.")
    token_url: str = Field("https://www.linkedin.com/oauth/v2/accessToken", description="Token endpoint.")
    api_version: str = Field("202608", pattern=r"^\d{6}$")
    requests_per_minute: int = Field(300, gt=0, description="Our own ceiling of calls per app and minute.")
    initial_history_days: int = Field(90, gt=0, le=3_600, description="Days fetched by the very first sync.")
    lookback_days: int = Field(30, ge=1, le=180, description="How long LinkedIn keeps changing the figures of a day.")

    @field_validator("account_ids", mode="before")
    @classmethod
    def _ids(cls, value: Any) -> Any:
        return split_names(value, "urn:li:sponsoredAccount:")

    @property
    def is_configured(self) -> bool:
        """A token of either kind is set."""
        return self.access_token is not None or self.refresh_token is not None

    def on_sandbox(self, url: str) -> Self:
        """The same, on the sandbox."""
        return self.model_copy(
            update={
                "access_token": None,
                "client_id": "sandbox-client",
                "client_secret": SecretStr("sandbox-linkedin-secret"),
                "refresh_token": SecretStr("sandbox-linkedin-refresh"),
                "base_url": f"{url}/linkedin/rest",
                "token_url": f"{url}/linkedin/oauth/v2/accessToken",
            }
        )


class HubSpotSettings(VendorSettings):
    """A HubSpot connection: one portal per token. Sources: `apis/hubspot.md` sections 1 and 3."""

    access_token: SecretStr | None = Field(
        None, description="Private app token with crm.objects.*.read scopes; several portals: comma separated."
    )
    client_id: str = Field("", description="OAuth app, instead of access_token.")
    client_secret: SecretStr | None = Field(None, description="Secret of the OAuth app.")
    refresh_token: SecretStr | None = Field(
        None, description="Refresh token of the OAuth app; several portals: comma separated."
    )
    account_ids: Names = Field((), description="Portal ids, comma separated. Empty: every portal with a token.")
    base_url: str = Field("https://api.hubapi.com", description="Root of the API.")
    api_version: str = Field(
        "2026-09", pattern=r"^(v3|\d{4}-\d{2})$", description="Dated version, or v3 for the paths of before."
    )
    requests_per_ten_seconds: int = Field(90, gt=0, description="Our own ceiling of calls per portal and ten seconds.")
    requests_per_day: int = Field(200_000, gt=1, description="Our own ceiling of calls per portal and 24 hours.")
    searches_per_second: int = Field(4, gt=0, description="Our own ceiling of searches per portal and second.")
    search_overlap_minutes: int = Field(10, ge=1, description="How far back a search reads again: its index is late.")

    @field_validator("account_ids", mode="before")
    @classmethod
    def _ids(cls, value: Any) -> Any:
        return split_names(value)

    @property
    def is_configured(self) -> bool:
        """A token of either kind is set."""
        return self.access_token is not None or self.refresh_token is not None

    def on_sandbox(self, url: str) -> Self:
        """The same, on the sandbox."""
        return self.model_copy(update={"access_token": SecretStr("pat-sandbox-0"), "base_url": f"{url}/hubspot"})


class StripeSettings(VendorSettings):
    """A Stripe connection: one account per key. Sources: `apis/stripe.md` sections 1 and 3."""

    api_key: SecretStr | None = Field(
        None, description="Restricted or secret key with read rights; several accounts: comma separated."
    )
    account_ids: Names = Field(
        (),
        description="Accounts to read, comma separated; connected ones are read with the first key. Empty: the keys'.",
    )
    base_url: str = Field("https://api.stripe.com", description="Root of the API.")
    api_version: str = Field("2026-10-28.endive", pattern=r"^\d{4}-\d{2}-\d{2}(\.[a-z]+)?$")
    requests_per_second: int = Field(20, gt=0, description="Our own ceiling of calls per account and second.")
    endpoint_requests_per_second: int = Field(
        20, gt=0, description="Our own ceiling of calls per account, endpoint and second; Stripe's is 25."
    )

    @field_validator("account_ids", mode="before")
    @classmethod
    def _ids(cls, value: Any) -> Any:
        return split_names(value)

    @property
    def is_configured(self) -> bool:
        """A key is set."""
        return self.api_key is not None

    def on_sandbox(self, url: str) -> Self:
        """The same, on the sandbox."""
        return self.model_copy(update={"api_key": SecretStr("sk_test_sandbox_0"), "base_url": f"{url}/stripe"})

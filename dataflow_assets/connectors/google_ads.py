"""Google Ads, REST API v26 (v23 and later have the same fields). For people: `docs/vendors/google_ads.md`.

Facts: Google's reference of the API, the types of its official SDK 34.0.0 (google-ads), and error answers as kept in
issue threads of open-source connectors.

Everything is a query in GAQL, sent to `googleAds:search` of one customer. A query counts as one operation however many
rows it brings, and its further pages count nothing: few and wide queries are what saves quota, so attributes of other
resources come in the same query, and a month of a report in one.
"""

import re
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime, timedelta
from functools import partial
from itertools import groupby
from math import isfinite
from typing import Any, NamedTuple, TypeVar
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import httpx
import msgspec
from pydantic import SecretStr

from dataflow_assets.connectors.base import Account, Connector, Kind, Page, Probe, Stream, Window
from dataflow_assets.connectors.records import Column, count, day, flag, nested, number, text, whole
from dataflow_assets.resources.auth import RefreshToken
from dataflow_assets.resources.budget import Limit
from dataflow_assets.resources.failures import (
    Fatal,
    Retryable,
    Scope,
    Throttled,
    TooMuchData,
    Unauthorized,
    VendorError,
)
from dataflow_assets.resources.http import Caller, Reply, Request, VendorApi
from dataflow_assets.resources.redact import redact
from dataflow_assets.settings import Settings
from dataflow_assets.windows import ONE_DAY, DayWindow

NAME = "google_ads"

# --------------------------------------------------------------------------- streams

_PAGE_ROWS = 10_000  # fixed by Google: to ask for another size is an error
_CAMEL, _SNAKE = re.compile(r"_([a-z])"), re.compile(r"[A-Z]")


def _at(place: str, *columns: Column) -> tuple[Column, ...]:
    """The columns where Google's JSON has them: in an object, under their own names in its spelling."""
    return tuple(replace(c, path=f"{place}.{_CAMEL.sub(lambda m: m[1].upper(), c.name)}") for c in columns)


def _resource_names(columns: Sequence[Column]) -> tuple[str, ...]:
    # Every resource of a row may bring its name along; the ids say the same.
    holders = {".".join(column.source_path[:-1]) for column in columns}
    return tuple(f"{one}.resourceName" for one in sorted(holders - {"metrics", "segments", "adGroupAd.policySummary"}))


def _entity(name: str, description: str, resource: str, *columns: Column, key: tuple[str, ...] = ("id",)) -> Stream:
    return Stream(
        name=name,
        description=f"{description} GAQL cannot ask what changed since: one query brings everything.",
        kind=Kind.ENTITY,
        endpoint=resource,
        columns=columns,
        key=key,
        page_size=_PAGE_ROWS,
        ignored=_resource_names(columns),
        sweep_every=timedelta(hours=20),  # daily, even when a schedule is a little early
    )


_NAME = text("name", "Name as people see it.")
_STATUS = text("status", "ENABLED, PAUSED or REMOVED; removed ones stay listed.")
_CAMPAIGN_ID = text("campaign_id", "Campaign id.", path="campaign.id", required=True)
_AD_GROUP_ID = text("ad_group_id", "Ad group id.", path="adGroup.id", required=True)

CUSTOMERS = _entity(
    "customers",
    "Client accounts: currency, time zone and state. One row per account.",
    "customer",
    *_at(
        "customer",
        text("id", "Customer id, digits only.", required=True),
        text("descriptive_name", "Name as people see it."),
        text("currency_code", "ISO 4217 currency of every amount.", required=True),
        text("time_zone", "IANA time zone whose days the reports use.", required=True),
        flag("manager", "Whether it manages other accounts; such ones are not read."),
        flag("test_account", "Whether it is a test account, which shows no ads."),
        text("status", "ENABLED, CANCELED, SUSPENDED or CLOSED."),
        flag("auto_tagging_enabled", "Whether links get a click id."),
    ),
)

CAMPAIGNS = _entity(
    "campaigns",
    "Campaigns with status, channel and budget, removed ones included.",
    "campaign",
    *_at(
        "campaign",
        text("id", "Campaign id.", required=True),
        _NAME,
        _STATUS,
        text("serving_status", "Whether Google shows it: SERVING, ENDED and so on."),
        text("primary_status", "Google's summary of status and obstacles."),
        text("advertising_channel_type", "SEARCH, DISPLAY, PERFORMANCE_MAX and so on."),
        text("advertising_channel_sub_type", "A finer kind of channel, where there is one."),
        text("bidding_strategy_type", "How Google bids."),
        text("start_date_time", "When it begins, in the account's time zone."),
        text("end_date_time", "When it ends, in the account's time zone."),
    ),
    text("budget_id", "Budget; several campaigns may share one.", path="campaignBudget.id"),
    whole("budget_amount_micros", "Budget per day in millionths of the currency.", path="campaignBudget.amountMicros"),
)

AD_GROUPS = _entity(
    "ad_groups",
    "Ad groups below campaigns, removed ones included. Performance Max campaigns have none.",
    "ad_group",
    _CAMPAIGN_ID,
    *_at(
        "adGroup",
        text("id", "Ad group id.", required=True),
        _NAME,
        _STATUS,
        text("type", "SEARCH_STANDARD and so on; the ad groups of some channels have none."),
        whole("cpc_bid_micros", "Bid per click in millionths of the currency."),
    ),
)

ADS = _entity(
    "ads",
    "Ads in their ad groups, removed ones included. One ad can be in several ad groups.",
    "ad_group_ad",
    _CAMPAIGN_ID,
    _AD_GROUP_ID,
    *_at(
        "adGroupAd.ad",
        text("id", "Ad id.", required=True),
        text("name", "Name; many kinds of ads have none."),
        text("type", "RESPONSIVE_SEARCH_AD and so on."),
        nested("final_urls", "Landing pages, a list."),
    ),
    *_at("adGroupAd", _STATUS),
    *_at("adGroupAd.policySummary", text("approval_status", "What Google's review made of it.")),
    key=("ad_group_id", "id"),
)

CONVERSION_ACTIONS = _entity(
    "conversion_actions",
    "What the account counts as a conversion, and for how long after a click.",
    "conversion_action",
    *_at(
        "conversionAction",
        text("id", "Conversion action id.", required=True),
        _NAME,
        text("status", "ENABLED, HIDDEN or REMOVED."),
        text("type", "Where conversions come from: WEBPAGE, UPLOAD_CLICKS and so on."),
        text("category", "PURCHASE, SUBMIT_LEAD_FORM and so on."),
        flag("primary_for_goal", "Whether bidding uses it; if not, it counts in all_conversions only."),
        text("counting_type", "ONE_PER_CLICK or MANY_PER_CLICK."),
        whole("click_through_lookback_window_days", "Days after a click that count, and so keep changing."),
        whole("view_through_lookback_window_days", "Days after a view that count."),
    ),
)

_RESULTS = _at(
    "metrics",
    number("conversions", "Primary conversions, on the day of their click.", default="0"),
    number("conversions_value", "Their value in major units of the currency.", default="0"),
    number("all_conversions", "Conversions of every action, secondary ones too.", default="0"),
    number("all_conversions_value", "Their value in major units of the currency.", default="0"),
)
_FIGURES = (
    *_at(
        "metrics",
        count("impressions", "Times shown."),
        count("clicks", "Clicks."),
        count("cost_micros", "Cost in millionths of the currency."),
    ),
    *_RESULTS,
    *_at("metrics", count("view_through_conversions", "After a view without a click; not part of conversions.")),
)
_CAMPAIGN = (_CAMPAIGN_ID, text("campaign_name", "Campaign name on the day of reading.", path="campaign.name"))
_AD_GROUP = (_AD_GROUP_ID, text("ad_group_name", "Ad group name on the day of reading.", path="adGroup.name"))
_AD = (
    text("ad_id", "Ad id.", path="adGroupAd.ad.id", required=True),
    text("ad_name", "Ad name on the day of reading; many ads have none.", path="adGroupAd.ad.name"),
)
_ACTION = _at(
    "segments",
    text("conversion_action", "Resource name of the conversion action; its last part is the id.", required=True),
    text("conversion_action_name", "Its name on the day of reading."),
    text("conversion_action_category", "PURCHASE, SUBMIT_LEAD_FORM and so on."),
)


def _report(name: str, what: str, resource: str, about: tuple[Column, ...], figures: tuple[Column, ...]) -> Stream:
    columns = (
        *_at("segments", day("date", "Report day in the account's time zone.", required=True)),
        text("customer_id", "Customer id, digits only.", path="customer.id", required=True),
        *_at("customer", text("currency_code", "ISO 4217 currency of cost and values.", required=True)),
        *about,
        *figures,
    )
    return Stream(
        name=name,
        description=f"{what} per day of the account's time zone. Google leaves out what is zero in every figure.",
        kind=Kind.REPORT,
        endpoint=resource,
        columns=columns,
        key=("date", "customer_id", *(column.name for column in about if column.required)),
        page_size=_PAGE_ROWS,
        ignored=_resource_names(columns),
        report_day="date",
        # One operation, whatever the number of days and rows: a night's 30 days of lookback and the new day in one.
        slice_days=31,
    )


_IN_AD_GROUP = (*_CAMPAIGN, *_AD_GROUP)
CAMPAIGN_PERFORMANCE = _report("campaign_performance", "Performance of campaigns", "campaign", _CAMPAIGN, _FIGURES)
AD_GROUP_PERFORMANCE = _report("ad_group_performance", "Performance of ad groups", "ad_group", _IN_AD_GROUP, _FIGURES)
AD_PERFORMANCE = _report("ad_performance", "Performance of ads", "ad_group_ad", (*_IN_AD_GROUP, *_AD), _FIGURES)
# Impressions, clicks and cost belong to no conversion action: a query that asks for them by action is refused.
CONVERSIONS_BY_ACTION = _report(
    "conversions_by_action", "Conversions by campaign and action", "campaign", (*_CAMPAIGN, *_ACTION), _RESULTS
)

STREAMS = (
    *(CUSTOMERS, CAMPAIGNS, AD_GROUPS, ADS, CONVERSION_ACTIONS),
    *(CAMPAIGN_PERFORMANCE, AD_GROUP_PERFORMANCE, AD_PERFORMANCE, CONVERSIONS_BY_ACTION),
)

# --------------------------------------------------------------------------- answers


class _Quota(msgspec.Struct, rename="camel"):
    rate_scope: str | None = None
    retry_delay: str | None = None


class _Details(msgspec.Struct, rename="camel"):
    quota_error_details: _Quota | None = None


class _Error(msgspec.Struct, rename="camel"):
    error_code: dict[str, str] | None = None  # one member: the family of the error, and its name in it
    message: str | None = ""
    details: _Details | None = None


class _Detail(msgspec.Struct, rename="camel"):
    errors: list[_Error] | None = None
    request_id: str | None = ""


class _Trouble(msgspec.Struct):
    message: str | None = ""
    status: str | None = ""
    details: list[_Detail] | None = None


class _Envelope(msgspec.Struct, rename="camel"):
    results: msgspec.Raw = msgspec.Raw(b"[]")
    next_page_token: str = ""
    resource_names: list[str] = []
    error: _Trouble | None = None


_decode_envelope = msgspec.json.Decoder(_Envelope).decode
HTTP_ERROR, HTTP_NOT_FOUND, HTTP_TOO_MANY, HTTP_SERVER_ERROR = 400, 404, 429, 500


@dataclass(frozen=True)
class _Meaning:
    """What a code means. `wait` is for throttles that tell no time."""

    kind: type[VendorError] = Fatal
    scope: Scope = "account"
    hint: str = ""
    wait: float = 60.0


class NotEnabled(Fatal):
    """The account was cancelled, or its sign-up never finished."""


_RENEW = "Make a new refresh token with the scope adwords and set DATAFLOW_GOOGLE_ADS__REFRESH_TOKEN."
_TOKEN = _Meaning(Unauthorized, "vendor", _RENEW)
_USER = _Meaning(scope="vendor", hint=f"The Google user of the refresh token has no access to Google Ads. {_RENEW}")
_ACCESS = _Meaning(
    hint="Give the user of the refresh token access to the account or to a manager above it, "
    "or take it out of DATAFLOW_GOOGLE_ADS__ACCOUNT_IDS."
)
_GUARDED = _Meaning(
    hint="The account demands it of all its users: switch it on for the Google user of the refresh token."
)
_TEST_ONLY = _Meaning(hint="The Cloud project may read test accounts only: apply for Explorer or Basic access.")
_PROJECT = _Meaning(
    scope="vendor", hint="Check the Google Ads API of the Cloud project that DATAFLOW_GOOGLE_ADS__CLIENT_ID belongs to."
)
_DEVELOPER = _Meaning(scope="vendor", hint="Take DATAFLOW_GOOGLE_ADS__DEVELOPER_TOKEN out, or correct it.")
_VERSION = _Meaning(scope="vendor", hint="Set DATAFLOW_GOOGLE_ADS__API_VERSION to a living version.")
_GONE = _Meaning(NotEnabled, hint="It was cancelled, or never signed up to the end.")
_LOGIN = _Meaning(hint="DATAFLOW_GOOGLE_ADS__LOGIN_CUSTOMER_ID must be the ten digits of a manager account.")
_MANAGER = _Meaning(hint="It is a manager account, which has no figures of its own; name its clients instead.")
_TOO_OLD = _Meaning(hint="Google keeps daily figures for 37 months: ask for later days.")
_BUG = _Meaning(hint="The request is wrong; this needs a new version of the connector.")
_PASSES = _Meaning(Retryable)
# The answer outlived its page tokens. It has to be read anew, and in smaller parts to be faster than they expire.
_STALE = _Meaning(TooMuchData)

_CODES: tuple[tuple[str, _Meaning, str], ...] = (
    # Scope and wait where Google tells none: operations are counted per project, the others per customer.
    ("quotaError", _Meaning(Throttled, "vendor", wait=300.0), "RESOURCE_EXHAUSTED"),
    ("quotaError", _Meaning(Throttled, wait=10.0), "RESOURCE_TEMPORARILY_EXHAUSTED"),
    ("quotaError", _Meaning(Throttled, wait=900.0), "EXCESSIVE_LONG_TERM_QUERY_RESOURCE_CONSUMPTION"),
    ("quotaError", _PROJECT, "ACCESS_PROHIBITED"),
    ("requestError", _STALE, "EXPIRED_PAGE_TOKEN INVALID_PAGE_TOKEN"),
    ("requestError", _VERSION, "UNSUPPORTED_VERSION"),
    ("requestError", _PROJECT, "CLOUD_PROJECT_NOT_FOUND"),
    ("requestError", _DEVELOPER, "DEVELOPER_TOKEN_PARAMETER_MISSING"),
    ("authenticationError", _USER, "NOT_ADS_USER GOOGLE_ACCOUNT_DELETED"),
    ("authenticationError", _ACCESS, "CUSTOMER_NOT_FOUND CLIENT_CUSTOMER_ID_INVALID"),
    ("authenticationError", _GUARDED, "TWO_STEP_VERIFICATION_NOT_ENROLLED ADVANCED_PROTECTION_NOT_ENROLLED"),
    ("authenticationError", _PROJECT, "ORGANIZATION_NOT_RECOGNIZED ORGANIZATION_NOT_APPROVED"),
    ("authenticationError", _DEVELOPER, "DEVELOPER_TOKEN_INVALID ORGANIZATION_NOT_ASSOCIATED_WITH_DEVELOPER_TOKEN"),
    ("authorizationError", _GONE, "CUSTOMER_NOT_ENABLED INCOMPLETE_SIGNUP"),
    # Of one account: test accounts beside it can be read.
    ("authorizationError", _TEST_ONLY, "CLOUD_PROJECT_NOT_APPROVED_FOR_PRODUCTION DEVELOPER_TOKEN_NOT_APPROVED"),
    ("authorizationError", _PROJECT, "PROJECT_DISABLED MISSING_TOS SERVICE_ACCESS_DENIED"),
    ("authorizationError", _PROJECT, "CLOUD_PROJECT_NOT_UNDER_ORGANIZATION"),
    ("authorizationError", _DEVELOPER, "DEVELOPER_TOKEN_PROHIBITED DEVELOPER_TOKEN_NOT_ON_ALLOWLIST"),
    ("headerError", _LOGIN, "INVALID_LOGIN_CUSTOMER_ID"),
    # Both are said of days that are too long ago.
    ("dateRangeError", _TOO_OLD, "INVALID_DATE REQUESTED_DATE_GRANULARITY_NOT_SUPPORTED"),
    ("queryError", _MANAGER, "REQUESTED_METRICS_FOR_MANAGER"),
)
_MEANINGS = {f"{family}.{name}": meaning for family, meaning, names in _CODES for name in names.split()}
_FAMILIES: Mapping[str, _Meaning] = {
    "quotaError": _Meaning(Throttled),
    "internalError": _PASSES,
    "databaseError": _PASSES,
    "authenticationError": _TOKEN,
    "authorizationError": _ACCESS,
    **dict.fromkeys(("queryError", "requestError", "headerError", "dateError", "dateRangeError"), _BUG),
}
# What Google's front ends say, which know no codes of the Ads API.
_STATUSES: Mapping[str, _Meaning] = {
    **dict.fromkeys(("INTERNAL", "UNAVAILABLE", "DEADLINE_EXCEEDED", "ABORTED", "CANCELLED", "UNKNOWN"), _PASSES),
    "RESOURCE_EXHAUSTED": _Meaning(Throttled, "vendor"),
    "UNAUTHENTICATED": _TOKEN,
    "PERMISSION_DENIED": _PROJECT,
    "NOT_FOUND": _VERSION,
    "UNIMPLEMENTED": _VERSION,
}
_STATUS_OF_HTTP = {401: "UNAUTHENTICATED", 403: "PERMISSION_DENIED", 404: "NOT_FOUND", 429: "RESOURCE_EXHAUSTED"}
_LINK = re.compile(r"https?://\S+")
_SCOPES: Mapping[str, Scope] = {"ACCOUNT": "account", "DEVELOPER": "vendor"}


def classify(reply: Reply, secrets: tuple[str, ...] = ()) -> VendorError | None:
    """What an answer means, by the codes in its body, whatever the HTTP status."""
    known: dict[str, Any] = {"vendor": NAME, "account": reply.account}
    try:
        trouble = _decode_envelope(reply.body).error
    except msgspec.DecodeError:
        about = f"the answer (HTTP {reply.status}) is not the JSON Google sends."
        if reply.status == HTTP_NOT_FOUND:  # a page of HTML: there is no such version
            return Fatal(about, **known, hint=_VERSION.hint, scope="vendor")
        if reply.status == HTTP_TOO_MANY:
            return Throttled(about, **known, wait_seconds=_Meaning.wait, scope="vendor")
        return Retryable(about, **known)
    if trouble is None:
        if reply.status < HTTP_ERROR:
            return None
        trouble = _Trouble(message="no error object")
    details = trouble.details or []
    by_http = "INTERNAL" if reply.status >= HTTP_SERVER_ERROR else _STATUS_OF_HTTP.get(reply.status, "")
    said = _Said(
        trouble.status or by_http or f"HTTP {reply.status}",
        next((detail.request_id for detail in details if detail.request_id), ""),
        known,
        secrets,
    )
    # Google's front ends answer without errors of the Ads API. Of several the gravest counts: only when every one of
    # them passes is it worth while to ask again.
    errors = [error for detail in details for error in detail.errors or []] or [_Error(message=trouble.message)]
    return max((_failure(error, said) for error in errors), key=_gravity)


class _Said(NamedTuple):
    """What the errors of an answer have in common."""

    status: str
    trace: str | None
    known: Mapping[str, Any]
    secrets: tuple[str, ...]


def _failure(error: _Error, said: _Said) -> VendorError:
    family, name = next(iter((error.error_code or {}).items()), ("", ""))
    code = f"{family}.{name}" if family else said.status
    meaning = _MEANINGS.get(code) or _FAMILIES.get(family) or _STATUSES.get(said.status) or _Meaning()
    message = redact(_LINK.sub("(link)", error.message or ""), said.secrets).rstrip(".")
    about = f"Google answered {code}: {message}" + (f" (request {said.trace})." if said.trace else ".")
    options: dict[str, Any] = {**said.known, "hint": meaning.hint}
    if issubclass(meaning.kind, Throttled):
        quota = (error.details and error.details.quota_error_details) or _Quota()
        options["wait_seconds"] = _seconds(quota.retry_delay) or meaning.wait
        options["scope"] = _SCOPES.get(quota.rate_scope or "", meaning.scope)
    elif issubclass(meaning.kind, Fatal):
        options["scope"] = meaning.scope
    return meaning.kind(about, **options)


def _seconds(duration: str | None) -> float:
    """Seconds of a duration like `5400s` or `1.500s`; 0 for none, or one that cannot be read."""
    try:
        seconds = float((duration or "").removesuffix("s"))
    except ValueError:
        return 0.0
    return seconds if isfinite(seconds) and seconds > 0 else 0.0


def _gravity(failure: VendorError) -> tuple[int, float]:
    if isinstance(failure, Throttled):
        return 1, failure.wait_seconds
    grave = (Retryable, Throttled, TooMuchData, Unauthorized, Fatal)
    return next(rank for rank, kind in enumerate(grave) if isinstance(failure, kind)), 0.0


@dataclass
class _Identity(RefreshToken):
    """A token that is renewed, and headers that go along with it."""

    more: Mapping[str, str] = field(default_factory=dict, repr=False)

    async def headers(self, http: httpx.AsyncClient) -> Mapping[str, str]:
        """All of them."""
        return {**self.more, **await super().headers(http)}


def _secret(value: SecretStr | None) -> str:
    return value.get_secret_value() if value else ""


def api(settings: Settings) -> VendorApi:
    """The Ads API with the configured OAuth client; a developer token goes along when there is one."""
    google = settings.google_ads
    secret, refresh = _secret(google.client_secret), _secret(google.refresh_token)
    developer = _secret(google.developer_token)
    form = {"client_id": google.client_id, "client_secret": secret, "refresh_token": refresh}
    hint = f"{_RENEW} It must be of the OAuth client in DATAFLOW_GOOGLE_ADS__CLIENT_ID and ..._CLIENT_SECRET."
    more = {"developer-token": developer} if developer else {}

    def limits(account: str | None, path: str) -> dict[Scope, Limit]:
        del path
        project = f"{NAME}:{google.client_id or 'project'}"
        # Rate and burst together are what a day may hold: 14,000 and 1,000 are Google's 15,000.
        burst = max(1, google.requests_per_day // 14)
        both: dict[Scope, Limit] = {"vendor": Limit(project, google.requests_per_day, seconds=86_400, burst=burst)}
        if account:
            both["account"] = Limit(f"{project}:{account}", google.requests_per_minute, seconds=60, burst=20)
        return both

    return VendorApi(
        name=NAME,
        base_url=f"{google.base_url.rstrip('/')}/{google.api_version}/",
        auths=(_Identity(NAME, google.token_url, form, hint, more=more),),
        classify=partial(classify, secrets=(secret, refresh, developer)),
        usage=lambda _reply: {},  # Google sends no headers about its budgets
        limits=limits,
    )


# --------------------------------------------------------------------------- accounts

_ACCOUNT_FIELDS = ("id", "descriptive_name", "currency_code", "time_zone", "manager", "status")
_CUSTOMER = ", ".join(f"customer.{name}" for name in _ACCOUNT_FIELDS)
_CLIENTS = ", ".join(f"customer_client.{name}" for name in (*_ACCOUNT_FIELDS, "hidden"))


class _Client(msgspec.Struct, rename="camel"):
    id: str
    descriptive_name: str = ""
    currency_code: str = ""
    time_zone: str = ""
    manager: bool = False
    status: str = ""
    hidden: bool = False


_Row = TypeVar("_Row")


class _ClientRow(msgspec.Struct, rename="camel"):
    customer: _Client | None = None
    customer_client: _Client | None = None


_clients = msgspec.json.Decoder(list[_ClientRow])


async def accounts(caller: Caller, settings: Settings) -> Sequence[Account]:
    """Every client account that the user can read, directly or through a manager; each once.

    Left out are managers (they have no figures), cancelled and closed accounts, and suspended and hidden ones, unless
    the settings name them. Costs an operation to list, one per account or manager of that list, one per manager's tree.
    """
    google = settings.google_ads
    named = set(google.account_ids)
    found: dict[str, Account] = {}
    managers: set[str] = set()
    for root in [google.login_customer_id] if google.login_customer_id else await _accessible(caller):
        known = found.get(root)
        if root in managers or (known and not known.problem):
            continue  # the tree of a manager holds it already, with all below it
        try:
            clients = await _tree(replace(caller, account=root), root)
        except NotEnabled as error:
            # Cancelled ones stay in the list of accessible accounts for ever: no news, unless one is asked for.
            listed = [_unreadable(root, error)] if root in named else []
        except Fatal as error:
            if error.scope == "vendor":
                raise
            listed = [_unreadable(root, error)]
        else:
            managers |= {client.id for client in clients if client.manager}
            listed = [account for client in clients if (account := _account(client, root, named))]
        found |= {account.id: account for account in listed}
    if not found and not named:
        # An empty list would make every sync green, with no rows.
        hint = "Give the user of the refresh token access to an enabled account, or to a manager above one."
        raise Fatal("the user can read no client account.", vendor=NAME, hint=hint, scope="vendor")
    return list(found.values())


async def _accessible(caller: Caller) -> list[str]:
    # With a slash in front, or the part before the colon would be taken for a scheme.
    reply = await caller.get("/customers:listAccessibleCustomers")
    return [name.rpartition("/")[2] for name in _decode_envelope(reply.body).resource_names]


async def _tree(caller: Caller, root: str) -> list[_Client]:
    """The account itself, and all below it when it is a manager."""
    query = f"SELECT {_CUSTOMER} FROM customer"  # noqa: S608  GAQL, of our own names
    rows = [row async for row in _rows(caller, root, query, _clients)]
    if any(row.customer and row.customer.manager for row in rows):
        query = f"SELECT {_CLIENTS} FROM customer_client WHERE customer_client.level > 0"  # noqa: S608  as above
        rows += [row async for row in _rows(caller, root, query, _clients)]
    return [client for row in rows if (client := row.customer or row.customer_client)]


def _account(client: _Client, root: str, named: set[str]) -> Account | None:
    is_named = client.id in named
    problem = ""
    if client.manager:
        problem = "it is a manager account, which has no figures of its own; name its clients instead."
    elif client.status in {"CANCELED", "CLOSED"}:
        problem = f"it is {client.status} at Google. Take it out of DATAFLOW_GOOGLE_ADS__ACCOUNT_IDS."
    if not is_named and (problem or client.hidden or client.status == "SUSPENDED"):
        return None
    try:
        zone = ZoneInfo(client.time_zone)
    except (ValueError, ZoneInfoNotFoundError):
        zone = ZoneInfo("UTC")
        problem = problem or f"its time zone {client.time_zone!r} is unknown, so its days cannot be told."
    through = {} if client.id == root else {"login-customer-id": root}
    return Account(client.id, client.descriptive_name, client.currency_code, zone, problem, headers=through)


def _unreadable(root: str, error: Fatal) -> Account:
    return Account(root, "", "", ZoneInfo("UTC"), f"{error.message} {error.hint}".strip())


# --------------------------------------------------------------------------- reading


async def read(caller: Caller, account: Account, stream: Stream, window: Window) -> AsyncIterator[Page]:
    """Pages of one account's records: those of the days of a window, or all of them."""
    # The names of the fields in GAQL are those of the JSON in another spelling.
    fields = ", ".join(_SNAKE.sub(lambda m: f"_{m[0].lower()}", column.path) for column in stream.columns)
    query = f"SELECT {fields} FROM {stream.endpoint}"  # noqa: S608  GAQL, of declared names
    if isinstance(window, DayWindow):
        query += f" WHERE segments.date BETWEEN '{window.start}' AND '{window.end - ONE_DAY}'"  # both ends count
    async for page in _pages(caller, account.id, query):
        yield page


async def _pages(caller: Caller, customer: str, query: str) -> AsyncIterator[Page]:
    # Without it every row brings the name of each of its resources along, which the ids say as well.
    body = {"query": f"{query} PARAMETERS omit_unselected_resource_names=true"}
    token = ""
    while True:
        path = f"customers/{customer}/googleAds:search"
        if token:
            # Google charges further pages nothing.
            reply = await caller.send(Request(method="POST", path=path, json={**body, "pageToken": token}, cost=0))
        else:
            reply = await caller.post_json(path, body)
        envelope = _decode_envelope(reply.body)
        yield Page(envelope.results)
        # A short or even empty page is not the end; only a missing token is.
        if not envelope.next_page_token:
            return
        if envelope.next_page_token == token:
            raise Retryable("paging does not move on.", vendor=NAME, account=caller.account)
        token = envelope.next_page_token


async def _rows(
    caller: Caller, customer: str, query: str, decoder: msgspec.json.Decoder[list[_Row]]
) -> AsyncIterator[_Row]:
    """Rows for our own use, decoded. Raises Fatal for ones of another shape than documented."""
    async for page in _pages(caller, customer, query):
        try:
            rows = decoder.decode(page.records)
        except msgspec.ValidationError as error:
            raise Fatal(
                f"Google sent a row that is not as documented: {error}.", vendor=NAME, account=customer
            ) from None
        for row in rows:
            yield row


CHANGED: Mapping[str, tuple[str, ...]] = {
    "campaigns": ("CAMPAIGN", "CAMPAIGN_BUDGET"),
    "ad_groups": ("AD_GROUP",),
    "ads": ("AD_GROUP_AD",),
}
"""The kinds of things in `change_status` that a stream shows. Accounts and conversion actions are not in it."""

_CHANGES_GO_BACK = timedelta(days=89)  # 90, less a day of slack
_MOST_CHANGES = 10_000
_CLOCKS_GO_BACK = timedelta(hours=1)


class _Change(msgspec.Struct, rename="camel"):
    resource_type: str
    last_change_date_time: datetime


class _ChangeRow(msgspec.Struct, rename="camel"):
    change_status: _Change


_changes = msgspec.json.Decoder(list[_ChangeRow])


async def newer(caller: Caller, probes: Sequence[Probe]) -> Sequence[Probe]:
    """Which of the probes see something changed after their watermark: one operation per account for all its streams.

    An account that cannot be asked does not silence the others, unless none can: that is raised.
    """
    found: list[Probe] = []
    failures: list[VendorError] = []
    asked = 0
    wanted = [probe for probe in probes if probe.stream.name in CHANGED and not probe.account.problem]
    for _, group in groupby(sorted(wanted, key=lambda probe: probe.account.id), key=lambda probe: probe.account.id):
        asked += 1
        try:
            found += await _changed(caller, list(group))
        except VendorError as error:
            if getattr(error, "scope", "") == "vendor":
                raise
            failures.append(error)
    if failures and len(failures) == asked:
        raise failures[0]
    return found


async def _changed(caller: Caller, probes: list[Probe]) -> list[Probe]:
    """Those probes of one account that see a change."""
    account, now = probes[0].account, caller.now()
    asked = [probe for probe in probes if now - probe.watermark < _CHANGES_GO_BACK]
    # What Google no longer tells the changes of has to be looked at.
    found = [probe for probe in probes if probe not in asked]
    if not asked:
        return found
    kinds = ", ".join(f"'{kind}'" for probe in asked for kind in CHANGED[probe.stream.name])
    # Times are those of the account's clocks. In autumn an hour comes twice: what is later may be written as earlier.
    since = min(now, *(probe.watermark for probe in asked)) - _CLOCKS_GO_BACK
    time = "change_status.last_change_date_time"
    query = (
        f"SELECT change_status.resource_type, {time} FROM change_status "  # noqa: S608  GAQL, of our own names
        f"WHERE {time} >= '{_local(since, account.zone)}' AND {time} <= '{_local(now, account.zone)}' "
        f"AND change_status.resource_type IN ({kinds}) ORDER BY {time} DESC LIMIT {_MOST_CHANGES}"
    )
    own = replace(caller, account=account.id, credential=account.credential, headers=account.headers)
    changes = [row.change_status async for row in _rows(own, account.id, query, _changes)]
    # At the limit the older changes are cut off, and those of a stream may be among them.
    if len(changes) >= _MOST_CHANGES:
        return probes
    latest: dict[str, datetime] = {}
    for change in changes:  # newest first
        # Of an hour that comes twice the second is meant: a look in vain costs less than a change not seen.
        at = change.last_change_date_time.replace(tzinfo=account.zone, fold=1)
        latest.setdefault(change.resource_type, at.astimezone(UTC))
    for probe in asked:
        moments = [latest[kind] for kind in CHANGED[probe.stream.name] if kind in latest]
        found += [probe] if any(moment > probe.watermark for moment in moments) else []
    return found


def _local(instant: datetime, zone: ZoneInfo) -> str:
    return instant.astimezone(zone).strftime("%Y-%m-%d %H:%M:%S")


# --------------------------------------------------------------------------- the connector

CONNECTOR = Connector(
    name=NAME,
    title="Google Ads",
    streams=STREAMS,
    api=api,
    accounts=accounts,
    read=read,
    newer=newer,
    account_ids=lambda settings: settings.google_ads.account_ids,
    initial_history_days=lambda settings: settings.google_ads.initial_history_days,
    lookback_days=lambda settings: settings.google_ads.lookback_days,
    # 37 months in the account's zone, less a few days of slack; beyond it daily rows are an error.
    retention_days=1_123,
    version=lambda settings: settings.google_ads.api_version,
    # Google names months ahead; their first days are the safe ones.
    version_ends={
        "v20": date(2026, 6, 10),
        "v21": date(2026, 8, 5),
        "v22": date(2026, 10, 7),
        "v23": date(2027, 2, 1),
        "v24": date(2027, 5, 1),
        "v25": date(2027, 8, 1),
        "v26": date(2027, 11, 1),
    },
)

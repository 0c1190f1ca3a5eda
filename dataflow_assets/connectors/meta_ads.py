"""Meta Ads (Facebook and Instagram), Marketing API v26.0. For people: `docs/vendors/meta_ads.md`.

Facts: Meta's Marketing API reference and rate limiting pages, its official SDK 26.0.3 (facebook_business), and what
that SDK does against a local server; error codes as in the reference and in issue threads of open-source connectors.

Entities come from the account's edges, changed since the watermark; daily figures from account-level insights, which
costs one request per page instead of one per campaign or ad.
"""

import hashlib
import hmac
import json
from collections.abc import AsyncIterator, Mapping, Sequence
from datetime import datetime, timedelta
from functools import partial
from typing import Any
from urllib.parse import urlencode
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import httpx
import msgspec

from dataflow_assets.connectors.base import Account, Connector, Kind, Landing, Page, Probe, Since, Stream, Window
from dataflow_assets.connectors.records import Column, count, day, instant, nested, number, text, whole
from dataflow_assets.resources.auth import bearer
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
from dataflow_assets.resources.http import Caller, Reply, VendorApi
from dataflow_assets.resources.redact import redact
from dataflow_assets.settings import Settings
from dataflow_assets.windows import DayWindow

NAME = "meta_ads"

# --------------------------------------------------------------------------- streams

ATTRIBUTION_WINDOWS = ("1d_click", "7d_click", "28d_click", "1d_view")
CAMPAIGN_STATUSES = ("ACTIVE", "PAUSED", "ARCHIVED", "IN_PROCESS", "WITH_ISSUES")
AD_SET_STATUSES = (*CAMPAIGN_STATUSES, "CAMPAIGN_PAUSED")
AD_STATUSES = (
    *AD_SET_STATUSES,
    "ADSET_PAUSED",
    "DISAPPROVED",
    "PENDING_BILLING_INFO",
    "PENDING_REVIEW",
    "PREAPPROVED",
)

_ID = text("id", "Id given by Meta; text, since it passes 2^53.", required=True)
_ACCOUNT_ID = text("account_id", "Ad account, digits only.")
_NAME = text("name", "Name as people see it in Ads Manager.")
_STATUS = text("status", "Status set by the advertiser: ACTIVE, PAUSED, ARCHIVED or DELETED.")
_EFFECTIVE_STATUS = text("effective_status", "Status after the parents' and Meta's own rules.")
_CREATED = instant("created_time", "When it was created.")
_UPDATED = instant("updated_time", "When it was last edited; delivery and edits of a parent do not move it.")
_DAILY_BUDGET = whole("daily_budget", "Budget per day in minor units of the account currency.")
_LIFETIME_BUDGET = whole("lifetime_budget", "Budget of the whole run in minor units of the account currency.")


def _entity(name: str, description: str, endpoint: str, columns: tuple[Column, ...], **options: Any) -> Stream:
    return Stream(
        name=name,
        description=description,
        kind=Kind.ENTITY,
        endpoint=endpoint,
        columns=columns,
        key=("id",),
        page_size=500,
        sweep_every=timedelta(hours=20),  # daily, even when a schedule is a little early
        **options,
    )


def _changing(statuses: tuple[str, ...], prefix: str) -> dict[str, Any]:
    # Ten minutes below the watermark: edits that reach the listing late, and equal stamps, are read again.
    return {
        "cursor": "updated_time",
        "overlap": timedelta(minutes=10),
        "params": {"effective_status": json.dumps(statuses), "cursor_field": f"{prefix}.updated_time"},
    }


AD_ACCOUNTS = _entity(
    "ad_accounts",
    "Ad accounts: currency, time zone and state. One row per account.",
    "",
    (
        text("id", "Account id with the prefix act_.", required=True),
        text("account_id", "Account id, digits only.", required=True),
        _NAME,
        text("currency", "ISO 4217 currency of every amount of the account.", required=True),
        text("timezone_name", "IANA time zone whose days the reports use.", required=True),
        whole("account_status", "1 active, 2 disabled, 3 unsettled, 101 closed, and others."),
        whole("disable_reason", "Why Meta disabled the account; 0 when it did not."),
        whole("amount_spent", "Lifetime spend in minor units of the account currency."),
        whole("balance", "Amount owed in minor units of the account currency."),
        whole("spend_cap", "Spending limit in minor units of the account currency; 0 is none."),
        _CREATED,
    ),
)

CAMPAIGNS = _entity(
    "campaigns",
    "Campaigns with status, objective and budget. Archived ones included.",
    "campaigns",
    (
        _ID,
        _ACCOUNT_ID,
        _NAME,
        text("objective", "OUTCOME_SALES and the like; old campaigns keep older words."),
        _STATUS,
        _EFFECTIVE_STATUS,
        text("buying_type", "AUCTION or RESERVED."),
        text("bid_strategy", "How Meta bids."),
        _DAILY_BUDGET,
        _LIFETIME_BUDGET,
        whole("spend_cap", "Spending limit in minor units of the account currency."),
        nested("special_ad_categories", "Declared categories, a list."),
        instant("start_time", "When delivery may begin."),
        instant("stop_time", "When delivery ends."),
        _CREATED,
        _UPDATED,
    ),
    **_changing(CAMPAIGN_STATUSES, "campaign"),
)

AD_SETS = _entity(
    "ad_sets",
    "Ad sets: audience, optimisation and budget below a campaign.",
    "adsets",
    (
        _ID,
        _ACCOUNT_ID,
        text("campaign_id", "Campaign it belongs to.", required=True),
        _NAME,
        _STATUS,
        _EFFECTIVE_STATUS,
        text("optimization_goal", "What delivery is optimised for."),
        text("billing_event", "What is paid for."),
        whole("bid_amount", "Bid in minor units of the account currency."),
        text("bid_strategy", "How Meta bids."),
        _DAILY_BUDGET,
        _LIFETIME_BUDGET,
        nested("attribution_spec", "Attribution windows, a list of event type and days."),
        nested("promoted_object", "What is advertised: page, pixel, app."),
        nested("targeting", "Audience definition."),
        instant("start_time", "When delivery may begin."),
        instant("end_time", "When delivery ends."),
        _CREATED,
        _UPDATED,
    ),
    **_changing(AD_SET_STATUSES, "adset"),
)

ADS = _entity(
    "ads",
    "Ads and the creative each one shows.",
    "ads",
    (
        _ID,
        _ACCOUNT_ID,
        text("campaign_id", "Campaign it belongs to.", required=True),
        text("adset_id", "Ad set it belongs to.", required=True),
        _NAME,
        _STATUS,
        _EFFECTIVE_STATUS,
        text("creative_id", "Creative the ad shows.", path="creative.id"),
        nested("tracking_specs", "Tracking, a list."),
        _CREATED,
        _UPDATED,
    ),
    **_changing(AD_STATUSES, "ad"),
)

CREATIVES = _entity(
    "creatives",
    "Creatives: texts and media. Meta keeps no time of change for them, so every read lists all.",
    "adcreatives",
    (
        _ID,
        _ACCOUNT_ID,
        _NAME,
        _STATUS,
        text("title", "Headline."),
        text("body", "Text."),
        text("object_type", "VIDEO, PHOTO, SHARE and the like."),
        text("object_story_id", "Page post behind the creative."),
        text("thumbnail_url", "Preview picture; the link expires."),
        text("call_to_action_type", "Button."),
        text("url_tags", "Query string added to the landing page, UTM tags among it."),
    ),
)


def _insights(name: str, level: str, title: str, ids: tuple[tuple[str, str], ...], **params: str) -> Stream:
    id_columns = [
        column
        for prefix, label in ids
        for column in (
            text(f"{prefix}_id", f"{label} id.", required=True),
            text(f"{prefix}_name", f"{label} name on the day of reading."),
        )
    ]
    return Stream(
        name=name,
        description=f"{title} per day of the account's time zone, as Meta reports it at level={level}.",
        kind=Kind.REPORT,
        endpoint="insights",
        params={"level": level, **params},
        key=("date_start", "account_id", f"{ids[-1][0]}_id"),
        report_day="date_start",
        page_size=500,
        slice_days=30,
        ignored=("date_stop",),
        columns=(
            day("date_start", "Report day in the account's time zone.", required=True),
            text("account_id", "Ad account, digits only.", required=True),
            text("account_currency", "ISO 4217 currency of spend and values.", required=True),
            *id_columns,
            count("impressions", "Times shown."),
            count("clicks", "All clicks, social ones included."),
            count("inline_link_clicks", "Clicks on links in the ad."),
            number("spend", "Cost in major units of the account currency.", default="0", ge=0),
            count("reach", "People who saw it. Not additive over days or levels."),
            number("frequency", "Impressions per person. Not additive."),
            nested("actions", "Actions by type and attribution window; several types repeat one event."),
            nested("action_values", "Values of actions in major units, by type and window."),
            text("attribution_setting", "Attribution setting the totals follow."),
        ),
    )


def _with_deleted(prefix: str, statuses: tuple[str, ...]) -> str:
    # Without this filter deleted ones are left out of the level, and the level no longer adds up to the account.
    return json.dumps([{"field": f"{prefix}.effective_status", "operator": "IN", "value": [*statuses, "DELETED"]}])


_CAMPAIGN, _AD_SET, _AD = ("campaign", "Campaign"), ("adset", "Ad set"), ("ad", "Ad")
INSIGHTS_CAMPAIGN = _insights("insights_campaign", "campaign", "Performance of campaigns", (_CAMPAIGN,))
INSIGHTS_AD_SET = _insights(
    "insights_ad_set",
    "adset",
    "Performance of ad sets",
    (_CAMPAIGN, _AD_SET),
    filtering=_with_deleted("adset", AD_SET_STATUSES),
)
INSIGHTS_AD = _insights(
    "insights_ad",
    "ad",
    "Performance of ads",
    (_CAMPAIGN, _AD_SET, _AD),
    filtering=_with_deleted("ad", AD_STATUSES),
)

STREAMS = (AD_ACCOUNTS, CAMPAIGNS, AD_SETS, ADS, CREATIVES, INSIGHTS_CAMPAIGN, INSIGHTS_AD_SET, INSIGHTS_AD)

# --------------------------------------------------------------------------- answers


class _Error(msgspec.Struct):
    # Only message and code are certain; any may be null.
    code: int | None = 0
    message: str | None = ""
    error_subcode: int | None = 0
    is_transient: bool | None = False
    fbtrace_id: str | None = ""


class _Paging(msgspec.Struct):
    cursors: dict[str, str] = {}
    next: str = ""  # holds the token: only its presence is looked at


class _Envelope(msgspec.Struct):
    data: msgspec.Raw = msgspec.Raw(b"[]")
    paging: _Paging | None = None
    error: _Error | None = None


_decode_envelope = msgspec.json.Decoder(_Envelope, strict=False).decode

HTTP_ERROR, HTTP_TOO_MANY, HTTP_SERVER_ERROR = 400, 429, 500
THROTTLED_APP = {4}
THROTTLED = {17, 32, 341, 613, *range(80_000, 80_010), 80_014}
TRANSIENT = {1, 2, 960}
TOO_MUCH = {(100, 1_487_534), (100, 1_504_018), (2, 1_504_038), (-3, 1_504_045)}
REPORT_NOT_READY_CODE, REPORT_NOT_READY_SUBCODE = 2_637, 1_815_107  # said to be done, not readable yet
REQUEST_BUGS = {(2, 1_504_041), (2, 1_504_042)}
NO_ACCESS = {3, 10, 294, *range(200, 300)}
TOKEN_REFUSED = {102, 190}
PROOF_IS_WRONG, VERSION_IS_DEAD = 104, 2_635
WAIT_WHEN_NOT_TOLD_SECONDS = 60.0


def classify(reply: Reply, secrets: tuple[str, ...] = ()) -> VendorError | None:
    """What an answer means, by its body: throttles come as HTTP 400 or 403, and errors can come under HTTP 200."""
    try:
        # A batch answers with a list; its items are classified one by one.
        error = _decode_envelope(reply.body).error if reply.body[:1] != b"[" else None
    except msgspec.DecodeError:
        return Retryable(
            f"the answer (HTTP {reply.status}) is not the JSON Meta sends.",
            vendor=NAME,
            account=reply.account,
        )
    if error is None:
        if reply.status < HTTP_ERROR:
            return None
        error = _Error(
            message=f"HTTP {reply.status} without an error object", is_transient=reply.status >= HTTP_SERVER_ERROR
        )
    return _failure(error, reply, secrets)


def _failure(error: _Error, reply: Reply, secrets: tuple[str, ...]) -> VendorError:
    message, subcode = error.message or "", error.error_subcode or 0
    said = redact(message, secrets)
    about = f"Meta answered code {error.code}/{subcode}: {said}"
    about += f" (trace {error.fbtrace_id})." if error.fbtrace_id else "."
    known: dict[str, Any] = {"vendor": NAME, "account": reply.account}
    code, both = error.code, (error.code, subcode)
    if both in TOO_MUCH or (code == 1 and "reduce the amount of data" in message.lower()):
        return TooMuchData(about, **known)
    if code in THROTTLED_APP or code in THROTTLED or reply.status == HTTP_TOO_MANY:
        scope: Scope = "vendor" if code in THROTTLED_APP else "account"
        return Throttled(about, **known, wait_seconds=_told_wait(reply.headers), scope=scope)
    if both in REQUEST_BUGS:
        return Fatal(about, **known, hint="The request is wrong; this needs a new version of the connector.")
    not_ready = code == REPORT_NOT_READY_CODE or subcode == REPORT_NOT_READY_SUBCODE
    if error.is_transient or code in TRANSIENT or not_ready:
        return Retryable(about, **known)
    if code in TOKEN_REFUSED:
        hint = "Make a new token with the scope ads_read and set DATAFLOW_META_ADS__ACCESS_TOKEN."
        return Unauthorized(about, **known, hint=hint)
    if code == VERSION_IS_DEAD:
        hint = "Set DATAFLOW_META_ADS__API_VERSION to a living version."
        return Fatal(about, **known, hint=hint, scope="vendor")
    if code == PROOF_IS_WRONG or "appsecret_proof" in message:
        hint = "Check DATAFLOW_META_ADS__APP_SECRET against the app the token belongs to."
        return Fatal(about, **known, hint=hint, scope="vendor")
    if code in NO_ACCESS or both in {(100, 33), (100, 3_191_001)}:
        hint = "Give the token's user access to the ad account, or take it out of DATAFLOW_META_ADS__ACCOUNT_IDS."
        return Fatal(about, **known, hint=hint)
    return Fatal(about, **known)


def _header(headers: Mapping[str, str], name: str) -> dict[str, Any]:
    """A usage header; an empty one when it is missing or not what it should be."""
    try:
        value = json.loads(headers.get(name, "{}"))
    except ValueError:
        return {}
    return value if isinstance(value, dict) else {}


def _number(values: Mapping[str, Any], name: str) -> float:
    value = values.get(name)
    return float(value) if isinstance(value, int | float) else 0.0


def _business_use_cases(headers: Mapping[str, str]) -> list[dict[str, Any]]:
    # Up to 32 businesses with several entries each: all count, not the first alone.
    by_business = _header(headers, "x-business-use-case-usage").values()
    entries = [entry for listed in by_business if isinstance(listed, list) for entry in listed]
    return [entry for entry in entries if isinstance(entry, dict)]


def _told_wait(headers: Mapping[str, str]) -> float:
    minutes = max((_number(e, "estimated_time_to_regain_access") for e in _business_use_cases(headers)), default=0.0)
    seconds = _number(_header(headers, "x-ad-account-usage"), "reset_time_duration")
    return 60 * minutes or seconds or WAIT_WHEN_NOT_TOLD_SECONDS


def usage(reply: Reply) -> dict[Scope, float]:
    """Fractions used of Meta's own budgets, from its four usage headers; a scope no header speaks of is left out."""
    headers = reply.headers
    app = _header(headers, "x-app-usage")
    insights = _header(headers, "x-fb-ads-insights-throttle")
    account = _header(headers, "x-ad-account-usage")
    shares = ("call_count", "total_cputime", "total_time")
    of_account = [_number(entry, share) for entry in _business_use_cases(headers) for share in shares if share in entry]
    of_account += [_number(told, "acc_id_util_pct") for told in (account, insights) if "acc_id_util_pct" in told]
    of_app = [_number(app, share) for share in shares if share in app]
    of_app += [_number(insights, "app_id_util_pct")] if "app_id_util_pct" in insights else []
    found: dict[Scope, float] = {}
    if of_account:
        found["account"] = max(of_account) / 100
    if of_app:
        found["vendor"] = max(of_app) / 100
    return found


def api(settings: Settings) -> VendorApi:
    """The Marketing API with the configured token; `appsecret_proof` goes along when the app secret is known."""
    meta = settings.meta_ads
    token = meta.access_token.get_secret_value() if meta.access_token else ""
    secret = meta.app_secret.get_secret_value() if meta.app_secret else ""
    proof = hmac.new(secret.encode(), token.encode(), hashlib.sha256).hexdigest() if secret else ""

    def limits(account: str | None, path: str) -> dict[Scope, Limit]:
        del path
        app = f"{NAME}:{meta.app_id or 'app'}"
        both: dict[Scope, Limit] = {"vendor": Limit(app, requests=meta.app_requests_per_hour, seconds=3_600, burst=50)}
        if account:
            both["account"] = Limit(f"{app}:{account}", meta.requests_per_hour, seconds=3_600, burst=50)
        return both

    return VendorApi(
        name=NAME,
        base_url=f"{meta.base_url.rstrip('/')}/{meta.api_version}/",
        auths=(bearer(token),),
        params={"appsecret_proof": proof} if proof else {},
        classify=partial(classify, secrets=(token, secret, proof)),
        usage=usage,
        limits=limits,
    )


# --------------------------------------------------------------------------- reading


async def accounts(caller: Caller, settings: Settings) -> Sequence[Account]:
    """Every ad account the token can see."""
    del settings
    found = []
    fields = {"fields": "account_id,name,currency,timezone_name"}
    async for page in _pages(caller, "me/adaccounts", fields, page_size=100):
        found += [_account(row) for row in msgspec.json.decode(page.records)]
    return found


def _account(row: Mapping[str, Any]) -> Account:
    name = row.get("timezone_name", "")
    try:
        zone, problem = ZoneInfo(name), ""
    except (ValueError, ZoneInfoNotFoundError):
        zone, problem = ZoneInfo("UTC"), f"its time zone {name!r} is unknown, so its days cannot be told."
    return Account(row["account_id"], row.get("name", ""), row.get("currency", ""), zone, problem)


async def read(caller: Caller, account: Account, stream: Stream, window: Window) -> AsyncIterator[Page]:
    """Pages of one account's records in a window, in no promised order."""
    node = f"act_{account.id}"
    fields = ",".join(_requested_fields(stream))
    if isinstance(window, DayWindow):
        params = {**stream.params, "fields": fields, **_day_params(window)}
        async for page in _report(caller, f"{node}/insights", params, stream.page_size):
            yield page
    elif not stream.endpoint:
        yield Page(msgspec.Raw(b"[" + (await caller.get(node, {"fields": fields})).body + b"]"))
    else:
        params = {"fields": fields, **_change_params(stream, window)}
        async for page in _pages(caller, f"{node}/{stream.endpoint}", params, stream.page_size):
            yield page


def _requested_fields(stream: Stream) -> list[str]:
    heads: dict[str, list[str]] = {}
    for column in stream.columns:
        head, *rest = column.source_path
        heads.setdefault(head, []).extend(rest)
    return [f"{head}{{{','.join(rest)}}}" if rest else head for head, rest in heads.items()]


def _day_params(window: DayWindow) -> dict[str, str]:
    last = window.end - timedelta(days=1)
    return {
        "time_range": json.dumps({"since": f"{window.start}", "until": f"{last}"}),  # both ends count
        "time_increment": "1",
        "action_attribution_windows": json.dumps(ATTRIBUTION_WINDOWS),
    }


def _change_params(stream: Stream, window: Since) -> dict[str, str]:
    params = {"effective_status": s} if (s := stream.params.get("effective_status")) else {}
    if window.cursor is not None:
        params["filtering"] = json.dumps([_changed_since(stream, window.cursor)])
    return params


def _changed_since(stream: Stream, moment: datetime) -> dict[str, Any]:
    return {
        "field": stream.params["cursor_field"],
        "operator": "GREATER_THAN",
        "value": int(moment.timestamp()),
    }


async def _pages(caller: Caller, path: str, params: Mapping[str, str], page_size: int) -> AsyncIterator[Page]:
    after = ""
    while True:
        cursor = {"after": after} if after else {}
        reply = await caller.get(path, {**params, "limit": str(page_size), **cursor})
        envelope = _decode_envelope(reply.body)
        yield Page(envelope.data)
        # A short or even empty page is not the end; only a missing `next` is.
        if envelope.paging is None or not envelope.paging.next:
            return
        previous, after = after, envelope.paging.cursors.get("after", "")
        if after in {"", previous}:
            raise Retryable("paging does not move on.", vendor=NAME, account=caller.account)


async def _report(caller: Caller, path: str, params: Mapping[str, str], page_size: int) -> AsyncIterator[Page]:
    started = False
    try:
        async for page in _pages(caller, path, params, page_size):
            started = True
            yield page
    except TooMuchData:
        # Half a report was handed out already: the slice above must start over, in smaller windows.
        if started:
            raise
    else:
        return
    async for page in _pages(caller, f"{await _run_report(caller, path, params)}/insights", {}, page_size):
        yield page


class _Run(msgspec.Struct):
    report_run_id: str = ""
    async_status: str = ""
    async_percent_completion: int = 0
    error_code: int = 0
    error_subcode: int = 0
    error_message: str = ""


_decode_run = msgspec.json.Decoder(_Run, strict=False).decode
RUNS_BEFORE_SPLITTING = 2
POLLS, PERCENT = 60, 100
FIRST_POLL_SECONDS, LONGEST_POLL_SECONDS = 1.0, 30.0


async def _run_report(caller: Caller, path: str, params: Mapping[str, str]) -> str:
    """Run an asynchronous report and return its id. Raises TooMuchData when Meta cannot finish it."""
    last = _Run()
    for _ in range(RUNS_BEFORE_SPLITTING):
        run_id = json.loads((await caller.post(path, params)).body)["report_run_id"]
        wait = FIRST_POLL_SECONDS
        for _ in range(POLLS):
            await caller.pause(wait)
            wait = min(wait * 2, LONGEST_POLL_SECONDS)
            last = _decode_run((await caller.get(f"{run_id}", {})).body)
            # "Job Running" at 100 % is seen: both must say it is done.
            if last.async_status == "Job Completed" and last.async_percent_completion == PERCENT:
                return str(run_id)
            if last.async_status in {"Job Failed", "Job Skipped"}:
                break
    raise TooMuchData(
        f"an asynchronous report ended as {last.async_status!r} "
        f"({last.error_code}/{last.error_subcode} {last.error_message}).",
        vendor=NAME,
        account=caller.account,
    )


BATCH_SIZE = 50


class _Header(msgspec.Struct):
    name: str = ""
    value: str = ""


class _BatchItem(msgspec.Struct):
    code: int = 0
    body: str = ""
    headers: list[_Header] = []


_decode_batch = msgspec.json.Decoder(list[_BatchItem | None]).decode


async def newer(caller: Caller, probes: Sequence[Probe]) -> Sequence[Probe]:
    """Which of the probes see something changed after their watermark.

    A batch saves round trips, not calls: each item counts against the budget, and is taken from ours. An account that
    cannot be asked does not silence the others, unless none can: that is raised.
    """
    found: list[Probe] = []
    failures: list[VendorError] = []
    probes = [probe for probe in probes if probe.stream.cursor]
    for start in range(0, len(probes), BATCH_SIZE):
        waiting = list(probes[start : start + BATCH_SIZE])
        while waiting:
            items = json.dumps([{"method": "GET", "relative_url": _probe_url(probe)} for probe in waiting])
            answers = _decode_batch((await caller.post("", {"batch": items}, cost=len(waiting))).body)
            answered = [(p, a) for p, a in zip(waiting, answers, strict=True) if a is not None]
            if not answered:
                raise Retryable("a batch came back with no item done.", vendor=NAME)
            for probe, answer in answered:
                try:
                    found += [probe] if await _has_news(caller, probe, answer) else []
                except VendorError as error:
                    failures.append(error)
            # Items Meta did not finish in time come back as null: ask again for just those.
            waiting = [p for p, a in zip(waiting, answers, strict=True) if a is None]
    if failures and (len(failures) == len(probes) or any(getattr(f, "scope", "") == "vendor" for f in failures)):
        raise failures[0]
    return found


async def _has_news(caller: Caller, probe: Probe, answer: _BatchItem) -> bool:
    headers = httpx.Headers([(header.name, header.value) for header in answer.headers])
    reply = Reply(answer.code, headers, answer.body.encode(), probe.account.id)
    await caller.learn(reply, "")
    return bool(msgspec.json.decode(_decode_envelope(reply.body).data))


def _probe_url(probe: Probe) -> str:
    since = Since(probe.watermark)
    query = {"fields": "id", "limit": "1", **_change_params(probe.stream, since)}
    return f"act_{probe.account.id}/{probe.stream.endpoint}?{urlencode(query)}"


# --------------------------------------------------------------------------- the connector

CONNECTOR = Connector(
    name=NAME,
    title="Meta Ads",
    streams=STREAMS,
    is_on=lambda settings: settings.meta_ads.is_configured,
    api=api,
    accounts=accounts,
    read=read,
    newer=newer,
    account_ids=lambda settings: settings.meta_ads.account_ids,
    initial_history_days=lambda settings: settings.meta_ads.initial_history_days,
    lookback_days=lambda settings: settings.meta_ads.lookback_days,
    landing=Landing(
        tables={
            "ad_accounts": "ad_account",
            "campaigns": "campaigns",
            "ad_sets": "ad_sets",
            "ads": "ads",
            "creatives": "ad_creatives",
            # Custom insights in Airbyte, with the level of each and the attribution windows above.
            "insights_campaign": "insights_campaign",
            "insights_ad_set": "insights_ad_set",
            "insights_ad": "ads_insights",
        },
        account=_account,
        account_column="account_id",
        accounts_in="ad_accounts",
    ),
    # 37 months in the account's zone, less a day of slack: one day more is error 3018.
    retention_days=1_123,
)

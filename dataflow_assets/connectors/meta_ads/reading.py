"""How Meta is asked: credentials and budgets, pages, reports, and the question whether anything is newer."""

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

from dataflow_assets.connectors.base import Account, Page, Probe, Since, Stream, Window
from dataflow_assets.connectors.meta_ads.answers import classify, decode_envelope, usage
from dataflow_assets.connectors.meta_ads.streams import ATTRIBUTION_WINDOWS, NAME
from dataflow_assets.resources.auth import bearer
from dataflow_assets.resources.budget import Limit
from dataflow_assets.resources.failures import Retryable, Scope, TooMuchData, VendorError
from dataflow_assets.resources.http import Caller, Reply, VendorApi
from dataflow_assets.settings import Settings
from dataflow_assets.windows import DayWindow


def api(settings: Settings) -> VendorApi:
    """The Marketing API with the configured token; `appsecret_proof` goes along when the app secret is known."""
    meta = settings.meta_ads
    token = meta.access_token.get_secret_value() if meta.access_token else ""
    secret = meta.app_secret.get_secret_value() if meta.app_secret else ""
    proof = hmac.new(secret.encode(), token.encode(), hashlib.sha256).hexdigest() if secret else ""

    def limits(account: str | None, path: str) -> dict[Scope, Limit]:
        del path
        app = f"{NAME}:{meta.app_id or 'app'}"
        # Rate and burst together are what an hour may hold. The burst is for all accounts of a sync at once.
        burst = max(1, meta.app_requests_per_hour // 10)
        steady = max(1, meta.app_requests_per_hour - burst)
        both: dict[Scope, Limit] = {"vendor": Limit(app, steady, seconds=3_600, burst=burst)}
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


async def accounts(caller: Caller, settings: Settings) -> Sequence[Account]:
    """Every ad account the token can see."""
    del settings
    found = []
    fields = {"fields": "account_id,name,currency,timezone_name"}
    async for page in _pages(caller, "me/adaccounts", fields, page_size=100):
        found += [account_of(row) for row in msgspec.json.decode(page.records)]
    return found


def account_of(row: Mapping[str, Any]) -> Account:
    """The account a record of `ad_accounts` is about."""
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
        envelope = decode_envelope(reply.body)
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
FIRST_POLL_SECONDS, LONGEST_POLL_SECONDS = 0.5, 30.0


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
    return bool(msgspec.json.decode(decode_envelope(reply.body).data))


def _probe_url(probe: Probe) -> str:
    since = Since(probe.watermark)
    query = {"fields": "id", "limit": "1", **_change_params(probe.stream, since)}
    return f"act_{probe.account.id}/{probe.stream.endpoint}?{urlencode(query)}"

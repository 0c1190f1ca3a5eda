"""The benchmark's API as a connector, declared like any vendor's, and not registered with them."""

from collections.abc import AsyncIterator, Sequence
from dataclasses import replace
from http import HTTPStatus
from typing import Any
from zoneinfo import ZoneInfo

import msgspec

from dataflow_assets.connectors.base import Account, Connector, Kind, Page, Probe, Stream, Window
from dataflow_assets.connectors.records import count, day, instant, nested, number, text
from dataflow_assets.resources.auth import bearer
from dataflow_assets.resources.budget import Limit
from dataflow_assets.resources.failures import Retryable, Scope, VendorError
from dataflow_assets.resources.http import Caller, Reply, VendorApi
from dataflow_assets.settings import Settings
from dataflow_assets.windows import ONE_DAY, DayWindow

ACCOUNT = Account("12345678901234567", "Benchmark", "EUR", ZoneInfo("UTC"))

CHANGES = Stream(
    name="ad_changes",
    description="Ads by day, listed by their time of change.",
    kind=Kind.ENTITY,
    columns=(
        text("ad_id", "Ad.", required=True),
        day("date", "Report day.", required=True),
        instant("updated_at", "When the row last changed.", required=True),
        text("account_id", "Account.", required=True),
        text("campaign_id", "Campaign.", required=True),
        text("campaign_name", "Name of the campaign."),
        count("impressions", "Impressions."),
        count("clicks", "Clicks."),
        number("spend", "Money spent.", required=True, ge=0),
        number("conversions", "Conversions."),
        number("conversion_value", "Value of the conversions."),
        text("currency", "Currency of the money.", required=True),
        nested("actions", "Actions, as listed."),
    ),
    key=("date", "ad_id"),
    endpoint="rows",
    cursor="updated_at",
)
DAYS = replace(CHANGES, name="ad_days", kind=Kind.REPORT, report_day="date", cursor=None, slice_days=7)


class _Answer(msgspec.Struct):
    rows: msgspec.Raw
    next: str | None = None


_decode = msgspec.json.Decoder(_Answer).decode


async def read(caller: Caller, account: Account, stream: Stream, window: Window) -> AsyncIterator[Page]:
    """Pages, oldest change first."""
    del account
    params: dict[str, Any] = {}
    if isinstance(window, DayWindow):
        params = {"first": f"{window.start}", "last": f"{window.end - ONE_DAY}"}
    else:
        params = {"since": window.cursor.isoformat()} if window.cursor else {}
        # The cursor is a place among the changes, which stay where they are.
        params |= {"cursor": window.resume_after} if window.resume_after else {}
    while True:
        answer = _decode((await caller.get(stream.endpoint, params)).body)
        yield Page(answer.rows, answer.next)
        if answer.next is None:
            return
        params["cursor"] = answer.next


def _classify(reply: Reply) -> VendorError | None:
    if reply.status == HTTPStatus.OK:
        return None
    return Retryable(f"answered {reply.status}", vendor="bench", account=reply.account)


async def _accounts(caller: Caller, settings: Settings) -> Sequence[Account]:
    del caller, settings
    return [ACCOUNT]


async def _newer(caller: Caller, probes: Sequence[Probe]) -> Sequence[Probe]:
    del caller
    return probes


def connector(url: str, name: str = "bench") -> Connector:
    """The connector of an API at an address. The budget is real, and wide enough not to be what is measured."""

    def limits(account: str | None, path: str) -> dict[Scope, Limit]:
        del path
        both: dict[Scope, Limit] = {"vendor": Limit(name, 1_000_000, 1.0, burst=1_000)}
        return both | {"account": Limit(f"{name}:{account}", 1_000_000, 1.0, burst=1_000)} if account else both

    def api(settings: Settings) -> VendorApi:
        del settings
        return VendorApi(
            name=name,
            base_url=url,
            auths=(bearer("token"),),
            classify=_classify,
            usage=lambda _reply: {},
            limits=limits,
        )

    return Connector(
        name=name,
        title="Benchmark",
        streams=(CHANGES, DAYS),
        api=api,
        accounts=_accounts,
        read=read,
        newer=_newer,
        account_ids=lambda _settings: (),
        initial_history_days=lambda _settings: 90,
        lookback_days=lambda _settings: 28,
        retention_days=100_000,
    )

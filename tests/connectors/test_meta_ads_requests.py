"""What the Meta connector sends, as it goes over the wire. Facts: `apis/meta_ads.md`, sections 1, 2 and 4."""

import asyncio
import json
import logging
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime, timedelta
from typing import Any
from urllib.parse import parse_qs

import httpx
import pytest
from hasty import HASTY

from dataflow_assets.connectors.base import Account, Probe, Since
from dataflow_assets.connectors.meta_ads import CONNECTOR, reading
from dataflow_assets.raw.session import open_client
from dataflow_assets.resources.failures import Fatal, Retryable, Throttled, VendorError
from dataflow_assets.resources.http import Caller
from dataflow_assets.resources.platform import Platform
from dataflow_assets.sandbox.testing import RunningSandbox, run_sandbox
from dataflow_assets.sandbox.world import WorldConfig
from dataflow_assets.settings import MetaAdsSettings
from dataflow_assets.windows import DayWindow

ACCOUNT = "920000000000011"
WEEK = DayWindow(date(2026, 5, 1), date(2026, 5, 8))


@dataclass
class Wire(httpx.AsyncBaseTransport):
    """Loopback HTTP that keeps what went over it."""

    sent: list[httpx.Request] = field(default_factory=list)
    below: httpx.AsyncBaseTransport = field(default_factory=lambda: httpx.AsyncHTTPTransport(verify=False))

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        await request.aread()
        self.sent.append(request)
        return await self.below.handle_async_request(request)

    async def aclose(self) -> None:
        await self.below.aclose()

    def parameters(self) -> list[dict[str, str]]:
        """Of each request: path, query and form in one."""
        found = []
        for request in self.sent:
            both = parse_qs(request.url.query.decode(), keep_blank_values=True) | parse_qs(
                request.content.decode(), keep_blank_values=True
            )
            found.append({"path": request.url.path.split("/v26.0/")[1], **{n: v[-1] for n, v in both.items()}})
        return found


def ask(platform: Platform, work: Callable[[Caller, list[Account]], Any], wire: Wire | None = None) -> Any:
    """The result of `work`, which gets a caller for the first account and all accounts."""
    kept = wire or Wire()

    async def go() -> Any:
        async with open_client(platform, CONNECTOR, clock=HASTY, transport=kept) as client:
            accounts = list(await CONNECTOR.accounts(client.caller(), platform.settings))
            kept.sent.clear()
            return await work(client.caller(accounts[0].id), accounts)

    return asyncio.run(go())


def read(stream_name: str, window: Any) -> Callable[[Caller, list[Account]], Any]:
    async def work(caller: Caller, accounts: list[Account]) -> list[Any]:
        stream = CONNECTOR.stream(stream_name)
        return [page async for page in CONNECTOR.read(caller, accounts[0], stream, window)]

    return work


def test_every_visible_account_is_found_with_its_currency_and_zone(platform: Platform, sandbox: RunningSandbox) -> None:
    async def work(_caller: Caller, accounts: list[Account]) -> list[Account]:
        return accounts

    found = [(one.id, one.name, one.currency, one.zone.key) for one in ask(platform, work)]
    truth = sandbox.truth("meta_ads", "ad_accounts")
    assert found == [(row["account_id"], row["name"], row["currency"], row["timezone_name"]) for row in truth]


@pytest.mark.parametrize(
    ("stream", "level", "deleted"),
    [
        ("insights_campaign", "campaign", None),
        ("insights_ad_set", "adset", "adset.effective_status"),
        ("insights_ad", "ad", "ad.effective_status"),
    ],
)
def test_figures_are_asked_for_by_day_with_both_ends_included(
    platform: Platform, stream: str, level: str, deleted: str | None
) -> None:
    wire = Wire()
    ask(platform, read(stream, WEEK), wire)
    (sent,) = wire.parameters()
    assert sent["path"] == f"act_{ACCOUNT}/insights"
    assert json.loads(sent["time_range"]) == {"since": "2026-05-01", "until": "2026-05-07"}
    assert (sent["level"], sent["time_increment"]) == (level, "1")
    assert json.loads(sent["action_attribution_windows"]) == ["1d_click", "7d_click", "28d_click", "1d_view"]
    assert set(sent["fields"].split(",")) == set(CONNECTOR.stream(stream).column_names)
    if deleted:
        (only,) = json.loads(sent["filtering"])
        assert (only["field"], only["operator"]) == (deleted, "IN")
        assert {"ACTIVE", "ARCHIVED", "DELETED", "PAUSED"} <= set(only["value"])
    else:
        assert "filtering" not in sent


@pytest.mark.parametrize(
    ("stream", "edge", "prefix"),
    [("campaigns", "campaigns", "campaign"), ("ad_sets", "adsets", "adset"), ("ads", "ads", "ad")],
)
def test_changes_are_asked_for_by_unix_time_and_archived_ones_are_named(
    platform: Platform, stream: str, edge: str, prefix: str
) -> None:
    wire = Wire()
    since = datetime(2026, 5, 1, 12, 0, 0, 900_000, tzinfo=UTC)
    ask(platform, read(stream, Since(since)), wire)
    ask_all = Wire()
    ask(platform, read(stream, Since(None)), ask_all)
    for parameters in (wire.parameters()[0], ask_all.parameters()[0]):
        assert parameters["path"] == f"act_{ACCOUNT}/{edge}"
        assert {"ACTIVE", "PAUSED", "ARCHIVED"} <= set(json.loads(parameters["effective_status"]))
    assert json.loads(wire.parameters()[0]["filtering"]) == [
        {"field": f"{prefix}.updated_time", "operator": "GREATER_THAN", "value": 1777636800}
    ]
    assert "filtering" not in ask_all.parameters()[0]


def test_an_inner_field_is_asked_for_inside_its_object(platform: Platform) -> None:
    wire = Wire()
    ask(platform, read("ads", Since(None)), wire)
    assert "creative{id}" in wire.parameters()[0]["fields"].split(",")
    assert "creative_id" not in wire.parameters()[0]["fields"]


def test_several_inner_fields_of_one_object_are_asked_for_together() -> None:
    ads = CONNECTOR.stream("ads")
    column = next(column for column in ads.columns if column.name == "creative_id")
    twice = replace(ads, columns=(column, ads.columns[0], replace(column, name="title", path="creative.title")))
    assert reading._requested_fields(twice) == ["creative{id,title}", "id"]


def test_pages_are_followed_by_cursor_and_never_by_metas_link_which_holds_the_token(platform: Platform) -> None:
    wire = Wire()

    async def work(caller: Caller, accounts: list[Account]) -> int:
        stream = replace(CONNECTOR.stream("insights_ad"), page_size=10)
        return len([page async for page in CONNECTOR.read(caller, accounts[0], stream, WEEK)])

    pages = ask(platform, work, wire)
    sent = wire.parameters()
    assert len(sent) == pages > 3
    assert "after" not in sent[0]
    assert len({one["after"] for one in sent[1:]}) == pages - 1
    assert {one["limit"] for one in sent} == {"10"}


def test_law_13_the_token_travels_in_a_header_and_is_in_no_url_form_or_log(
    platform: Platform, sandbox: RunningSandbox, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    sandbox.fault("reduce_500", endpoint="insights", times=1)  # so that a report run is sent too

    async def work(caller: Caller, accounts: list[Account]) -> None:
        for stream in CONNECTOR.streams:
            window = WEEK if stream.report_day else Since(datetime(2026, 5, 1, tzinfo=UTC) if stream.cursor else None)
            async for _ in CONNECTOR.read(caller, accounts[0], stream, window):
                pass
        campaigns = CONNECTOR.stream("campaigns")
        await CONNECTOR.newer(caller, [Probe(one, campaigns, datetime(2026, 1, 1, tzinfo=UTC)) for one in accounts])

    wire = Wire()
    ask(platform, work, wire)
    assert {request.method for request in wire.sent} == {"GET", "POST"}
    for request in wire.sent:
        assert request.headers["Authorization"] == "Bearer sandbox-token"
        assert "token" not in str(request.url)
        assert b"token" not in request.content
    proof = reading.api(platform.settings).params["appsecret_proof"]
    said = "\n".join(record.getMessage() for record in caplog.records)
    assert not [secret for secret in ("sandbox-token", "sandbox-app-secret", proof) if secret in said]


# ------------------------------------------------------------------ probes: is there anything newer?


def probes(accounts: list[Account], moment: datetime, stream: str = "campaigns") -> list[Probe]:
    return [Probe(account, CONNECTOR.stream(stream), moment) for account in accounts]


def newest(sandbox: RunningSandbox, account: Account, stream: str = "campaigns") -> datetime:
    rows = sandbox.truth("meta_ads", stream, account=account.id)
    return max(datetime.strptime(row["updated_time"], "%Y-%m-%dT%H:%M:%S%z") for row in rows)


def found(platform: Platform, wanted: Callable[[list[Account]], list[Probe]], wire: Wire | None = None) -> list[str]:
    """Ids of the accounts in which a probe found something."""

    async def work(caller: Caller, accounts: list[Account]) -> list[str]:
        # A batch is about no single account.
        about_all = caller.client.caller()
        return [probe.account.id for probe in await CONNECTOR.newer(about_all, wanted(accounts))]

    return list(ask(platform, work, wire))


def ids(sandbox: RunningSandbox) -> list[str]:
    return [row["account_id"] for row in sandbox.truth("meta_ads", "ad_accounts")]


def test_a_probe_finds_what_changed_after_its_watermark_and_nothing_else(
    platform: Platform, sandbox: RunningSandbox
) -> None:
    second = timedelta(seconds=1)

    def just_before(accounts: list[Account]) -> list[Probe]:
        return [probe for one in accounts for probe in probes([one], newest(sandbox, one) - second)]

    def at(accounts: list[Account]) -> list[Probe]:
        return [probe for one in accounts for probe in probes([one], newest(sandbox, one))]

    wire = Wire()
    assert found(platform, just_before, wire) == ids(sandbox)
    assert len(wire.sent) == 1
    assert found(platform, at) == []
    assert found(platform, lambda _: []) == []


def test_items_that_meta_did_not_finish_are_asked_for_again(platform: Platform, sandbox: RunningSandbox) -> None:
    sandbox.fault("batch_null_items", times=1)
    wire = Wire()
    everything = datetime(2025, 1, 1, tzinfo=UTC)
    assert sorted(found(platform, lambda accounts: probes(accounts, everything), wire)) == sorted(ids(sandbox))
    first, second = (json.loads(sent["batch"]) for sent in wire.parameters())
    assert len(first) == 3
    assert second == [first[1]]


def test_law_9_an_account_without_access_does_not_silence_the_others(
    platform: Platform, sandbox: RunningSandbox
) -> None:
    revoked, *others = ids(sandbox)
    sandbox.fault("revoked_account", account=revoked, endpoint="campaigns")
    everything = datetime(2025, 1, 1, tzinfo=UTC)
    assert found(platform, lambda accounts: probes(accounts, everything)) == others


@pytest.mark.parametrize(
    ("fault", "kind"),
    [("expired_token", Fatal), ("throttle_80004", Throttled), ("transient_2", Retryable)],
)
def test_a_probe_that_fails_for_another_reason_is_an_error_of_its_kind(
    platform: Platform, sandbox: RunningSandbox, fault: str, kind: type[VendorError]
) -> None:
    sandbox.fault(fault, endpoint="campaigns", seconds=600)
    with pytest.raises(kind):
        found(platform, lambda accounts: probes(accounts, datetime(2025, 1, 1, tzinfo=UTC)))


def test_more_probes_than_a_batch_holds_go_in_several(make_platform: Callable[..., Platform]) -> None:
    config = WorldConfig(meta_accounts=60, campaigns_per_account=1, ad_sets_per_campaign=1, ads_per_ad_set=1, days=20)
    with run_sandbox(config) as sandbox:
        wire = Wire()
        everything = datetime(2025, 1, 1, tzinfo=UTC)
        platform = make_platform(sandbox.url, meta_ads=MetaAdsSettings(app_requests_per_hour=10**7))
        assert sorted(found(platform, lambda accounts: probes(accounts, everything), wire)) == sorted(ids(sandbox))
        assert [len(json.loads(sent["batch"])) for sent in wire.parameters()] == [50, 10]

"""The checks of raw tables, on rows that a real sync has landed and that the tests then spoil by SQL."""

import asyncio
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, date, datetime

import dagster as dg
import pytest
from installation import Installation, database, installation

from dataflow_assets.checks.raw_checks import CONTRACT, VOLUME, build_raw_checks
from dataflow_assets.connectors import all_connectors, connector
from dataflow_assets.connectors.base import Kind
from dataflow_assets.embedded import Endpoints
from dataflow_assets.partitions import range_tags
from dataflow_assets.raw.factory import asset_key, build_raw_assets
from dataflow_assets.raw.session import ensure_schema, open_sync
from dataflow_assets.resources.dagster import PlatformResource
from dataflow_assets.resources.platform import Platform
from dataflow_assets.sandbox.testing import run_sandbox
from dataflow_assets.sandbox.world import WorldConfig
from dataflow_assets.windows import DayWindow

META = connector("meta_ads")
NOON = datetime(2026, 5, 20, 12, tzinfo=UTC)
WORLD = WorldConfig(meta_accounts=2, campaigns_per_account=2, ad_sets_per_campaign=1, ads_per_ad_set=1)
WINDOW = DayWindow(date(2026, 5, 1), date(2026, 5, 20))
LAST = "2026-05-19"
REPORT, ENTITY = "insights_campaign", "campaigns"


async def land(platform: Platform) -> None:
    async with open_sync(platform, META) as sync:
        for stream in META.streams:
            report = await sync.run(stream, WINDOW if stream.kind is Kind.REPORT else None)
            assert not report.failed


@pytest.fixture(scope="module")
def good(servers: Endpoints, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Installation]:
    """Two accounts and 19 days as the sandbox tells them. Nobody changes it: each test spoils a copy."""
    folder = tmp_path_factory.mktemp("checks")
    with run_sandbox(WORLD, now=NOON) as sandbox, installation(servers, folder, sandbox) as installed:
        with installed.here() as platform:
            ensure_schema(platform)
            asyncio.run(land(platform))
        yield installed


@pytest.fixture
def landed(good: Installation, servers: Endpoints) -> Iterator[Installation]:
    with database(servers.database_url, copy_of=good.database_url) as url:
        yield replace(good, database_url=url)


@pytest.fixture
def account(landed: Installation) -> str:
    first: str = landed.value("select min(account_id) from raw_meta_ads.ad_accounts")
    return first


@pytest.fixture(scope="module")
def defs() -> dg.Definitions:
    jobs = [
        dg.define_asset_job(stream.name, selection=dg.AssetSelection.checks_for_assets(asset_key(META, stream)))
        for stream in META.streams
    ]
    return dg.Definitions(
        assets=build_raw_assets(all_connectors()),
        asset_checks=build_raw_checks(all_connectors()),
        jobs=jobs,
        resources={"platform": PlatformResource()},
    )


Results = dict[str, dg.AssetCheckEvaluation]


def evaluate(defs: dg.Definitions, landed: Installation, stream: str, window: DayWindow | None = None) -> Results:
    """Both checks of a stream, through Dagster, without reading it anew."""
    with landed.here(), dg.DagsterInstance.ephemeral() as instance:
        result = defs.resolve_job_def(stream).execute_in_process(
            instance=instance, tags=range_tags(window) if window else None
        )
    assert result.success
    return {evaluation.check_name: evaluation for evaluation in result.get_asset_check_evaluations()}


@pytest.mark.parametrize("stream", [stream.name for stream in META.streams])
def test_rows_as_the_vendor_sent_them_pass_both_checks(defs: dg.Definitions, good: Installation, stream: str) -> None:
    found = evaluate(defs, good, stream, WINDOW if stream.startswith("insights") else None)
    assert found.keys() == {CONTRACT, VOLUME}
    for check in found.values():
        assert check.passed, check.description
        assert check.metadata["rows"].value == good.value(f"select count(*) from raw_meta_ads.{stream}") > 0


def contract_says(defs: dg.Definitions, landed: Installation, stream: str, window: DayWindow | None = None) -> str:
    found = evaluate(defs, landed, stream, window)[CONTRACT]
    assert not found.passed
    assert found.severity == dg.AssetCheckSeverity.ERROR
    assert found.description
    return found.description


@pytest.mark.parametrize(
    ("stream", "spoil", "words"),
    [
        (REPORT, "impressions = -3", ["impressions: greater_than_or_equal_to(0)", "-3"]),
        (REPORT, "spend = -0.01", ["spend: greater_than_or_equal_to(0)", "-0.01"]),
        (REPORT, "account_currency = ''", ["account_currency: str_length"]),
        (ENTITY, "id = ''", ["id: str_length"]),
    ],
)
def test_law_6_a_broken_row_is_named_by_column_check_and_value(
    defs: dg.Definitions, landed: Installation, stream: str, spoil: str, words: list[str]
) -> None:
    table = f"raw_meta_ads.{stream}"
    landed.rows(f"update {table} set {spoil} where ctid = (select max(ctid) from {table})")
    said = contract_says(defs, landed, stream)
    for word in words:
        assert word in said


def test_a_missing_required_value_is_named(defs: dg.Definitions, landed: Installation) -> None:
    # The table itself refuses it, unless a person has altered the table.
    landed.rows("alter table raw_meta_ads.ads alter column campaign_id drop not null")
    landed.rows("update raw_meta_ads.ads set campaign_id = null where id = (select min(id) from raw_meta_ads.ads)")
    assert "campaign_id: not_nullable" in contract_says(defs, landed, "ads")


def test_every_frame_of_a_large_table_is_looked_at(
    defs: dg.Definitions, landed: Installation, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("dataflow_assets.checks.contracts.ROWS_PER_FRAME", 7)
    table = f"raw_meta_ads.{REPORT}"
    landed.rows(f"update {table} set impressions = -3 where ctid = (select max(ctid) from {table})")
    found = evaluate(defs, landed, REPORT)[CONTRACT]
    assert not found.passed
    assert "impressions" in (found.description or "")
    assert found.metadata["rows"].value == landed.value(f"select count(*) from {table}") > 7


def test_a_doubled_row_is_named(defs: dg.Definitions, landed: Installation) -> None:
    landed.rows("alter table raw_meta_ads.campaigns drop constraint campaigns_pkey")
    landed.rows("insert into raw_meta_ads.campaigns select * from raw_meta_ads.campaigns limit 1")
    assert "multiple_fields_uniqueness" in contract_says(defs, landed, ENTITY)


def test_the_contract_of_a_window_looks_at_its_days_only(defs: dg.Definitions, landed: Installation) -> None:
    landed.rows(f"update raw_meta_ads.{REPORT} set impressions = -1 where date_start = '{LAST}'")
    before = DayWindow(WINDOW.start, date.fromisoformat(LAST))
    found = evaluate(defs, landed, REPORT, before)[CONTRACT]
    assert found.passed
    assert found.metadata["window"].value == str(before)
    assert "impressions" in contract_says(defs, landed, REPORT, WINDOW)


def test_law_6_an_open_quarantined_record_fails_the_contract_until_it_is_replayed(
    defs: dg.Definitions, landed: Installation, account: str
) -> None:
    landed.rows(
        """
        insert into dataflow.quarantine (connector, account_id, stream, sync_id, reason, payload)
        values ('meta_ads', %s, 'campaigns', gen_random_uuid(), 'id: missing', '{}')
        """,
        account,
    )
    assert contract_says(defs, landed, ENTITY) == "1 records are in quarantine"
    assert evaluate(defs, landed, "ads")[CONTRACT].passed, "another stream's records are not this one's"
    landed.rows("update dataflow.quarantine set replayed_at = now()")
    assert evaluate(defs, landed, ENTITY)[CONTRACT].passed


# --------------------------------------------------------------------------- row_count


def silence(landed: Installation, account: str, after: str) -> None:
    landed.rows(f"delete from raw_meta_ads.{REPORT} where account_id = %s and date_start > %s", account, after)


def test_law_6_an_account_that_goes_silent_is_named(defs: dg.Definitions, landed: Installation, account: str) -> None:
    silence(landed, account, "2026-05-15")
    found = evaluate(defs, landed, REPORT)[VOLUME]
    assert not found.passed
    expected = f"account {account} has no rows after 2026-05-15, though days up to {LAST} were read"
    assert found.description == expected
    assert not evaluate(defs, landed, REPORT, WINDOW)[VOLUME].passed


def test_a_single_missing_day_may_still_come(defs: dg.Definitions, landed: Installation, account: str) -> None:
    silence(landed, account, "2026-05-18")
    assert evaluate(defs, landed, REPORT)[VOLUME].passed


def test_silence_beyond_the_window_of_a_run_is_not_its_matter(
    defs: dg.Definitions, landed: Installation, account: str
) -> None:
    # A backfill of early days must not fail for what happened later.
    silence(landed, account, "2026-05-15")
    assert evaluate(defs, landed, REPORT, DayWindow(date(2026, 5, 1), date(2026, 5, 14)))[VOLUME].passed


def test_an_account_with_less_than_a_week_of_rows_has_no_usual_yet(
    defs: dg.Definitions, landed: Installation, account: str
) -> None:
    landed.rows(f"delete from raw_meta_ads.{REPORT} where account_id = %s and date_start < '2026-05-10'", account)
    silence(landed, account, "2026-05-15")
    assert evaluate(defs, landed, REPORT)[VOLUME].passed


def test_an_account_with_a_week_of_rows_has(defs: dg.Definitions, landed: Installation, account: str) -> None:
    landed.rows(f"delete from raw_meta_ads.{REPORT} where account_id = %s and date_start < '2026-05-09'", account)
    silence(landed, account, "2026-05-15")
    assert not evaluate(defs, landed, REPORT)[VOLUME].passed


def test_days_that_were_only_tried_do_not_count_as_read(
    defs: dg.Definitions, landed: Installation, account: str
) -> None:
    silence(landed, account, "2026-05-15")
    landed.rows(
        "update dataflow.sync_ledger set outcome = 'failed' where account_id = %s and stream = %s", account, REPORT
    )
    assert evaluate(defs, landed, REPORT)[VOLUME].passed

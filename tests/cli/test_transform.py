"""`dataflow transform`: what lies in the raw tables becomes facts, whoever landed it, and facts can be rebuilt."""

import io
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import date

import pytest
from dataflow_command import Answer, Dataflow
from installation import Installation, installation

from dataflow_assets.embedded import Endpoints, status
from dataflow_assets.raw.session import ensure_schema
from dataflow_assets.sandbox.testing import RunningSandbox

LANDED = """
    insert into raw_meta_ads.insights_campaign (
        account_id, _account_id, account_currency, campaign_id, campaign_name, date_start, impressions, spend, _sync_id,
        _synced_at
    )
    select 'a', 'a', 'EUR', 'c', 'Landed by somebody else', day, 100, %s, gen_random_uuid(), now()
    from generate_series(date '2026-05-01', date '2026-05-03', interval '1 day') as days (day)
"""
ACCOUNT = """
    insert into raw_meta_ads.ad_accounts (
        id, account_id, _account_id, name, currency, timezone_name, account_status, _sync_id, _synced_at
    ) values ('act_a', 'a', 'a', 'Theirs', 'EUR', 'Europe/Berlin', 1, gen_random_uuid(), now())
"""
SPEND = "select date_day, spend from marts.fct_campaign_performance order by date_day"
METRICS = "select day, spend from metrics.daily_campaign_metrics order by day"
FACT = "fct_campaign_performance"
FIRST, SECOND, THIRD = date(2026, 5, 1), date(2026, 5, 2), date(2026, 5, 3)


def the_whole_pipeline(test: Callable[..., None]) -> Callable[..., None]:
    """Commands that run all of dbt take minutes on a busy machine."""
    return pytest.mark.long(pytest.mark.timeout(900)(test))


@dataclass(frozen=True)
class Transformed:
    """An installation without a sandbox, and how the first transform there ended."""

    installed: Installation
    answer: Answer

    def amounts(self, query: str) -> dict[date, int]:
        return {next(iter(row.values())): int(row["spend"]) for row in self.installed.rows(query)}


class WithoutSandbox(Installation):
    """An installation that is told of no sandbox: a private one would be started if anything asked for it."""

    @property
    def variables(self) -> dict[str, str]:
        return {name: value for name, value in super().variables.items() if name != "DATAFLOW_SANDBOX__URL"}


@pytest.fixture(scope="module")
def transformed(
    servers: Endpoints, tmp_path_factory: pytest.TempPathFactory, world: RunningSandbox
) -> Iterator[Transformed]:
    """Three days landed by somebody else, of which two are transformed."""
    with installation(servers, tmp_path_factory.mktemp("transformed"), world) as installed:
        with installed.here() as platform:
            ensure_schema(platform)
        installed.rows(ACCOUNT)
        installed.rows(LANDED, "10")
        alone = WithoutSandbox(**vars(installed))
        answer = Dataflow(alone)("transform", "--from", f"{FIRST}", "--to", f"{SECOND}", "--json")
        yield Transformed(alone, answer)


@the_whole_pipeline
def test_the_days_asked_for_become_facts_and_aggregates(transformed: Transformed) -> None:
    assert transformed.answer.code == 0, transformed.answer
    assert transformed.answer.json["failures"] == transformed.answer.json["checks_failed"] == []
    assert transformed.amounts(SPEND) == transformed.amounts(METRICS) == {FIRST: 10, SECOND: 10}


@the_whole_pipeline
def test_no_sandbox_is_started(transformed: Transformed) -> None:
    assert status(transformed.installed.state_dir) is None
    assert not (transformed.installed.state_dir / "sandbox.json").exists()


@the_whole_pipeline
def test_without_a_range_the_days_that_wait_are_carried(transformed: Transformed) -> None:
    transformed.installed.rows("update raw_meta_ads.insights_campaign set spend = 20")
    transformed.installed.rows(
        "insert into dataflow.touched_days (layer, connector, account_id, stream, day, sync_id) "
        "values ('raw', 'meta_ads', 'a', 'insights_campaign', %s, gen_random_uuid())",
        THIRD,
    )
    answer = Dataflow(transformed.installed)("transform")
    assert answer.code == 0, answer
    assert "done in" in answer.out
    assert transformed.amounts(SPEND) == transformed.amounts(METRICS) == {FIRST: 10, SECOND: 10, THIRD: 20}


@the_whole_pipeline
def test_a_fact_is_rebuilt_with_what_is_made_from_it_once_its_name_is_typed(
    transformed: Transformed, monkeypatch: pytest.MonkeyPatch
) -> None:
    transformed.installed.rows("update raw_meta_ads.insights_campaign set spend = 30")
    table = "select oid from pg_class where oid = 'marts.fct_ad_performance_daily'::regclass"
    before = transformed.installed.value(table)
    command = ("transform", "--rebuild", "fct_ad_performance_daily")
    monkeypatch.setattr(sys, "stdin", io.StringIO("yes\n"))
    refused = Dataflow(transformed.installed)(*command)
    assert (refused.code, refused.out) == (2, "")
    assert "for 3 days, 2026-05-01...2026-05-03, from what the raw tables hold now" in refused.err
    assert "Nothing was changed." in refused.err
    assert transformed.amounts(SPEND)[THIRD] == 20

    monkeypatch.setattr(sys, "stdin", io.StringIO("fct_ad_performance_daily\n"))
    answer = Dataflow(transformed.installed)(*command, "--json")
    assert answer.code == 0, answer
    assert [run["success"] for run in answer.json["runs"]] == [True, True]
    assert transformed.amounts(SPEND) == transformed.amounts(METRICS) == {FIRST: 30, SECOND: 30, THIRD: 30}
    assert transformed.installed.value(table) == before


@pytest.mark.parametrize(
    ("args", "words"),
    [
        (("--from", "2026-05-01"), "--from and --to go together"),
        (("--from", "2026-05-03", "--to", "2026-05-01"), "--from 2026-05-03 lies after --to 2026-05-01."),
        (("--rebuild", "dim_campaign", "--yes"), "'dim_campaign' is no fact that is built by day. There are: fct_"),
        (("--rebuild", FACT, "--yes", "--to", "2999-01-01"), "2999-01-01 is in the future"),
    ],
)
def test_what_makes_no_sense_is_refused(dataflow: Dataflow, args: tuple[str, ...], words: str) -> None:
    answer = dataflow("transform", *args)
    assert (answer.code, answer.out) == (2, "")
    assert words in answer.err

"""What the files in `sql/aggregates` may say, and the order in which they are made."""

import re
from pathlib import Path

import pytest

from dataflow_assets.aggregates import registry
from dataflow_assets.aggregates.registry import Aggregate, all_aggregates

FILE = """\
-- Clicks per day.
-- source: {source}
-- source_day: date_day
-- bucket: day
-- key: day, platform
select time_bucket('1 day', date_day) as day, platform, sum(clicks) as clicks
from {source}
group by 1, 2
"""


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(registry, "DIRECTORY", tmp_path)
    return tmp_path


def read() -> tuple[Aggregate, ...]:
    """The registry without its cache."""
    return all_aggregates.__wrapped__()


def write(folder: Path, name: str, source: str = "marts.facts", text: str = FILE) -> None:
    (folder / f"{name}.sql").write_text(text.format(source=source))


def test_a_file_is_read_with_its_header(folder: Path) -> None:
    write(folder, "daily_clicks")
    (aggregate,) = read()
    assert (aggregate.name, aggregate.relation) == ("daily_clicks", "metrics.daily_clicks")
    assert aggregate.description == "Clicks per day."
    assert (aggregate.source, aggregate.source_day, aggregate.bucket) == ("marts.facts", "date_day", "day")
    assert aggregate.key == ("day", "platform")
    assert aggregate.parent is None
    assert "--" not in aggregate.select


@pytest.mark.parametrize("part", ["source", "source_day", "bucket", "key"])
def test_a_header_that_lacks_something_is_refused_by_name(folder: Path, part: str) -> None:
    lines = [line for line in FILE.splitlines() if not line.startswith(f"-- {part}:")]
    write(folder, "daily_clicks", text="\n".join(lines))
    with pytest.raises(ValueError, match=rf"^daily_clicks\.sql: its header lacks {part}\.$"):
        read()


def test_a_header_that_lacks_everything_names_everything(folder: Path) -> None:
    write(folder, "daily_clicks", text="-- Clicks.\nselect 1")
    with pytest.raises(ValueError, match=r"lacks bucket, key, source, source_day"):
        read()


def test_parents_come_before_children_whatever_their_names(folder: Path) -> None:
    write(folder, "a_grandchild", source="metrics.b_child")
    write(folder, "b_child", source="metrics.c_parent")
    write(folder, "c_parent")
    assert [aggregate.name for aggregate in read()] == ["c_parent", "b_child", "a_grandchild"]


def test_a_parent_that_is_missing_is_refused(folder: Path) -> None:
    write(folder, "child", source="metrics.nobody")
    with pytest.raises(ValueError, match=r"feed each other or a missing one: child"):
        read()


def test_aggregates_that_feed_each_other_are_refused(folder: Path) -> None:
    write(folder, "one", source="metrics.two")
    write(folder, "two", source="metrics.one")
    write(folder, "fine")
    with pytest.raises(ValueError, match=r"feed each other or a missing one: one, two"):
        read()


def test_a_select_that_does_not_read_its_source_is_refused(folder: Path) -> None:
    write(folder, "daily_clicks", text=FILE.replace("from {source}", "from marts.something_else"))
    (aggregate,) = read()
    with pytest.raises(ValueError, match=r"daily_clicks: its select does not read 'from marts\.facts'"):
        aggregate.select_of("(select 1)")


def test_the_source_is_replaced_as_a_whole_name(folder: Path) -> None:
    write(folder, "daily_clicks", text=FILE + "having count(*) > (select count(*) from {source}_of_old)\n")
    (aggregate,) = read()
    changed = aggregate.select_of("(select * from marts.facts) as source")
    assert "from marts.facts_of_old" in changed
    assert changed.count("(select * from marts.facts) as source") == 1


def test_the_hash_follows_the_definition_and_the_engine_not_the_comment(folder: Path) -> None:
    write(folder, "daily_clicks")
    (before,) = read()
    write(folder, "daily_clicks", text=FILE.replace("Clicks per day", "Clicks on each day"))
    (reworded,) = read()
    write(folder, "daily_clicks", text=FILE.replace("sum(clicks)", "sum(clicks_all)"))
    (changed,) = read()
    assert before.definition_hash("plain") == reworded.definition_hash("plain")
    assert before.definition_hash("plain") != changed.definition_hash("plain")
    assert before.definition_hash("plain") != before.definition_hash("timescale")


@pytest.mark.parametrize("aggregate", all_aggregates(), ids=lambda aggregate: aggregate.name)
def test_law_10_aggregates_hold_sums_by_currency(aggregate: Aggregate) -> None:
    assert "currency" in aggregate.key
    assert aggregate.key[0] == aggregate.bucket
    used = set(re.findall(r"(\w+)\(", aggregate.select)) - {"time_bucket"}
    assert used <= {"sum", "count"}, f"{aggregate.name} uses {used}"


# --------------------------------------------------------------------------- roll-ups and ratios


def rolled_up(folder: Path, header: str, name: str = "daily_click_metrics") -> tuple[Aggregate, ...]:
    write(folder, name, text=FILE.replace("select", f"{header}\nselect", 1))
    return read()


def test_roll_ups_are_sums_of_the_days_with_the_types_they_have(folder: Path) -> None:
    text = FILE.replace(
        "sum(clicks) as clicks", "sum(clicks)::bigint as clicks,\n    sum(spend) as spend,\n    count(*) as n"
    )
    text = text.replace("platform, sum", "platform,\n    sum").replace("select", "-- rollups: week, month\nselect", 1)
    write(folder, "daily_click_metrics", text=text)
    daily, week, month = read()
    assert (week.name, month.name) == ("weekly_click_metrics", "monthly_click_metrics")
    assert (week.parent, week.bucket, week.source_day) == (daily.name, "week", "day")
    assert week.key == ("week", "platform")
    assert week.select.split("\n") == [
        "select",
        "    time_bucket('7 days', day) as week,",
        "    platform,",
        "    sum(clicks)::bigint as clicks,",
        "    sum(spend) as spend,",
        "    sum(n)::bigint as n",
        "from metrics.daily_click_metrics",
        "group by 1, 2",
    ]
    assert "time_bucket('1 month', day) as month" in month.select


@pytest.mark.parametrize("header", ["-- rollups: year", "-- rollups: week, hour"])
def test_a_bucket_that_is_not_known_is_refused(folder: Path, header: str) -> None:
    with pytest.raises(ValueError, match=r"^daily_click_metrics\.sql: a bucket is one of day, week, month"):
        rolled_up(folder, header)


def test_roll_ups_of_what_is_not_by_day_are_refused(folder: Path) -> None:
    with pytest.raises(ValueError, match="roll-ups are made of an aggregate by day that is called daily_"):
        rolled_up(folder, "-- rollups: month", name="clicks")


def test_a_ratio_goes_to_the_roll_ups_too(folder: Path) -> None:
    daily, week = rolled_up(folder, "-- rollups: week\n-- ratio share: clicks * 100 / (clicks + views)")
    assert (daily.ratios_relation, week.ratios_relation) == (
        "metrics.daily_click_ratios",
        "metrics.weekly_click_ratios",
    )
    assert week.ratios_select == (
        "select\n    *,\n    (case when (clicks + views) = 0 then 0 else clicks * 100 / (clicks + views)::numeric end)"
        "::numeric(38, 6) as share\nfrom metrics.weekly_click_metrics"
    )


@pytest.mark.parametrize("ratio", ["clicks", "clicks / views / 2 + 1", "clicks / sum(views) + 1"])
def test_a_ratio_that_cannot_be_read_is_refused(folder: Path, ratio: str) -> None:
    with pytest.raises(ValueError, match=r"a ratio is written 'ratio name: dividend / divisor'"):
        rolled_up(folder, f"-- ratio share: {ratio}")


def test_every_family_is_there_by_day_week_and_month() -> None:
    names = {aggregate.name for aggregate in all_aggregates()}
    families = ("campaign", "channel", "platform", "conversion", "revenue", "pipeline")
    assert names == {f"{p}_{f}_metrics" for p in ("daily", "weekly", "monthly") for f in families}


@pytest.mark.parametrize("aggregate", all_aggregates(), ids=lambda aggregate: aggregate.name)
def test_law_11_only_days_stand_on_facts_and_nothing_is_joined(aggregate: Aggregate) -> None:
    # A name or a rate that is joined in would stay as it was; a week of a fact would reach before a retention horizon.
    assert (aggregate.parent is None) <= (aggregate.bucket == "day")
    assert " join " not in aggregate.select
    assert aggregate.select.count("from ") == 1
    assert "_home" not in aggregate.select

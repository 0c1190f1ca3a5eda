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
    assert aggregate.key[0] == "day"
    used = set(re.findall(r"(\w+)\(", aggregate.select)) - {"time_bucket"}
    assert used <= {"sum", "count"}, f"{aggregate.name} uses {used}"

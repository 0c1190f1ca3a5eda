"""Every aggregate there is: one SQL file a family in `sql/aggregates/`, whose header says what feeds it.

A header may name roll-ups, ratios and an index, all of which the roll-ups have too. `rollups: week, month` makes
weekly_ and monthly_ aggregates, each the sums of the daily one. `ratio NAME: DIVIDEND / DIVISOR` makes a column of a
view on top. `index: COLUMNS` serves those who ask for one thing over a long time, before the bucket. `trailing: DAYS`
makes a table of the sums over the last so many days, for what is asked more often than it changes.
"""

import hashlib
import re
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Protocol

from dataflow_assets.aggregates.buckets import WIDTHS
from dataflow_assets.settings import PROJECT_ROOT

SCHEMA = "metrics"
DIRECTORY = PROJECT_ROOT / "sql" / "aggregates"
_NEEDED = ("bucket", "key", "source", "source_day")
_HEADER = re.compile(r"^-- (?P<name>source|source_day|bucket|key|rollups|index|trailing): (?P<value>.+)$", re.MULTILINE)
_RATIO = re.compile(r"^-- ratio (?P<name>\w+): (?P<dividend>.+) / (?P<divisor>\w+|\([^()]+\))$", re.MULTILINE)
_SUM = re.compile(r"^ +(?P<what>(?:sum|count)\(.+) as (?P<name>\w+),?$", re.MULTILINE)
_PREFIXES = {"day": "daily_", "week": "weekly_", "month": "monthly_"}
_SUFFIX = "_metrics"


@dataclass(frozen=True)
class Ratio:
    """A ratio of sums. 0 where the divisor is 0, as dbt's macro `ratio` has it; unknown where a sum is unknown."""

    name: str
    dividend: str
    divisor: str

    @property
    def expression(self) -> str:
        """As SQL over the columns of the aggregate."""
        value = f"{self.dividend} / {self.divisor}::numeric"
        return f"(case when {self.divisor} = 0 then 0 else {value} end)::numeric(38, 6)"


class Kept(Protocol):
    """What an aggregate of any kind tells of itself: a relation by bucket, made of a source by day."""

    @property
    def name(self) -> str:
        """Its name."""

    @property
    def relation(self) -> str:
        """The same with its schema."""

    @property
    def source(self) -> str:
        """What it is made of, as schema.table."""

    @property
    def source_day(self) -> str:
        """Column of the source with the day."""

    @property
    def bucket(self) -> str:
        """Its column with a day that names a bucket."""


@dataclass(frozen=True, kw_only=True)
class Aggregate:
    """One aggregate. `bucket` (day, week or month) is the name of the column with the bucket's first day too.

    `select` uses time_bucket and groups by `key`; `source` is "schema.table".
    """

    name: str
    description: str
    source: str
    source_day: str
    bucket: str
    key: tuple[str, ...]
    select: str
    ratios: tuple[Ratio, ...] = ()
    index: tuple[str, ...] = ()
    trailing: tuple[int, ...] = ()  # of an aggregate by day

    @property
    def relation(self) -> str:
        """Qualified name of the aggregate."""
        return f"{SCHEMA}.{self.name}"

    @property
    def family(self) -> str:
        """What it has in common with its roll-ups, or what they are made of: `campaign` of daily_campaign_metrics."""
        return self.name.removeprefix(_PREFIXES[self.bucket]).removesuffix(_SUFFIX)

    @property
    def ratios_relation(self) -> str | None:
        """Qualified name of the view with its ratios; None when it has none."""
        return f"{SCHEMA}.{self.name.removesuffix(_SUFFIX)}_ratios" if self.ratios else None

    @property
    def ratios_select(self) -> str:
        """What the view with the ratios selects: every column of the aggregate, and them."""
        return self.with_ratios(self.relation)

    def with_ratios(self, relation: str) -> str:
        """Selects from a relation with the same sums every column of it, and their ratios."""
        columns = [f"    {ratio.expression} as {ratio.name}" for ratio in self.ratios]
        return ",\n".join(["select\n    *", *columns]) + f"\nfrom {relation}"

    @property
    def parent(self) -> str | None:
        """Name of the aggregate this one is made from, if it is."""
        schema, name = self.source.split(".")
        return name if schema == SCHEMA else None

    def select_of(self, source: str) -> str:
        """The definition with another relation, or a parenthesised query, in the source's place."""
        changed = re.sub(rf"\bfrom {re.escape(self.source)}\b", lambda _: f"from {source}", self.select)
        if changed == self.select and source != self.source:
            raise ValueError(f"{self.name}: its select does not read 'from {self.source}', as its header says.")
        return changed

    def definition_hash(self, backend: str) -> str:
        """Changes when the aggregate must be made anew."""
        return _hash("\n".join([backend, self.select, *self.index]))

    @property
    def index_statement(self) -> str | None:
        """Makes the index of one thing over a long time; None where there is none."""
        if not self.index:
            return None
        return f"create index {self.name}_things on {self.relation} ({', '.join([*self.index, self.bucket])})"

    @property
    def ratios_hash(self) -> str | None:
        """Changes when the view with the ratios must be made anew, which costs nothing."""
        return _hash(self.ratios_select) if self.ratios else None


@cache
def all_aggregates() -> tuple[Aggregate, ...]:
    """Every aggregate, parents before children."""
    found = {a.name: a for path in sorted(DIRECTORY.glob("*.sql")) for a in _parse(path)}
    ordered: list[Aggregate] = []
    while found:
        ready = [a for a in found.values() if a.parent is None or a.parent in {o.name for o in ordered}]
        if not ready:
            raise ValueError(f"Aggregates that feed each other or a missing one: {', '.join(found)}")
        ordered += ready
        for aggregate in ready:
            del found[aggregate.name]
    return tuple(ordered)


def _parse(path: Path) -> list[Aggregate]:
    text = path.read_text("utf-8")
    header = {match["name"]: match["value"].strip() for match in _HEADER.finditer(text)}
    missing = set(_NEEDED) - header.keys()
    if missing:
        raise ValueError(f"{path.name}: its header lacks {', '.join(sorted(missing))}.")
    key = _names(header["key"])
    rollups = _names(header.get("rollups", ""))
    unknown = {header["bucket"], *rollups} - WIDTHS.keys()
    if unknown or key[0] != header["bucket"]:
        raise ValueError(f"{path.name}: a bucket is one of {', '.join(WIDTHS)}, and its name begins the key.")
    ratios = tuple(Ratio(m["name"], m["dividend"], m["divisor"]) for m in _RATIO.finditer(text))
    if len(ratios) != text.count("-- ratio "):
        raise ValueError(f"{path.name}: a ratio is written 'ratio name: dividend / divisor'.")
    base = Aggregate(
        name=path.stem,
        description=text.splitlines()[0].removeprefix("-- "),
        source=header["source"],
        source_day=header["source_day"],
        bucket=header["bucket"],
        key=key,
        select="\n".join(line for line in text.splitlines() if not line.startswith("--")),
        ratios=ratios,
        index=_names(header.get("index", "")),
        trailing=tuple(int(days) for days in _names(header.get("trailing", ""))),
    )
    return [base, *(_rollup(base, bucket) for bucket in rollups)]


def _rollup(daily: Aggregate, bucket: str) -> Aggregate:
    if daily.bucket != "day" or not daily.name.startswith(_PREFIXES["day"]):
        # A week can be in two months: only days add up to both.
        raise ValueError(f"{daily.name}: roll-ups are made of an aggregate by day that is called daily_...")
    others = daily.key[1:]
    sums = []
    for found in _SUM.finditer(daily.select):
        is_whole = found["what"] == "count(*)" or found["what"].endswith("::bigint")
        sums.append(f"sum({found['name']}){'::bigint' if is_whole else ''} as {found['name']}")
    columns = [f"time_bucket('{WIDTHS[bucket]}', day) as {bucket}", *others, *sums]
    groups = ", ".join(str(n + 1) for n in range(1 + len(others)))
    return Aggregate(
        name=_PREFIXES[bucket] + daily.name.removeprefix(_PREFIXES["day"]),
        description=f"By {bucket}, named by its first day: {daily.description}",
        source=daily.relation,
        source_day="day",
        bucket=bucket,
        key=(bucket, *others),
        select="select\n    " + ",\n    ".join(columns) + f"\nfrom {daily.relation}\ngroup by {groups}",
        ratios=daily.ratios,
        index=daily.index,
    )


def _names(text: str) -> tuple[str, ...]:
    return tuple(part.strip() for part in text.split(",") if part.strip())


def _hash(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()

"""Every aggregate there is: one SQL file each in `sql/aggregates/`, whose header says what feeds it."""

import hashlib
import re
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from dataflow_assets.settings import PROJECT_ROOT

SCHEMA = "metrics"
DIRECTORY = PROJECT_ROOT / "sql" / "aggregates"
_HEADER = re.compile(r"^-- (?P<name>source|source_day|bucket|key): (?P<value>.+)$", re.MULTILINE)


@dataclass(frozen=True, kw_only=True)
class Aggregate:
    """One aggregate. `select` uses time_bucket and groups by `key`; `source` is "schema.table"."""

    name: str
    description: str
    source: str
    source_day: str
    bucket: str
    key: tuple[str, ...]
    select: str

    @property
    def relation(self) -> str:
        """Qualified name of the aggregate."""
        return f"{SCHEMA}.{self.name}"

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
        return hashlib.sha256(f"{backend}\n{self.select}".encode()).hexdigest()


@cache
def all_aggregates() -> tuple[Aggregate, ...]:
    """Every aggregate, parents before children."""
    found = {path.stem: _parse(path) for path in sorted(DIRECTORY.glob("*.sql"))}
    ordered: list[Aggregate] = []
    while found:
        ready = [a for a in found.values() if a.parent is None or a.parent in {o.name for o in ordered}]
        if not ready:
            raise ValueError(f"Aggregates that feed each other or a missing one: {', '.join(found)}")
        ordered += ready
        for aggregate in ready:
            del found[aggregate.name]
    return tuple(ordered)


def _parse(path: Path) -> Aggregate:
    text = path.read_text("utf-8")
    header = {match["name"]: match["value"].strip() for match in _HEADER.finditer(text)}
    missing = {"source", "source_day", "bucket", "key"} - header.keys()
    if missing:
        raise ValueError(f"{path.name}: its header lacks {', '.join(sorted(missing))}.")
    return Aggregate(
        name=path.stem,
        description=text.splitlines()[0].removeprefix("-- "),
        source=header["source"],
        source_day=header["source_day"],
        bucket=header["bucket"],
        key=tuple(part.strip() for part in header["key"].split(",")),
        select="\n".join(line for line in text.splitlines() if not line.startswith("--")),
    )

"""The whole contract between a vendor and the rest: a `Connector` is data and four functions.

Adding a vendor means one module beside this one that defines `CONNECTOR`, and its dbt staging folder.
"""

from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from enum import StrEnum
from typing import Any
from zoneinfo import ZoneInfo

import msgspec

from dataflow_assets.connectors.records import Column
from dataflow_assets.resources.http import Caller, VendorApi
from dataflow_assets.settings import Settings
from dataflow_assets.windows import DayWindow


class Kind(StrEnum):
    """What a stream's records are, which decides how they are stored."""

    REPORT = "report"  # facts by report day: a fetched slice replaces the stored slice
    ENTITY = "entity"  # things with an id: upsert, older never overwrites newer, vanished ones get a tombstone
    EVENT = "event"  # happened once: appended by id


@dataclass(frozen=True, kw_only=True)
class Stream:
    """One table of a vendor, declared once."""

    name: str
    description: str
    kind: Kind
    columns: tuple[Column, ...]
    key: tuple[str, ...]
    endpoint: str
    params: Mapping[str, Any] = field(default_factory=dict)
    page_size: int = 100
    ignored: tuple[str, ...] = ()  # fields (paths) the vendor sends that we know and do not keep
    report_day: str | None = None  # report: the column with the day, in the account's time zone
    slice_days: int = 1  # report: days fetched and committed together
    # The vendor refuses questions by size: its fields may be asked for in groups, since a row is the same whatever is
    # asked for with it, and its pages may be smaller.
    is_divisible: bool = False
    cursor: str | None = None  # entity, event: the column that moves when a record changes
    overlap: timedelta = timedelta(0)  # entity, event: how far below the watermark the next read starts
    sweep_every: timedelta | None = None  # entity: how often everything is listed, to see what vanished; 0: always
    # Changes come from a feed that reaches back this far. The watermark is then the moment of the last reading, for an
    # empty feed says as much as a full one; beyond the horizon everything is listed again.
    feed_reaches: timedelta | None = None
    # Entity, event: columns with the days that facts are counted on. When a record changes, the days it had and those
    # it has are carried downstream, and nothing else.
    event_days: tuple[str, ...] = ()
    # Entity, event: the vendor can be asked for the records of given days (UTC), so the asset is partitioned by day.
    by_day: bool = False

    @property
    def is_daily(self) -> bool:
        """Whether its asset has daily partitions, which can be backfilled."""
        return self.kind is Kind.REPORT or self.by_day

    @property
    def column_names(self) -> tuple[str, ...]:
        """Names of the vendor's columns, in table order."""
        return tuple(column.name for column in self.columns)


@dataclass(frozen=True)
class Account:
    """One account of a vendor. Report days are days of `zone`; money is in `currency`."""

    id: str
    name: str
    currency: str
    zone: ZoneInfo
    problem: str = ""  # why it cannot be read; the others are
    credential: int = 0  # which of `VendorApi.auths` reads it
    headers: Mapping[str, str] = field(default_factory=dict)  # go with each request about it


@dataclass(frozen=True)
class Since:
    """A window of an entity or event stream, by its cursor: everything there is, what changed since, or in between.

    `days` (UTC) stands for the records of given days, which leaves the watermark alone. With `resume_after`, as a page
    of an earlier reading gave it, only what follows that page is wanted.
    """

    cursor: datetime | None = None
    days: DayWindow | None = None
    resume_after: str | None = None

    @property
    def is_everything(self) -> bool:
        """A full listing: what it does not hold is gone."""
        return self.cursor is None and self.days is None

    def __str__(self) -> str:
        if self.days:
            return f"days {self.days}"
        return f"changed since {self.cursor:%Y-%m-%d %H:%M:%S%z}" if self.cursor else "everything"


Window = DayWindow | Since


@dataclass(frozen=True)
class Page:
    """Records as the vendor sent them: a JSON array, not yet decoded.

    Where a vendor lists in an order that lasts, `resume_after` (in the connector's own words) is where another reading
    can go on after this page: a long one is then stored in parts, and one that breaks off is not begun anew. What
    changes or is added meanwhile need not come, as long as the changes since the first reading began bring it.
    """

    records: msgspec.Raw
    resume_after: str | None = None


@dataclass(frozen=True)
class Probe:
    """The question "anything newer?" about one account and a stream of entities or events."""

    account: Account
    stream: Stream
    watermark: datetime


@dataclass(frozen=True, kw_only=True)
class LandedList:
    """Records that Airbyte keeps as a list inside those of another table: one for each thing in `column`.

    `owner` is the column that tells the other table's records apart, of which the newest version counts; one with the
    flag `unless` shows nothing.
    """

    column: str
    owner: str
    unless: str = ""


@dataclass(frozen=True, kw_only=True)
class Landing:
    """How Airbyte's source of a vendor lays out what our streams hold.

    Everything is by the name of our stream; one without a table has no counterpart, and what we have of it stays as it
    is. `tables` gives its table, `also` further ones with more of the same records, which need not be there. `only` are
    values that a row must have, `lists` where a row holds a list of our records. `columns` gives Airbyte's column (or
    path into a JSON column) for ours where no spelling of ours is it; below `lists`, `owner.` leads to the row that
    holds the list, and `value` is what is listed when it is no object. `constants` stand for what Airbyte does not
    tell.

    `account_columns` gives the column (or path) that tells rows of several accounts apart: it holds the account's id,
    with `account_prefix` or without. `accounts_in` is our stream of accounts, whose records `account` reads (None for
    one that has no data of its own); without it one connection is one account.
    """

    tables: Mapping[str, str]
    account: Callable[[Mapping[str, Any]], Account | None]
    also: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    only: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    lists: Mapping[str, LandedList] = field(default_factory=dict)
    columns: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    constants: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    account_columns: Mapping[str, str] = field(default_factory=dict)
    account_prefix: str = ""
    accounts_in: str | None = None


Read = Callable[[Caller, Account, Stream, Window], AsyncIterator[Page]]


@dataclass(frozen=True, kw_only=True)
class Connector:
    """A vendor: what it has, and how to ask for it. The functions read settings, never the environment."""

    name: str
    title: str
    streams: tuple[Stream, ...]
    api: Callable[[Settings], VendorApi]
    accounts: Callable[[Caller, Settings], Awaitable[Sequence[Account]]]
    read: Read
    # Those of the probes that found something; a stream the vendor cannot be asked about cheaply finds nothing.
    newer: Callable[[Caller, Sequence[Probe]], Awaitable[Sequence[Probe]]]
    account_ids: Callable[[Settings], tuple[str, ...]]  # configured ones; empty means all that are visible
    initial_history_days: Callable[[Settings], int]
    lookback_days: Callable[[Settings], int]  # how long a report day keeps changing
    retention_days: int  # the vendor keeps no more history than this
    landing: Landing | None = None  # None: it cannot be landed by Airbyte
    version: Callable[[Settings], str] = lambda _settings: ""
    # The day a version stops working, where the vendor says so; `dataflow doctor` warns of it ahead.
    version_ends: Mapping[str, date] = field(default_factory=dict)

    def stream(self, name: str) -> Stream:
        """The stream of that name. Raises KeyError with the known names."""
        for stream in self.streams:
            if stream.name == name:
                return stream
        raise KeyError(f"{self.name} has no stream {name!r}; it has {', '.join(s.name for s in self.streams)}.")

"""Pages of a vendor in, batches of COPY text out. Neither the database nor the target is touched here."""

from collections.abc import AsyncIterator
from contextlib import aclosing
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from typing import Any

from dataflow_assets.connectors.base import Kind, Page, Stream, Window
from dataflow_assets.connectors.records import ColumnType
from dataflow_assets.raw.ahead import ahead
from dataflow_assets.raw.copy_text import copy_rows
from dataflow_assets.raw.decode import Decoded, Decoder, Rejected
from dataflow_assets.windows import DayWindow

ROWS_PER_BATCH = 10_000
HEAD_START_SECONDS = 0.001


@dataclass
class Batch:
    """Checked rows as lines of COPY text (the stream's columns, then `_extra`), and what is known of them."""

    data: bytes = b""
    rows: int = 0
    rejected: list[Rejected] = field(default_factory=list)
    unknown_fields: set[str] = field(default_factory=set)
    newest: datetime | None = None  # by the stream's cursor
    days: set[date] = field(default_factory=set)  # that facts are counted on
    resume_after: str | None = None  # as of its last page


class Packer:
    """Decodes pages of one window and packs them."""

    def __init__(self, stream: Stream, window: Window) -> None:
        self._stream = stream
        self._window = window
        self._decoder = Decoder(stream)
        self._types = [*(column.type for column in stream.columns), ColumnType.JSONB]
        self._cursor = stream.column_names.index(stream.cursor) if stream.cursor else None
        counted_on = (stream.report_day,) if stream.kind is Kind.REPORT and stream.report_day else stream.event_days
        self._days = [stream.column_names.index(name) for name in counted_on]
        self._lines: list[str] = []  # of a page each
        self._batch = Batch()

    @property
    def rows(self) -> int:
        """Rows packed since the last batch was taken."""
        return self._batch.rows

    def add(self, page: Page) -> None:
        """Decode a page and keep the good records."""
        decoded, batch = self._decoder.decode(page.records), self._batch
        self._reject_outside(decoded)
        batch.unknown_fields |= decoded.unknown_fields
        batch.rejected += decoded.rejected
        batch.rows += decoded.rows
        batch.resume_after = page.resume_after
        if self._cursor is not None:
            moments = [moment for moment in decoded.columns[self._cursor] if moment is not None]
            batch.newest = max([*moments, batch.newest] if batch.newest else moments, default=None)
        for column in self._days:
            batch.days.update(map(_day, set(decoded.columns[column]) - {None}))
        if decoded.rows:
            self._lines.append("\n".join(copy_rows([*decoded.columns, decoded.extra], self._types)))

    def take(self) -> Batch:
        """What has been packed."""
        batch, self._batch = self._batch, Batch()
        if self._lines:
            batch.data = ("\n".join(self._lines) + "\n").encode()
            self._lines = []
        return batch

    def _reject_outside(self, decoded: Decoded) -> None:
        # A row of another day would survive the replacement of its own day and be counted twice.
        if not isinstance(self._window, DayWindow) or self._stream.report_day is None:
            return
        days = decoded.columns[self._stream.column_names.index(self._stream.report_day)]
        if days and not (self._window.start <= min(days) and max(days) < self._window.end):
            outside = [row for row, day in enumerate(days) if day not in self._window]
            decoded.reject(outside, f"Report day outside the window asked for, {self._window}")


def _day(moment: Any) -> date:
    day: date = moment.astimezone(UTC).date() if isinstance(moment, datetime) else moment
    return day


async def batches(pages: AsyncIterator[Page], stream: Stream, window: Window) -> AsyncIterator[Batch]:
    """The pages of a window, packed while the next ones are fetched. The last batch may be empty."""
    packer = Packer(stream, window)
    lacks_place = False
    async with aclosing(ahead(pages, 1, head_start=HEAD_START_SECONDS)) as coming:
        async for page in coming:
            packer.add(page)
            # Where only some pages are places to resume after, one of them must be the end of a batch.
            if packer.rows >= ROWS_PER_BATCH or (lacks_place and page.resume_after):
                batch = packer.take()
                lacks_place = not batch.resume_after
                yield batch
    yield packer.take()

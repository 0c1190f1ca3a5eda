"""One stream of one vendor, brought up to date: accounts side by side, each in slices, each slice in one transaction.

A slice commits its rows, quarantined records, touched days, ledger row and watermark together or not at all. One
account's failure is reported and does not stop another's.
"""

import asyncio
import uuid
from collections.abc import Callable, Sequence
from contextlib import aclosing
from dataclasses import dataclass, field, replace
from datetime import date, datetime
from typing import TypeGuard
from zoneinfo import ZoneInfo

from dataflow_assets.connectors.base import Account, Connector, Kind, Since, Stream, Window
from dataflow_assets.raw import ledger, listings
from dataflow_assets.raw.ahead import ahead
from dataflow_assets.raw.batches import batches
from dataflow_assets.raw.ledger import Counts
from dataflow_assets.raw.listings import Listing
from dataflow_assets.raw.outcome import AccountReport, StreamReport
from dataflow_assets.raw.plan import ReportRules, completion, incremental_window, readable
from dataflow_assets.raw.savings import full_sync
from dataflow_assets.raw.smaller import Size, read_at, recall, remember
from dataflow_assets.raw.stage import Stage
from dataflow_assets.resources.failures import Fatal, Throttled, TooMuchData, VendorError
from dataflow_assets.resources.http import ApiClient, Caller, Tally
from dataflow_assets.resources.redact import redact
from dataflow_assets.resources.warehouse import AsyncConnection, Warehouse, database_time
from dataflow_assets.resources.watermarks import (
    StreamId,
    Watermark,
    advance_entity,
    advance_report,
    read_watermark,
)
from dataflow_assets.windows import DayWindow, day_start, local_day

BATCHES_AHEAD = 5
PART_ROWS = 30_000  # of a long listing, from the third part on
LONGEST_ERROR = 2_000
EPOCH = datetime.fromisoformat("1970-01-01T00:00:00+00:00")


@dataclass
class Sync:
    """The means of a sync: an open client, a warehouse, and how things are reported."""

    connector: Connector
    client: ApiClient
    warehouse: Warehouse
    rules: ReportRules
    accounts: Sequence[Account]
    missing_accounts: Sequence[str] = ()  # configured, but the credentials do not see them
    overhead: Tally = field(default_factory=Tally)  # requests about no single account, not yet reported
    concurrency: int = 4
    run_id: str | None = None
    on_watermark: Callable[[StreamId, Watermark], None] = lambda _stream, _watermark: None
    on_note: Callable[[str], None] = lambda _note: None
    secrets: tuple[str, ...] = field(default=(), repr=False)
    stop: str | None = None  # why no account should go on

    async def run(
        self, stream: Stream, window: DayWindow | None = None, *, full: bool = False, again: bool = False
    ) -> StreamReport:
        """Sync one stream for every account.

        `window` names the days to read; None means from the watermark on. Entities and events go on from the watermark
        too where the window holds the running day (UTC), unless its days are to be read `again`. `full` lists all.
        Never raises for what happens to an account; look at `StreamReport.failed`.
        """
        turns = asyncio.Semaphore(self.concurrency)

        async def one(account: Account) -> AccountReport:
            async with turns:
                return await self._account(account, stream, window, full=full, again=again)

        reports = list(await asyncio.gather(*(one(account) for account in self.accounts)))
        reports += [self._not_visible(account) for account in self.missing_accounts]
        overhead, self.overhead = self.overhead, Tally()
        return StreamReport(self.connector, stream, reports, overhead)

    def _not_visible(self, account_id: str) -> AccountReport:
        placeholder = Account(account_id, "", "", self.accounts[0].zone if self.accounts else _UTC)
        return AccountReport(
            placeholder,
            error=f"{self.connector.name}, account {account_id}: the credentials do not see this account. "
            "Give them access, or take it out of the settings.",
        )

    async def _account(
        self, account: Account, stream: Stream, window: DayWindow | None, *, full: bool, again: bool
    ) -> AccountReport:
        report = AccountReport(account)
        if account.problem:
            report.error = f"{self.connector.name}, account {account.id}: {account.problem}"
        elif self.stop:
            report.error = self.stop
        if report.error:
            return report
        try:
            async with await self.warehouse.connect_async() as connection:
                await _AccountSync(self, connection, stream, report).run(window, full=full, again=again)
        except VendorError as error:
            report.error = str(error)
            if isinstance(error, Throttled):
                report.retry_after_seconds = error.wait_seconds
            if isinstance(error, Fatal) and error.scope == "vendor":
                self.stop = str(error)
        except Exception as error:  # noqa: BLE001  a bulkhead: whatever hits one account must not sink the others
            report.error = redact(
                f"{self.connector.name}, account {account.id}, {stream.name}: {type(error).__name__}: {error}",
                self.secrets,
            )
        return report


_UTC = ZoneInfo("UTC")


def _rows_of_part(stored: int) -> int:
    """How long a part is when so many are stored. A short first one gives the database work from the beginning."""
    return PART_ROWS * min(stored + 1, 3) // 3


@dataclass
class _AccountSync:
    """One account's stream on one connection."""

    sync: Sync
    connection: AsyncConnection
    stream: Stream
    report: AccountReport
    size: Size = field(init=False)  # of the questions
    remembered: Size = field(init=False)

    @property
    def id(self) -> StreamId:
        return StreamId(self.sync.connector.name, self.report.account.id, self.stream.name)

    async def run(self, window: DayWindow | None, *, full: bool, again: bool) -> None:
        self.report.before = self.report.after = await read_watermark(self.connection, self.id)
        self.size = self.remembered = await recall(self.connection, self.id, self.stream)
        if self.stream.kind is Kind.REPORT:
            await self._report_days(window)
        else:
            changes = self._changes(window, full=full, again=again)
            while not await self._fits(changes, None):
                pass
        self.report.full = await full_sync(
            self.connection, self.sync.connector, self.stream, self.id, self.report.after
        )
        if self.report.after:
            self.sync.on_watermark(self.id, self.report.after)

    def _changes(self, window: DayWindow | None, *, full: bool, again: bool) -> Since:
        known, stream, now = self.report.before, self.stream, self.sync.client.vendor_now()
        if window and stream.by_day and not full and (again or window.end <= local_day(now, _UTC)):
            return Since(days=window)
        sweep_due = stream.sweep_every is not None and (
            not stream.sweep_every
            or known is None
            or known.swept_at is None
            or now - known.swept_at >= stream.sweep_every
        )
        if full or known is None or stream.cursor is None or sweep_due:
            return Since()
        since = known.instant - stream.overlap
        if stream.feed_reaches and now - since >= stream.feed_reaches:
            self.sync.on_note(
                f"{self.id.connector}, account {self.id.account}, {self.stream.name}: last read {known.instant:%F}, "
                f"longer ago than the {stream.feed_reaches.days} days the feed of changes goes back; everything is "
                "listed."
            )
            return Since()
        return Since(since)

    async def _report_days(self, window: DayWindow | None) -> None:
        now, zone, rules = self.sync.client.vendor_now(), self.report.account.zone, self.sync.rules
        asked = window or incremental_window(self.report.before, now, zone, rules)
        held = readable(asked, now, zone, rules)
        if held != asked:
            self.sync.on_note(
                f"{self.id.connector}, account {self.id.account}, {self.stream.name}: of {asked} only "
                f"{held or 'nothing'} can be read: the rest has not begun in {zone} or is past the vendor's retention "
                f"of {rules.retention} days."
            )
        if held is None:
            return
        attempt, remaining = await ledger.begin_attempt(self.connection, self.id, held, now)
        before = self.report.before
        # Older days, newest first: each slice then joins what is known, and is known even if the next one fails.
        is_backwards = bool(before and before.complete_from and day_start(held.end, zone) <= before.instant)
        todo = list(reversed(remaining) if is_backwards else remaining)
        while todo:
            part, most = todo.pop(0), self.size.days
            if len(part.days) > most:
                parts = list(part.slices(most))
                todo[:0] = reversed(parts) if is_backwards else parts
            elif not await self._fits(part, attempt, len(part.days)):
                todo.insert(0, part)
        await ledger.finish_attempt(self.connection, attempt)

    async def _fits(self, window: Window, attempt: str | None, days: int = 1) -> bool:
        """Read a slice. False: it was too much; a smaller size is to be tried. Raises TooMuchData at the smallest."""
        try:
            await self._slice(window, attempt)
        except TooMuchData:
            smaller = self.size.smaller(self.stream, days)
            if smaller is None:
                raise
            self.size = smaller
            return False
        if self.size not in {self.remembered, Size.whole(self.stream)}:
            await remember(self.connection, self.id, self.size)
            self.remembered = self.size
        return True

    async def _slice(self, window: Window, attempt: str | None) -> None:
        if self.sync.stop:
            raise Fatal(self.sync.stop, vendor=self.id.connector, account=self.id.account)
        account = self.report.account
        caller = self.sync.client.caller(account.id, credential=account.credential, headers=account.headers)
        read_at = self.sync.client.vendor_now()
        piece = _Slice(window, attempt, str(uuid.uuid4()), read_at, await database_time(self.connection))
        try:
            await self._read(piece, caller)
        except _Overtaken:
            # Another process has read some of these days later than we did: ours must not go over theirs, and the
            # other days must not be missing.
            await self._slice(window, attempt)
            return
        except Exception as error:
            if not isinstance(error, TooMuchData):
                await self._note_failure(piece.next(), caller.tally.take(), error)
            raise
        finally:
            self.report.tally.add(caller.tally)
        self.report.windows.append(window)

    async def _read(self, piece: "_Slice", caller: Caller) -> None:
        """Fetch a slice and publish it; where the vendor's order allows, in parts."""
        window, connector = piece.window, self.sync.connector
        stage = Stage(self.connection, connector, self.stream, window)
        listing, asked, in_parts = None, window, False
        if self._is_stored_in_parts(window):
            in_parts = True
            listing = await listings.unfinished(self.connection, self.id, str(window), piece.read_at)
            if listing:
                # It is the same reading: what changed since that began is still to come.
                piece = replace(piece, read_at=listing.read_at, started_at=listing.started_at)
                asked = replace(window, resume_after=listing.resume_after)
                stage.newest, stage.all_good, stage.parts = listing.newest, listing.all_good, 1
        pages = read_at(connector, caller, self.report.account, self.stream, asked, size=self.size)
        try:
            async with aclosing(ahead(batches(pages, self.stream, window), BATCHES_AHEAD)) as coming:
                async for batch in coming:
                    await stage.take(batch)
                    if in_parts and batch.resume_after and stage.rows >= _rows_of_part(stage.parts):
                        listing = listing or Listing(str(uuid.uuid4()), piece.read_at, piece.started_at)
                        listing.resume_after, listing.newest = batch.resume_after, stage.newest
                        listing.all_good = stage.all_good
                        await self._publish(piece, stage, caller.tally.take(), listing, is_part=True)
                        stage.clear()
                        piece = piece.next()
        except Fatal:
            if listing and asked is not window and not stage.rows:
                # Perhaps the vendor no longer knows the place: the next run begins anew.
                await listings.finish(self.connection, self.id, listing)
            raise
        await self._publish(piece, stage, caller.tally.take(), listing)

    def _is_stored_in_parts(self, window: Window) -> TypeGuard[Since]:
        """Where the vendor's order allows. A listing that is to show what vanished is compared as a whole."""
        if not isinstance(window, Since) or window.days:
            return False
        return window.cursor is not None or self.report.before is None

    async def _publish(
        self,
        piece: "_Slice",
        stage: Stage,
        tally: Tally,
        listing: Listing | None,
        *,
        is_part: bool = False,
    ) -> None:
        self.report.tally.add(tally)
        counts, window = piece.counts, piece.window
        counts.read, counts.quarantined = stage.rows + len(stage.rejected), len(stage.rejected)
        if stage.is_unreadable:
            self.sync.on_note(
                f"{self.id.connector}, account {self.id.account}, {self.stream.name}: no record of {window} keeps the "
                f"contract ({stage.rejected[0].reason}). All are in quarantine, and what was stored stays."
            )
        async with self.connection.transaction():
            await self.connection.execute("select pg_advisory_xact_lock(hashtextextended(%s, 1))", (self.id.redis_key,))
            outcome = "published"
            later: set[date] = set()
            overtaken = False
            if isinstance(window, DayWindow):
                later = await ledger.days_read_later(self.connection, self.id, window, piece.started_at)
                if later and len(later) < len(window.days):
                    raise _Overtaken
            elif self.stream.kind is Kind.ENTITY:
                overtaken = await ledger.listed_later(self.connection, self.id, piece.started_at)
            if later or overtaken:
                outcome = "superseded"
            else:
                if stage.is_unreadable:
                    outcome = "unreadable"
                else:
                    await self._replace(piece, stage, is_part=is_part)
                await ledger.set_aside(self.connection, self.id, piece.sync_id, stage.rejected)
                self.report.unknown_fields += await ledger.notice_unknown_fields(
                    self.connection, self.id, stage.unknown_fields
                )
            await self._record(piece, outcome, counts, tally, part=is_part)
            if listing and is_part:
                await listings.save(self.connection, self.id, str(window), listing)
            elif listing:
                await listings.finish(self.connection, self.id, listing)
        self.report.counts.add(counts)

    async def _replace(self, piece: "_Slice", stage: Stage, *, is_part: bool) -> None:
        counts = piece.counts
        published = await stage.publish(self.report.account, sync_id=piece.sync_id, synced_at=piece.started_at)
        counts.inserted, counts.updated = published.inserted, published.updated
        counts.deleted = published.deleted
        counts.unchanged = published.distinct_rows - published.inserted - published.updated
        counts.duplicate = stage.rows - published.distinct_rows
        self.report.touched_days.update(published.touched_days)
        if not is_part:
            await self._advance(stage, piece)

    async def _record(
        self,
        piece: "_Slice",
        outcome: str,
        counts: Counts,
        tally: Tally,
        *,
        error: str | None = None,
        part: bool = False,
    ) -> None:
        await ledger.record_slice(
            self.connection,
            self.id,
            piece.window,
            sync_id=piece.sync_id,
            attempt=piece.attempt,
            outcome=outcome,
            fetch_started_at=piece.started_at,
            counts=counts,
            tally=tally,
            run_id=self.sync.run_id,
            error=error,
            part=part,
        )

    async def _advance(self, stage: Stage, piece: "_Slice") -> None:
        window, read_at = piece.window, piece.read_at
        if isinstance(window, DayWindow):
            done = completion(window, read_at, self.report.account.zone, self.sync.rules)
            if done is None:
                return  # the day is still running: what is stored is partial, and the watermark stays
            self.report.after = await advance_report(
                self.connection,
                self.id,
                complete_from=done.complete_from,
                complete_to=done.complete_to,
                first_day=window.start,
                settled_through=done.settled_through,
            )
            return
        if window.days:
            return  # older days, read again: how far the changes are known is not their business
        swept_at = None
        if stage.is_whole_listing:
            # In parts only what was there before could have been missed.
            whole = not stage.parts or await stage.nothing_else_stored(self.report.account, piece.started_at)
            swept_at = read_at if whole else None
        # A feed that has nothing to tell says as much as a full one. Otherwise what was seen decides, but never beyond
        # the beginning of the reading: what was listed first may have changed before the last came.
        by_reading = self.stream.cursor is None or self.stream.feed_reaches is not None
        known_to = read_at if by_reading else min(stage.newest or EPOCH, read_at)
        self.report.after = await advance_entity(self.connection, self.id, newest=known_to, swept_at=swept_at)

    async def _note_failure(self, piece: "_Slice", tally: Tally, error: Exception) -> None:
        if self.connection.broken or self.connection.closed:
            return
        text = redact(str(error), self.sync.secrets)[:LONGEST_ERROR]
        self.report.tally.add(tally)
        await self._record(piece, "failed", Counts(), tally, error=text)


class _Overtaken(Exception):
    """Some days of a slice, not all, were published from a later reading."""


@dataclass(frozen=True)
class _Slice:
    """One slice on its way: what it covers, whose attempt it is part of, and when its reading began.

    Twice: `read_at` at the vendor, which says which days were over, and `started_at` by the one clock all processes
    share, which says whose reading is the later one.
    """

    window: Window
    attempt: str | None
    sync_id: str
    read_at: datetime
    started_at: datetime
    counts: Counts = field(default_factory=Counts)

    def next(self) -> "_Slice":
        """The next part of it."""
        return replace(self, sync_id=str(uuid.uuid4()), counts=Counts())

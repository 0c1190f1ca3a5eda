"""Reading windows of records, and asking whether there is anything new."""

from collections import defaultdict
from collections.abc import AsyncIterator, Sequence
from dataclasses import replace

import msgspec

from dataflow_assets.connectors.base import Account, Page, Probe, Since, Stream, Window
from dataflow_assets.connectors.stripe.accounts import UTC_ZONE
from dataflow_assets.connectors.stripe.answers import NAME
from dataflow_assets.connectors.stripe.changes import Changes
from dataflow_assets.connectors.stripe.declare import PAGE_SIZE, Feed, Inside
from dataflow_assets.connectors.stripe.lists import (
    Fields,
    decode_list,
    decode_records,
    members,
    page_of,
    pages_and_places,
    together,
    with_fields,
    word,
)
from dataflow_assets.connectors.stripe.payments import BALANCE_TRANSACTIONS, CHARGES, DISPUTES, EVENTS, REFUNDS
from dataflow_assets.resources.failures import Retryable, VendorError
from dataflow_assets.resources.http import Caller
from dataflow_assets.windows import DayWindow, day_start

MONEY_MOVERS = {CHARGES.name, REFUNDS.name, DISPUTES.name}


async def read(caller: Caller, account: Account, stream: Stream, window: Window) -> AsyncIterator[Page]:
    """Pages of one account's records in a window, newest first."""
    del account
    if isinstance(window, Since) and window.cursor and "feed" in stream.params:
        async for page in Changes(caller, stream).pages(int(window.cursor.timestamp())):
            yield page
        return
    query = {**stream.params.get("query", {}), **_created(window)}
    if expand := stream.params.get("expand"):
        query["expand[]"] = [f"data.{name}" for name in expand]
    resume_after = window.resume_after if isinstance(window, Since) else None
    async for records, place in pages_and_places(caller, stream.endpoint, query, resume_after or ""):
        page = await _listed(caller, stream, records)
        yield replace(page, resume_after=place)


def _created(window: Window) -> dict[str, int]:
    days = window if isinstance(window, DayWindow) else window.days
    if days:
        first, end = (int(day_start(day, UTC_ZONE).timestamp()) for day in (days.start, days.end))
        return {"created[gte]": first, "created[lt]": end}
    cursor = window.cursor if isinstance(window, Since) else None
    return {"created[gte]": int(cursor.timestamp())} if cursor else {}


async def _listed(caller: Caller, stream: Stream, records: msgspec.Raw) -> Page:
    inside: Inside | None = stream.params.get("inside")
    if stream.name == EVENTS.name:
        return page_of([_named(event) for event in decode_records(records)])
    if inside is None or not inside.shown_in:
        return Page(records)

    async def of(owner: Fields) -> list[Fields]:
        return await members(caller, inside, word(owner.get("id")) or "", owner)

    found = await together(of, decode_records(records))
    return page_of([record for part in found for record in part])


class _Data(msgspec.Struct):
    object: Fields


_decode_data = msgspec.json.Decoder(_Data).decode


def _named(event: Fields) -> Fields:
    """An event with id and kind of what it happened to where the table has them."""
    try:
        about = _decode_data(event["data"]).object
    except (KeyError, msgspec.DecodeError):
        return event
    return with_fields(event, object_id=word(about.get("id")), object_type=word(about.get("object")))


async def newer(caller: Caller, probes: Sequence[Probe]) -> Sequence[Probe]:
    """Which of the probes have something new, by one request per account: its newest events.

    An account that cannot be asked does not silence the others, unless none can: that is raised.
    """
    by_account: defaultdict[str, list[Probe]] = defaultdict(list)
    for probe in probes:
        if probe.stream.name != BALANCE_TRANSACTIONS.name:
            by_account[probe.account.id].append(probe)
    found: list[Probe] = []
    failures: list[VendorError] = []
    for asked in by_account.values():
        try:
            found += await _with_news(caller, asked)
        except VendorError as error:
            failures.append(error)
    if failures and len(failures) == len(by_account):
        raise failures[0]
    # The balance has no events. What moves it has, but its watermark is the newest movement read, which those may stay
    # ahead of for good; the streams of what moves it have watermarks that do move.
    moved = {probe.account.id for probe in found if probe.stream.name in MONEY_MOVERS}
    return [*found, *(p for p in probes if p.stream.name == BALANCE_TRANSACTIONS.name and p.account.id in moved)]


class _Signal(msgspec.Struct):
    type: str
    created: int


_decode_signals = msgspec.json.Decoder(list[_Signal], strict=False).decode


async def _with_news(caller: Caller, probes: Sequence[Probe]) -> list[Probe]:
    account = probes[0].account
    asking = replace(caller, account=account.id, credential=account.credential, headers=account.headers)
    oldest = int(min(probe.watermark for probe in probes).timestamp())
    # Of all types: there are more than the 20 that can be asked for at once.
    reply = await asking.get("events", {"created[gt]": oldest, "limit": PAGE_SIZE})
    try:
        listed = decode_list(reply.body)
        events = _decode_signals(listed.data)
    except msgspec.DecodeError:
        raise Retryable("the answer is not a list of events.", vendor=NAME, account=account.id) from None
    return [probe for probe in probes if _is_new(probe, events, is_cut_off=listed.has_more)]


def _is_new(probe: Probe, events: Sequence[_Signal], *, is_cut_off: bool) -> bool:
    feed: Feed | None = probe.stream.params.get("feed")
    later = [event for event in events if event.created > probe.watermark.timestamp()]
    if is_cut_off and len(later) == len(events):
        return True  # nobody knows what was cut off
    return any(feed is None or event.type in feed.types for event in later)

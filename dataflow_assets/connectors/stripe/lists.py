"""Stripe's lists: their pages, and those inside records, which are cut off after the first ten."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from typing import Any, TypeVar

import msgspec

from dataflow_assets.connectors.base import Page
from dataflow_assets.connectors.stripe.answers import NAME, Gone
from dataflow_assets.connectors.stripe.declare import PAGE_SIZE, Inside
from dataflow_assets.resources.failures import Retryable
from dataflow_assets.resources.http import Caller, Reply

TRIES_AFTER_A_VANISHED_RECORD = 5
TRIES_OF_AN_EMPTY_PAGE = 3
REQUESTS_AT_ONCE = 8  # of one account and stream; one after the other they would use a third of the rate

Fields = dict[str, msgspec.Raw]


class List(msgspec.Struct):
    """A page. Both fields must be there: an answer without them is no empty list, which would declare all gone."""

    data: msgspec.Raw
    has_more: bool


class _Record(msgspec.Struct):
    id: str


class _Shown(msgspec.Struct):
    data: list[Fields] = []
    has_more: bool = False


decode_list = msgspec.json.Decoder(List).decode
decode_fields = msgspec.json.Decoder(Fields).decode
decode_records = msgspec.json.Decoder(list[Fields]).decode
_decode_ids = msgspec.json.Decoder(list[_Record]).decode
_decode_whole = msgspec.json.Decoder(list[_Record] | None).decode
_decode_shown = msgspec.json.Decoder(_Shown).decode
_decode_word = msgspec.json.Decoder(str | _Record | None).decode


async def pages(caller: Caller, path: str, query: Mapping[str, Any]) -> AsyncIterator[msgspec.Raw]:
    """Every page of a list as a JSON array, newest records first. Raises Retryable when paging does not move on."""
    async for found, _ in pages_and_places(caller, path, query):
        yield found


async def pages_and_places(
    caller: Caller, path: str, query: Mapping[str, Any], resume_after: str = ""
) -> AsyncIterator[tuple[msgspec.Raw, str | None]]:
    """As `pages`, those after a place that an earlier reading gave; each with the place to go on after it."""
    last = resume_after.split()
    is_resumed = bool(last)
    empty = 0
    while True:
        reply = await _page_after(caller, path, {**query, "limit": PAGE_SIZE}, last)
        if reply is None and is_resumed:
            last, is_resumed = [], False
            continue
        if reply is None:
            about = "the records to page on from have all vanished."
            raise Retryable(about, vendor=NAME, account=caller.account)
        is_resumed = False
        try:
            found = decode_list(reply.body)
            ids = [record.id for record in _decode_ids(found.data)] if found.has_more else []
        except msgspec.DecodeError:
            raise Retryable("the answer is not a list of records.", vendor=NAME, account=caller.account) from None
        if not found.has_more:
            yield found.data, None
            return
        yield found.data, " ".join((ids or last)[-TRIES_AFTER_A_VANISHED_RECORD:]) or None
        empty = 0 if ids else empty + 1
        if ids[-1:] == last[-1:] != [] or empty == TRIES_OF_AN_EMPTY_PAGE:
            raise Retryable("paging does not move on.", vendor=NAME, account=caller.account)
        last = ids or last  # after a page that was empty for once the same call brings the records


async def _page_after(caller: Caller, path: str, query: Mapping[str, Any], last: Sequence[str]) -> Reply | None:
    if not last:
        return await caller.get(path, query)
    # The last record of a page may have been deleted since; the one before it leads on as well.
    for record in reversed(last[-TRIES_AFTER_A_VANISHED_RECORD:]):
        try:
            return await caller.get(path, {**query, "starting_after": record})
        except Gone:
            continue
    return None


def shown(inside: Inside, owner: Fields) -> list[Fields]:
    """What a record shows of those inside it."""
    return _shown(inside, owner).data


def _shown(inside: Inside, owner: Fields) -> _Shown:
    try:
        return _decode_shown(owner[inside.shown_in])
    except (KeyError, msgspec.DecodeError):
        return _Shown(has_more=True)  # it does not say that there are none


async def members(caller: Caller, inside: Inside, owner_id: str, owner: Fields) -> list[Fields]:
    """All records inside another one, each with its owner's id."""
    first = _shown(inside, owner)
    found = first.data
    if first.has_more:
        path, query = inside.all_of(owner_id)
        try:
            found = [one async for page in pages(caller, path, query) for one in decode_records(page)]
        except Gone:
            found = first.data  # the owner was deleted, and nobody can tell more
    return [with_fields(one, **{inside.owner: owner_id}) for one in found]


def with_fields(record: Fields, **more: Any) -> Fields:
    """A record with more fields; those it has stay as Stripe wrote them."""
    return record | {name: msgspec.Raw(msgspec.json.encode(value)) for name, value in more.items()}


def word(value: msgspec.Raw | None) -> str | None:
    """A word, or the id of a reference; None where there is neither."""
    try:
        found = _decode_word(value or b"null")
    except msgspec.DecodeError:
        return None
    return (found.id if isinstance(found, _Record) else found) or None


def is_whole(value: msgspec.Raw | None) -> bool:
    """Whether a list of references holds the objects themselves; an empty one does."""
    try:
        _decode_whole(value or b"null")
    except msgspec.DecodeError:
        return False
    return True


def page_of(records: Sequence[Fields]) -> Page:
    """Records as a page."""
    return Page(msgspec.Raw(msgspec.json.encode(records)))


_In = TypeVar("_In")
_Out = TypeVar("_Out")


async def together(work: Callable[[_In], Awaitable[_Out]], items: Sequence[_In]) -> list[_Out]:
    """What `work` makes of each item, in their order. The first failure ends the others and is raised."""
    turns = asyncio.Semaphore(REQUESTS_AT_ONCE)

    async def one(item: _In) -> _Out:
        async with turns:
            return await work(item)

    try:
        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(one(item)) for item in items]
    except BaseExceptionGroup as failed:
        raise failed.exceptions[0] from None
    return [task.result() for task in tasks]

"""Reading each table: everything by lists, changes by search and the list of archived records."""

from collections.abc import AsyncIterator, Iterable, Sequence
from typing import Any

import msgspec

from dataflow_assets.connectors.base import Account, Page, Probe, Since, Stream, Window
from dataflow_assets.connectors.hubspot.answers import NAME
from dataflow_assets.connectors.hubspot.api import api_of
from dataflow_assets.connectors.hubspot.pages import (
    Answer,
    Item,
    Paging,
    answer_of,
    items_of,
    listed,
    page_of,
    page_of_rows,
    stuck,
)
from dataflow_assets.connectors.hubspot.search import Search, Span
from dataflow_assets.connectors.hubspot.streams import DEAL_STAGE_HISTORY, LINKS, OBJECTS, OWNERS, PIPELINE_STAGES
from dataflow_assets.resources.failures import Retryable, VendorError
from dataflow_assets.resources.http import Caller

LIST_PAGE, LINKS_BATCH = 100, 1_000  # HubSpot's own maxima
# Archived ones first: what is restored meanwhile then comes twice, with its later state last, instead of never.
BOTH = ("true", "false")


async def read(caller: Caller, account: Account, stream: Stream, window: Window) -> AsyncIterator[Page]:
    """Pages of one portal's records in a window, in no promised order."""
    del account
    if not isinstance(window, Since):
        raise TypeError(f"{stream.name} is not a report.")
    span = Span.of(window, caller.now(), api_of(caller).late)
    after = window.resume_after or ""
    if _is_one(stream, OBJECTS):
        pages = _everything(caller, stream, after) if span is None else _changes(caller, stream, window, span)
    elif _is_one(stream, LINKS):
        pages = _links(caller, stream, span, after)
    elif _is_one(stream, [DEAL_STAGE_HISTORY]):
        pages = _histories(caller, stream, span, after)
    elif _is_one(stream, [OWNERS]):
        pages = _owners(caller, stream)
    else:
        pages = _pipelines(caller, stages=_is_one(stream, [PIPELINE_STAGES]))
    async for page in pages:
        yield page


def _is_one(stream: Stream, declared: Iterable[Stream]) -> bool:
    # By name: the engine may ask with a declaration of its own, such as one of smaller pages.
    return stream.name in {one.name for one in declared}


# --------------------------------------------------------------------------- contacts, companies, deals


def _properties(stream: Stream) -> list[str]:
    return [column.source_path[1] for column in stream.columns if column.source_path[0] == "properties"]


async def _everything(caller: Caller, stream: Stream, resume_after: str) -> AsyncIterator[Page]:
    async for answer, place in _both(caller, stream, _properties(stream), resume_after):
        yield Page(answer.results, place)


async def _both(
    caller: Caller, stream: Stream, properties: Sequence[str], resume_after: str, **more: str
) -> AsyncIterator[tuple[Answer, str | None]]:
    """Pages of archived and then of live records, each with the place to go on after it."""
    first, _, after = resume_after.partition(" ")
    for archived in BOTH[BOTH.index(first) if first else 0 :]:
        async for answer in _list(caller, stream, properties, archived, after if archived == first else "", **more):
            yield answer, f"{archived} {answer.after}" if answer.after else None


async def _changes(caller: Caller, stream: Stream, window: Since, span: Span) -> AsyncIterator[Page]:
    cursor = stream.params["cursor"]
    not_before = int(window.resume_after or 0)
    wanted = Span(max(span.low, not_before), span.high)
    async for items, known_to in Search(caller, stream.endpoint, cursor, _properties(stream)).changed(wanted):
        yield page_of(items, f"{known_to + 1}" if known_to else None)
    # Search knows no archived records, and archiving does not move their time of change: all of them are looked at.
    # After the search, whose index may still show one as it was.
    span = span if window.days else Span(0, span.high)
    async for answer in _list(caller, stream, _properties(stream), "true", ""):
        yield page_of(item for item in items_of(answer) if span.holds(item, cursor))


def _list(
    caller: Caller, stream: Stream, properties: Sequence[str], archived: str, after: str, **more: str
) -> AsyncIterator[Answer]:
    params = {"limit": f"{stream.page_size}", "properties": ",".join(properties), "archived": archived, **more}
    return listed(caller, api_of(caller).path("list", kind=stream.endpoint), params, after)


# --------------------------------------------------------------------------- links, stages entered


async def _live(
    caller: Caller, stream: Stream, span: Span | None, size: int, resume_after: str = ""
) -> AsyncIterator[tuple[dict[str, Any], str | None]]:
    """Times of change of live records by id, so many at a time, and the place to go on after them if that is one."""
    batch: dict[str, Any] = {}
    async for items, after in _live_items(caller, stream, span, resume_after):
        for number, item in enumerate(items, start=1):
            batch[_sure(item, caller).id] = _modified(item, stream)
            if len(batch) == size:
                yield batch, after if number == len(items) else None
                batch = {}
    if batch:
        yield batch, None


async def _live_items(
    caller: Caller, stream: Stream, span: Span | None, resume_after: str
) -> AsyncIterator[tuple[list[Item], str | None]]:
    cursor = stream.params["cursor"]
    if span is None:
        async for answer in _list(caller, stream, [cursor], "false", resume_after):
            yield items_of(answer), answer.after or None
    else:
        async for items, _ in Search(caller, stream.endpoint, cursor, [cursor]).changed(span):
            yield items, None


def _modified(item: Item, stream: Stream) -> Any:
    return item.record.properties.get(stream.params["cursor"])


def _sure(item: Item, caller: Caller) -> Item:
    # Where rows are made of parts of a record, a broken one cannot be set aside, and must not be passed over.
    if not item.id:
        raise Retryable("a record cannot be understood.", vendor=NAME, account=caller.account)
    return item


class _From(msgspec.Struct):
    id: str | int


class _Linked(msgspec.Struct):
    origin: _From = msgspec.field(name="from")
    to: list[dict[str, Any]] = []
    paging: Paging | None = None


_decode_linked = msgspec.json.Decoder(list[_Linked]).decode


async def _links(caller: Caller, stream: Stream, span: Span | None, resume_after: str) -> AsyncIterator[Page]:
    path = api_of(caller).path("links", kind=stream.endpoint, to=stream.params["to"])
    async for parents, place in _live(caller, stream, span, LINKS_BATCH, resume_after):
        inputs: list[dict[str, str]] = [{"id": parent} for parent in parents]
        while inputs:
            answer = answer_of(await caller.post_json(path, {"inputs": inputs}))
            rows: list[dict[str, Any]] = []
            more = []
            for linked in _decode_linked(answer.results):
                parent = str(linked.origin.id)
                rows += _links_of(parent, linked.to, parents.get(parent))
                if linked.paging and linked.paging.next:
                    more.append({"id": parent, "after": str(linked.paging.next.after)})
            yield page_of_rows(rows, None if more else place)
            if more == inputs:
                raise stuck(caller)
            inputs = more


def _links_of(parent: str, targets: Sequence[dict[str, Any]], modified: Any) -> Iterable[dict[str, Any]]:
    for target in targets:
        # One without a kind is a row all the same: the gate sets it aside.
        for kind in target.pop("associationTypes", None) or [{}]:
            yield {**target, **kind, "fromObjectId": parent, "fromUpdatedAt": modified}


async def _histories(caller: Caller, stream: Stream, span: Span | None, resume_after: str) -> AsyncIterator[Page]:
    cursor, history = stream.params["cursor"], stream.params["history"]
    if span is None:
        async for answer, place in _both(caller, stream, [cursor], resume_after, propertiesWithHistory=history):
            yield page_of_rows(_entries(items_of(answer), stream, caller), place)
        return
    async for batch, _ in _live(caller, stream, span, stream.page_size):
        body = {"inputs": [{"id": deal} for deal in batch], "properties": [cursor], "propertiesWithHistory": [history]}
        path = api_of(caller).path("read", kind=stream.endpoint)
        answer = answer_of(await caller.post_json(path, body))
        yield page_of_rows(_entries(items_of(answer), stream, caller))


def _entries(items: Sequence[Item], stream: Stream, caller: Caller) -> list[dict[str, Any]]:
    return [
        {**entry, "dealId": item.id, "dealUpdatedAt": _modified(item, stream)}
        for item in items
        for entry in (_sure(item, caller).record.properties_with_history or {}).get(stream.params["history"], ())
        if entry.get("value")  # an emptied stage is none that was entered
    ]


# --------------------------------------------------------------------------- the rest


async def _owners(caller: Caller, stream: Stream) -> AsyncIterator[Page]:
    for archived in BOTH:
        params = {"limit": f"{stream.page_size}", "archived": archived}
        async for answer in listed(caller, api_of(caller).path("owners"), params):
            yield Page(answer.results)


async def _pipelines(caller: Caller, *, stages: bool) -> AsyncIterator[Page]:
    async for answer in listed(caller, api_of(caller).path("pipelines"), {}):
        if not stages:
            yield Page(answer.results)
            continue
        pipelines = msgspec.json.decode(answer.results, type=list[dict[str, Any]])
        yield page_of_rows(
            [{**one, "pipelineId": pipeline.get("id")} for pipeline in pipelines for one in pipeline["stages"]]
        )


async def newer(caller: Caller, probes: Sequence[Probe]) -> Sequence[Probe]:
    """Which of the probes see something changed after their watermark: one search per portal and kind of record.

    What hangs on a kind (links, stages entered) has no time of its own to ask for: it is newer when the kind is. A
    portal that cannot be asked does not silence the others, unless none can: that is raised.
    """
    found: list[Probe] = []
    failures: list[VendorError] = []
    asked = [probe for probe in probes if _is_one(probe.stream, OBJECTS)]
    for probe in asked:
        account, kind = probe.account, probe.stream.endpoint
        one = caller.client.caller(account.id, credential=account.credential, headers=account.headers)
        cursor = probe.stream.params["cursor"]
        try:
            count = await Search(one, kind, cursor, [cursor]).count_after(probe.watermark)
        except VendorError as error:
            failures.append(error)
        else:
            found += [
                other for other in probes if (other.account.id, other.stream.endpoint) == (account.id, kind) and count
            ]
        finally:
            caller.tally.add(one.tally)
    if failures and len(failures) == len(asked):
        raise failures[0]
    return found

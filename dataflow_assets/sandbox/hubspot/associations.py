"""Reading associations: of up to 1,000 records at once, and of one. apis/hubspot.md, section 2.4."""

from collections.abc import Container
from typing import Any

from dataflow_assets.sandbox.hubspot import ids
from dataflow_assets.sandbox.hubspot.errors import invalid, no_object, not_linked, not_reproduced
from dataflow_assets.sandbox.hubspot.links import PAIRS, with_types
from dataflow_assets.sandbox.hubspot.objects import Moment, batch, inputs, links_question, with_next
from dataflow_assets.sandbox.hubspot.paging import Start, spoiled, take
from dataflow_assets.sandbox.hubspot.records import Standing, standing
from dataflow_assets.sandbox.hubspot.requests import Call
from dataflow_assets.sandbox.world.crm import End, Kind, Link, Record, linked

Json = dict[str, Any]

TEXT_IDS = "text_to_object_id"

_MOST_INPUTS, _MOST = 1_000, 500


def read_links(call: Call, kind: Kind, to: Kind, moment: Moment, faults: Container[str]) -> tuple[int, Json]:
    """The associations of several records, with the status. Each record has pages of its own."""
    call.check(())
    _check_pair(kind, to)
    body = call.json()
    if body.keys() != {"inputs"}:
        raise invalid("A batch of associations has inputs, and nothing else")
    rows: list[Json] = []
    errors: list[Json] = []
    for item in inputs(body, _MOST_INPUTS):
        record = ids.record_of(moment.portal, kind, item["id"])
        links = [] if record is None else linked(moment.portal, record, to, moment.now)
        if record is None or not links:
            errors.append(not_linked(item["id"], kind, to))
            continue
        question = links_question(moment.portal, record, to)
        start = moment.tokens.read(question, item.get("after"))
        taken, following = _page(links, start, moment.limits.associations_per_page, ())
        row: Json = {"from": {"id": item["id"]}, "to": _spelled(moment, kind, taken, faults)}
        if following is not None:
            after = moment.tokens.write(question, following)
            row["paging"] = {"next": {"after": after, "link": f"{call.url}?after={after}"}}
        rows.append(row)
    return batch(rows, errors if moment.limits.report_no_associations else [], moment.now)


def read_links_of_one(
    call: Call, pair: tuple[Kind, Kind], record_id: str, moment: Moment, faults: Container[str]
) -> Json:
    """The associations of one record. A merged one has none left."""
    kind, to = pair
    call.check({"limit", "after"})
    _check_pair(kind, to)
    record = ids.record_of(moment.portal, kind, record_id)
    if record is None or not (standing(record, moment.now) is Standing.LIVE or _is_merged(record, moment.now)):
        raise no_object(kind)
    question = links_question(moment.portal, record, to)
    limit = min(call.limit(_MOST, _MOST), moment.limits.associations_per_page)
    start = moment.tokens.read(question, call.value("after"))
    taken, following = _page(linked(moment.portal, record, to, moment.now), start, limit, faults)
    answer: Json = {"results": _spelled(moment, kind, taken, faults)}
    return with_next(answer, call, moment, question, following)


def _page(links: list[Link], start: Start, limit: int, faults: Container[str]) -> tuple[list[Link], Start | None]:
    first = start.at[0] if start.at else 0
    source = (((place,), link) for place, link in enumerate(links) if place >= first)
    return take(source, start, limit, faults)


def _spelled(moment: Moment, kind: Kind, links: list[Link], faults: Container[str]) -> list[Json]:
    rows = [with_types(moment.portal, kind, link) for link in links]
    if TEXT_IDS in faults:
        rows = [{**row, "toObjectId": str(row["toObjectId"])} for row in rows]
    return spoiled(rows, faults)


def _is_merged(record: Record, now: int) -> bool:
    ending = record.ending
    return ending is not None and ending.how is End.MERGED and ending.at <= now


def _check_pair(kind: Kind, to: Kind) -> None:
    if (kind, to) not in PAIRS:
        raise not_reproduced(f"associations from {kind} to {to}")

"""Contacts, companies and deals: lists, single records, batches. apis/hubspot.md, sections 2.1 and 2.3."""

import re
from collections.abc import Container, Iterator
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

from dataflow_assets.sandbox.hubspot import ids
from dataflow_assets.sandbox.hubspot.errors import invalid, invalid_field, no_object, not_in_batch, not_reproduced
from dataflow_assets.sandbox.hubspot.limits import Limits
from dataflow_assets.sandbox.hubspot.links import PAIRS, by_names
from dataflow_assets.sandbox.hubspot.paging import Position, Start, Tokens, spoiled, take
from dataflow_assets.sandbox.hubspot.records import Standing, as_json, names, resolve, standing
from dataflow_assets.sandbox.hubspot.requests import Call, kind_of
from dataflow_assets.sandbox.hubspot.spelling import instant_text
from dataflow_assets.sandbox.world.crm import Kind, Portal, Record, linked

Json = dict[str, Any]

DEFAULT_LIMIT, MOST, MOST_WITH_HISTORY = 10, 100, 50

_SHAPE = frozenset({"properties", "propertiesWithHistory", "associations", "archived"})
_BATCH_FIELDS = frozenset({"inputs", "properties", "propertiesWithHistory", "idProperty"})
_NUMBER = re.compile(r"([0-9]{1,12})@")


@dataclass(frozen=True)
class Moment:
    """What every answer depends on besides the question: the portal, the instant, the limits."""

    portal: Portal
    now: int
    limits: Limits
    tokens: Tokens


@dataclass(frozen=True)
class _Wanted:
    """What is to be told of each record."""

    properties: tuple[str, ...]
    history: tuple[str, ...]
    links: tuple[Kind, ...] = ()


def list_records(call: Call, kind: Kind, moment: Moment, faults: Container[str]) -> Json:
    """A page of all records, by id."""
    call.check(_SHAPE | {"limit", "after"})
    wanted = _wanted(call, kind)
    limit = call.limit(DEFAULT_LIMIT, MOST_WITH_HISTORY if wanted.history else MOST)
    is_archived = call.flag("archived")
    question = f"{moment.portal.index} {kind} {is_archived}"
    start = moment.tokens.read(question, call.value("after"))
    source = _standing(moment, kind, start, Standing.ARCHIVED if is_archived else Standing.LIVE)
    taken, following = take(source, start, limit, faults)
    base = call.incoming.base
    answer: Json = {"results": spoiled([_told(moment, record, wanted, base) for record in taken], faults)}
    return with_next(answer, call, moment, question, following)


def read_record(call: Call, kind: Kind, record_id: str, moment: Moment, faults: Container[str]) -> Json:
    """One record. The id of a merged one leads to the record it was merged into."""
    call.check(_SHAPE | {"idProperty"})
    record = _found(moment, kind, record_id, call.value("idProperty"), is_archived=call.flag("archived"))
    if record is None:
        raise no_object(kind)
    return spoiled([_told(moment, record, _wanted(call, kind), call.incoming.base)], faults)[0]


def read_batch(call: Call, kind: Kind, moment: Moment, faults: Container[str]) -> tuple[int, Json]:
    """Several records by their ids, with the status: 207 when some do not exist. Not in the order of the input."""
    call.check({"archived"})
    body = call.json()
    if unknown := body.keys() - _BATCH_FIELDS:
        raise invalid(f"A batch has no {', '.join(sorted(unknown))}")
    wanted = _Wanted(names(kind, texts(body, "properties")), texts(body, "propertiesWithHistory"))
    asked = [item["id"] for item in inputs(body, MOST_WITH_HISTORY if wanted.history else MOST)]
    id_property = body.get("idProperty")
    is_archived = call.flag("archived")
    found: dict[tuple[int, int], Record] = {}
    missing: list[str] = []
    for record_id in dict.fromkeys(asked):
        record = _found(moment, kind, record_id, id_property, is_archived=is_archived)
        if record is None:
            missing.append(record_id)
        else:
            found[record.number, record.copy] = record
    rows = [_told(moment, found[key], wanted, call.incoming.base) for key in sorted(found)]
    return batch(spoiled(rows, faults), [not_in_batch(kind, missing)] if missing else [], moment.now)


def batch(rows: list[Json], errors: list[Json], now: int) -> tuple[int, Json]:
    """The answer to a batch, with its status."""
    answer: Json = {"status": "COMPLETE", "results": rows}
    if errors:
        answer |= {"numErrors": len(errors), "errors": errors}
    # It takes no world time.
    answer |= {"startedAt": instant_text(now), "completedAt": instant_text(now)}
    return 207 if errors else 200, answer


def inputs(body: Json, most: int) -> list[Json]:
    """The inputs of a batch. Raises HubSpotError 400 when they are none, too many, or have no id of text."""
    given = body.get("inputs")
    if not isinstance(given, list) or not given:
        raise invalid_field("inputs", "it must be a list with something in it")
    if len(given) > most:
        raise invalid_field("inputs", f"{len(given)} are more than the {most} that are possible")
    for item in given:
        if not isinstance(item, dict) or not isinstance(item.get("id"), str | int) or item.keys() - {"id", "after"}:
            raise invalid_field("inputs", "each must be an object with an id")
    return [{**item, "id": str(item["id"])} for item in given]


def texts(body: Json, name: str) -> tuple[str, ...]:
    """A list of texts in a body; empty when it is not there."""
    given = body.get(name) or []
    if not isinstance(given, list) or not all(isinstance(one, str) for one in given):
        raise invalid_field(name, "it must be a list of texts")
    return tuple(dict.fromkeys(given))


def with_next(answer: Json, call: Call, moment: Moment, question: str, following: Start | None) -> Json:
    """The answer with the way to the next page, if there is one."""
    if following is not None:
        after = moment.tokens.write(question, following)
        answer["paging"] = {"next": {"after": after, "link": call.link(after=after)}}
    return answer


def _standing(moment: Moment, kind: Kind, start: Start, wanted: Standing) -> Iterator[tuple[Position, Record]]:
    number, copy = start.at or (0, 0)
    for record in moment.portal.records(kind, moment.now, (number, copy)):
        if standing(record, moment.now) is wanted:
            yield (record.number, record.copy), record


def _wanted(call: Call, kind: Kind) -> _Wanted:
    to = tuple(kind_of(name) for name in call.values("associations"))
    for other in to:
        if (kind, other) not in PAIRS:
            raise not_reproduced(f"associations from {kind} to {other}")
    return _Wanted(names(kind, call.values("properties")), call.values("propertiesWithHistory"), to)


def _found(moment: Moment, kind: Kind, record_id: str, id_property: str | None, *, is_archived: bool) -> Record | None:
    wanted = Standing.ARCHIVED if is_archived else Standing.LIVE
    if id_property in (None, "", "hs_object_id"):
        record = resolve(moment.portal, kind, record_id, moment.now)
        return record if record is not None and standing(record, moment.now) is wanted else None
    if (kind, id_property) != (Kind.CONTACT, "email"):
        raise not_reproduced(f"reading a {kind} by {id_property}")
    return next((one for one in _by_email(moment, record_id) if standing(one, moment.now) is wanted), None)


def _by_email(moment: Moment, email: str) -> Iterator[Record]:
    # Every mailbox ends in the number of its person.
    if match := _NUMBER.search(email):
        for record in moment.portal.of(Kind.CONTACT, int(match[1])):
            state = record.at(moment.now)
            if state is not None and getattr(state, "email", None) == email.lower():
                yield record


def _told(moment: Moment, record: Record, wanted: _Wanted, base: str) -> Json:
    row = as_json(moment.portal, record, moment.now, wanted.properties, wanted.history)
    found = {
        ids.PLURALS[kind]: links for kind in wanted.links if (links := _links(moment, record, kind, base))["results"]
    }
    return {**row, "associations": found} if found else row


def _links(moment: Moment, record: Record, kind: Kind, base: str) -> Json:
    """The associations inside of a record: the first of them, with the way to the others."""
    links = linked(moment.portal, record, kind, moment.now)
    most = moment.limits.associations_per_page
    answer: Json = {"results": [name for link in links[:most] for name in by_names(moment.portal, record.kind, link)]}
    if links[most:]:
        record_id = ids.id_of(moment.portal, record)
        after = moment.tokens.write(links_question(moment.portal, record, kind), Start((most,)))
        address = f"{base}/crm/v4/objects/{ids.PLURALS[record.kind]}/{record_id}/associations/{ids.PLURALS[kind]}"
        answer["paging"] = {"next": {"after": after, "link": f"{address}?{urlencode({'after': after})}"}}
    return answer


def links_question(portal: Portal, record: Record, kind: Kind) -> str:
    """What a position among the associations of a record belongs to."""
    return f"{portal.index} {ids.id_of(portal, record)} {kind}"

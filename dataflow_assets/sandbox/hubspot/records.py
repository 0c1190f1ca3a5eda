"""HubSpot's records as JSON: what is there at an instant, and the history of single properties."""

from collections.abc import Collection, Iterable
from enum import Enum, auto
from typing import Any

from dataflow_assets.sandbox.hubspot import ids
from dataflow_assets.sandbox.hubspot.properties import ALWAYS, DEFAULTS, PROPERTIES, View
from dataflow_assets.sandbox.hubspot.spelling import instant_text
from dataflow_assets.sandbox.world.crm import Cause, End, Kind, Portal, Record, State

Json = dict[str, Any]

BIN_MILLIS = 90 * 86_400_000
"""How long an archived record can still be seen in the recycle bin."""

_SOURCES = {
    Cause.FORM: ("FORM", "form 27f0"),
    Cause.PERSON: ("CRM_UI", None),
    Cause.AUTOMATION: ("AUTOMATION_PLATFORM", "workflow 1187"),
    Cause.UPKEEP: ("CALCULATED", None),
    Cause.MERGE: ("MERGE_OBJECTS", None),
}


class Standing(Enum):
    """Whether a record can be seen, and where."""

    NOWHERE = auto()
    LIVE = auto()
    ARCHIVED = auto()


def standing(record: Record, instant: int) -> Standing:
    """Where a record is at an instant. Merged and erased ones are nowhere, and archived ones after 90 days."""
    if record.is_live(instant):
        return Standing.LIVE
    ending = record.ending
    if ending is None or instant < record.begins or ending.how is not End.ARCHIVED:
        return Standing.NOWHERE
    return Standing.ARCHIVED if instant < ending.at + BIN_MILLIS else Standing.NOWHERE


def resolve(portal: Portal, kind: Kind, record_id: str, instant: int) -> Record | None:
    """The record that an id leads to: that of a merged one leads to the record it was merged into."""
    record = ids.record_of(portal, kind, record_id)
    if record is None or record.ending is None or record.ending.how is not End.MERGED or instant < record.ending.at:
        return record
    return portal.find(kind, record.number, record.ending.into)


def view(portal: Portal, record: Record, instant: int) -> View:
    """A record as it is at an instant at which it exists."""
    state = record.at(instant)
    if state is None:
        raise ValueError(f"The {record.kind} does not exist yet.")
    return View(portal, record, state)


def names(kind: Kind, asked: Collection[str]) -> tuple[str, ...]:
    """The properties of an answer, in the order of their names. Unknown ones are left out."""
    wanted = {*(asked or DEFAULTS[kind]), *ALWAYS[kind]}
    return tuple(sorted(wanted & PROPERTIES[kind].keys()))


def as_json(
    portal: Portal, record: Record, instant: int, properties: Iterable[str], history: Iterable[str] = ()
) -> Json:
    """A record with these properties, and with the history of those."""
    seen = view(portal, record, instant)
    definitions = PROPERTIES[record.kind]
    found: Json = {
        "id": ids.id_of(portal, record),
        "properties": {name: definitions[name].text(seen) for name in properties},
        "createdAt": instant_text(record.created),
        "updatedAt": instant_text(seen.state.at),
        "archived": False,
    }
    histories = {name: property_history(portal, record, instant, name) for name in history if name in definitions}
    if histories:
        found["propertiesWithHistory"] = histories
    ending = record.ending
    if ending is not None and ending.at <= instant:
        found |= {"archived": True, "archivedAt": instant_text(ending.at)}
    return found


def property_history(portal: Portal, record: Record, instant: int, name: str) -> list[Json]:
    """Every value a property had until an instant, newest first."""
    definition = PROPERTIES[record.kind][name]
    entries: list[Json] = []
    before: str | None = None
    for state in record.states:
        if state.at > instant:
            break
        value = definition.text(View(portal, record, state))
        if value != before:
            entries.append({"value": value or "", "timestamp": instant_text(state.at), **_source(portal, state)})
        before = value
    return entries[::-1]


def _source(portal: Portal, state: State) -> Json:
    kind, source_id = _SOURCES[state.cause]
    found: Json = {"sourceType": kind}
    if state.cause is Cause.PERSON and state.owner is not None:
        user = ids.user_id(portal, state.owner)
        return {**found, "sourceId": f"userId:{user}", "updatedByUserId": user}
    return {**found, "sourceId": source_id} if source_id else found

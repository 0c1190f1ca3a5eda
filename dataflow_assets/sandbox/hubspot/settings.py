"""Owners, pipelines and the definitions of properties: what a portal has few of."""

from collections.abc import Container
from typing import Any

from dataflow_assets.sandbox.hubspot.errors import no_object, not_reproduced
from dataflow_assets.sandbox.hubspot.objects import Moment, with_next
from dataflow_assets.sandbox.hubspot.paging import spoiled, take
from dataflow_assets.sandbox.hubspot.people import owners, pipelines
from dataflow_assets.sandbox.hubspot.properties import ALWAYS, PROPERTIES, Property
from dataflow_assets.sandbox.hubspot.requests import Call
from dataflow_assets.sandbox.world.crm import Kind

Json = dict[str, Any]

_DEFAULT_LIMIT, _MOST = 100, 500
_FIELD_TYPES = {
    "string": "text",
    "number": "number",
    "datetime": "date",
    "enumeration": "select",
    "bool": "booleancheckbox",
}
_MADE_HERE = frozenset({"utm_source", "utm_medium", "utm_campaign", "li_fat_id"})


def list_owners(call: Call, moment: Moment, faults: Container[str]) -> Json:
    """A page of the owners: those in charge, or those who have left."""
    call.check({"limit", "after", "archived", "email"})
    limit = call.limit(_DEFAULT_LIMIT, _MOST)
    is_archived, email = call.flag("archived"), call.value("email")
    question = f"{moment.portal.index} owners {is_archived} {email}"
    start = moment.tokens.read(question, call.value("after"))
    found = [one for one in owners(moment.portal, moment.now, archived=is_archived) if email in (None, one["email"])]
    first = start.at[0] if start.at else 0
    source = (((place,), owner) for place, owner in enumerate(found) if place >= first)
    taken, following = take(source, start, limit, faults)
    return with_next({"results": spoiled(taken, faults)}, call, moment, question, following)


def read_owner(call: Call, owner_id: str, moment: Moment, faults: Container[str]) -> Json:
    """One owner, by the id that records name."""
    call.check({"archived", "idProperty"})
    if call.value("idProperty") not in (None, "id"):
        raise not_reproduced("reading an owner by another id")
    for owner in owners(moment.portal, moment.now, archived=call.flag("archived")):
        if owner["id"] == owner_id:
            return spoiled([owner], faults)[0]
    raise no_object("owner")


def list_pipelines(call: Call, kind: Kind, moment: Moment, faults: Container[str]) -> Json:
    """All pipelines of deals, in one answer."""
    call.check(())
    if kind is not Kind.DEAL:
        raise not_reproduced(f"pipelines of a {kind}")
    return {"results": spoiled(pipelines(moment.portal, moment.now), faults)}


def list_properties(call: Call, kind: Kind, faults: Container[str]) -> Json:
    """The definitions of all properties of a kind, in one answer."""
    call.check({"archived"})
    found = [] if call.flag("archived") else [_definition(one, kind) for one in PROPERTIES[kind].values()]
    return {"results": spoiled(found, faults)}


def read_property(call: Call, kind: Kind, name: str, faults: Container[str]) -> Json:
    """The definition of one property."""
    call.check({"archived"})
    definition = PROPERTIES[kind].get(name)
    if definition is None or call.flag("archived"):
        raise no_object("property")
    return spoiled([_definition(definition, kind)], faults)[0]


def _definition(definition: Property, kind: Kind) -> Json:
    options = [
        {"label": value.replace("_", " ").capitalize(), "value": value, "displayOrder": place, "hidden": False}
        for place, value in enumerate(definition.options)
    ]
    is_kept_by_hubspot = definition.name in ALWAYS[kind] or definition.name.startswith("hs_")
    return {
        "name": definition.name,
        "label": definition.label,
        "type": definition.type,
        "fieldType": _FIELD_TYPES[definition.type],
        "description": "",
        "groupName": f"{kind}information",
        "options": options,
        "displayOrder": -1,
        "hidden": False,
        "calculated": False,
        "externalOptions": definition.name == "hubspot_owner_id",
        "hasUniqueValue": definition.name == "hs_object_id",
        "formField": not is_kept_by_hubspot,
        "hubspotDefined": definition.name not in _MADE_HERE,
        "archived": False,
        "modificationMetadata": {
            "archivable": definition.name in _MADE_HERE,
            "readOnlyDefinition": definition.name not in _MADE_HERE,
            "readOnlyValue": is_kept_by_hubspot,
        },
    }

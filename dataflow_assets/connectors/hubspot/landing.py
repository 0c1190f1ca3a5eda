"""How Airbyte's source-hubspot lays out what our streams hold. One connection of it is one portal."""

from collections.abc import Mapping
from typing import Any

from dataflow_assets.connectors.base import Account, LandedList, Landing
from dataflow_assets.connectors.hubspot.api import UTC
from dataflow_assets.connectors.hubspot.streams import (
    CONTACT_COMPANIES,
    DEAL_COMPANIES,
    DEAL_CONTACTS,
    DEAL_STAGE_HISTORY,
    LINKS,
    OBJECTS,
    ONE,
    OWNERS,
    PIPELINE_STAGES,
    PIPELINES,
)


def _account(record: Mapping[str, Any]) -> Account:
    portal = str(record["id"])
    return Account(portal, f"Portal {portal}", "", UTC)


def _linked(parent: str, to: str) -> dict[str, str]:
    one, other = ONE[parent], ONE[to]
    return {f"{one}_id": "owner.id", f"{other}_id": "value", f"{one}_updated_at": "owner.updatedAt"}


_OF_PIPELINES = {"created_at": "createdAt", "updated_at": "updatedAt"}
LANDING = Landing(
    tables={
        **{stream.name: stream.name for stream in (*OBJECTS, OWNERS)},
        **{stream.name: stream.endpoint for stream in LINKS},
        **dict.fromkeys((PIPELINES.name, PIPELINE_STAGES.name), "deal_pipelines"),
        DEAL_STAGE_HISTORY.name: "deals_property_history",
    },
    # What is in the recycle bin is in none but these.
    also={
        **{stream.name: (f"{stream.name}_archived",) for stream in (*OBJECTS, OWNERS)},
        **{stream.name: (f"{stream.endpoint}_archived",) for stream in LINKS},
    },
    only={DEAL_STAGE_HISTORY.name: {"property": "dealstage"}},
    lists={
        **{stream.name: LandedList(column=stream.params["to"], owner="id", unless="archived") for stream in LINKS},
        PIPELINE_STAGES.name: LandedList(column="stages", owner="pipelineId"),
    },
    columns={
        PIPELINES.name: {"id": "pipelineId", **_OF_PIPELINES},
        PIPELINE_STAGES.name: {"pipeline_id": "owner.pipelineId", "id": "stageId", **_OF_PIPELINES},
        DEAL_CONTACTS.name: _linked("deals", "contacts"),
        DEAL_COMPANIES.name: _linked("deals", "companies"),
        CONTACT_COMPANIES.name: _linked("contacts", "companies"),
    },
    # Airbyte lists the ids of what is linked, not the kinds of link: no company is known to be the main one.
    constants={stream.name: {"association_type_id": "0", "category": "NOT_TOLD"} for stream in LINKS},
    account=_account,
)

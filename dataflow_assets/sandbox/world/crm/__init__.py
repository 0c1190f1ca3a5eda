"""What a CRM knows of the people: contacts, companies and deals as records that are edited, archived and merged.

A CRM can have several portals; each holds every n-th person. Records are a pure function of the configuration and of
the number of the person they are about. All instants in this package are unix milliseconds.
"""

from dataflow_assets.sandbox.world.crm.links import Link, Role, linked
from dataflow_assets.sandbox.world.crm.portal import Portal
from dataflow_assets.sandbox.world.crm.records import (
    Cause,
    CompanyState,
    ContactState,
    DealState,
    End,
    Ending,
    Kind,
    Lifecycle,
    Record,
    State,
)

__all__ = [
    "Cause",
    "CompanyState",
    "ContactState",
    "DealState",
    "End",
    "Ending",
    "Kind",
    "Lifecycle",
    "Link",
    "Portal",
    "Record",
    "Role",
    "State",
    "linked",
]

"""What the world holds in HubSpot's terms, told without the API: the measure of what a connector has loaded.

Records are taken straight from the people of the world, one after the other, without the API's lists, searches, batches
and pages. Only the spelling of single values is shared with it.
"""

from collections.abc import Callable, Iterator, Mapping
from typing import Any

from dataflow_assets.sandbox.core import Core, TruthQuery
from dataflow_assets.sandbox.hubspot import ids
from dataflow_assets.sandbox.hubspot.links import types
from dataflow_assets.sandbox.hubspot.people import owners, pipelines, stage_id
from dataflow_assets.sandbox.hubspot.properties import PROPERTIES, TOLD, View, pipeline_of
from dataflow_assets.sandbox.hubspot.records import Standing, standing
from dataflow_assets.sandbox.hubspot.spelling import EPOCH, instant_text, millis
from dataflow_assets.sandbox.world.crm import DealState, Kind, Portal, Record, linked
from dataflow_assets.sandbox.world.customers import numbers_of_day

Rows = Iterator[Mapping[str, Any]]

_DAY_MILLIS = 86_400_000


def tell(core: Core, portals: tuple[Portal, ...], stream: str, query: TruthQuery) -> Rows:
    """The full rows of a stream as of now. `query.account` is the number of a portal.

    With `query.deleted` archived records are in as long as HubSpot keeps them, and owners who have left. Merged and
    erased records never are.

    Raises:
        KeyError: there is no such stream or account.
    """
    now = millis(core.clock.now())
    if query.account is not None:
        index = ids.portal_index(core.world, query.account)
        if index is None:
            raise KeyError(query.account)
        portals = (portals[index],)
    teller = _STREAMS[stream]
    return (row for portal in portals for row in teller(portal, now, query.deleted))


def _seen(portal: Portal, kind: Kind, now: int, *, deleted: bool) -> Iterator[Record]:
    today = now // _DAY_MILLIS + EPOCH.toordinal()
    for day in range(portal.config.start.toordinal(), today + 1):
        # A company stands with whoever came first, wherever they are; another portal may have it for their colleague.
        for number in numbers_of_day(portal.config, day):
            for record in portal.of(kind, number):
                found = standing(record, now)
                if found is Standing.LIVE or (deleted and found is Standing.ARCHIVED):
                    yield record


def _records(kind: Kind) -> Callable[[Portal, int, bool], Rows]:
    def tell(portal: Portal, now: int, deleted: bool) -> Rows:
        for record in _seen(portal, kind, now, deleted=deleted):
            view = View(portal, record, record.at(now))
            row = {
                "id": ids.id_of(portal, record),
                "properties": {name: PROPERTIES[kind][name].text(view) for name in TOLD[kind]},
                "createdAt": instant_text(record.created),
                "updatedAt": instant_text(view.state.at),
                "archived": not record.is_live(now),
            }
            if record.ending is not None and not record.is_live(now):
                row["archivedAt"] = instant_text(record.ending.at)
            yield row

    return tell


def _owners(portal: Portal, now: int, deleted: bool) -> Rows:
    yield from owners(portal, now, archived=False)
    if deleted:
        yield from owners(portal, now, archived=True)


def _pipelines(portal: Portal, now: int, _deleted: bool) -> Rows:
    yield from pipelines(portal, now)


def _stages(portal: Portal, now: int, deleted: bool) -> Rows:
    for record in _seen(portal, Kind.DEAL, now, deleted=deleted):
        pipeline = pipeline_of(View(portal, record, record.states[0]))
        before = None
        for state in record.states:
            if isinstance(state, DealState) and state.at <= now and state.stage is not before:
                before = state.stage
                yield {
                    "deal_id": ids.id_of(portal, record),
                    "stage": stage_id(pipeline, state.stage),
                    "timestamp": instant_text(state.at),
                }


def _links(kind: Kind, to: Kind) -> Callable[[Portal, int, bool], Rows]:
    def tell(portal: Portal, now: int, _deleted: bool) -> Rows:
        for record in _seen(portal, kind, now, deleted=False):
            for link in linked(portal, record, to, now):
                yield {
                    "from_id": ids.id_of(portal, record),
                    "to_id": ids.id_of(portal, link.to),
                    "types": types(kind, link),
                }

    return tell


_STREAMS: Mapping[str, Callable[[Portal, int, bool], Rows]] = {
    "contacts": _records(Kind.CONTACT),
    "companies": _records(Kind.COMPANY),
    "deals": _records(Kind.DEAL),
    "owners": _owners,
    "pipelines": _pipelines,
    "deal_stage_history": _stages,
    "deal_contacts": _links(Kind.DEAL, Kind.CONTACT),
    "deal_companies": _links(Kind.DEAL, Kind.COMPANY),
    "contact_companies": _links(Kind.CONTACT, Kind.COMPANY),
}
STREAMS = frozenset(_STREAMS)

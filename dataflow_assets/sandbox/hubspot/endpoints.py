"""Where each address of HubSpot's API leads."""

from collections.abc import Callable, Container
from dataclasses import dataclass
from typing import Any

from dataflow_assets.sandbox.core import Core
from dataflow_assets.sandbox.hubspot import objects, settings
from dataflow_assets.sandbox.hubspot.associations import TEXT_IDS, read_links, read_links_of_one
from dataflow_assets.sandbox.hubspot.errors import no_route, wrong_method
from dataflow_assets.sandbox.hubspot.ids import PLURALS
from dataflow_assets.sandbox.hubspot.limits import Accounting
from dataflow_assets.sandbox.hubspot.objects import Moment
from dataflow_assets.sandbox.hubspot.paging import PAGE_FAULTS, ROW_FAULTS, Tokens
from dataflow_assets.sandbox.hubspot.people import details
from dataflow_assets.sandbox.hubspot.requests import Call, kind_of
from dataflow_assets.sandbox.hubspot.search import OUT_OF_WINDOW, Search
from dataflow_assets.sandbox.hubspot.spelling import millis
from dataflow_assets.sandbox.world.crm import Portal

Json = dict[str, Any]
Faults = Container[str]

TOKEN, DETAILS = "oauth_token", "account_info"
_LIST, _READ, _BATCH, _SEARCH = "list", "read", "batch_read", "search"
ENDPOINTS = frozenset(
    {
        *(f"{name}_{what}" for name in PLURALS.values() for what in (_LIST, _READ, _BATCH, _SEARCH)),
        *("associations_batch", "associations", "owners", "owner", "pipelines", "properties", "property"),
        *(TOKEN, DETAILS),
    }
)


@dataclass(frozen=True)
class Target:
    """What a call leads to. `serve` gives status and body; `faults` are those that make sense there.

    A search is counted by the second, and what `is_exempt` not by ten seconds.
    """

    endpoint: str
    serve: Callable[[Faults], tuple[int, Json]]
    faults: frozenset[str] = frozenset()
    is_search: bool = False
    is_exempt: bool = False
    method: str = "GET"


class Endpoints:
    """The endpoints over one world."""

    def __init__(self, core: Core, accounting: Accounting) -> None:
        self._clock = core.clock
        self._accounting = accounting
        self._tokens = Tokens(core.world.config.seed)
        self._search = Search(lambda: accounting.limits)

    def find(self, call: Call, portal: Portal) -> Target:
        """What a call leads to in a portal. Raises HubSpotError: 404, 405, or 400 for a kind that is not known."""
        now = self._clock.now()
        moment = Moment(portal, millis(now), self._accounting.limits, self._tokens)
        target = self._records(call, moment) or self._settings(call, moment)
        if target is None and call.path == ("details",):
            target = Target(DETAILS, lambda _: (200, details(portal, now)))
        if target is None:
            raise no_route(call.incoming.path)
        if call.incoming.method != target.method:
            raise wrong_method(target.method)
        return target

    def _records(self, call: Call, moment: Moment) -> Target | None:
        match call.path:
            case ("objects", name):
                kind = kind_of(name)
                return Target(
                    f"{PLURALS[kind]}_{_LIST}", _ok(lambda f: objects.list_records(call, kind, moment, f)), PAGE_FAULTS
                )
            case ("objects", name, "search"):
                kind = kind_of(name)
                return Target(
                    f"{PLURALS[kind]}_{_SEARCH}",
                    _ok(lambda f: self._search.answer(moment.portal, kind, _search_body(call), moment.now, f)),
                    PAGE_FAULTS | {OUT_OF_WINDOW},
                    is_search=True,
                    method="POST",
                )
            case ("objects", name, "batch", "read"):
                kind = kind_of(name)
                return Target(
                    f"{PLURALS[kind]}_{_BATCH}",
                    lambda f: objects.read_batch(call, kind, moment, f),
                    ROW_FAULTS,
                    method="POST",
                )
            case ("objects", name, record_id):
                kind = kind_of(name)
                return Target(
                    f"{PLURALS[kind]}_{_READ}",
                    _ok(lambda f: objects.read_record(call, kind, record_id, moment, f)),
                    ROW_FAULTS,
                )
            case ("associations", name, other, "batch", "read"):
                kind, to = kind_of(name), kind_of(other)
                return Target(
                    "associations_batch",
                    lambda f: read_links(call, kind, to, moment, f),
                    ROW_FAULTS | {TEXT_IDS},
                    is_exempt=True,
                    method="POST",
                )
            case ("linked", name, record_id, other):
                kind, to = kind_of(name), kind_of(other)
                return Target(
                    "associations",
                    _ok(lambda f: read_links_of_one(call, (kind, to), record_id, moment, f)),
                    PAGE_FAULTS | {TEXT_IDS},
                )
        return None

    def _settings(self, call: Call, moment: Moment) -> Target | None:
        match call.path:
            case ("owners",):
                return Target("owners", _ok(lambda f: settings.list_owners(call, moment, f)), PAGE_FAULTS)
            case ("owners", owner_id):
                return Target("owner", _ok(lambda f: settings.read_owner(call, owner_id, moment, f)), ROW_FAULTS)
            case ("pipelines", name):
                kind = kind_of(name)
                return Target("pipelines", _ok(lambda f: settings.list_pipelines(call, kind, moment, f)), ROW_FAULTS)
            case ("properties", name):
                kind = kind_of(name)
                return Target("properties", _ok(lambda f: settings.list_properties(call, kind, f)), ROW_FAULTS)
            case ("properties", name, property_name):
                kind = kind_of(name)
                return Target(
                    "property", _ok(lambda f: settings.read_property(call, kind, property_name, f)), ROW_FAULTS
                )
        return None


def _ok(serve: Callable[[Faults], Json]) -> Callable[[Faults], tuple[int, Json]]:
    return lambda faults: (200, serve(faults))


def _search_body(call: Call) -> Json:
    call.check(())
    return call.json()

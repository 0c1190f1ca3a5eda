"""A scripted portal: deals behind HubSpot's list and search, which a test can change between two requests."""

import json
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import httpx

Json = dict[str, Any]
CURSOR = "hs_lastmodifieddate"


def iso(milliseconds: int) -> str:
    return datetime.fromtimestamp(milliseconds / 1000, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


@dataclass
class Portal(httpx.AsyncBaseTransport):
    """Deals by id, each with its time of change in milliseconds; `indexed` is what search takes for that time.

    `before(n)` is called ahead of the n-th search, counted from 1, and may change the records.
    """

    now: int
    changed: dict[str, int] = field(default_factory=dict)
    archived: dict[str, int] = field(default_factory=dict)
    indexed: dict[str, int] = field(default_factory=dict)
    order: Callable[[str], Any] = int
    is_beyond: Callable[[str, str], bool] = lambda id_, last: int(id_) > int(last)
    before: Callable[[int], None] = lambda _number: None
    short: set[int] = field(default_factory=set)  # searches that are answered with an empty page and a next one
    ceiling: int = 10_000
    searches: list[Json] = field(default_factory=list)
    requests: list[httpx.Request] = field(default_factory=list)

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        body = (await request.aread()).decode()
        self.requests.append(request)
        path = request.url.path
        if path.endswith("/details"):
            answer = {"portalId": 44556677, "timeZone": "Europe/Berlin", "companyCurrency": "EUR"}
        elif path.endswith("/search"):
            self.searches.append(json.loads(body))
            self.before(len(self.searches))
            answer = self._search(self.searches[-1])
        else:
            is_archived = request.url.params["archived"] == "true"
            answer = {"results": [self.record(id_, archived=is_archived) for id_ in self._side(archived=is_archived)]}
        status = 400 if answer.get("status") == "error" else 200
        return httpx.Response(status, json=answer, headers={"Date": self._date()})

    def record(self, id_: str, *, archived: bool = False) -> Json:
        changed = iso(self._side(archived=archived)[id_])
        ends = {"archived": archived, **({"archivedAt": iso(self.now)} if archived else {})}
        return {"id": id_, "properties": {CURSOR: changed}, "createdAt": iso(0), "updatedAt": changed, **ends}

    def _side(self, *, archived: bool) -> dict[str, int]:
        return self.archived if archived else self.changed

    def _date(self) -> str:
        return datetime.fromtimestamp(self.now / 1000, UTC).strftime("%a, %d %b %Y %H:%M:%S GMT")

    def _search(self, asked: Json) -> Json:
        after, limit = int(asked["after"]), asked["limit"]
        if after + limit > self.ceiling or limit > 200:
            return {"status": "error", "message": "Too far.", "category": "VALIDATION_ERROR"}
        (group,) = asked["filterGroups"]
        found = sorted((id_ for id_ in self.changed if self._passes(id_, group["filters"])), key=self.order)
        page = found[after : after + limit]
        paging = {"paging": {"next": {"after": f"{after + limit}"}}} if after + limit < len(found) else {}
        if len(self.searches) in self.short:
            page, paging = [], {"paging": {"next": {"after": f"{after + 1}" if not after else asked["after"] + "0"}}}
        return {"total": len(found), "results": [self.record(id_) for id_ in page], **paging}

    def _passes(self, id_: str, filters: list[Json]) -> bool:
        moment = self.indexed.get(id_, self.changed[id_])
        tests = {
            (CURSOR, "GTE"): lambda value: moment >= int(value),
            (CURSOR, "LTE"): lambda value: moment <= int(value),
            (CURSOR, "GT"): lambda value: moment > int(value),
            ("hs_object_id", "GT"): lambda value: self.is_beyond(id_, value),
        }
        return all(tests[one["propertyName"], one["operator"]](one["value"]) for one in filters)

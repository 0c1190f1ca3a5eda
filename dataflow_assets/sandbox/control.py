"""The control plane under `/_sandbox`: time, faults, limits, request counts and the truth, as JSON."""

from collections.abc import Awaitable, Callable, Mapping
from datetime import date
from typing import Any

import msgspec
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse
from starlette.routing import BaseRoute, Route

from dataflow_assets.sandbox.core import Core, TruthQuery, Vendor
from dataflow_assets.sandbox.faults import FaultRule
from dataflow_assets.sandbox.scenario import Scenario, load, names
from dataflow_assets.sandbox.steering import (
    ClockChange,
    add_faults,
    find_vendor,
    move_clock,
    ndjson,
    stage,
    truth,
)

Handler = Callable[[Request], Awaitable[Response]]


class ScenarioChoice(msgspec.Struct, forbid_unknown_fields=True):
    """What `POST scenario` takes."""

    name: str


class Control:
    """Handlers of the control plane. `changed` is called after the clock was moved."""

    def __init__(self, core: Core, vendors: Mapping[str, Vendor], changed: Callable[[], None]) -> None:
        self._core = core
        self._vendors = vendors
        self._changed = changed

    def routes(self) -> list[BaseRoute]:
        """The routes, relative to `/_sandbox`."""
        table: list[tuple[str, str, Handler]] = [
            ("GET", "/health", self._health),
            ("GET", "/clock", self._clock),
            ("POST", "/clock", self._set_clock),
            ("GET", "/requests", self._requests),
            ("DELETE", "/requests", self._reset_requests),
            ("GET", "/faults", self._faults),
            ("POST", "/faults", self._add_faults),
            ("DELETE", "/faults", self._clear_faults),
            ("GET", "/limits", self._limits),
            ("POST", "/limits", self._set_limits),
            ("DELETE", "/limits", self._reset_limits),
            ("GET", "/scenarios", self._scenarios),
            ("POST", "/scenario", self._set_scenario),
            ("GET", "/truth/{vendor}/{stream}", self._truth),
        ]
        return [Route(path, _guarded(handler), methods=[method]) for method, path, handler in table]

    async def _health(self, _: Request) -> Response:
        world = self._core.world.config
        return _json({"status": "ok", "vendors": sorted(self._vendors), "world": world, **self._time()})

    async def _clock(self, _: Request) -> Response:
        return _json(self._time())

    async def _set_clock(self, request: Request) -> Response:
        change = msgspec.json.decode(await request.body(), type=ClockChange)
        move_clock(self._core, change)
        self._changed()
        return _json(self._time())

    async def _requests(self, _: Request) -> Response:
        return _json(self._core.counters.snapshot())

    async def _reset_requests(self, _: Request) -> Response:
        self._core.counters.reset()
        return _json(self._core.counters.snapshot())

    async def _faults(self, _: Request) -> Response:
        return _json(self._core.faults.listing())

    async def _add_faults(self, request: Request) -> Response:
        add_faults(self._core, self._vendors, msgspec.json.decode(await request.body(), type=list[FaultRule]))
        return _json(self._core.faults.listing())

    async def _clear_faults(self, _: Request) -> Response:
        self._core.faults.clear()
        return _json([])

    async def _limits(self, _: Request) -> Response:
        return _json({name: vendor.limits() for name, vendor in self._vendors.items()})

    async def _set_limits(self, request: Request) -> Response:
        changes = msgspec.json.decode(await request.body(), type=dict[str, dict[str, Any]])
        for name, change in changes.items():
            find_vendor(self._vendors, name).configure(change)
        return await self._limits(request)

    async def _reset_limits(self, request: Request) -> Response:
        for vendor in self._vendors.values():
            vendor.reset_limits()
        return await self._limits(request)

    async def _scenarios(self, _: Request) -> Response:
        return _json([self._told(load(name)) for name in names()])

    async def _set_scenario(self, request: Request) -> Response:
        scenario = load(msgspec.json.decode(await request.body(), type=ScenarioChoice).name)
        stage(self._core, self._vendors, scenario)
        self._core.clock.set(scenario.now(self._core.world.config))
        self._changed()
        return _json({**self._told(scenario), **self._time()})

    async def _truth(self, request: Request) -> Response:
        name, stream = request.path_params["vendor"], request.path_params["stream"]
        asked = request.query_params
        query = TruthQuery(
            account=asked.get("account"),
            first=_day(asked.get("from")),
            last=_day(asked.get("to")),
            windows=tuple(part for part in asked.get("windows", "").split(",") if part),
            deleted=asked.get("deleted") != "exclude",
        )
        rows = truth(self._vendors, name, stream, query)
        return StreamingResponse(ndjson(rows), media_type="application/x-ndjson")

    def _told(self, scenario: Scenario) -> dict[str, object]:
        """A scenario for people; `missing` is what keeps this world from showing it."""
        config = self._core.world.config
        told = {"name": scenario.name, "title": scenario.title, "description": scenario.description}
        return {**told, "at": scenario.now(config), "missing": scenario.misfits(config)}

    def _time(self) -> dict[str, object]:
        return {"now": self._core.clock.now(), "speed": self._core.clock.speed}


def _guarded(handler: Handler) -> Handler:
    """Answer 400 with the reason for what the caller got wrong."""

    async def guarded(request: Request) -> Response:
        try:
            return await handler(request)
        except (msgspec.DecodeError, ValueError) as error:
            return _json({"error": str(error)}, status=400)

    return guarded


def _day(text: str | None) -> date | None:
    return date.fromisoformat(text) if text else None


def _json(body: object, status: int = 200) -> Response:
    return Response(msgspec.json.encode(body), status_code=status, media_type="application/json")

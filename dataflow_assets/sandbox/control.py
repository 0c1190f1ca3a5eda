"""The control plane under `/_sandbox`: time, faults, limits, request counts and the truth, as JSON."""

from collections.abc import Awaitable, Callable, Iterator, Mapping
from datetime import date, datetime
from typing import Any

import msgspec
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse
from starlette.routing import BaseRoute, Route

from dataflow_assets.sandbox.core import Core, TruthQuery, Vendor
from dataflow_assets.sandbox.faults import FaultRule

_LINES_PER_CHUNK = 500

Handler = Callable[[Request], Awaitable[Response]]


class ClockChange(msgspec.Struct, forbid_unknown_fields=True):
    """What `POST clock` takes: any of these, applied in this order."""

    now: datetime | None = None
    advance_seconds: float | None = None
    speed: float | None = None


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
            if name not in self._vendors:
                raise ValueError(f"There is no vendor {name!r}; known: {', '.join(sorted(self._vendors))}.")
            self._vendors[name].configure(change)
        return await self._limits(request)

    async def _reset_limits(self, request: Request) -> Response:
        for vendor in self._vendors.values():
            vendor.reset_limits()
        return await self._limits(request)

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
        return StreamingResponse(_lines(rows), media_type="application/x-ndjson")

    def _time(self) -> dict[str, object]:
        return {"now": self._core.clock.now(), "speed": self._core.clock.speed}


def move_clock(core: Core, change: ClockChange) -> None:
    """Set, advance, then change the speed. Raises ValueError for an instant without a time zone."""
    if change.now is not None:
        core.clock.set(change.now)
    if change.advance_seconds is not None:
        core.clock.advance(change.advance_seconds)
    if change.speed is not None:
        core.clock.run(change.speed)


def add_faults(core: Core, vendors: Mapping[str, Vendor], rules: list[FaultRule]) -> None:
    """Put rules in force. Raises ValueError, and adds none, when one could never fire for what it names."""
    for rule in rules:
        meant = [vendor for vendor in vendors.values() if rule.match.vendor in (None, vendor.name)]
        if not meant:
            raise ValueError(f"There is no vendor {rule.match.vendor!r}; known: {', '.join(sorted(vendors))}.")
        faults = {name for vendor in meant for name in vendor.faults}
        if rule.fault not in faults:
            raise ValueError(f"There is no fault {rule.fault!r}; known: {', '.join(sorted(faults))}.")
        endpoints = {name for vendor in meant for name in vendor.endpoints}
        if rule.match.endpoint is not None and rule.match.endpoint not in endpoints:
            raise ValueError(f"There is no endpoint {rule.match.endpoint!r}; known: {', '.join(sorted(endpoints))}.")
    core.faults.add(*rules)


def truth(vendors: Mapping[str, Vendor], vendor: str, stream: str, query: TruthQuery) -> Iterator[Mapping[str, Any]]:
    """The rows of a stream. Raises ValueError for an unknown vendor, stream or account."""
    if vendor not in vendors:
        raise ValueError(f"There is no vendor {vendor!r}; known: {', '.join(sorted(vendors))}.")
    try:
        return vendors[vendor].truth(stream, query)
    except KeyError as error:
        raise ValueError(f"{vendor} has no stream or account {error} in this world.") from None


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


def _lines(rows: Iterator[Mapping[str, Any]]) -> Iterator[bytes]:
    chunk: list[bytes] = []
    for row in rows:
        chunk.append(msgspec.json.encode(row))
        if len(chunk) == _LINES_PER_CHUNK:
            yield b"\n".join(chunk) + b"\n"
            chunk.clear()
    if chunk:
        yield b"\n".join(chunk) + b"\n"

"""Means of the tests of the Stripe connector: a world to sync, what went over the wire, a Stripe on a script."""

import asyncio
import json
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any, TypeVar
from urllib.parse import parse_qsl
from zoneinfo import ZoneInfo

import httpx
import pytest
from hasty import HASTY
from psycopg import sql
from pydantic import SecretStr

from dataflow_assets.connectors.base import Account, Kind, Probe, Since, Window
from dataflow_assets.connectors.records import Column, ColumnType
from dataflow_assets.connectors.stripe import CONNECTOR
from dataflow_assets.raw.ddl import primary_key, table
from dataflow_assets.raw.session import open_client, open_sync
from dataflow_assets.raw.sync import StreamReport
from dataflow_assets.resources.http import ApiClient, Caller
from dataflow_assets.resources.platform import Platform
from dataflow_assets.sandbox.testing import RunningSandbox, run_sandbox
from dataflow_assets.sandbox.world import WorldConfig
from dataflow_assets.settings import StripeSettings
from dataflow_assets.windows import DayWindow

NAME = CONNECTOR.name
STREAMS = [stream.name for stream in CONNECTOR.streams]
Row = dict[str, Any]
Rows = dict[tuple[Any, ...], Row]
Result = TypeVar("Result")
MakePlatform = Callable[..., Platform]
NOWHERE = "http://127.0.0.1:9"
ACCOUNT = Account("acct_1", "Lumen", "EUR", ZoneInfo("UTC"))
EVERYTHING = Since()
SINCE = datetime(2026, 11, 8, 13, tzinfo=UTC)
T = int(SINCE.timestamp())
REFUSED = (401, {"type": "invalid_request_error", "message": "Invalid API Key provided: sk_test_***efgh"})


def stripe(**changes: Any) -> StripeSettings:
    """Settings without a ceiling of our own, which would only make tests wait."""
    return StripeSettings(**{"requests_per_second": 10**6, "endpoint_requests_per_second": 10**6, **changes})


# ------------------------------------------------------------------ the wire


@dataclass(frozen=True)
class Sent:
    """A request as Stripe reads it."""

    path: str  # below /v1/
    query: Mapping[str, Any]  # parameters with [] are lists
    headers: httpx.Headers

    @classmethod
    def of(cls, request: httpx.Request) -> "Sent":
        query: dict[str, Any] = {}
        for name, value in parse_qsl(request.url.query.decode()):
            if name.endswith("[]"):
                query.setdefault(name.removesuffix("[]"), []).append(value)
            else:
                query[name] = value
        return cls(request.url.path.partition("/v1/")[2], query, request.headers)


@dataclass
class Wire(httpx.AsyncBaseTransport):
    """Loopback HTTP that keeps what went over it."""

    requests: list[httpx.Request] = field(default_factory=list)
    below: httpx.AsyncBaseTransport = field(default_factory=lambda: httpx.AsyncHTTPTransport(verify=False))

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        self.requests.append(request)
        return await self.below.handle_async_request(request)

    async def aclose(self) -> None:
        await self.below.aclose()

    @property
    def sent(self) -> list[Sent]:
        """What was asked, in order."""
        return [Sent.of(request) for request in self.requests]

    @property
    def paths(self) -> list[str]:
        """Where it was asked."""
        return [one.path for one in self.sent]


Script = Callable[[Sent], Any]  # a list is a page, a dict an object, a tuple (status, error or text, headers)


def scripted(answer: Script) -> Wire:
    """A wire with a Stripe behind it that answers from a script."""

    def handle(request: httpx.Request) -> httpx.Response:
        found = answer(Sent.of(request))
        if isinstance(found, list):
            found = page(found)
        if isinstance(found, tuple):
            status, body, *headers = found
            content = body if isinstance(body, str) else json.dumps({"error": body})
            return httpx.Response(status, content=content, headers=headers[0] if headers else None)
        return httpx.Response(200, json=found)

    return Wire(below=httpx.MockTransport(handle))


def page(records: Sequence[Mapping[str, Any]], *, more: bool = False) -> Row:
    return {"object": "list", "url": "/v1/x", "has_more": more, "data": list(records)}


def missing(param: str = "id") -> tuple[int, Row]:
    """How Stripe says that something is not there."""
    status = 404 if param == "id" else 400
    error = {"type": "invalid_request_error", "code": "resource_missing", "param": param, "message": "No such thing"}
    return status, error


def event(number: int, created: int, kind: str, record: Mapping[str, Any], **more: Any) -> Row:
    """An event in the version the connector speaks; `was` are its previous attributes."""
    data: Row = {"object": dict(record)}
    if "was" in more:
        data["previous_attributes"] = more.pop("was")
    told = {"id": f"evt_{number}", "object": "event", "type": kind, "created": created, "data": data}
    return {**told, "api_version": "2026-10-28.endive", "livemode": False, **more}


def subscription(name: str, *items: str, more: bool = False) -> Row:
    listed = page([{"id": item, "subscription": name} for item in items], more=more)
    return {"id": name, "object": "subscription", "items": listed}


def invoice(name: str, *lines: str, more: bool = False) -> Row:
    return {"id": name, "object": "invoice", "lines": page([{"id": line, "amount": 1} for line in lines], more=more)}


# ------------------------------------------------------------------ asking


def with_client(platform: Platform, work: Callable[[ApiClient], Awaitable[Result]], wire: Wire | None = None) -> Result:
    """The result of `work`, which gets an open client that does not sleep."""

    async def go() -> Result:
        async with open_client(platform, CONNECTOR, clock=HASTY, transport=wire or Wire()) as client:
            return await work(client)

    return asyncio.run(go())


def accounts(platform: Platform, wire: Wire | None = None) -> list[Account]:
    """The accounts the connector finds."""

    async def work(client: ApiClient) -> list[Account]:
        return list(await CONNECTOR.accounts(client.caller(), platform.settings))

    return with_client(platform, work, wire)


def caller_for(client: ApiClient, account: Account) -> Caller:
    """A caller as the engine makes it."""
    return client.caller(account.id, credential=account.credential, headers=account.headers)


def read(platform: Platform, account: Account, stream: str, window: Window, wire: Wire | None = None) -> list[Row]:
    """The records of a stream in a window, decoded."""

    async def work(client: ApiClient) -> list[Row]:
        pages = CONNECTOR.read(caller_for(client, account), account, CONNECTOR.stream(stream), window)
        return [record async for one in pages for record in json.loads(bytes(one.records))]

    return with_client(platform, work, wire)


def platform_of(make_platform: MakePlatform, url: str, *keys: str, **changes: Any) -> Platform:
    """A platform that reads Stripe at an address with these keys, or with the sandbox's own."""
    made = make_platform(url)
    changes = stripe().model_dump(exclude_unset=True) | changes
    changes |= {"api_key": SecretStr(",".join(keys))} if keys else {}
    settings = made.settings.model_copy(update={"stripe": made.settings.stripe.model_copy(update=changes)})
    return replace(made, settings=settings)


def probes(watermark: datetime, *streams: str, account: Account = ACCOUNT) -> list[Probe]:
    return [Probe(account, CONNECTOR.stream(stream), watermark) for stream in streams]


def newer(platform: Platform, asked: list[Probe], wire: Wire) -> list[tuple[str, str]]:
    async def work(client: ApiClient) -> list[tuple[str, str]]:
        found = await CONNECTOR.newer(client.caller(), asked)
        return [(probe.account.id, probe.stream.name) for probe in found]

    return with_client(platform, work, wire)


# ------------------------------------------------------------------ fixtures


@pytest.fixture
def platform(make_platform: MakePlatform) -> Platform:
    """A platform for scripts: nobody listens at its address."""
    return platform_of(make_platform, NOWHERE)


@pytest.fixture
def sandbox() -> Iterator[RunningSandbox]:
    """Two accounts with a few customers."""
    with run_sandbox(
        WorldConfig(stripe_accounts=2, customers_per_day=2), now=datetime(2026, 5, 20, tzinfo=UTC)
    ) as made:
        yield made


# ------------------------------------------------------------------ a world


@dataclass
class World:
    """A platform with Stripe's tables, and the sandbox it reads."""

    platform: Platform
    sandbox: RunningSandbox

    def run(self, stream: str, window: DayWindow | None = None, **options: Any) -> StreamReport:
        """Sync one stream."""
        wire = options.pop("wire", None) or Wire()

        async def go() -> StreamReport:
            async with open_sync(self.platform, CONNECTOR, clock=HASTY, transport=wire) as sync:
                wire.requests.clear()  # those that found the accounts
                return await sync.run(CONNECTOR.stream(stream), window, **options)

        return asyncio.run(go())

    def fine(self, stream: str, window: DayWindow | None = None, **options: Any) -> StreamReport:
        """The report of a sync in which no account failed, no record was refused and no field was unknown."""
        report = self.run(stream, window, **options)
        assert [one.error for one in report.failed] == []
        assert report.counts.quarantined == 0
        assert [one.unknown_fields for one in report.accounts if one.unknown_fields] == []
        return report

    def truth(self, stream: str, first: date | None = None, last: date | None = None) -> Rows:
        """What Stripe holds now, deleted customers included, as rows of the table by key; without `updated_at`."""
        declared, found = CONNECTOR.stream(stream), Rows()
        for number in range(self.sandbox.config.stripe_accounts):
            account = account_id(self, number)
            for record in self.sandbox.truth(NAME, stream, account=account, first=first, last=last):
                row = {c.name: value_of(c, record) for c in declared.columns if c.name != "updated_at"}
                if stream == "events":
                    about = record["data"]["object"]
                    row |= {"object_id": about["id"], "object_type": about["object"]}
                key = tuple(({"_account_id": account} | row)[name] for name in primary_key(declared))
                assert key not in found
                found[key] = row
        return found

    def stored(self, stream: str) -> Rows:
        """What the table holds and has no tombstone, by key; without `updated_at`."""
        declared = CONNECTOR.stream(stream)
        names = [name for name in declared.column_names if name != "updated_at"]
        query = sql.SQL("select {} from {}").format(
            sql.SQL(", ").join(map(sql.Identifier, ("_account_id", *names))), table(CONNECTOR, declared)
        )
        if declared.kind is Kind.ENTITY:
            query += sql.SQL(" where _deleted_at is null")
        with self.platform.warehouse.connect() as connection:
            rows = connection.execute(query).fetchall()
        if stream == "subscriptions":
            # The truth has their ids; whole ones are what is read.
            for row in rows:
                row["discounts"] = [discount["id"] for discount in row["discounts"]]
        return {tuple(row[name] for name in primary_key(declared)): _without_account(row) for row in rows}

    def query(self, text: str) -> list[Row]:
        """Rows of a query."""
        with self.platform.warehouse.connect() as connection:
            return connection.execute(text).fetchall()  # type: ignore[arg-type]


def _without_account(row: Row) -> Row:
    return {name: value for name, value in row.items() if name != "_account_id"}


def account_id(world: World, number: int) -> str:
    """The id of the sandbox's account of that number."""
    with httpx.Client(trust_env=False) as client:
        headers = {"Authorization": f"Bearer sk_test_sandbox_{number}"}
        return str(client.get(f"{world.sandbox.stripe_url}/v1/account", headers=headers).json()["id"])


def value_of(column: Column, record: Mapping[str, Any]) -> Any:
    """A value of Stripe's as the table should hold it, by a way of its own."""
    found: Any = record
    for part in column.source_path:
        found = found.get(part) if found is not None else None
    if found is None:
        return column.default
    if isinstance(found, dict) and column.type is ColumnType.TEXT:
        return found["type"] if column.name == "payment_method_type" else found["id"]
    return _HELD[column.type](found)


_HELD: Mapping[ColumnType, Callable[[Any], Any]] = {
    ColumnType.TEXT: str,
    ColumnType.BIGINT: int,
    ColumnType.NUMERIC: lambda value: Decimal(str(value)),
    ColumnType.BOOLEAN: bool,
    ColumnType.TIMESTAMPTZ: lambda value: datetime.fromtimestamp(value, UTC),
    ColumnType.JSONB: lambda value: json.loads(json.dumps(value)),
}


def assert_same(found: Rows, expected: Rows) -> None:
    """Both have the same rows; says what differs, not all there is."""
    missing_rows = sorted(expected.keys() - found.keys())
    extra = sorted(found.keys() - expected.keys())
    assert not missing_rows, f"{len(missing_rows)} of {len(expected)} rows are missing, such as {missing_rows[:3]}"
    assert not extra, f"{len(extra)} rows should not be there, such as {extra[:3]}"
    for key, row in expected.items():
        differences = {n: (found[key][n], v) for n, v in row.items() if found[key][n] != v}
        assert not differences, (key, differences)

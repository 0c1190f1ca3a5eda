"""Means of the tests of the Google Ads connector: what went over the wire, and a Google that answers from a script."""

import asyncio
import json
import re
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, TypeVar

import httpx
import pytest
from hasty import HASTY

from dataflow_assets.connectors.base import Account, Probe
from dataflow_assets.connectors.google_ads import CONNECTOR
from dataflow_assets.raw.session import open_client
from dataflow_assets.resources import auth
from dataflow_assets.resources.http import ApiClient, Caller
from dataflow_assets.resources.platform import Platform

MANAGER, CANCELED = "2718281828", "2987654321"
BERLIN, LOS_ANGELES, TOKYO = CLIENTS = ("3100000013", "3100600024", "3101200035")
NOON = datetime(2026, 5, 20, 12, tzinfo=UTC)  # the sandbox's time
Result = TypeVar("Result")


@dataclass(frozen=True)
class Search:
    """One call of `googleAds:search`."""

    customer: str
    body: Mapping[str, str]
    login: str | None  # the header login-customer-id

    @property
    def query(self) -> str:
        return self.body["query"]

    @property
    def resource(self) -> str:
        """What it is FROM."""
        (found,) = re.findall(r" FROM (\w+)", self.query)
        return str(found)

    @classmethod
    def of(cls, request: httpx.Request) -> "Search | None":
        """The search a request is, if it is one."""
        about = re.fullmatch(r".*/v\d+/customers/(\d+)/googleAds:search", request.url.path)
        if about is None:
            return None
        return cls(about[1], json.loads(request.content), request.headers.get("login-customer-id"))


@dataclass
class Wire(httpx.AsyncBaseTransport):
    """Loopback HTTP that keeps what went over it."""

    sent: list[httpx.Request] = field(default_factory=list)
    below: httpx.AsyncBaseTransport = field(default_factory=lambda: httpx.AsyncHTTPTransport(verify=False))

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        await request.aread()
        self.sent.append(request)
        return await self.below.handle_async_request(request)

    async def aclose(self) -> None:
        await self.below.aclose()

    @property
    def searches(self) -> list[Search]:
        """The searches, in order."""
        return [search for request in self.sent if (search := Search.of(request))]


Answer = Sequence[Mapping[str, Any]] | tuple[int, Mapping[str, Any]]  # rows, or an error with its HTTP status


def denied(code: str, family: str = "authorizationError", **more: Any) -> tuple[int, Mapping[str, Any]]:
    """An error answer; `more` are the details of its error."""
    details = [{"errors": [{"errorCode": {family: code}, "message": "No.", "details": more}], "requestId": "r1"}]
    return 403, {"error": {"code": 403, "message": "No.", "status": "PERMISSION_DENIED", "details": details}}


@dataclass
class ScriptedGoogle:
    """What the sandbox has not: trees of managers, accounts in every state, answers at a limit."""

    accessible: Sequence[str] = ()
    answers: Mapping[tuple[str, str], Answer] = field(default_factory=dict)  # by customer and resource

    def wire(self) -> Wire:
        """A transport that gives its answers."""
        return Wire(below=httpx.MockTransport(self._answer))

    def _answer(self, request: httpx.Request) -> httpx.Response:
        if request.url.path.endswith("/token"):
            return httpx.Response(200, json={"access_token": "ya29.scripted", "expires_in": 3599})
        if request.url.path.endswith("/customers:listAccessibleCustomers"):
            return httpx.Response(200, json={"resourceNames": [f"customers/{one}" for one in self.accessible]})
        search = Search.of(request)
        assert search
        answer = self.answers[search.customer, search.resource]
        if isinstance(answer, tuple):
            return httpx.Response(answer[0], json=answer[1])
        return httpx.Response(200, json={"results": answer} if answer else {})


def with_client(
    platform: Platform,
    work: Callable[[ApiClient], Awaitable[Result]],
    wire: Wire | None = None,
    now: datetime | None = None,
) -> Result:
    """The result of `work`, which gets an open client that does not sleep; at the vendor it is `now`."""

    async def go() -> Result:
        async with open_client(platform, CONNECTOR, clock=HASTY, transport=wire or Wire()) as client:
            if now is not None:
                client.skew = now - HASTY.now()
            return await work(client)

    return asyncio.run(go())


def accounts(platform: Platform, wire: Wire | None = None) -> list[Account]:
    """The accounts the connector finds."""

    async def work(client: ApiClient) -> list[Account]:
        return list(await CONNECTOR.accounts(client.caller(), platform.settings))

    return with_client(platform, work, wire)


def client_of(platform: Platform, number: str = BERLIN) -> Account:
    return next(one for one in accounts(platform) if one.id == number)


def caller_for(client: ApiClient, account: Account) -> Caller:
    """A caller as the engine makes it."""
    return client.caller(account.id, credential=account.credential, headers=account.headers)


def read(platform: Platform, account: Account, stream: str, window: Any, wire: Wire | None = None) -> list[list[Any]]:
    """The pages of a stream, decoded."""

    async def work(client: ApiClient) -> list[list[Any]]:
        pages = CONNECTOR.read(caller_for(client, account), account, CONNECTOR.stream(stream), window)
        return [json.loads(bytes(page.records)) async for page in pages]

    return with_client(platform, work, wire)


def newer(
    platform: Platform, asked: Sequence[Probe], wire: Wire | None = None, now: datetime = NOON
) -> list[tuple[str, str]]:
    """Account and stream of the probes that found something. The time at the vendor is known from a listing before."""

    async def work(client: ApiClient) -> list[tuple[str, str]]:
        found = await CONNECTOR.newer(client.caller(), asked)
        assert all(probe in asked for probe in found)
        return sorted((probe.account.id, probe.stream.name) for probe in found)

    return with_client(platform, work, wire, now)


def by_resource(searches: Sequence[Search]) -> Iterator[tuple[str, str]]:
    """Customer and resource of each search."""
    return ((search.customer, search.resource) for search in searches)


@pytest.fixture
def database_url() -> str:
    """Nothing is stored here: a database for each test would take most of its time."""
    return "postgresql://127.0.0.1:9/none"


@pytest.fixture(autouse=True)
def no_tokens(monkeypatch: pytest.MonkeyPatch) -> None:
    """Tokens are kept by address, and a later sandbox may get the port of an earlier one."""
    monkeypatch.setattr(auth, "_tokens", {})

"""LinkedIn's connector on a wire that keeps what went over it: to the sandbox, or to a script of answers."""

import asyncio
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from typing import Any
from uuid import uuid4

import httpx
import pytest
from hasty import HASTY

from dataflow_assets.connectors.base import Account, Page, Since, Stream, Window
from dataflow_assets.connectors.linkedin_ads import CONNECTOR
from dataflow_assets.connectors.linkedin_ads.reading import UTC_ZONE
from dataflow_assets.raw.session import open_client
from dataflow_assets.resources.clock import Clock
from dataflow_assets.resources.http import Caller
from dataflow_assets.resources.platform import Platform
from dataflow_assets.sandbox.testing import RunningSandbox
from dataflow_assets.settings import LinkedInAdsSettings
from dataflow_assets.windows import DayWindow

Work = Callable[[Caller, list[Account]], Any]
Answer = tuple[int, Any]
MakePlatform = Callable[..., Platform]
NOON = datetime(2026, 5, 20, 12, tzinfo=UTC)
WEEK = DayWindow(date(2026, 5, 1), date(2026, 5, 8))
ALL = Since()
BY_CAMPAIGN, BY_CREATIVE = CONNECTOR.stream("analytics_campaign"), CONNECTOR.stream("analytics_creative")
FIVE_OH_EIGHT = Account("508", "Demo", "EUR", UTC_ZONE)


def linkedin(**changes: Any) -> LinkedInAdsSettings:
    """Settings without a ceiling of our own, which would only make tests wait."""
    return LinkedInAdsSettings(**{"requests_per_minute": 10**8, **changes})


@dataclass
class Wire(httpx.AsyncBaseTransport):
    """Loopback HTTP that keeps the requests."""

    sent: list[httpx.Request] = field(default_factory=list)
    below: httpx.AsyncBaseTransport = field(default_factory=lambda: httpx.AsyncHTTPTransport(verify=False))

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        await request.aread()
        self.sent.append(request)
        return await self.below.handle_async_request(request)

    async def aclose(self) -> None:
        await self.below.aclose()

    @property
    def calls(self) -> list[str]:
        """What was asked of the API, as it travelled: path below the root, and the query or the body in its place."""
        found = []
        for request in self.sent:
            path = request.url.raw_path.decode()
            if "/rest/" in path:
                body = request.content.decode()
                found.append(path.split("/rest/")[1] + (f"?{body}" if body else ""))
        return found


def script(answers: Sequence[Answer], headers: dict[str, str] | None = None) -> Wire:
    """A wire that gives these answers in their order, and a new token whenever one is asked for."""
    waiting, tokens = list(answers), iter(range(1_000))

    def handle(request: httpx.Request) -> httpx.Response:
        if request.url.path.endswith("accessToken"):
            return httpx.Response(200, json={"access_token": f"token-{next(tokens)}", "expires_in": 5_183_999})
        status, body = waiting.pop(0)
        content = body if isinstance(body, str) else json.dumps(body)
        return httpx.Response(status, content=content, headers=headers)

    return Wire(below=httpx.MockTransport(handle))


def element(number: int) -> dict[str, Any]:
    return {"id": number, "name": f"Campaign {number}"}


def page(*numbers: int, token: str | None = None) -> Answer:
    return 200, {"elements": [element(n) for n in numbers], "metadata": {"nextPageToken": token} if token else {}}


def nowhere() -> str:
    """An address for scripts, of this test alone: tokens are remembered by where they came from."""
    return f"http://127.0.0.1:9/{uuid4().hex}"


def ask(platform: Platform, work: Work, wire: Wire | None = None, *, clock: Clock = HASTY) -> Any:
    """The result of `work`, which gets a caller for the first account and all accounts."""
    kept = wire or Wire()

    async def go() -> Any:
        async with open_client(platform, CONNECTOR, clock=clock, transport=kept) as client:
            accounts = list(await CONNECTOR.accounts(client.caller(), platform.settings))
            kept.sent.clear()
            return await work(client.caller(accounts[0].id), accounts)

    return asyncio.run(go())


def tell(platform: Platform, work: Callable[[Caller], Any], wire: Wire, *, clock: Clock = HASTY) -> Any:
    """The result of `work`, which gets a caller for account 508."""

    async def go() -> Any:
        async with open_client(platform, CONNECTOR, clock=clock, transport=wire) as client:
            return await work(client.caller("508"))

    return asyncio.run(go())


async def pages(caller: Caller, account: Account, stream: Stream, window: Window) -> list[Page]:
    """All pages of a read."""
    return [page async for page in CONNECTOR.read(caller, account, stream, window)]


def records(found: Sequence[Page]) -> list[dict[str, Any]]:
    """The records of pages."""
    return [record for page in found for record in json.loads(bytes(page.records))]


def reading(stream: str | Stream, window: Any) -> Callable[[Caller, list[Account]], Any]:
    async def work(caller: Caller, accounts: list[Account]) -> list[dict[str, Any]]:
        wanted = CONNECTOR.stream(stream) if isinstance(stream, str) else stream
        return records(await pages(caller, accounts[0], wanted, window))

    return work


def reading_508(stream: str, window: Any = ALL) -> Callable[[Caller], Any]:
    async def work(caller: Caller) -> list[dict[str, Any]]:
        return records(await pages(caller, FIVE_OH_EIGHT, CONNECTOR.stream(stream), window))

    return work


async def listing(_caller: Caller, accounts: list[Account]) -> list[Account]:
    return accounts


def first_account(sandbox: RunningSandbox) -> str:
    return str(sandbox.truth("linkedin_ads", "ad_accounts")[0]["id"])


@pytest.fixture
def platform(make_platform: MakePlatform, sandbox: RunningSandbox) -> Platform:
    return make_platform(sandbox.url, linkedin_ads=linkedin())


@pytest.fixture
def scripted(make_platform: MakePlatform) -> Platform:
    """A platform for scripts: nobody listens."""
    return make_platform(nowhere(), linkedin_ads=linkedin())

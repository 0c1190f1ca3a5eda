"""Accounts that cannot be read are named, and the others are read."""

import asyncio
from collections.abc import AsyncIterator

import httpx

from dataflow_assets.connectors import connector
from dataflow_assets.raw.session import open_sync
from dataflow_assets.resources.platform import Platform

META = connector("meta_ads")


class Renamed(httpx.AsyncBaseTransport):
    """The sandbox, with the time zone of one account called something no calendar knows."""

    def __init__(self, zone: str) -> None:
        self._zone = zone.encode()
        self._inner = httpx.AsyncHTTPTransport(verify=False)

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        answer = await self._inner.handle_async_request(request)
        body = (await answer.aread()).replace(b"Europe/Berlin", self._zone)
        await answer.aclose()
        return httpx.Response(answer.status_code, headers=_without_length(answer.headers), stream=Body(body))

    async def aclose(self) -> None:
        await self._inner.aclose()


class Body(httpx.AsyncByteStream):
    def __init__(self, body: bytes) -> None:
        self._body = body

    async def __aiter__(self) -> AsyncIterator[bytes]:
        yield self._body


def _without_length(headers: httpx.Headers) -> dict[str, str]:
    return {name: value for name, value in headers.items() if name != "content-length"}


def test_law_9_an_account_of_an_unknown_time_zone_is_named_and_the_others_land(platform: Platform) -> None:
    async def go() -> tuple[list[str], int]:
        async with open_sync(platform, META, transport=Renamed("Mars/Olympus")) as sync:
            report = await sync.run(META.stream("campaigns"))
            return [failed.error or "" for failed in report.failed], len(report.accounts)

    errors, accounts = asyncio.run(go())
    assert accounts > len(errors) == 1
    assert "Mars/Olympus" in errors[0]
    with platform.warehouse.connect() as connection:
        landed = connection.execute("select count(distinct _account_id) as n from raw_meta_ads.campaigns").fetchone()
    assert landed
    assert landed["n"] == accounts - 1

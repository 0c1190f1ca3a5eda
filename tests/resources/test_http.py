"""What the client of vendors' APIs makes of an answer before a connector sees it."""

import asyncio

import httpx
import pytest
import redis.asyncio
from redis.crc import key_slot

from dataflow_assets.resources.auth import bearer
from dataflow_assets.resources.breaker import CircuitBreaker
from dataflow_assets.resources.budget import Limit, RequestBudget
from dataflow_assets.resources.failures import Throttled
from dataflow_assets.resources.http import ApiClient, VendorApi

API = VendorApi(
    name="vendor",
    base_url="http://vendor.test",
    auths=(bearer("token"),),
    classify=lambda _reply: None,
    usage=lambda _reply: {},
    limits=lambda _account, _path: {"vendor": Limit("vendor", 1_000, 1.0, burst=100)},
)


def a_client(shared: redis.asyncio.Redis, sent: bytes) -> ApiClient:
    return ApiClient(
        API,
        budget=RequestBudget(shared, vendor="vendor"),
        breaker=CircuitBreaker(shared, name="vendor", vendor="vendor"),
        transport=httpx.MockTransport(lambda _request: httpx.Response(200, content=sent)),
    )


def body_of(redis_url: str, sent: bytes) -> bytes:
    async def go() -> bytes:
        async with redis.asyncio.Redis.from_url(redis_url) as shared, a_client(shared, sent) as client:
            return (await client.caller("1").get("things")).body

    return asyncio.run(go())


@pytest.mark.parametrize(
    ("sent", "made"),
    [
        (rb'["cut \ud83d off"]', rb'["cut \ufffd off"]'),
        (rb'["cut \uDE00 off"]', rb'["cut \ufffd off"]'),
        (rb'["whole \ud83d\ude00", "half \ud83d"]', rb'["whole \ud83d\ude00", "half \ufffd"]'),
        (rb'["a \"word\" and \u00e9"]', rb'["a \"word\" and \u00e9"]'),
        ('["\u00e9 \U0001f600"]'.encode(), '["\u00e9 \U0001f600"]'.encode()),
        (b"[1]", b"[1]"),
    ],
    ids=["first half", "second half", "pair and half", "other escapes", "as they are", "none"],
)
def test_law_6_half_a_character_is_replaced_and_everything_else_stays(redis_url: str, sent: bytes, made: bytes) -> None:
    assert body_of(redis_url, sent) == made


def test_a_request_asks_redis_once_and_for_keys_of_one_slot(redis_url: str) -> None:
    asked: list[list[bytes]] = []

    class Watched(redis.asyncio.Redis):
        async def execute_command(self, *args: object, **options: object) -> object:
            if args[0] == "EVALSHA":
                asked.append([str(key).encode() for key in args[3 : 3 + int(str(args[2]))]])
            else:
                asked.append([])
            return await super().execute_command(*args, **options)

    async def go() -> None:
        async with Watched.from_url(redis_url) as shared, a_client(shared, b"[]") as client:
            caller = client.caller("1")
            await caller.get("things")
            asked.clear()
            for _ in range(3):
                await caller.get("things")

    asyncio.run(go())
    assert len(asked) == 3
    assert all(asked)
    # Keys of several slots are refused by a cluster, and the budget would be each process' own.
    assert len({key_slot(key) for keys in asked for key in keys}) == 1


def test_failures_another_process_has_seen_hold_the_next_request_back(redis_url: str) -> None:
    async def go() -> None:
        async with redis.asyncio.Redis.from_url(redis_url) as shared, a_client(shared, b"[]") as client:
            caller = client.caller("1")
            await caller.get("things")
            await CircuitBreaker(shared, name="vendor", vendor="vendor").failure(wait_seconds=600)
            with pytest.raises(Throttled, match="requests failed"):
                await caller.get("things")

    asyncio.run(go())

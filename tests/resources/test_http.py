"""What the client of vendors' APIs makes of an answer before a connector sees it."""

import asyncio

import httpx
import pytest
import redis.asyncio

from dataflow_assets.resources.auth import bearer
from dataflow_assets.resources.breaker import CircuitBreaker
from dataflow_assets.resources.budget import Limit, RequestBudget
from dataflow_assets.resources.http import ApiClient, VendorApi

API = VendorApi(
    name="vendor",
    base_url="http://vendor.test",
    auths=(bearer("token"),),
    classify=lambda _reply: None,
    usage=lambda _reply: {},
    limits=lambda _account, _path: {"vendor": Limit("vendor", 1_000, 1.0)},
)


def body_of(redis_url: str, sent: bytes) -> bytes:
    async def go() -> bytes:
        async with redis.asyncio.Redis.from_url(redis_url) as shared:
            means = {
                "budget": RequestBudget(shared, vendor="vendor"),
                "breaker": CircuitBreaker(shared, name="vendor.test", vendor="vendor"),
            }
            transport = httpx.MockTransport(lambda _request: httpx.Response(200, content=sent))
            async with ApiClient(API, **means, transport=transport) as client:  # type: ignore[arg-type]
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

"""Credentials: fetched once, renewed in time and when refused, and never told to anyone."""

import asyncio
import itertools
import uuid
from collections.abc import Callable
from typing import Any

import httpx
import pytest

from dataflow_assets.resources.auth import RENEW_BEFORE_SECONDS, Fixed, RefreshToken, bearer
from dataflow_assets.resources.failures import Fatal, Retryable

URL = "http://tokens.invalid/token"


class Endpoint:
    """A token endpoint that gives a new token at each call, or answers what it is told to."""

    def __init__(self, *answers: httpx.Response | Exception) -> None:
        self.forms: list[dict[str, str]] = []
        self._answers = iter(answers)
        self._numbers = itertools.count(1)

    def __call__(self, request: httpx.Request) -> httpx.Response:
        assert str(request.url) == URL
        self.forms.append(dict(httpx.QueryParams(request.content.decode())))
        answer = next(self._answers, None)
        if isinstance(answer, Exception):
            raise answer
        return answer or httpx.Response(200, json={"access_token": f"t{next(self._numbers)}", "expires_in": 3_600})


class Time:
    def __init__(self) -> None:
        self.seconds = 1_000.0

    def __call__(self) -> float:
        return self.seconds


@pytest.fixture
def time() -> Time:
    return Time()


@pytest.fixture
def make_auth(time: Time) -> Callable[..., RefreshToken]:
    secret = uuid.uuid4().hex  # tokens are shared by everything in a process that has the same secret

    def make(**options: Any) -> RefreshToken:
        form = {"client_id": "c", "client_secret": "very-secret", "refresh_token": secret}
        return RefreshToken("acme", URL, form, hint="Ask for a new one.", monotonic=time, **options)

    return make


def headers(auth: Any, endpoint: Endpoint, times: int = 1) -> list[str]:
    """The Authorization headers of callers side by side."""

    async def go() -> list[str]:
        async with httpx.AsyncClient(
            base_url="http://api.invalid/v1/", transport=httpx.MockTransport(endpoint)
        ) as client:
            found = await asyncio.gather(*(auth.headers(client) for _ in range(times)))
        return [one["Authorization"] for one in found]

    return asyncio.run(go())


def test_a_fixed_token_is_what_it_is() -> None:
    assert headers(bearer("abc"), Endpoint()) == ["Bearer abc"]
    assert not bearer("abc").refused()


def test_callers_side_by_side_and_clients_one_after_the_other_share_one_token(
    make_auth: Callable[..., RefreshToken],
) -> None:
    endpoint = Endpoint()
    assert headers(make_auth(), endpoint, times=5) == ["Bearer t1"] * 5
    assert headers(make_auth(), endpoint) == ["Bearer t1"]
    (form,) = endpoint.forms
    assert form["grant_type"] == "refresh_token"
    assert form["client_secret"] == "very-secret"


def test_a_token_is_renewed_before_it_ends(make_auth: Callable[..., RefreshToken], time: Time) -> None:
    endpoint = Endpoint()
    headers(make_auth(), endpoint)
    time.seconds += 3_600 - RENEW_BEFORE_SECONDS - 1
    assert headers(make_auth(), endpoint) == ["Bearer t1"]
    time.seconds += 1
    assert headers(make_auth(), endpoint) == ["Bearer t2"]


def test_a_refused_token_is_replaced(make_auth: Callable[..., RefreshToken]) -> None:
    endpoint, auth = Endpoint(), make_auth()
    headers(auth, endpoint)
    assert auth.refused()
    assert headers(auth, endpoint) == ["Bearer t2"]


@pytest.mark.parametrize(
    ("answer", "kind"),
    [
        (httpx.Response(400, json={"error": "invalid_grant", "error_description": "Token expired"}), Fatal),
        (httpx.Response(401, text="no"), Fatal),
        (httpx.Response(200, json={"token": "elsewhere"}), Fatal),
        (httpx.Response(200, text="<html>"), Fatal),
        (httpx.Response(400, json={"error": "temporarily_unavailable"}), Retryable),
        (httpx.Response(429, text="slow down"), Retryable),
        (httpx.Response(503, text="<html>"), Retryable),
        (httpx.ConnectError("refused"), Retryable),
    ],
)
def test_law_8_what_the_token_endpoint_says_is_retried_only_if_that_can_help(
    make_auth: Callable[..., RefreshToken], answer: httpx.Response | Exception, kind: type[Exception]
) -> None:
    with pytest.raises((Fatal, Retryable)) as raised:
        headers(make_auth(), Endpoint(answer))
    assert type(raised.value) is kind
    if isinstance(raised.value, Fatal):
        assert raised.value.scope == "vendor"
        assert "Ask for a new one." in str(raised.value)
    assert headers(make_auth(), Endpoint()) == ["Bearer t1"], "A failure is not remembered."


def test_law_13_no_secret_is_in_an_error_or_a_repr(make_auth: Callable[..., RefreshToken]) -> None:
    auth = make_auth()
    body = {"error": "invalid_client", "error_description": "very-secret is not the secret of c"}
    with pytest.raises(Fatal) as raised:
        headers(auth, Endpoint(httpx.Response(401, json=body)))
    shown = f"{raised.value} {raised.value!r} {auth!r} {Fixed({'Authorization': 'Bearer abc'})!r}"
    assert "very-secret" not in shown
    assert auth.form["refresh_token"] not in shown
    assert "abc" not in shown


def test_what_else_the_endpoint_says_is_told_without_the_tokens(make_auth: Callable[..., RefreshToken]) -> None:
    told: list[Any] = []
    body = {"access_token": "a", "refresh_token": "r", "expires_in": 60, "refresh_token_expires_in": 86_400}
    headers(make_auth(on_fetched=told.append), Endpoint(httpx.Response(200, json=body)))
    assert told == [{"expires_in": 60, "refresh_token_expires_in": 86_400}]

"""The way to a vendor: one client that budgets, sends, classifies, retries and counts every request.

A vendor is described by a `VendorApi`: where it is, how to authorise, and how to read its answers. The token travels in
a header and never in a URL; exceptions hold our own words only.
"""

import logging
import re
import ssl
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from email.utils import parsedate_to_datetime
from functools import cache
from types import TracebackType
from typing import Any, Self
from urllib.parse import urlsplit

import httpx

from dataflow_assets.resources.auth import Auth
from dataflow_assets.resources.breaker import CircuitBreaker
from dataflow_assets.resources.budget import Lane, Limit, RequestBudget
from dataflow_assets.resources.clock import SYSTEM_CLOCK, Clock
from dataflow_assets.resources.failures import Retryable, Scope, Throttled, Unauthorized, VendorError
from dataflow_assets.resources.retry import vendor_request

# At INFO httpx logs every URL, and a vendor may want something derived from a secret in it.
logging.getLogger("httpx").setLevel(logging.WARNING)

TIMEOUT = httpx.Timeout(120.0, connect=15.0)


@cache
def _certificates() -> ssl.SSLContext:
    # Reading the authorities' certificates takes longer than many a sync; every client of a process shares them.
    return httpx.create_ssl_context()


@dataclass(frozen=True)
class Reply:
    """An answer of a vendor, whole: the account and the path the request was about are told with it."""

    status: int
    headers: httpx.Headers
    body: bytes
    account: str | None
    path: str = ""


@dataclass(frozen=True, kw_only=True)
class VendorApi:
    """How to speak to one vendor. `auths` are its credentials: one, or one per account where a vendor wants that."""

    name: str
    base_url: str
    auths: Sequence[Auth] = field(repr=False)
    headers: Mapping[str, str] = field(default_factory=dict)
    params: Mapping[str, str] = field(default_factory=dict, repr=False)
    classify: Callable[[Reply], VendorError | None] = field(repr=False)  # None: the answer is good
    usage: Callable[[Reply], Mapping[Scope, float]]  # fractions of the vendor's own budgets, 1.0 is used up
    # Our budgets for a request about an account (or none) to a path.
    limits: Callable[[str | None, str], Mapping[Scope, Limit]]
    # How long what is configured lets us in, as the vendor said when it was last asked; None: it does not say.
    credential_lasts: Callable[[], timedelta | None] = lambda: None


@dataclass
class Tally:
    """What was spent on the way."""

    requests: int = 0
    retries: int = 0
    bytes: int = 0
    budget_wait_seconds: float = 0.0
    retry_wait_seconds: float = 0.0

    def add(self, other: "Tally") -> None:
        """Add another tally to this one."""
        self.requests += other.requests
        self.retries += other.retries
        self.bytes += other.bytes
        self.budget_wait_seconds += other.budget_wait_seconds
        self.retry_wait_seconds += other.retry_wait_seconds

    def take(self) -> "Tally":
        """What was spent since the last time it was taken."""
        taken = replace(self)
        self.__init__()  # type: ignore[misc]  # back to the defaults
        return taken


class ApiClient(AbstractAsyncContextManager["ApiClient"]):
    """A vendor's API for the length of one task. Open it inside the event loop that uses it."""

    def __init__(
        self,
        api: VendorApi,
        *,
        budget: RequestBudget,
        breaker: CircuitBreaker,
        lane: Lane = Lane.LIVE,
        patience_seconds: float = 60.0,
        clock: Clock = SYSTEM_CLOCK,
        transport: httpx.AsyncBaseTransport | None = None,
    ) -> None:
        self.api = api
        self._budget = budget
        self._breaker = breaker
        self._lane = lane
        self._patience = patience_seconds
        self.clock = clock
        self.skew = timedelta(0)  # the vendor's clock against ours
        self._http = httpx.AsyncClient(
            base_url=api.base_url,
            headers=dict(api.headers),
            timeout=TIMEOUT,
            transport=transport,
            verify=_certificates(),
        )

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._http.aclose()

    async def __aenter__(self) -> Self:
        return self

    def caller(
        self, account: str | None = None, *, credential: int = 0, headers: Mapping[str, str] | None = None
    ) -> "Caller":
        """A view of this client that speaks about one account and keeps its own tally.

        `credential` is the position of its credential in `VendorApi.auths`; `headers` go with each of its requests.
        """
        return Caller(self, account, Tally(), credential, headers or {})

    def vendor_now(self) -> datetime:
        """The time at the vendor, by the Date header of its latest answer. UTC."""
        return self.clock.now() + self.skew

    async def send(self, request: "Request", caller: "Caller") -> Reply:
        """Send one request and return a good answer.

        Raises:
            Throttled: the told wait is longer than the patience of this client.
            Retryable: the fault did not pass in six tries.
            TooMuchData, Fatal: as the vendor's `classify` decided.
        """
        account, tally = caller.account, caller.tally

        def waited(seconds: float) -> None:
            tally.retries += 1
            tally.retry_wait_seconds += seconds

        policy = vendor_request(self.clock, patience_seconds=self._patience, on_wait=waited)
        limits = self.api.limits(account, request.path)
        auth = self.api.auths[caller.credential]
        renewed = False

        async def attempt() -> Reply:
            nonlocal renewed
            tally.budget_wait_seconds += await self._budget.acquire(
                list(limits.values()), cost=request.cost, lane=self._lane, watch=self._breaker.key
            )
            # After the budget: a probe must not spend its lease waiting for its turn.
            await self._breaker.before_request(remembers_failures=self._budget.watched_is_there)
            authorised = await auth.headers(self._http)
            reply = await self._exchange(request, {**authorised, **caller.headers, **request.headers}, account, tally)
            try:
                await self.learn(reply, limits)
            except Unauthorized:
                # Once: a credential that is refused again is for a person to mend.
                if renewed or not auth.refused():
                    raise
                renewed = True
                raise Retryable("the access token was refused; another one is fetched.", vendor=self.api.name) from None
            return reply

        try:
            return await policy(attempt)
        except VendorError as error:
            # Budget, breaker and credentials do not know whom a request was about.
            error.account = error.account or account
            raise

    async def _exchange(
        self, request: "Request", headers: Mapping[str, str], account: str | None, tally: Tally
    ) -> Reply:
        tally.requests += 1
        params = {**self.api.params, **request.params}
        try:
            answer = await self._http.request(
                request.method,
                request.path,
                # An empty mapping would take away the query a path brings along.
                params=params or None,
                data=request.form,
                json=request.json,
                content=request.content,
                headers=dict(headers),
            )
        except httpx.TransportError as error:
            await self._breaker.failure()
            host = urlsplit(self.api.base_url).netloc
            raise Retryable(
                f"the connection to {host} failed ({type(error).__name__}).",
                vendor=self.api.name,
                account=account,
                hint="Check that the address is right and can be reached from here.",
            ) from None
        tally.bytes += len(answer.content)
        self._measure_skew(answer.headers)
        return Reply(answer.status_code, answer.headers, _whole_characters(answer.content), account, request.path)

    async def learn(self, reply: Reply, limits: Mapping[Scope, Limit]) -> None:
        """Take from an answer what it says of budgets and health, and raise what it says went wrong.

        For answers that came inside another one (a batch); `send` does this by itself.
        """
        for scope, fraction in self.api.usage(reply).items():
            if scope in limits:
                await self._budget.report_usage(limits[scope], fraction)
        failure = self.api.classify(reply)
        if isinstance(failure, Throttled):
            # Every process must hold still: calls made during a block extend it.
            await self._budget.block(limits.get(failure.scope, limits["vendor"]), failure.wait_seconds)
        if isinstance(failure, Retryable):
            await self._breaker.failure()
        else:
            await self._breaker.success()
        if failure is not None:
            raise failure

    def _measure_skew(self, headers: httpx.Headers) -> None:
        # Which days are complete is the vendor's to say: a laptop with a wrong clock must not close a day early.
        if told := headers.get("date"):
            self.skew = parsedate_to_datetime(told) - self.clock.now()


@dataclass(frozen=True, kw_only=True)
class Request:
    """One request, with at most one kind of body. `cost` is what it takes from the budget: one per item of a batch."""

    method: str
    path: str
    params: Mapping[str, Any] = field(default_factory=dict)
    form: Mapping[str, Any] | None = None
    json: Any = None
    content: str | None = None
    headers: Mapping[str, str] = field(default_factory=dict)
    cost: int = 1


@dataclass(frozen=True)
class Caller:
    """Requests about one account, with their own tally."""

    client: ApiClient
    account: str | None
    tally: Tally
    credential: int = 0
    headers: Mapping[str, str] = field(default_factory=dict)

    async def get(
        self, path: str, params: Mapping[str, Any] | None = None, *, headers: Mapping[str, str] | None = None
    ) -> Reply:
        """GET a path below the vendor's base URL."""
        return await self.send(Request(method="GET", path=path, params=params or {}, headers=headers or {}))

    async def post(self, path: str, form: Mapping[str, Any], *, cost: int = 1) -> Reply:
        """POST a form."""
        return await self.send(Request(method="POST", path=path, form=form, cost=cost))

    async def post_json(self, path: str, body: Any, *, cost: int = 1) -> Reply:
        """POST a JSON document."""
        return await self.send(Request(method="POST", path=path, json=body, cost=cost))

    async def send(self, request: Request) -> Reply:
        """Send any request. Raises as `ApiClient.send` does."""
        return await self.client.send(request, self)

    async def learn(self, reply: Reply, path: str) -> None:
        """Treat an answer that came inside another one like one of its own. Raises what it says went wrong."""
        await self.client.learn(reply, self.client.api.limits(reply.account, path))

    async def pause(self, seconds: float) -> None:
        """Wait, for example between two looks at an asynchronous job."""
        await self.client.clock.sleep(seconds)

    def now(self) -> datetime:
        """The time at the vendor, in UTC."""
        return self.client.vendor_now()


_SURROGATES = re.compile(rb"\\u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2}|\\u[dD][89a-fA-F][0-9a-fA-F]{2}")
_PAIR_LENGTH = len(rb"\ud83d\ude00")


def _whole_characters(body: bytes) -> bytes:
    """The body with halves of characters, which names cut by a vendor end in, replaced by U+FFFD.

    No parser and no database takes them; without this one such name would cost its whole page.
    """
    # One look first, for what is found fastest: most answers hold no escape of this kind, and many none at all.
    if b"\\" not in body or (b"\\ud" not in body and b"\\uD" not in body):
        return body
    return _SURROGATES.sub(lambda found: found[0] if len(found[0]) == _PAIR_LENGTH else rb"\ufffd", body)

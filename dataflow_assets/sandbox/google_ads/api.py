"""The Google Ads API from call to answer: check it, let faults strike, charge it, serve it; and the token endpoint."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import count
from typing import Any
from urllib.parse import parse_qsl

import msgspec

from dataflow_assets.sandbox.answers import BAD_GATEWAY, HTML, Answer, wounded
from dataflow_assets.sandbox.core import Core
from dataflow_assets.sandbox.faults import TRANSPORT_FAULTS, FaultRule
from dataflow_assets.sandbox.google_ads.answers import StreamedAnswer
from dataflow_assets.sandbox.google_ads.auth import Tokens
from dataflow_assets.sandbox.google_ads.customers import Customer, Directory
from dataflow_assets.sandbox.google_ads.errors import (
    AdsError,
    OAuthError,
    not_enabled,
    permission_denied,
    refused,
)
from dataflow_assets.sandbox.google_ads.fields import JOINED, WITH_METRICS
from dataflow_assets.sandbox.google_ads.limits import Accounting
from dataflow_assets.sandbox.google_ads.refusals import (
    OF_CUSTOMERS,
    OF_FURTHER_PAGES,
    OF_TOKENS,
    REFUSALS,
    unsupported_version,
)
from dataflow_assets.sandbox.google_ads.requests import Call, read_body
from dataflow_assets.sandbox.google_ads.search import PAGE_FAULTS, STREAM_ERROR, Question, Search

NAME = "google_ads"
FAULTS = (
    TRANSPORT_FAULTS
    | REFUSALS.keys()
    | OF_CUSTOMERS.keys()
    | OF_FURTHER_PAGES.keys()
    | OF_TOKENS.keys()
    | PAGE_FAULTS
    | {STREAM_ERROR}
)
TOKEN, LIST, SEARCH = "token", "list_accessible_customers", "search"
ENDPOINTS = frozenset(
    {TOKEN, LIST, SEARCH, *JOINED, *(f"{name}_{kind}" for name in WITH_METRICS for kind in ("metrics", "conversions"))}
)
"""Searches go by what they ask for; `search` is one that could not be understood."""

_OLDEST_LIVE_VERSION, _NEWEST_VERSION = 23, 26
_VERSIONED = re.compile(r"/v(\d{1,3})/(.*)")
_ABOUT_CUSTOMER = re.compile(r"customers/([^/:]+)/googleAds:(search|searchStream)")
_CUSTOMER_ID = re.compile(r"\d{10}", re.ASCII)
_NOT_FOUND = Answer(
    404,
    b"<!DOCTYPE html><html><title>Error 404 (Not Found)</title><p>The requested URL was not found.</html>",
    media_type=HTML,
)

Fired = dict[str, FaultRule]
Served = Answer | StreamedAnswer


@dataclass(frozen=True)
class _Request:
    """A call whose version, method and path are right. `customer` is the text of the path, as yet unchecked."""

    call: Call
    version: str
    id: str
    customer: str | None
    stream: bool


class AdsApi:
    """Answers calls over one world. Errors are answers too: nothing is raised."""

    def __init__(self, core: Core) -> None:
        self.accounting = Accounting(core.clock.limiter_seconds)
        self._core = core
        self._tokens = Tokens(core.world.config.seed)
        self._directory = Directory(core.world)
        self._search = Search(core, self.accounting, self._directory)
        self._numbers = count(1)

    def answer(self, call: Call) -> Served:
        """Answer one HTTP request."""
        self._core.counters.request(NAME)
        if (call.method, call.path) == ("POST", "/token"):
            return self._token(call)
        request = self._request(call)
        if request is None:
            return _NOT_FOUND
        fired: Fired = {}
        try:
            if int(request.version[1:]) < _OLDEST_LIVE_VERSION:
                raise unsupported_version()
            self._tokens.check(call.headers.get("authorization"), self._core.clock.epoch())
            if request.customer is None:
                return self._list(request, fired)
            return self._find(request, request.customer, fired)
        except AdsError as error:
            if error.throttles:
                self._core.counters.throttled()
            return _wounded(_error(request, error), fired)

    def _request(self, call: Call) -> _Request | None:
        """The call's parts; None when there is nothing at its address."""
        versioned = _VERSIONED.fullmatch(call.path)
        if versioned is None or int(versioned[1]) > _NEWEST_VERSION:
            return None
        version, identity = f"v{versioned[1]}", f"SandboxRequest{next(self._numbers):08}"
        if (call.method, versioned[2]) == ("GET", "customers:listAccessibleCustomers"):
            return _Request(call, version, identity, None, stream=False)
        about = _ABOUT_CUSTOMER.fullmatch(versioned[2])
        if call.method != "POST" or about is None:
            return None
        return _Request(call, version, identity, about[1], stream=about[2] == "searchStream")

    def _token(self, call: Call) -> Served:
        fired = self._fire(TOKEN, None, TRANSPORT_FAULTS | OF_TOKENS.keys())
        form = dict(parse_qsl(call.body.decode(errors="replace"), keep_blank_values=True))
        try:
            for name in fired.keys() & OF_TOKENS.keys():
                raise OAuthError(*OF_TOKENS[name])
            lifetime = self.accounting.limits.access_token_seconds
            answer = Answer(200, msgspec.json.encode(self._tokens.refresh(form, self._core.clock.epoch(), lifetime)))
        except OAuthError as error:
            answer = Answer(error.status, msgspec.json.encode(error.body()))
        return _wounded(answer, fired)

    def _list(self, request: _Request, fired: Fired) -> Served:
        fired |= self._fire(LIST, None, TRANSPORT_FAULTS | REFUSALS.keys())
        _refuse(fired)
        self.accounting.charge(None, operation=True)
        body = {"resourceNames": [customer.resource_name for customer in self._directory.direct]}
        return _wounded(_json(request, body), fired)

    def _find(self, request: _Request, digits: str, fired: Fired) -> Served:
        customer = self._customer(request, digits)
        try:
            body = read_body(request.call, stream=request.stream)
            asked = self._search.read(customer, body)
        except AdsError:
            self._core.counters.call(NAME, SEARCH, customer.id)
            self.accounting.charge(customer.id, operation=True)
            raise
        possible = TRANSPORT_FAULTS | REFUSALS.keys() | OF_CUSTOMERS.keys() | PAGE_FAULTS
        possible |= {STREAM_ERROR} if request.stream else set()
        possible |= OF_FURTHER_PAGES.keys() if body.page_token else set()
        fired |= self._fire(asked.plan.endpoint, customer.id, possible)
        _refuse(fired)
        self.accounting.charge(customer.id, operation=not body.page_token)
        if request.stream:
            return _wounded(StreamedAnswer(self._pieces(request, asked, fired), _headers(request)), fired)
        return _wounded(_json(request, self._search.page(asked, fired)), fired)

    def _customer(self, request: _Request, digits: str) -> Customer:
        """The customer of the path, if the user may act for it through the one of the header."""
        if not _CUSTOMER_ID.fullmatch(digits):
            raise refused("authenticationError", "CLIENT_CUSTOMER_ID_INVALID", "Client customer id is not a number.")
        login: Customer | None = None
        text = request.call.headers.get("login-customer-id")
        if text is not None:
            if not _CUSTOMER_ID.fullmatch(text):
                message = "The login customer id is not a number of ten digits."
                raise refused("headerError", "INVALID_LOGIN_CUSTOMER_ID", message)
            login = self._directory.find(text)
            if login is None:
                raise permission_denied()
        customer = self._directory.find(digits)
        if customer is None or not self._directory.may_reach(customer, login):
            raise permission_denied()
        if customer.status != "ENABLED":
            raise not_enabled()
        return customer

    def _pieces(self, request: _Request, asked: Question, fired: Fired) -> Iterator[bytes]:
        """The pieces of a stream, which together are one JSON array."""
        opening = b"["
        try:
            for piece in self._search.pieces(asked, request.id, fired):
                yield opening + msgspec.json.encode(piece)
                opening = b",\n"
        except AdsError as error:
            yield opening + msgspec.json.encode(error.body(request.version, request.id))
        yield b"]"

    def _fire(self, endpoint: str, account: str | None, possible: frozenset[str]) -> Fired:
        """Count the call and find the faults that strike it, by name."""
        self._core.counters.call(NAME, endpoint, account)
        return {rule.fault: rule for rule in self._core.faults.fire(NAME, account, endpoint, possible)}


def _refuse(fired: Fired) -> None:
    for refusals in (REFUSALS, OF_CUSTOMERS, OF_FURTHER_PAGES):
        for name, rule in fired.items():
            if name in refusals:
                error = refusals[name](rule)
                error.status = rule.status or error.status
                raise error


def _headers(request: _Request) -> dict[str, str]:
    return {"request-id": request.id}


def _json(request: _Request, body: Mapping[str, Any]) -> Answer:
    return Answer(200, msgspec.json.encode(body), headers=_headers(request))


def _error(request: _Request, error: AdsError) -> Answer:
    """The answer for an error; a stream is an array also when it fails."""
    body: Any = error.body(request.version, request.id)
    return Answer(error.status, msgspec.json.encode([body] if request.stream else body), headers=_headers(request))


def _wounded(answer: Served, fired: Fired) -> Served:
    """The answer after the faults of transport."""
    if isinstance(answer, Answer):
        return wounded(answer, fired)
    return wounded(BAD_GATEWAY, fired) if "html_502" in fired else answer.wounded(fired)

"""Stripe's API from call to answer: who calls, what for, is it one too many, do faults strike; then serve it."""

from collections.abc import Mapping
from dataclasses import replace
from itertools import count

import msgspec

from dataflow_assets.sandbox.answers import BAD_GATEWAY, Answer
from dataflow_assets.sandbox.core import Core
from dataflow_assets.sandbox.faults import TRANSPORT_FAULTS, FaultRule
from dataflow_assets.sandbox.stripe import ids
from dataflow_assets.sandbox.stripe.auth import Caller, identify
from dataflow_assets.sandbox.stripe.endpoints import LISTS, Visit, find
from dataflow_assets.sandbox.stripe.errors import StripeError
from dataflow_assets.sandbox.stripe.ids import NAME
from dataflow_assets.sandbox.stripe.limits import Accounting
from dataflow_assets.sandbox.stripe.refusals import CURSOR_GONE, REFUSALS
from dataflow_assets.sandbox.stripe.requests import Call, read_call
from dataflow_assets.sandbox.stripe.shapes.frame import Frame, Row
from dataflow_assets.sandbox.stripe.showing import Showroom
from dataflow_assets.sandbox.stripe.spoiling import DUPLICATE_ROWS, PAGE_FAULTS
from dataflow_assets.sandbox.stripe.things import Things
from dataflow_assets.sandbox.stripe.versions import CURRENT, default_version, read_version
from dataflow_assets.sandbox.world.commerce import Commerce, Seller

FAULTS = TRANSPORT_FAULTS | REFUSALS.keys() | PAGE_FAULTS
_NEED_CURSOR = frozenset({CURSOR_GONE, DUPLICATE_ROWS})  # these make sense only on later pages
_SLOW_SECONDS = 1.0
_REQUEST_NUMBERS = 1 << 24

Fired = dict[str, FaultRule]


class StripeApi:
    """Answers calls over one world. Errors are answers too: nothing is raised."""

    def __init__(self, core: Core) -> None:
        self.accounting = Accounting(core.clock.limiter_seconds)
        self.commerce = Commerce(core.world)
        self._core = core
        self._requests = count()

    def answer(self, method: str, path: str, query: str, sent: Mapping[str, str]) -> Answer:
        """Answer one HTTP request; the names of the headers `sent` are in lower case."""
        self._core.counters.request(NAME)
        number = next(self._requests) % _REQUEST_NUMBERS
        headers = {"Request-Id": ids.write("request", 0, 0, number), "Stripe-Version": CURRENT}
        fired: Fired = {}
        try:
            body = self._serve(read_call(method, path, query, sent), headers, fired)
            answer = Answer(200, msgspec.json.encode(body))
        except StripeError as error:
            if error.throttles:
                self._core.counters.throttled()
            answer = error.answer()
        return _wounded(replace(answer, headers={**answer.headers, **headers}), fired)

    def room(self, seller: Seller, instant: int) -> Showroom:
        """Where an account's things are looked at, at an instant."""

        def redeemed(coupon: int, until: int) -> int:
            return self.commerce.redemptions(seller, coupon, until, instant)

        frame = Frame(seller, redeemed, self.accounting.limits.embedded_rows)
        return Showroom(Things(self.commerce, seller, instant), frame)

    def _serve(self, call: Call, headers: dict[str, str], fired: Fired) -> Row:
        instant = self._core.clock.epoch()
        caller = identify(self.commerce, call.method, call.headers)
        if "stripe-account" in call.headers:
            headers["Stripe-Account"] = caller.account
        version = read_version(call.headers.get("stripe-version"), default_version(caller.seller, instant))
        headers["Stripe-Version"] = version
        endpoint, serve = find(call, version)
        self._core.counters.call(NAME, endpoint, caller.account)
        fired |= self._fire(endpoint, call, caller)
        for name, rule in fired.items():
            if name in REFUSALS:
                raise REFUSALS[name](rule, caller, endpoint)
        self.accounting.charge(caller.account, endpoint)
        return serve(Visit(self.room(caller.seller, instant), call, version, self.accounting.limits, fired))

    def _fire(self, endpoint: str, call: Call, caller: Caller) -> Mapping[str, FaultRule]:
        """The faults that strike this call, by name."""
        possible = TRANSPORT_FAULTS | REFUSALS.keys()
        if endpoint in LISTS:
            possible |= PAGE_FAULTS
        if "starting_after" not in call.params:
            possible -= _NEED_CURSOR
        return {rule.fault: rule for rule in self._core.faults.fire(NAME, caller.account, endpoint, possible)}


def _wounded(answer: Answer, fired: Fired) -> Answer:
    """The answer after the faults of transport."""
    if "html_502" in fired:
        answer = replace(BAD_GATEWAY, status=fired["html_502"].status or BAD_GATEWAY.status)
    if "malformed_page" in fired:
        answer = replace(answer, body=answer.body[: len(answer.body) * 3 // 5])
    if "slow" in fired:
        seconds = fired["slow"].seconds
        answer = replace(answer, delay=_SLOW_SECONDS if seconds is None else seconds)
    return replace(answer, cut=True) if "cut_connection" in fired else answer

"""Meta's API from call to answer: check it, charge it, let faults strike, serve it; alone or as an item of a batch."""

from collections.abc import Mapping
from typing import Any

import msgspec

from dataflow_assets.sandbox.answers import Answer, wounded
from dataflow_assets.sandbox.core import Core
from dataflow_assets.sandbox.faults import TRANSPORT_FAULTS, FaultRule
from dataflow_assets.sandbox.meta_ads.auth import check_token
from dataflow_assets.sandbox.meta_ads.endpoints import ABOUT_INSIGHTS, NAME, PAGED, Endpoints
from dataflow_assets.sandbox.meta_ads.errors import GraphError, deprecated_version, invalid, unknown_path
from dataflow_assets.sandbox.meta_ads.limits import Accounting
from dataflow_assets.sandbox.meta_ads.paging import PAGE_FAULTS
from dataflow_assets.sandbox.meta_ads.refusals import REFUSALS
from dataflow_assets.sandbox.meta_ads.reports import NOT_READY, POLL_FAULTS
from dataflow_assets.sandbox.meta_ads.requests import Call, read_item

OLDEST_LIVE_VERSION = 25
NULL_ITEMS = "batch_null_items"
FAULTS = TRANSPORT_FAULTS | REFUSALS.keys() | PAGE_FAULTS | POLL_FAULTS | {NOT_READY, NULL_ITEMS}

_ONLY_AT: Mapping[str, frozenset[str]] = {
    **dict.fromkeys(PAGED, PAGE_FAULTS),
    "async_poll": POLL_FAULTS,
    "async_page": PAGE_FAULTS | {NOT_READY},
    "batch": frozenset({NULL_ITEMS}),
}
_WITH_ROWS = frozenset({"insights", "async_page"})
_BATCH_SIZE = 50

Fired = dict[str, FaultRule]


class MetaApi:
    """Answers calls over one world. Errors are answers too: nothing is raised."""

    def __init__(self, core: Core) -> None:
        self.accounting = Accounting(core.clock.limiter_seconds)
        self._core = core
        self._endpoints = Endpoints(core, self.accounting)

    def answer(self, call: Call) -> Answer:
        """Answer what came in one HTTP request."""
        self._core.counters.request(NAME)
        return self._batch(call) if call.method == "POST" and not call.path else self._single(call)[0]

    def _single(self, call: Call) -> tuple[Answer, str | None]:
        """The answer to one call, and the account it was about."""
        account: str | None = None
        fired: Fired = {}
        try:
            self._check(call)
            target = self._endpoints.find(call)
            account = target.account
            fired = self._fire(target.endpoint, account)
            _refuse(fired, account)
            self.accounting.charge(account, insights=target.endpoint in ABOUT_INSIGHTS)
            body = target.serve(fired)
        except GraphError as error:
            return wounded(self._error(error, account), fired), account
        if account and target.endpoint in _WITH_ROWS:
            self.accounting.served(account, len(body["data"]))
        answer = Answer(200, msgspec.json.encode(body), headers=self._usage(account))
        return wounded(answer, fired), account

    def _batch(self, call: Call) -> Answer:
        """Up to 50 calls in one request; each is counted, charged and struck by faults like a call of its own."""
        fired: Fired = {}
        try:
            self._check(call)
            fired = self._fire("batch", None)
            _refuse(fired, None)
            items = _read_items(call)
        except GraphError as error:
            return wounded(self._error(error, None), fired)
        with_headers = call.params.get("include_headers") != "false"
        answers: list[dict[str, Any] | None] = []
        accounts: set[str] = set()
        delay = 0.0
        for number, item in enumerate(items):
            self._core.counters.call(NAME, "batch_item", None)
            inner, account = self._single(item)
            accounts |= {account} if account else set()
            delay += inner.delay
            unfinished = inner.cut or (NULL_ITEMS in fired and number % 2 == 1)
            answers.append(None if unfinished else _item_answer(inner, with_headers=with_headers))
        headers = self.accounting.headers(*sorted(accounts))
        return wounded(Answer(200, msgspec.json.encode(answers), headers=headers, delay=delay), fired)

    def _check(self, call: Call) -> None:
        number = call.version_number
        if number is None:
            raise unknown_path(f"/{'/'.join(call.path)} (an address begins with a version)")
        if number < OLDEST_LIVE_VERSION:
            raise deprecated_version(str(call.version))
        check_token(call)

    def _fire(self, endpoint: str, account: str | None) -> Fired:
        """Count the call and find the faults that strike it, by name."""
        self._core.counters.call(NAME, endpoint, account)
        possible = TRANSPORT_FAULTS | REFUSALS.keys() | _ONLY_AT.get(endpoint, frozenset())
        return {rule.fault: rule for rule in self._core.faults.fire(NAME, account, endpoint, possible)}

    def _error(self, error: GraphError, account: str | None) -> Answer:
        if error.throttles:
            self._core.counters.throttled()
        return Answer(error.status, msgspec.json.encode(error.body()), headers=self._usage(account) | error.headers)

    def _usage(self, account: str | None) -> dict[str, str]:
        return self.accounting.headers(*([account] if account else []))


def _refuse(fired: Fired, account: str | None) -> None:
    for name, rule in fired.items():
        if name in REFUSALS:
            raise REFUSALS[name](rule, account)


def _read_items(call: Call) -> list[Call]:
    raw = call.json("batch")
    if not isinstance(raw, list) or not all(isinstance(item, dict) for item in raw):
        raise GraphError(-3, "Batch parameter must be a JSON array", kind="GraphBatchException")
    if len(raw) > _BATCH_SIZE:
        message = f"Too many requests in batch message. Maximum batch size is {_BATCH_SIZE}"
        raise GraphError(-3, message, kind="GraphBatchException")
    for item in raw:
        texts = (item.get("relative_url"), item.get("body", ""))
        if item.get("method") not in ("GET", "POST") or not all(isinstance(text, str) for text in texts):
            raise invalid("A batch item is a method (GET or POST), a relative_url and, if any, a body of text")
        if "depends_on" in item or "name" in item:
            raise invalid("The sandbox does not reproduce dependencies between batch items")
    return [read_item(call, item["method"], item["relative_url"], item.get("body", "")) for item in raw]


def _item_answer(answer: Answer, *, with_headers: bool) -> dict[str, Any]:
    item: dict[str, Any] = {"code": answer.status}
    if with_headers:
        headers = {"Content-Type": answer.media_type, **answer.headers}
        item["headers"] = [{"name": name, "value": value} for name, value in headers.items()]
    item["body"] = answer.body.decode(errors="replace")
    return item

"""`search` and `searchStream`: the rows of a query in pages, or all of them in pieces."""

from collections.abc import Container, Iterator
from dataclasses import dataclass, replace
from itertools import islice
from typing import Any

from dataflow_assets.sandbox.core import Core
from dataflow_assets.sandbox.google_ads.customers import Customer, Directory
from dataflow_assets.sandbox.google_ads.errors import AdsError, Trouble, bad_request
from dataflow_assets.sandbox.google_ads.fields import camel
from dataflow_assets.sandbox.google_ads.gaql import parse
from dataflow_assets.sandbox.google_ads.limits import Accounting
from dataflow_assets.sandbox.google_ads.paging import PageTokens, Start
from dataflow_assets.sandbox.google_ads.plan import Plan
from dataflow_assets.sandbox.google_ads.requests import SearchBody
from dataflow_assets.sandbox.google_ads.rows import Finder, Position, Row
from dataflow_assets.sandbox.google_ads.spoiling import ROW_FAULTS, spoiled

PAGE_FAULTS = ROW_FAULTS | {"empty_page_with_next", "duplicate_rows"}
STREAM_ERROR = "stream_error_midway"

Faults = Container[str]


@dataclass(frozen=True)
class Question:
    """A checked call: what to find, and where its page begins."""

    plan: Plan
    body: SearchBody
    start: Start

    @property
    def mask(self) -> str:
        """The fields asked for, as answers repeat them."""
        return ",".join(camel(field.path) for field in self.plan.shown)


class Search:
    """Answers questions over one world."""

    def __init__(self, core: Core, accounting: Accounting, directory: Directory) -> None:
        self._clock = core.clock
        self._accounting = accounting
        self._tokens = PageTokens(core.world.config.seed)
        self._finder = Finder(core.world, directory)

    def read(self, customer: Customer, body: SearchBody) -> Question:
        """Check a call. Raises AdsError for a bad query or page token."""
        now, limits = self._clock.epoch(), self._accounting.limits
        counts = body.search_settings.return_total_results_count
        start = Start(now, counted=counts)
        if body.page_token:
            start = self._tokens.read(customer.id, body.query, body.page_token, now, limits.page_token_seconds)
            if counts and not start.counted:
                code = "TOTAL_RESULTS_COUNT_NOT_ORIGINALLY_REQUESTED"
                raise bad_request(code, "The number of all results was not asked for with the first page.")
        plan = self._finder.plan(parse(body.query), customer, start.instant, limits.history_error)
        return Question(plan, body, start)

    def page(self, asked: Question, faults: Faults) -> dict[str, Any]:
        """The JSON of one page."""
        plan, start, settings = asked.plan, asked.start, asked.body.search_settings
        if asked.body.validate_only:
            return {}
        answer: dict[str, Any] = {"fieldMask": asked.mask}
        if settings.return_total_results_count:
            total = sum(1 for _ in self._finder.rows(plan))
            answer |= {"totalResultsCount": str(total)} if total else {}
        if settings.omit_results:
            return answer
        if "empty_page_with_next" in faults and not start.tricked:
            return answer | {"nextPageToken": self._token(asked, replace(start, tricked=True))}
        taken, more = self._take(asked)
        answer["queryResourceConsumption"] = _consumption(len(taken))
        if taken:
            answer["results"] = spoiled([row for _, row in taken], faults)
        if more:
            tricked = "duplicate_rows" in faults and not start.tricked
            kept = len(taken) - tricked
            after = taken[kept - 1][0] if kept else start.after
            following = Start(start.instant, after, start.served + kept, start.counted, tricked)
            answer["nextPageToken"] = self._token(asked, following)
        return answer

    def pieces(self, asked: Question, request_id: str, faults: Faults) -> Iterator[dict[str, Any]]:
        """The JSON of each piece of a stream; an AdsError of the stream itself is raised between them."""
        rows = self._all(asked)
        frame: dict[str, Any] = {"fieldMask": asked.mask, "requestId": request_id}
        if "empty_page_with_next" in faults:
            yield frame
        size, served = self._accounting.limits.page_rows, 0
        piece = list(islice(rows, size))
        while True:
            if STREAM_ERROR in faults:
                yield {"results": spoiled(piece[: (len(piece) + 1) // 2], faults), **frame}
                message = "Internal error occurred."
                raise AdsError(Trouble("internalError", "INTERNAL_ERROR", message))
            following = list(islice(rows, size))
            served += len(piece)
            answer = {"results": spoiled(piece, faults), **frame} if piece else dict(frame)
            if not following:
                yield answer | {"queryResourceConsumption": _consumption(served)}
                return
            yield answer
            piece = [piece[-1], *following] if "duplicate_rows" in faults else following

    def _all(self, asked: Question) -> Iterator[Row]:
        return (row for _, row in islice(self._finder.rows(asked.plan), asked.plan.limit))

    def _take(self, asked: Question) -> tuple[list[tuple[Position, Row]], bool]:
        """The rows of a page, and whether others follow."""
        size, limit = self._accounting.limits.page_rows, asked.plan.limit
        left = None if limit is None else limit - asked.start.served
        rows = islice(self._finder.rows(asked.plan, asked.start.after), left)
        taken = list(islice(rows, size))
        return taken, next(rows, None) is not None

    def _token(self, asked: Question, start: Start) -> str:
        return self._tokens.write(asked.plan.customer.id, asked.body.query, start)


def _consumption(rows: int) -> str:
    """What an answer has cost. Google does not write a zero here, and asking is never free."""
    return str(rows + 1)

"""What changed: HubSpot's search, whose index is late, and which gives out 10,000 results of a question at most."""

from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from dataflow_assets.connectors.base import Since
from dataflow_assets.connectors.hubspot.answers import NAME
from dataflow_assets.connectors.hubspot.api import UTC, api_of
from dataflow_assets.connectors.hubspot.pages import Answer, Item, answer_of, items_of, stuck
from dataflow_assets.connectors.hubspot.streams import LATE
from dataflow_assets.connectors.hubspot.values import EPOCH
from dataflow_assets.resources.failures import Retryable
from dataflow_assets.resources.http import Caller
from dataflow_assets.windows import day_start

PAGE, CEILING = 200, 10_000
_MILLISECOND = timedelta(milliseconds=1)


def milliseconds(instant: datetime) -> int:
    """Milliseconds since 1970, which is how search takes times."""
    return max(0, (instant - EPOCH) // _MILLISECOND)


@dataclass(frozen=True)
class Span:
    """Times of change in milliseconds since 1970, both ends included."""

    low: int
    high: int

    @classmethod
    def of(cls, window: Since, now: datetime, late: timedelta) -> "Span | None":
        """The times of change a window asks for, as far as they have come; None is everything."""
        if window.days:
            last = day_start(window.days.end, UTC) - _MILLISECOND
            return cls(milliseconds(day_start(window.days.start, UTC)), milliseconds(min(last, now)))
        if window.cursor:
            # The engine has gone back by the overlap of the stream, which knows nothing of the settings.
            return cls(milliseconds(window.cursor - max(late - LATE, timedelta(0))), milliseconds(now))
        return None

    @property
    def halves(self) -> "list[Span]":
        """Two spans that together are this one."""
        middle = (self.low + self.high) // 2
        return [Span(self.low, middle), Span(middle + 1, self.high)]

    def holds(self, item: Item, cursor: str) -> bool:
        """Whether a record was last changed in it. One that does not say when counts as held."""
        changed = item.modified(cursor)
        return changed is None or self.low <= milliseconds(changed) <= self.high


@dataclass(frozen=True)
class Search:
    """Live records of a kind by their time of change, which is the property `cursor`."""

    caller: Caller
    kind: str
    cursor: str
    properties: Sequence[str]

    async def changed(self, whole: Span) -> AsyncIterator[tuple[list[Item], int | None]]:
        """Records changed in a span, page by page in no promised order. Some may come twice.

        With some pages comes the time of change up to which, that included, all have come.

        Pages go on from the last id: by position, a record that changes meanwhile would leave the span, those behind it
        would move up, and one would slip through between two pages. Whether HubSpot puts ids in order as numbers or as
        text is not documented, so what came is counted, and a span that lacks some is read again in halves.

        Records changed after the span (the index is late, the record is not) are left to the next reading: taken now,
        they would move the watermark over others that the index does not show yet.
        """
        spans = [whole] if whole.low <= whole.high else []
        while spans:
            span = spans.pop()
            answer, items = await self._page(span)
            total, seen = answer.total, {item.id for item in items}
            if total > CEILING and span.low < span.high:
                spans += reversed(span.halves)
                continue
            yield [item for item in items if whole.holds(item, self.cursor)], None if answer.after else span.high
            if not answer.after:
                continue
            position = ("0", "")
            while answer.after:
                previous, position = position, ("0", items[-1].id) if items else (answer.after, position[1])
                if position == previous:
                    raise stuck(self.caller)
                answer, items = await self._page(span, *position)
                seen.update(item.id for item in items)
                yield [item for item in items if whole.holds(item, self.cursor)], None
            if len(seen) >= total:
                yield [], span.high
                continue
            if span.low == span.high:
                # HubSpot's own monthly jobs stamp many records with one millisecond: there are no halves of it.
                about = f"search promised {total} records of one millisecond and gave {len(seen)}."
                raise Retryable(about, vendor=NAME, account=self.caller.account)
            spans += reversed(span.halves)

    async def count_after(self, instant: datetime) -> int:
        """How many records changed after an instant."""
        return (await self._ask([(self.cursor, "GT", f"{milliseconds(instant)}")], "0", limit=1)).total

    async def _page(self, span: Span, after: str = "0", beyond: str = "") -> tuple[Answer, list[Item]]:
        filters = [(self.cursor, "GTE", f"{span.low}"), (self.cursor, "LTE", f"{span.high}")]
        answer = await self._ask(filters + ([("hs_object_id", "GT", beyond)] if beyond else []), after)
        return answer, items_of(answer)

    async def _ask(self, filters: Sequence[tuple[str, str, str]], after: str, limit: int = 0) -> Answer:
        body = {
            "filterGroups": [{"filters": [{"propertyName": n, "operator": o, "value": v} for n, o, v in filters]}],
            # Not by the time of change, which moves while pages are read.
            "sorts": [{"propertyName": "hs_object_id", "direction": "ASCENDING"}],
            "properties": list(self.properties),
            "limit": limit or PAGE,
            "after": after,
        }
        return answer_of(await self.caller.post_json(api_of(self.caller).path("search", kind=self.kind), body))

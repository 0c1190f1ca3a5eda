"""What changed, by the feed of events.

The newest event about a thing counts. Its object is taken as the record when that is what reading the thing would
bring: the API version is ours in all but its month, no second event of the thing lies in the same second, whose order
is not told, and no list in it has ids where the stream wants whole objects. Otherwise the thing is read.
"""

from collections import Counter
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, field
from urllib.parse import quote

import msgspec

from dataflow_assets.connectors.base import Page, Stream
from dataflow_assets.connectors.stripe.answers import NAME, VERSION_HEADER, Gone
from dataflow_assets.connectors.stripe.declare import Feed, Inside
from dataflow_assets.connectors.stripe.lists import (
    Fields,
    decode_fields,
    is_whole,
    members,
    page_of,
    pages,
    shown,
    together,
    with_fields,
    word,
)
from dataflow_assets.resources.failures import Fatal
from dataflow_assets.resources.http import Caller


class _Data(msgspec.Struct):
    object: Fields
    previous_attributes: Fields | None = None


class _Event(msgspec.Struct):
    type: str
    created: int
    data: _Data
    api_version: str | None = None

    @property
    def is_deletion(self) -> bool:
        """Its object is gone. A subscription that Stripe calls deleted has ended, and can still be read."""
        return self.type.endswith(".deleted") and not self.type.startswith("customer.subscription.")


_decode_events = msgspec.json.Decoder(list[_Event], strict=False).decode


def same_shape(version: str | None, ours: str) -> bool:
    """Whether objects of two API versions look alike: within a name, such as endive, months only add."""
    if not version:
        return False
    name = version.partition(".")[2]
    return version == ours or (name != "" and name == ours.partition(".")[2])


@dataclass(frozen=True)
class _News:
    """The newest event about one thing."""

    subject: str  # the thing's id
    event: _Event
    is_own: bool  # the object of the event is the thing itself, not something beside it
    is_enough: bool  # that object is what reading the thing would bring


@dataclass
class Changes:
    """Reads the feed for one stream."""

    caller: Caller
    stream: Stream
    # Of each thing whose newest event is known: the time of that, and the ids of the records inside.
    seen: dict[str, tuple[int, set[str]]] = field(default_factory=dict)

    @property
    def _feed(self) -> Feed:
        feed: Feed = self.stream.params["feed"]
        return feed

    @property
    def _inside(self) -> Inside | None:
        inside: Inside | None = self.stream.params["inside"]
        return inside

    async def pages(self, since: int) -> AsyncIterator[Page]:
        """The records that changed since a moment (unix seconds), as they are now."""
        async for events in self._events(since):
            found = await together(self._records, self._newest(events))
            yield page_of([*(record for records in found for record in records), *self._taken_out(events)])

    async def _events(self, since: int) -> AsyncIterator[list[_Event]]:
        """Events, newest first, in parts that do not end within a second."""
        held: list[_Event] = []
        async for page in pages(self.caller, "events", {"created[gte]": since, "types[]": list(self._feed.types)}):
            try:
                held += _decode_events(page)
            except msgspec.DecodeError as error:
                raise Fatal(f"an event cannot be read: {error}.", vendor=NAME, account=self.caller.account) from None
            end = next((place for place, event in enumerate(held) if event.created == held[-1].created), 0)
            yield held[:end]
            held = held[end:]
        yield held

    def _about(self, event: _Event) -> tuple[str | None, bool]:
        """The id of the thing an event is about, and whether the event's object is that thing."""
        place = self._feed.subject.get(word(event.data.object.get("object")) or "", "")
        return word(event.data.object.get(place)), place == "id"

    def _newest(self, events: Sequence[_Event]) -> list[_News]:
        ours = self.caller.client.api.headers[VERSION_HEADER]
        in_second = Counter((self._about(event)[0], event.created) for event in events)
        found: dict[str, _News] = {}
        # Nothing comes after a deletion, in whatever order the events of its second are told.
        for event in sorted(events, key=lambda one: (-one.created, not one.is_deletion)):
            subject, is_own = self._about(event)
            if subject and subject not in self.seen and subject not in found:
                is_alone = in_second[subject, event.created] == 1
                is_enough = event.is_deletion or (is_own and is_alone and same_shape(event.api_version, ours))
                found[subject] = _News(subject, event, is_own, is_enough)
        return list(found.values())

    async def _records(self, news: _News) -> list[Fields]:
        inside = self._inside
        if inside is None:
            present, is_deleted = await self._present(news)
            found = [present] if present else []
        elif inside.shown_in:
            present, is_deleted = await self._present(news)
            found = await members(self.caller, inside, news.subject, present)
        else:
            found, is_deleted = await members(self.caller, inside, news.subject, {}), False
        at = news.event.created
        self.seen[news.subject] = at, {one for record in found if (one := word(record.get("id")))}
        more = {"deleted": True} if is_deleted else {}
        return [with_fields(record, updated_at=at, **more) for record in found]

    async def _present(self, news: _News) -> tuple[Fields, bool]:
        """A thing as it is now, and whether it is deleted. Without fields when nobody can tell."""
        told = news.event.data.object
        expand = self.stream.params["expand"]
        # An event has ids where reading brings whole objects.
        if news.is_enough and all(is_whole(told.get(name)) for name in expand):
            return told, news.event.is_deletion
        try:
            path = f"{self.stream.endpoint}/{quote(news.subject, safe='')}"
            reply = await self.caller.get(path, {"expand[]": list(expand)} if expand else None)
        except Gone:
            pass
        else:
            found = decode_fields(reply.body)
            if bytes(found.get("deleted", b"")) != b"true":
                return found, False
        # Of what was deleted Stripe shows the id at most; the event has the rest.
        return (told, True) if news.is_own else ({}, False)

    def _taken_out(self, events: Sequence[_Event]) -> list[Fields]:
        """Records that these events show inside a thing and its newest event does not, marked deleted."""
        inside, found = self._inside, list[Fields]()
        if inside is None or not inside.shown_in:
            return found
        for event in events:
            subject, _ = self._about(event)
            at, known = self.seen.get(subject or "", (0, set()))
            for owner in (event.data.object, event.data.previous_attributes or {}):
                for record in shown(inside, owner):
                    name = word(record.get("id"))
                    if subject and name and name not in known:
                        known.add(name)
                        found.append(with_fields(record, **{inside.owner: subject}, updated_at=at, deleted=True))
        return found

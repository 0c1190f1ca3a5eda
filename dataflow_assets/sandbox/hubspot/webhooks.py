"""What HubSpot calls an app with: signed requests about what changed between two instants. apis/hubspot.md, section 6.

Nothing is sent here: whoever tests a receiver sends the requests. Events of associations are left out.
"""

import base64
import hmac
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from hashlib import sha256
from itertools import pairwise
from typing import Any
from urllib.parse import unquote

import msgspec

from dataflow_assets.sandbox.hubspot import ids
from dataflow_assets.sandbox.hubspot.auth import CLIENT_SECRET
from dataflow_assets.sandbox.hubspot.properties import ALWAYS, PROPERTIES, TOLD, View
from dataflow_assets.sandbox.world.chance import draws, salt
from dataflow_assets.sandbox.world.crm import Cause, CompanyState, End, Kind, Portal, Record, State

Json = dict[str, Any]

MOST_EVENTS = 100
"""In one request."""

_APP_ID = 1_160_452
_SUBSCRIPTIONS_FROM = 88_121
_EVENTS_FROM = 1_203_441_871
_SOURCES = {
    Cause.FORM: "FORM",
    Cause.PERSON: "CRM_UI",
    Cause.AUTOMATION: "AUTOMATION_PLATFORM",
    Cause.UPKEEP: "CALCULATED",
    Cause.MERGE: "MERGE_OBJECTS",
}
_WORDS = ("creation", "propertyChange", "deletion", "merge", "privacyDeletion")


@dataclass(frozen=True)
class Request:
    """A request as HubSpot makes it. `url` is the target's, with its query."""

    url: str
    headers: Mapping[str, str]
    body: bytes
    method: str = "POST"


def events(portal: Portal, since: int, until: int, kinds: Sequence[Kind] = tuple(Kind)) -> list[Json]:
    """What happened in [since, until), two instants in unix milliseconds, oldest first.

    A change tells the value it brought. What a merge changes brings no propertyChange, as with HubSpot.
    """
    found = [
        event
        for kind in kinds
        for record in portal.records(kind, until)
        for event in _of_record(portal, record)
        if since <= event["occurredAt"] < until
    ]
    found.sort(key=lambda event: (event["occurredAt"], event["objectId"], event["subscriptionType"]))
    return [{"eventId": _EVENTS_FROM + _fold(event), **event} for event in found]


def requests(
    told: Sequence[Json],
    url: str,
    *,
    sent_at: int,
    secret: str = CLIENT_SECRET,
    attempt: int = 0,
    duplicates: bool = False,
    disorder: bool = False,
) -> Iterator[Request]:
    """The requests that bring events to a target, up to 100 in each, signed at `sent_at` (unix milliseconds).

    Args:
        told: What `events` gave.
        url: The address of the receiver as HubSpot knows it, which behind a proxy is the public one.
        sent_at: Receivers refuse what was signed more than five minutes ago.
        secret: The client secret of the app.
        attempt: How often this was tried before; HubSpot tries again when the answer is an error.
        duplicates: Send every third event again, in a later request if there is one.
        disorder: Send them in another order than they happened in.
    """
    out = [*told, *told[::3]] if duplicates else list(told)
    if disorder:
        out.sort(key=_fold)
    for first in range(0, len(out), MOST_EVENTS):
        batch = [{**event, "attemptNumber": attempt} for event in out[first : first + MOST_EVENTS]]
        yield _signed(url, msgspec.json.encode(batch), sent_at, secret)


def _signed(url: str, body: bytes, sent_at: int, secret: str) -> Request:
    """Version 3 signs method, decoded address, body and time; version 1, which is still sent, secret and body."""
    text = b"POST" + unquote(url).encode() + body + str(sent_at).encode()
    digest = hmac.new(secret.encode(), text, sha256).digest()
    return Request(
        url,
        {
            "Content-Type": "application/json",
            "X-HubSpot-Signature-v3": base64.b64encode(digest).decode(),
            "X-HubSpot-Request-Timestamp": str(sent_at),
            "X-HubSpot-Signature": sha256(secret.encode() + body).hexdigest(),
            "X-HubSpot-Signature-Version": "v1",
        },
        body,
    )


def _of_record(portal: Portal, record: Record) -> Iterator[Json]:
    """Everything there ever is to tell of a record."""

    def event(word: str, at: int, cause: Cause, **more: object) -> Json:
        return {
            "subscriptionId": _SUBSCRIPTIONS_FROM + tuple(Kind).index(record.kind) * len(_WORDS) + _WORDS.index(word),
            "portalId": ids.portal_id(portal.index),
            "appId": _APP_ID,
            "occurredAt": at,
            "subscriptionType": f"{record.kind}.{word}",
            "attemptNumber": 0,
            "objectId": int(ids.id_of(portal, record)),
            "changeSource": _SOURCES[cause],
            **more,
        }

    first = record.at(record.begins)
    if first is not None:
        yield event("creation", record.begins, first.cause)
    for before, after in pairwise(record.states):
        if after.at < record.begins:
            continue
        if after.cause is Cause.MERGE:
            yield event("merge", after.at, Cause.MERGE, **_merge(portal, record, after))
            continue
        for name, value in _changed(View(portal, record, before), View(portal, record, after)):
            yield event("propertyChange", after.at, after.cause, propertyName=name, propertyValue=value or "")
    if record.ending is not None:
        word = "privacyDeletion" if record.ending.how is End.ERASED else "deletion"
        cause = Cause.MERGE if record.ending.how is End.MERGED else Cause.PERSON
        yield event(word, record.ending.at, cause)


def _changed(before: View, after: View) -> Iterator[tuple[str, str | None]]:
    kind = before.record.kind
    for name in TOLD[kind]:
        value = PROPERTIES[kind][name].text(after)
        if name not in ALWAYS[kind] and value != PROPERTIES[kind][name].text(before):
            yield name, value


def _merge(portal: Portal, record: Record, state: State) -> Json:
    """Which records became one, and under which id it lives on: a new one when the merge made the record."""
    copies = () if isinstance(state, CompanyState) else state.merged
    if record.begins < state.at:
        copies = (record.copy, *copies)
    primary, *merged = (int(ids.record_id(portal, record.kind, record.number, copy)) for copy in copies)
    return {
        "primaryObjectId": primary,
        "mergedObjectIds": merged,
        "newObjectId": int(ids.id_of(portal, record)),
        "numberOfPropertiesMoved": len(merged),
    }


def _fold(event: Json) -> int:
    """A number that depends on all of an event."""
    return draws(salt(*event.values()), 0)[0]

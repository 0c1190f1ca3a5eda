"""Search: conditions over an index that knows of changes some seconds late. apis/hubspot.md, section 2.2."""

import threading
from collections import OrderedDict
from collections.abc import Callable, Container, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import msgspec

from dataflow_assets.sandbox.hubspot import ids
from dataflow_assets.sandbox.hubspot.conditions import Comparable, Condition, comparable, read_groups, words_of
from dataflow_assets.sandbox.hubspot.errors import invalid, invalid_field
from dataflow_assets.sandbox.hubspot.limits import Limits
from dataflow_assets.sandbox.hubspot.paging import spoiled
from dataflow_assets.sandbox.hubspot.properties import PROPERTIES, SEARCHED, Property, View
from dataflow_assets.sandbox.hubspot.records import as_json, names
from dataflow_assets.sandbox.hubspot.requests import as_limit, is_whole
from dataflow_assets.sandbox.world.crm import Kind, Portal, Record

Json = dict[str, Any]

OUT_OF_WINDOW = "out_of_window_rows"

_FIELDS = frozenset({"filterGroups", "filters", "sorts", "query", "properties", "limit", "after"})
_DEFAULT_LIMIT, _MOST = 10, 200
_LONGEST_QUERY = 3_000
_SECOND = 1_000
_KEPT = 8  # answers; each page of one asks for it again
_DIRECTIONS = {"ASCENDING": False, "DESCENDING": True}


@dataclass(frozen=True)
class Hit:
    """A record that was found, and the instant up to which the index knows it."""

    record: Record
    known: int


@dataclass(frozen=True)
class Question:
    """What a search asks for, without its page."""

    groups: list[list[Condition]]
    words: list[str]
    sort: tuple[Property, bool] | None

    def holds(self, view: View) -> bool:
        """Whether a record passes."""
        if self.groups and not any(all(one.holds(view) for one in group) for group in self.groups):
            return False
        if not self.words:
            return True
        definitions = PROPERTIES[view.record.kind]
        there = [
            word for name in SEARCHED[view.record.kind] for word in words_of(str(definitions[name].read(view) or ""))
        ]
        return all(any(word.startswith(wanted) for word in there) for wanted in self.words)


class Search:
    """Answers searches over one world. Safe to use from several threads."""

    def __init__(self, limits: Callable[[], Limits]) -> None:
        self._limits = limits
        self._lock = threading.Lock()
        self._found: OrderedDict[bytes, list[Hit]] = OrderedDict()

    def answer(self, portal: Portal, kind: Kind, body: Mapping[str, Any], now: int, faults: Container[str]) -> Json:
        """One page. Raises HubSpotError 400 for what cannot be answered, or lies beyond the ceiling."""
        limits = self._limits()
        if unknown := body.keys() - _FIELDS:
            raise invalid(f"A search has no {', '.join(sorted(unknown))}")
        limit = as_limit(str(_given(body, "limit", _DEFAULT_LIMIT)), _MOST)
        offset, tricked = _offset(_given(body, "after", "0"))
        if offset + limit > limits.search_ceiling:
            raise invalid(f"Paging is limited to {limits.search_ceiling} results")
        asked = _given(body, "properties", [])
        if not isinstance(asked, list) or not all(isinstance(name, str) for name in asked):
            raise invalid_field("properties", "it must be a list of names")
        question = _read(body, kind, limits)
        hits = self._hits(portal, kind, body, question, now, is_stale=OUT_OF_WINDOW in faults)
        size, following = limit, None
        if "empty_page_with_next" in faults and not tricked:
            size, following = 0, _tricked(offset)
        elif "short_page_with_next" in faults:
            size = max(1, limit // 2)
        page = hits[offset : offset + size]
        end = offset + len(page)
        if following is None and end < len(hits):
            repeats = "duplicate_rows" in faults and not tricked
            following = _tricked(end - 1) if repeats else str(end)
        wanted = names(kind, asked)
        rows = [as_json(portal, hit.record, hit.known, wanted) for hit in page]
        answer: Json = {"total": len(hits), "results": spoiled(rows, faults)}
        if following is not None:
            answer["paging"] = {"next": {"after": following}}
        return answer

    def _hits(
        self, portal: Portal, kind: Kind, body: Mapping[str, Any], question: Question, now: int, *, is_stale: bool
    ) -> list[Hit]:
        """Everything that is found, in order."""
        limits = self._limits()
        # The index takes in what is new once a second; until then every page comes from one and the same answer.
        now = now // _SECOND * _SECOND if limits.search_lag_seconds else now
        asked = {name: body.get(name) for name in ("filterGroups", "filters", "sorts", "query")}
        key = msgspec.json.encode([portal.index, kind, asked, now, is_stale, limits])
        with self._lock:
            if key in self._found:
                self._found.move_to_end(key)
                return self._found[key]
        hits = list(_matching(portal, kind, question, now, limits, is_stale=is_stale))
        found = _ordered(portal, hits, question, limits)
        with self._lock:
            self._found[key] = found
            while len(self._found) > _KEPT:
                self._found.popitem(last=False)
        return found


def _matching(
    portal: Portal, kind: Kind, question: Question, now: int, limits: Limits, *, is_stale: bool
) -> Iterator[Hit]:
    lag = int(limits.search_lag_seconds * _SECOND)
    for record in portal.records(kind, now):
        known = now - lateness(record, lag)
        if not record.is_live(known):
            continue
        for state in reversed(record.states):
            if state.at > known:
                continue
            if question.holds(View(portal, record, state)):
                yield Hit(record, known)
                break
            if not is_stale or state.at < record.begins:
                break


def lateness(record: Record, lag: int) -> int:
    """How late the index is with a record: half the lag at least, and another for each, so that order is lost."""
    return lag * (500 + (record.number * 7_919 + record.copy * 104_729) % 501) // 1_000


def _ordered(portal: Portal, hits: list[Hit], question: Question, limits: Limits) -> list[Hit]:
    """By the property asked for, or by creation; where that is equal, by id. What has no value comes last."""
    hits.sort(key=lambda hit: _id_key(portal, hit, limits))
    if question.sort is None:
        return sorted(hits, key=lambda hit: hit.record.created)
    definition, descending = question.sort
    keyed: list[tuple[Comparable, Hit]] = []
    without: list[Hit] = []
    for hit in hits:
        state = hit.record.at(hit.known)
        value = comparable(definition, View(portal, hit.record, state), limits)
        if value is None:
            without.append(hit)
        else:
            keyed.append((value, hit))
    keyed.sort(key=lambda pair: pair[0], reverse=descending)
    return [*(hit for _, hit in keyed), *without]


def _id_key(portal: Portal, hit: Hit, limits: Limits) -> tuple[int, str]:
    text = ids.id_of(portal, hit.record)
    return (0, text) if limits.search_id_order == "text" else (int(text), "")


def _read(body: Mapping[str, Any], kind: Kind, limits: Limits) -> Question:
    query = _given(body, "query", "")
    if not isinstance(query, str) or len(query) > _LONGEST_QUERY:
        raise invalid_field("query", f"it must be a text of at most {_LONGEST_QUERY} characters")
    sorts = _given(body, "sorts", [])
    if not isinstance(sorts, list) or len(sorts) > 1:
        raise invalid_field("sorts", "it must be a list with one sort at most")
    sort = _sort(sorts[0], kind) if sorts else None
    return Question(read_groups(body, kind, limits), words_of(query), sort)


def _sort(given: object, kind: Kind) -> tuple[Property, bool] | None:
    definitions = PROPERTIES[kind]
    if isinstance(given, str):
        # A text that names no property is passed over: so clients that send an object as text lose their sort silently.
        name = given.removeprefix("-")
        return (definitions[name], given.startswith("-")) if name in definitions else None
    if not isinstance(given, dict) or given.get("propertyName") not in definitions:
        raise invalid_field("sorts", "it must name a property")
    direction = given.get("direction") or "ASCENDING"
    if direction not in _DIRECTIONS:
        raise invalid_field("direction", "it must be ASCENDING or DESCENDING")
    return definitions[given["propertyName"]], _DIRECTIONS[direction]


def _given(body: Mapping[str, Any], name: str, default: Any) -> Any:
    value = body.get(name)
    return default if value is None else value


def _offset(after: object) -> tuple[int, bool]:
    """The offset, and whether a fault has given it; see `_tricked`."""
    text = str(after)
    if not isinstance(after, str | int) or not is_whole(text):
        raise invalid_field("after", "it must be a whole number")
    return int(text), len(text) > 1 and text.startswith("0")


def _tricked(offset: int) -> str:
    """An offset given by a fault, which must not strike twice at one place: it has a zero before it."""
    return f"0{offset}"

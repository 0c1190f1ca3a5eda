"""Pages of answers, and what can be told of the records in them without judging them."""

from collections.abc import AsyncIterator, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import msgspec

from dataflow_assets.connectors.base import Page
from dataflow_assets.connectors.hubspot.answers import NAME, Problem
from dataflow_assets.connectors.hubspot.values import moment
from dataflow_assets.resources.failures import Retryable
from dataflow_assets.resources.http import Caller, Reply
from dataflow_assets.resources.redact import redact


class _Next(msgspec.Struct):
    after: str | int = ""


class Paging(msgspec.Struct):
    """Where an answer goes on."""

    next: _Next | None = None


class Answer(msgspec.Struct):
    """A list of records, of a search or of a batch."""

    results: msgspec.Raw
    paging: Paging | None = None
    total: int = 0
    errors: list[Problem] | None = None

    @property
    def after(self) -> str:
        """Where the next page begins; empty at the last one. A short or even empty page need not be the last."""
        return str(self.paging.next.after) if self.paging and self.paging.next else ""


_decode_answer = msgspec.json.Decoder(Answer).decode


def answer_of(reply: Reply) -> Answer:
    """The answer in a reply. Raises Retryable when it is none, or leaves something out."""
    try:
        answer = _decode_answer(reply.body)
    except ValueError:
        # Not an empty list: everything that is stored would be taken for gone.
        raise Retryable("the answer holds no list of results.", vendor=NAME, account=reply.account) from None
    for problem in answer.errors or ():
        # A record without links, or one deleted meanwhile, is told as missing. Anything else may hide a record.
        if problem.category != "OBJECT_NOT_FOUND" and not (problem.sub_category or "").endswith(
            "NO_ASSOCIATIONS_FOUND"
        ):
            about = redact(f"part of a batch was not read: {problem.category} {problem.message}.")
            raise Retryable(about, vendor=NAME, account=reply.account)
    return answer


def stuck(caller: Caller) -> Retryable:
    """The failure of paging that comes back to where it was."""
    return Retryable("paging does not move on.", vendor=NAME, account=caller.account)


async def listed(caller: Caller, path: str, params: Mapping[str, str], after: str = "") -> AsyncIterator[Answer]:
    """The pages of a list, which is in the order of ids; those after a page whose `Answer.after` is given."""
    while True:
        answer = answer_of(await caller.get(path, {**params, "after": after} if after else params))
        yield answer
        if not answer.after:
            return
        if answer.after == after:
            raise stuck(caller)
        after = answer.after


class Record(msgspec.Struct, rename="camel"):
    """What is looked at in a record."""

    id: str | int = ""
    properties: dict[str, msgspec.Raw] = {}
    properties_with_history: dict[str, list[dict[str, Any]]] | None = None


_decode_raws = msgspec.json.Decoder(list[msgspec.Raw]).decode
_decode_record = msgspec.json.Decoder(Record).decode


@dataclass(frozen=True)
class Item:
    """A record as it came, and what of it can be told: nothing of a broken one, which is for the gate to judge."""

    raw: msgspec.Raw
    record: Record

    @property
    def id(self) -> str:
        """Its id; empty when it has none."""
        return str(self.record.id)

    def modified(self, cursor: str) -> datetime | None:
        """When it was last changed, by that property."""
        try:
            return moment(msgspec.json.decode(self.record.properties[cursor], type=str))
        except (KeyError, ValueError, ArithmeticError):
            return None


def items_of(answer: Answer) -> list[Item]:
    """The records of an answer, one by one."""
    found = []
    for raw in _decode_raws(answer.results):
        try:
            found.append(Item(raw, _decode_record(raw)))
        except ValueError:
            found.append(Item(raw, Record()))
    return found


def page_of(items: Iterable[Item], resume_after: str | None = None) -> Page:
    """A page of records as they came."""
    return Page(msgspec.Raw(b"[" + b",".join(bytes(item.raw) for item in items) + b"]"), resume_after)


def page_of_rows(rows: list[dict[str, Any]], resume_after: str | None = None) -> Page:
    """A page of records put together here."""
    return Page(msgspec.Raw(msgspec.json.encode(rows)), resume_after)

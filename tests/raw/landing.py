"""A stream with a column of every kind, and a way to bring pages of it into a real table. For the tests of the gate."""

import asyncio
import json
import uuid
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, timedelta, timezone
from decimal import Decimal
from itertools import count
from typing import Any
from zoneinfo import ZoneInfo

import msgspec
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from psycopg import sql
from raw_support import META, Row

from dataflow_assets.connectors.base import Account, Kind, Page, Since, Stream
from dataflow_assets.connectors.records import count as counted
from dataflow_assets.connectors.records import day, flag, instant, nested, number, text, whole
from dataflow_assets.raw.batches import Packer
from dataflow_assets.raw.ddl import create_statements, table
from dataflow_assets.raw.stage import Stage
from dataflow_assets.resources.warehouse import Warehouse

EVERYTHING = Stream(
    name="everything",
    description="A column of every kind.",
    kind=Kind.EVENT,
    endpoint="everything",
    key=("id",),
    ignored=("known_and_not_kept",),
    columns=(
        text("id", "Required text.", required=True),
        text("text", "Text."),
        text("text_or", "Text with a default.", default="it's \\N"),
        whole("whole", "Whole number."),
        counted("count", "Whole number of at least 0, 0 by default."),
        number("number", "Decimal."),
        number("price", "Decimal of at least 0.", default="0.00", ge=0),
        number("share", "Decimal of at least -1.", ge=-1),
        flag("flag", "Boolean."),
        flag("flag_or", "Boolean with a default.", default=False),
        day("day", "Date.", required=True),
        day("until", "Date."),
        instant("moment", "Instant."),
        nested("nested", "JSON."),
        text("inner_text", "Text inside an object.", path="inner.text"),
        whole("inner_whole", "Number inside an object.", path="inner.whole"),
    ),
)
GATE = replace(META, name="gate", streams=(EVERYTHING,))
ON_ONE_DATABASE = settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=60)

_numbers = count()


@dataclass(frozen=True)
class Landed:
    """What became of a page: rows by id, the records that were set aside, unknown fields."""

    rows: dict[str, Row]
    rejected: list[tuple[str, str]]  # reason, payload
    unknown: set[str]


def make_table(warehouse: Warehouse) -> None:
    warehouse.migrate(create_statements(GATE))


def land(warehouse: Warehouse, *pages: bytes) -> Landed:
    """Bring pages through the gate, the copy and the publishing statement, and read the table back."""
    nth = next(_numbers)
    account = Account(f"account {nth}", "", "EUR", ZoneInfo("UTC"))

    async def go() -> Landed:
        async with await warehouse.connect_async() as connection:
            stage = Stage(connection, GATE, EVERYTHING, Since(None))
            packer = Packer(EVERYTHING, stage.window)
            for page in pages:
                packer.add(Page(msgspec.Raw(page)))
            await stage.take(packer.take())
            if nth % 2:
                await stage.spill()  # else they go straight into the target
            async with connection.transaction():
                await stage.publish(account, sync_id=str(uuid.uuid4()), synced_at=datetime.now(UTC))
            query = sql.SQL("select * from {} where _account_id = %s").format(table(GATE, EVERYTHING))
            rows = await (await connection.execute(query, [account.id])).fetchall()
        ours = {row["id"]: {name: row[name] for name in (*EVERYTHING.column_names, "_extra")} for row in rows}
        return Landed(ours, [(item.reason, item.payload) for item in stage.rejected], stage.unknown_fields)

    return asyncio.run(go())


# ------------------------------------------------------------------ values: as JSON text, and as the table holds them

Told = tuple[str, Any]

NASTY = (
    "",
    "\\N",
    "\\.",
    "\\",
    "\\\\",
    "\\t",
    "\t",
    "\n",
    "\r",
    "\r\n",
    "a\tb\\c\nd\re",
    "NULL",
    "null",
    "'",
    '"',
    "{}",
    "\b\f\v\x7f\x1b",
    "\u2028\u2029\ufeff",
    "Kōhai 茶 🎬 e\u0301",
    " ",
)
any_text = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=20) | st.sampled_from(
    NASTY
)
bigints = st.integers(-(2**63), 2**63 - 1) | st.sampled_from([0, -1, 2**53 + 1, 2**63 - 1, -(2**63)])
decimals = st.decimals(-(10**25), 10**25, allow_nan=False, allow_infinity=False) | st.sampled_from(
    [Decimal(text) for text in ("0", "-0", "0.10", "53.40", "1E+5", "1E-30", "-12345678901234567890.0123456789")]
)
json_values = st.recursive(
    # Larger floats come back as integers: jsonb keeps decimal digits, not bits.
    st.none() | st.booleans() | st.integers() | st.floats(-1e6, 1e6) | any_text,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(any_text, inner, max_size=3),
    max_leaves=6,
)
offsets = st.integers(-14 * 60, 14 * 60).map(lambda minutes: timezone(timedelta(minutes=minutes)))
moments = st.datetimes(datetime(1900, 1, 1), datetime(2200, 1, 1), timezones=offsets)  # noqa: DTZ001


def in_json(value: Any, *, ascii_only: bool) -> str:
    return json.dumps(value, ensure_ascii=ascii_only)


def spelled(moment: datetime) -> st.SearchStrategy[str]:
    """An instant with a colon in its offset, without one as Meta writes it, or in UTC with a Z."""
    utc = moment.astimezone(UTC).isoformat().replace("+00:00", "Z")
    return st.sampled_from([moment.isoformat(), moment.strftime("%Y-%m-%dT%H:%M:%S.%f%z"), utc])


told_text = st.builds(lambda value, plain: (in_json(value, ascii_only=plain), value), any_text, st.booleans())
told_whole = st.builds(lambda value, quoted: (f'"{value}"' if quoted else f"{value}", value), bigints, st.booleans())
told_number = st.builds(lambda value, quoted: (f'"{value}"' if quoted else f"{value}", value), decimals, st.booleans())
told_flag = st.booleans().map(lambda value: (json.dumps(value), value))
told_day = st.dates(date(1, 1, 1)).map(lambda value: (f'"{value.isoformat()}"', value))
told_moment = moments.flatmap(lambda value: spelled(value).map(lambda text: (f'"{text}"', value)))
told_json = st.builds(lambda value, plain: (in_json(value, ascii_only=plain), value), json_values, st.booleans())


def at_least(low: int, told: st.SearchStrategy[Told]) -> st.SearchStrategy[Told]:
    return told.filter(lambda pair: pair[1] >= low)


def maybe(told: st.SearchStrategy[Told]) -> st.SearchStrategy[Told | None]:
    """Left out, null, or a value."""
    return st.none() | st.just(("null", None)) | told


def optional(told: st.SearchStrategy[Told]) -> st.SearchStrategy[Told | None]:
    """Left out or a value: what has a default cannot be null."""
    return st.none() | told


fields: st.SearchStrategy[dict[str, Told | None]] = st.fixed_dictionaries(
    {
        "text": maybe(told_text),
        "text_or": optional(told_text),
        "whole": maybe(told_whole),
        "count": optional(at_least(0, told_whole)),
        "number": maybe(told_number),
        "price": optional(at_least(0, told_number)),
        "share": maybe(at_least(-1, told_number)),
        "flag": maybe(told_flag),
        "flag_or": optional(told_flag),
        "day": told_day,
        "until": maybe(told_day),
        "moment": maybe(told_moment),
        "nested": maybe(told_json),
    }
)
inner_fields = st.none() | st.fixed_dictionaries({"text": maybe(told_text), "whole": maybe(told_whole)})
extra_fields = st.dictionaries(
    any_text.filter(lambda name: name not in {*EVERYTHING.column_names, "inner", "known_and_not_kept"}),
    told_json,
    max_size=2,
)


def as_object(told: dict[str, Told | None]) -> str:
    """A JSON object with the fields that are not left out."""
    parts = [f"{json.dumps(name)}: {pair[0]}" for name, pair in told.items() if pair is not None]
    return "{" + ", ".join(parts) + "}"


@dataclass(frozen=True)
class Made:
    """A record as the vendor would send it, and the row that must come of it."""

    sent: str
    row: Row


@st.composite
def records(draw: st.DrawFn, number: int) -> Made:
    """A good record with the id `number`."""
    told = draw(fields)
    inner = draw(inner_fields)
    extra = draw(extra_fields)
    identity: Told = (f'"{number}"', f"{number}")
    sent = {"id": identity, **told, **extra}
    if inner is not None:
        sent["inner"] = (as_object(inner), None)
    if draw(st.booleans()):
        sent["known_and_not_kept"] = ('{"b": 1}', None)
    row = {name: pair[1] if pair else _DEFAULTS.get(name) for name, pair in {"id": identity, **told}.items()}
    for name in ("text", "whole"):
        pair = inner[name] if inner else None
        row[f"inner_{name}"] = pair[1] if pair else None
    row["_extra"] = {name: pair[1] for name, pair in extra.items()} or None
    return Made(as_object(sent), row)


_DEFAULTS: Row = {"text_or": "it's \\N", "count": 0, "price": Decimal("0.00"), "flag_or": False}


@st.composite
def pages(draw: st.DrawFn) -> list[Made]:
    """Some good records with ids of their own."""
    return [draw(records(number)) for number in range(draw(st.integers(0, 6)))]


def as_page(made: list[str]) -> bytes:
    return ("[" + ", ".join(made) + "]").encode()


def good(identity: str, **changes: Any) -> str:
    """A plain good record, with changes."""
    return json.dumps({"id": identity, "day": "2026-05-01", "text": "fine", **changes})

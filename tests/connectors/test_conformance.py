"""Law 1: a stream is declared once, and all that is derived from it agrees. For every registered connector."""

import asyncio
import json
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

import msgspec
import polars as pl
import psycopg
import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from dataflow_assets.checks.contracts import contract, landed, violations
from dataflow_assets.connectors import all_connectors, connector
from dataflow_assets.connectors.base import Connector, Kind, Stream
from dataflow_assets.connectors.records import Column, ColumnType
from dataflow_assets.embedded import Endpoints
from dataflow_assets.raw.ddl import create_statements, primary_key, schema_name, system_columns
from dataflow_assets.raw.decode import Decoder
from dataflow_assets.raw.session import ensure_schema, open_sync
from dataflow_assets.resources.platform import Platform
from dataflow_assets.resources.warehouse import Warehouse
from dataflow_assets.transform import dbt_sources
from dataflow_assets.windows import DayWindow

CONNECTORS = pytest.mark.parametrize("vendor", all_connectors(), ids=lambda vendor: vendor.name)
STREAMS = [(vendor, stream) for vendor in all_connectors() for stream in vendor.streams]
EVERY_STREAM = pytest.mark.parametrize(
    ("vendor", "stream"), STREAMS, ids=[f"{vendor.name}-{stream.name}" for vendor, stream in STREAMS]
)

POLARS: dict[ColumnType, type[pl.DataType]] = {
    ColumnType.TEXT: pl.String,
    ColumnType.BIGINT: pl.Int64,
    ColumnType.NUMERIC: pl.Decimal,
    ColumnType.BOOLEAN: pl.Boolean,
    ColumnType.DATE: pl.Date,
    ColumnType.TIMESTAMPTZ: pl.Datetime,
    ColumnType.JSONB: pl.String,
}

# ------------------------------------------------------------------ the declaration itself


@EVERY_STREAM
def test_a_declaration_hangs_together(vendor: Connector, stream: Stream) -> None:
    columns = {column.name: column for column in stream.columns}
    assert len(columns) == len(stream.columns)
    assert not any(name.startswith("_") for name in columns), "Names with _ are ours."
    assert stream.description
    assert all(column.description for column in stream.columns)
    # A key that may be null is no key: PostgreSQL takes nulls for different.
    assert stream.key
    assert all(columns[name].required for name in stream.key)
    # A value is read into one column, unless each column takes its own part of it.
    paths = [".".join(column.source_path) for column in stream.columns if not column.parse]
    parsed = {".".join(column.source_path): column.wire for column in stream.columns if column.parse}
    assert len({*paths, *parsed, *stream.ignored}) == len(paths) + len(parsed) + len(stream.ignored)
    assert all(c.wire == parsed[".".join(c.source_path)] for c in stream.columns if c.parse)
    assert all((column.wire is None) == (column.parse is None) for column in stream.columns)
    if stream.kind is Kind.REPORT:
        assert stream.report_day in stream.key
        assert columns[stream.report_day].type is ColumnType.DATE
        assert stream.slice_days >= 1
        assert stream.cursor is None
    else:
        assert stream.report_day is None
        assert all(columns[name].type in {ColumnType.TIMESTAMPTZ, ColumnType.DATE} for name in stream.event_days)
        assert stream.cursor is None or columns[stream.cursor].type is ColumnType.TIMESTAMPTZ
        assert stream.kind is Kind.EVENT or stream.cursor or stream.sweep_every, "It would never be read again."


@CONNECTORS
def test_a_vendor_is_found_by_its_name_and_its_streams_by_theirs(vendor: Connector) -> None:
    assert connector(vendor.name) is vendor
    assert [vendor.stream(stream.name) for stream in vendor.streams] == list(vendor.streams)
    with pytest.raises(KeyError, match=vendor.name):
        connector("nobody")
    with pytest.raises(KeyError, match=vendor.streams[0].name):
        vendor.stream("nothing")


# ------------------------------------------------------------------ the table, the contract and the dbt source


@pytest.fixture(scope="module")
def warehouse(servers: Endpoints) -> Iterator[Warehouse]:
    """A database with every declared table and no rows."""
    name = f"conformance_{uuid.uuid4().hex[:12]}"
    with psycopg.connect(servers.database_url, autocommit=True) as connection:
        connection.execute(f'create database "{name}"')
    made = Warehouse(servers.database_url.rsplit("/", 1)[0] + f"/{name}")
    made.migrate(statement for vendor in all_connectors() for statement in create_statements(vendor))
    yield made
    with psycopg.connect(servers.database_url, autocommit=True) as connection:
        connection.execute(f'drop database "{name}" with (force)')


def columns_in_database(warehouse: Warehouse, vendor: Connector, stream: Stream) -> dict[str, tuple[str, bool, str]]:
    """Of each column of the table: type, whether it may be null, comment."""
    with warehouse.connect() as connection:
        rows = connection.execute(
            """
            select attname, format_type(atttypid, atttypmod) as type, not attnotnull as nullable,
                col_description(attrelid, attnum) as comment
            from pg_attribute
            where attrelid = (%s || '.' || %s)::regclass and attnum > 0 and not attisdropped
            """,
            [schema_name(vendor), stream.name],
        ).fetchall()
    short = {"timestamp with time zone": "timestamptz"}
    return {row["attname"]: (short.get(row["type"], row["type"]), row["nullable"], row["comment"]) for row in rows}


@EVERY_STREAM
def test_law_1_the_table_is_the_declared_one(warehouse: Warehouse, vendor: Connector, stream: Stream) -> None:
    found = columns_in_database(warehouse, vendor, stream)
    declared = {c.name: (c.type.value, c.nullable, c.description) for c in stream.columns}
    ours = {
        name: (kind.removesuffix(" not null"), not kind.endswith(" not null"), text)
        for name, (kind, text) in system_columns(stream).items()
    }
    assert found == declared | ours
    assert ("_deleted_at" in found) == (stream.kind is Kind.ENTITY)
    with warehouse.connect() as connection:
        keys = connection.execute(
            """
            select array_agg(attname::text order by ordinal) as names
            from pg_constraint
            cross join unnest(conkey) with ordinality as part (number, ordinal)
            join pg_attribute on attrelid = conrelid and attnum = number
            where contype = 'p' and conrelid = (%s || '.' || %s)::regclass
            """,
            [schema_name(vendor), stream.name],
        ).fetchone()
        defaults = connection.execute(
            "select column_name, column_default from information_schema.columns"
            " where (table_schema, table_name) = (%s, %s) and column_default is not null",
            [schema_name(vendor), stream.name],
        ).fetchall()
    assert keys
    assert tuple(keys["names"]) == primary_key(stream)
    assert {row["column_name"] for row in defaults} == {c.name for c in stream.columns if c.default is not None}


@CONNECTORS
def test_making_the_tables_twice_changes_nothing(warehouse: Warehouse, vendor: Connector) -> None:
    before = [columns_in_database(warehouse, vendor, stream) for stream in vendor.streams]
    with warehouse.connect() as connection:
        for statement in create_statements(vendor):
            connection.execute(statement)
    assert [columns_in_database(warehouse, vendor, stream) for stream in vendor.streams] == before


@EVERY_STREAM
def test_law_1_the_pandera_contract_is_the_declared_one(vendor: Connector, stream: Stream) -> None:
    schema = contract(stream)
    assert schema.name == stream.name
    assert schema.strict
    assert list(schema.columns) == ["_account_id", *stream.column_names]
    for column in stream.columns:
        made = schema.columns[column.name]
        assert made.nullable == column.nullable, column.name
        assert made.dtype.type.is_(POLARS[column.type]) or made.dtype.type.base_type() is POLARS[column.type]
        assert made.description == column.description
        assert made.required
    assert set(schema.unique or ()) == set(primary_key(stream))


@EVERY_STREAM
def test_law_1_the_dbt_source_is_the_declared_one(vendor: Connector, stream: Stream) -> None:
    (source,) = yaml.safe_load(dbt_sources.path(vendor).read_text("utf-8"))["sources"]
    assert (source["name"], source["schema"]) == (vendor.name, schema_name(vendor))
    (table,) = [one for one in source["tables"] if one["name"] == stream.name]
    told = [(one["name"], one["data_type"], one["description"]) for one in table["columns"]]
    assert told[: len(stream.columns)] == [(c.name, c.type.value, c.description) for c in stream.columns]
    assert [name for name, *_ in told[len(stream.columns) :]] == list(system_columns(stream))
    assert len(source["tables"]) == len(vendor.streams)


# ------------------------------------------------------------------ the gate and the contract judge alike

LEFT_OUT = object()


@dataclass(frozen=True)
class Cell:
    """One value: as the vendor sends it, and as the landed frame would hold it."""

    sent: Any
    held: Any
    dtype: Any


def dtype_of(column: Column) -> Any:
    kinds = {ColumnType.NUMERIC: pl.Decimal(38, 9), ColumnType.TIMESTAMPTZ: pl.Datetime("us", "UTC")}
    return kinds.get(column.type, POLARS[column.type])


def good_values(column: Column) -> st.SearchStrategy[Any]:
    low = column.ge
    return {
        ColumnType.TEXT: st.text(
            st.characters(exclude_categories=["Cs"], exclude_characters="\0"), min_size=1, max_size=9
        ),
        ColumnType.BIGINT: st.integers(-(2**63) if low is None else low, 2**63 - 1),
        ColumnType.NUMERIC: st.decimals(-(10**20) if low is None else low, 10**20, places=6),
        ColumnType.BOOLEAN: st.booleans(),
        ColumnType.DATE: st.dates(),
        ColumnType.TIMESTAMPTZ: st.datetimes(datetime(1970, 1, 1), datetime(2100, 1, 1), timezones=st.just(UTC)),  # noqa: DTZ001
        ColumnType.JSONB: st.just({"a": [1, "b"]}) | st.just([]),
    }[column.type]


def spelled(column: Column, value: Any) -> Any:
    """A value as JSON has it."""
    if isinstance(value, datetime | date):
        return value.isoformat()
    return str(value) if isinstance(value, Decimal) else value


def held(column: Column, value: Any) -> Any:
    return json.dumps(value) if column.type is ColumnType.JSONB and value is not None else value


def cells(column: Column) -> st.SearchStrategy[Cell]:
    """Good values, and nothing where that is allowed."""
    dtype = dtype_of(column)
    if column.parse:
        written = st.just(written_cell(column))
        return written if column.required or column.default is not None else written | st.just(Cell(None, None, dtype))
    values = good_values(column).map(lambda value: Cell(spelled(column, value), held(column, value), dtype))
    if column.required:
        return values
    default = Decimal(column.default) if column.type is ColumnType.NUMERIC and column.default else column.default
    return values | st.just(Cell(LEFT_OUT, default, dtype))


def written_cell(column: Column) -> Cell:
    """A good value as the vendor writes it."""
    assert column.example is not None, f"{column.name}: say in Column.example how the vendor writes it."
    assert column.parse
    parsed = column.parse(column.example)
    assert parsed is not None
    return Cell(
        column.example, json.dumps(json.loads(parsed)) if column.type is ColumnType.JSONB else parsed, dtype_of(column)
    )


def wrong_cells(column: Column) -> st.SearchStrategy[Cell]:
    """Values that may be wrong here: nothing, too low, empty, of another type. Some are right in some columns."""
    dtype = dtype_of(column)
    found = [Cell(None, None, dtype)]
    if column.required:
        found.append(Cell(LEFT_OUT, None, dtype))
    if column.parse:
        # Null stands for "nothing", which a default may fill; what else can be wrong only the vendor's way tells.
        return st.sampled_from(found if column.default is None else [written_cell(column)])
    if column.type is ColumnType.TEXT:
        found += [Cell("", "", dtype), Cell(5, 5, pl.Int64), Cell(True, True, pl.Boolean)]
    elif column.type is not ColumnType.JSONB:
        found += [Cell("n/a", "n/a", pl.String)]
    if column.type is ColumnType.BIGINT:
        found += [Cell(number, number, dtype) for number in (-1, -(2**63), 2**63 - 1)]
        found += [Cell(1.5, 1.5, pl.Float64), Cell(True, True, pl.Boolean)]
    if column.type is ColumnType.NUMERIC:
        found += [Cell(text, Decimal(text), dtype) for text in ("-0.01", "-1", "0", "0.000001")]
        found += [Cell(True, True, pl.Boolean)]
    return st.sampled_from(found)


@st.composite
def records(draw: st.DrawFn, stream: Stream) -> dict[str, Cell]:
    """A record with at most one value that may be wrong."""
    suspect = draw(st.none() | st.sampled_from(stream.columns))
    return {column.name: draw(wrong_cells(column) if column is suspect else cells(column)) for column in stream.columns}


def as_json(stream: Stream, record: dict[str, Cell]) -> msgspec.Raw:
    """A page with the record alone."""
    tree: dict[str, Any] = {}
    for column in stream.columns:
        sent = record[column.name].sent
        *outer, last = column.source_path
        branch = tree
        for part in outer:
            branch = branch.setdefault(part, {})
        # Where several columns take their parts of one value, it is missing for all of them.
        if sent is not LEFT_OUT:
            branch[last] = sent if branch.get(last, sent) is not None else None
    return msgspec.Raw(json.dumps([tree]).encode())


def as_frame(stream: Stream, record: dict[str, Cell]) -> pl.DataFrame:
    """A frame with the record alone, as it would look had it landed unchecked."""
    columns = [pl.Series("_account_id", ["1"], dtype=pl.String)]
    columns += [pl.Series(name, [cell.held], dtype=cell.dtype) for name, cell in record.items()]
    return pl.DataFrame(columns)


@EVERY_STREAM
@settings(max_examples=25)
@given(data=st.data())
def test_law_1_the_gate_and_the_contract_accept_and_reject_the_same_records(
    vendor: Connector, stream: Stream, data: st.DataObject
) -> None:
    record = data.draw(records(stream))
    gate = Decoder(stream).decode(as_json(stream, record))
    broken = violations(stream, as_frame(stream, record))
    assert (gate.rows == 1) == (not broken), (gate.rejected, broken)


def plain(stream: Stream) -> dict[str, Cell]:
    """A record with a value in every column."""
    values: dict[ColumnType, Any] = {
        ColumnType.TEXT: "a",
        ColumnType.BIGINT: 1,
        ColumnType.NUMERIC: Decimal("1.5"),
        ColumnType.BOOLEAN: True,
        ColumnType.DATE: date(2026, 5, 1),
        ColumnType.TIMESTAMPTZ: datetime(2026, 5, 1, tzinfo=UTC),
        ColumnType.JSONB: {},
    }
    return {
        c.name: written_cell(c) if c.parse else Cell(spelled(c, values[c.type]), held(c, values[c.type]), dtype_of(c))
        for c in stream.columns
    }


@EVERY_STREAM
def test_law_1_both_accept_a_plain_record_and_reject_each_way_of_breaking_it(vendor: Connector, stream: Stream) -> None:
    record = plain(stream)
    assert Decoder(stream).decode(as_json(stream, record)).rows == 1
    assert violations(stream, as_frame(stream, record)) == []
    for column in stream.columns:
        if column.parse:
            if column.required:
                broken = {**record, column.name: Cell(None, None, dtype_of(column))}
                assert Decoder(stream).decode(as_json(stream, broken)).rows == 0, column.name
            continue
        breaking = [] if column.nullable else [Cell(None, None, dtype_of(column))]
        if column.ge is not None:
            low = column.ge - 1
            as_held = Decimal(low) if column.type is ColumnType.NUMERIC else low
            breaking.append(Cell(spelled(column, as_held), as_held, dtype_of(column)))
        if column.required and column.type is ColumnType.TEXT:
            breaking.append(Cell("", "", dtype_of(column)))
        if column.type not in {ColumnType.TEXT, ColumnType.JSONB}:
            breaking.append(Cell("n/a", "n/a", pl.String))
        for cell in breaking:
            broken = {**record, column.name: cell}
            assert Decoder(stream).decode(as_json(stream, broken)).rows == 0, (column.name, cell)
            assert violations(stream, as_frame(stream, broken)), (column.name, cell)


# ------------------------------------------------------------------ what really lands


def test_law_1_what_the_sandbox_sends_passes_the_gate_and_keeps_the_contract(platform: Platform) -> None:
    ensure_schema(platform)
    window = DayWindow(date(2026, 5, 10), date(2026, 5, 12))

    async def go() -> None:
        for vendor in all_connectors():
            async with open_sync(platform, vendor) as sync:
                for stream in vendor.streams:
                    report = await sync.run(stream, window if stream.kind is Kind.REPORT else None)
                    assert report.failed == []
                    assert (report.counts.inserted > 0, report.counts.quarantined) == (True, 0), stream.name

    asyncio.run(go())
    with platform.warehouse.connect() as connection:
        for vendor, stream in STREAMS:
            (frame,) = landed(connection, vendor, stream, None)
            assert frame.height > 0
            assert violations(stream, frame) == []


def test_figures_finer_than_the_contract_counts_land_and_can_be_checked(platform: Platform) -> None:
    ensure_schema(platform)
    meta = connector("meta_ads")
    with platform.warehouse.connect() as connection:
        connection.execute(
            """
            insert into raw_meta_ads.insights_campaign (
                date_start, account_id, account_currency, campaign_id, spend, frequency,
                _account_id, _sync_id, _synced_at
            ) values
            ('2026-05-01', '1', 'EUR', '1', 0.1234567890123, 1.01234567890123, '1', gen_random_uuid(), now())
            """
        )
        (frame,) = landed(connection, meta, meta.stream("insights_campaign"), None)
    assert violations(meta.stream("insights_campaign"), frame) == []
    assert frame["spend"].to_list() == [Decimal("0.123456789")]

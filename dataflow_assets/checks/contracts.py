"""A stream's declaration in, its Pandera contract out: what the landed table must look like."""

from collections.abc import Iterator
from decimal import Decimal
from typing import Any

import pandera.polars as pa
import polars as pl
from psycopg import sql
from psycopg.rows import tuple_row

from dataflow_assets.connectors.base import Connector, Kind, Stream
from dataflow_assets.connectors.records import Column, ColumnType
from dataflow_assets.raw.ddl import primary_key, table
from dataflow_assets.resources.warehouse import Connection
from dataflow_assets.windows import DayWindow

FAILURES_SHOWN = 5
ROWS_PER_FRAME = 50_000  # a validation has a fixed cost; with fewer rows it is felt
_POLARS: dict[ColumnType, Any] = {
    ColumnType.TEXT: pl.String,
    ColumnType.BIGINT: pl.Int64,
    ColumnType.NUMERIC: pl.Decimal(38, 9),
    ColumnType.BOOLEAN: pl.Boolean,
    ColumnType.DATE: pl.Date,
    ColumnType.TIMESTAMPTZ: pl.Datetime("us", "UTC"),
    ColumnType.JSONB: pl.String,
}


def contract(stream: Stream) -> pa.DataFrameSchema:
    """The contract of a stream's landed rows: types, nulls, bounds and a unique key."""
    return pa.DataFrameSchema(
        {
            "_account_id": pa.Column(pl.String, nullable=False),
            **{column.name: _pandera_column(column) for column in stream.columns},
        },
        name=stream.name,
        strict=True,
        unique=list(primary_key(stream)),
    )


def _pandera_column(column: Column) -> pa.Column:
    checks = [] if column.ge is None else [pa.Check.ge(_bound(column))]
    if column.required and column.type is ColumnType.TEXT:
        checks.append(pa.Check.str_length(min_value=1))
    return pa.Column(_POLARS[column.type], checks=checks, nullable=column.nullable, description=column.description)


def _bound(column: Column) -> int | Decimal:
    low = column.ge or 0
    return Decimal(low) if column.type is ColumnType.NUMERIC else low


def landed(
    connection: Connection, connector: Connector, stream: Stream, window: DayWindow | None
) -> Iterator[pl.DataFrame]:
    """The landed rows of a stream, of a window of report days or all, as the contract's frames.

    One after the other, so that a table of any size is looked at in the same memory. What a frame cannot see, a key
    that is also in another one, the table's primary key keeps out.
    """
    columns = [_selected(column) for column in stream.columns]
    query = sql.SQL("select _account_id, {} from {}").format(sql.SQL(", ").join(columns), table(connector, stream))
    values: dict[str, Any] = {}
    if window is not None and stream.kind is Kind.REPORT and stream.report_day:
        query += sql.SQL(" where {day} >= %(start)s and {day} < %(end)s").format(day=sql.Identifier(stream.report_day))
        values = {"start": window.start, "end": window.end}
    schema = {"_account_id": pl.String, **{column.name: _POLARS[column.type] for column in stream.columns}}
    with connection.cursor("landed", row_factory=tuple_row) as cursor:
        cursor.execute(query, values)
        while rows := cursor.fetchmany(ROWS_PER_FRAME):
            yield pl.DataFrame(rows, schema=schema, orient="row")


def _selected(column: Column) -> sql.Composable:
    name = sql.Identifier(column.name)
    return sql.SQL("{}::text as {}").format(name, name) if column.type is ColumnType.JSONB else name


def violations(stream: Stream, frame: pl.DataFrame) -> list[str]:
    """What breaks the contract, a line each; empty when nothing does."""
    try:
        contract(stream).validate(frame, lazy=True)
    except pa.errors.SchemaErrors as error:
        cases = error.failure_cases.select("column", "check", "failure_case").unique().head(FAILURES_SHOWN)
        return [f"{column}: {check} (for example {case!r})" for column, check, case in cases.iter_rows()]
    return []

"""Python values to COPY text and back through a real COPY."""

from datetime import UTC, date, datetime
from typing import Any

import msgspec
import psycopg
import pytest
from hypothesis import given
from hypothesis import strategies as st
from landing import NASTY, ON_ONE_DATABASE, any_text, bigints, decimals, json_values, moments

from dataflow_assets.connectors.records import ColumnType
from dataflow_assets.embedded import Endpoints
from dataflow_assets.raw.copy_text import copy_rows

VALUES: dict[ColumnType, st.SearchStrategy[Any]] = {
    ColumnType.TEXT: any_text,
    ColumnType.BIGINT: bigints,
    ColumnType.NUMERIC: decimals,
    ColumnType.BOOLEAN: st.booleans(),
    ColumnType.DATE: st.dates(),
    ColumnType.TIMESTAMPTZ: moments,
    ColumnType.JSONB: json_values,
}
TYPES = list(VALUES)


def test_every_type_is_tried() -> None:
    assert set(TYPES) == set(ColumnType)


@st.composite
def tables(draw: st.DrawFn) -> list[tuple[Any, ...]]:
    """Rows with a column of each type. In some columns nothing is null, in others anything may be."""
    columns = [st.none() | values if draw(st.booleans()) else values for values in VALUES.values()]
    return draw(st.lists(st.tuples(*columns), max_size=8))


def through_copy(database_url: str, rows: list[tuple[Any, ...]], types: list[ColumnType] = TYPES) -> list[Any]:
    """The rows after a COPY into a table of these types."""
    columns: list[list[Any]] = [list(column) for column in zip(*rows, strict=True)] or [[] for _ in types]
    for values, kind in zip(columns, types, strict=True):
        if kind is ColumnType.JSONB:
            values[:] = [None if value is None else msgspec.Raw(msgspec.json.encode(value)) for value in values]
        if kind is ColumnType.NUMERIC:
            values[:] = [None if value is None else str(value) for value in values]
    lines = copy_rows(columns, types)
    assert len(lines) == len(rows)
    with psycopg.connect(database_url) as connection, connection.cursor() as cursor:
        names = [f"c{n} {kind.value}" for n, kind in enumerate(types)]
        cursor.execute(f"create temporary table t (n int generated always as identity, {', '.join(names)})")
        with cursor.copy(f"copy t ({', '.join(f'c{n}' for n in range(len(types)))}) from stdin") as copy:
            copy.write("".join(line + "\n" for line in lines))
        cursor.execute("select * from t order by n")
        return [row[1:] for row in cursor.fetchall()]


@ON_ONE_DATABASE
@given(tables())
def test_what_is_copied_comes_back(servers: Endpoints, rows: list[tuple[Any, ...]]) -> None:
    assert through_copy(servers.database_url, rows) == rows


@pytest.mark.parametrize("beside", [None, "plain"])
def test_text_that_looks_like_a_mark_of_the_format_stays_text(servers: Endpoints, beside: str | None) -> None:
    rows = [(text,) for text in NASTY] + [(beside,)]
    assert through_copy(servers.database_url, rows, [ColumnType.TEXT]) == rows


@pytest.mark.parametrize("text", NASTY)
def test_each_such_text_also_stays_text_alone_and_beside_a_null(servers: Endpoints, text: str) -> None:
    for rows in ([(text,)], [(text,), (None,)], [(None,), (text,)]):
        assert through_copy(servers.database_url, rows, [ColumnType.TEXT]) == rows


def test_json_that_holds_marks_of_the_format_stays_json(servers: Endpoints) -> None:
    rows: list[tuple[Any, ...]] = [({"a\t": text},) for text in NASTY] + [(None,), (list(NASTY),)]
    assert through_copy(servers.database_url, rows, [ColumnType.JSONB]) == rows


def test_a_row_is_one_line_of_tab_separated_fields() -> None:
    columns: list[list[Any]] = [
        ["a\tb", None],
        [1, 2],
        ["1.50", None],
        [True, False],
        [date(2026, 5, 1), None],
        [datetime(2026, 5, 1, 12, tzinfo=UTC), None],
        [msgspec.Raw(b'{"a":"\\n"}'), msgspec.Raw(b"null")],
    ]
    assert copy_rows(columns, TYPES) == [
        'a\\tb\t1\t1.50\ttrue\t2026-05-01\t2026-05-01T12:00:00Z\t{"a":"\\\\n"}',
        "\\N\t2\t\\N\tfalse\t\\N\t\\N\t\\N",
    ]
    assert copy_rows([[], []], [ColumnType.TEXT, ColumnType.BIGINT]) == []

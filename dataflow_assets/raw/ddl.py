"""A stream's declaration in, the DDL of its raw table out. Columns are added; nothing is ever dropped or retyped."""

from collections.abc import Iterator

from psycopg import sql

from dataflow_assets.connectors.base import Connector, Kind, Stream
from dataflow_assets.connectors.records import Column, ColumnType

SYSTEM_COLUMNS = {
    "_account_id": ("text not null", "Account the record was read through."),
    "_extra": ("jsonb", "Fields the vendor sent that the stream does not declare."),
    "_sync_id": ("uuid not null", "Slice that last changed the row: dataflow.sync_ledger."),
    "_synced_at": (
        "timestamptz not null",
        "When the reading that last changed the row began.",
    ),
}
TOMBSTONE = {"_deleted_at": ("timestamptz", "When the entity was first missing from a full listing.")}


def schema_name(connector: Connector) -> str:
    """Schema of a connector's raw tables."""
    return f"raw_{connector.name}"


def table(connector: Connector, stream: Stream) -> sql.Identifier:
    """The quoted, qualified name of a stream's raw table."""
    return sql.Identifier(schema_name(connector), stream.name)


def system_columns(stream: Stream) -> dict[str, tuple[str, str]]:
    """Columns we add to a stream's own: name to (SQL type, description)."""
    return SYSTEM_COLUMNS | (TOMBSTONE if stream.kind is Kind.ENTITY else {})


def primary_key(stream: Stream) -> tuple[str, ...]:
    """Columns of the table's primary key. Report keys name the account themselves; ids are unique within one."""
    return stream.key if stream.kind is Kind.REPORT else ("_account_id", *stream.key)


def create_statements(connector: Connector) -> Iterator[str]:
    """Idempotent DDL of all raw tables of a connector."""
    yield sql.SQL("create schema if not exists {}").format(sql.Identifier(schema_name(connector))).as_string()
    for stream in connector.streams:
        yield from (statement.as_string() for statement in _table_statements(connector, stream))


def _table_statements(connector: Connector, stream: Stream) -> Iterator[sql.Composed]:
    name = table(connector, stream)
    definitions = [(column.name, _sql_type(column), column.description) for column in stream.columns]
    definitions += [(n, sql.SQL(kind), text) for n, (kind, text) in system_columns(stream).items()]
    body = [sql.SQL("{} {}").format(sql.Identifier(n), kind) for n, kind, _ in definitions]
    key = sql.SQL(", ").join(map(sql.Identifier, primary_key(stream)))
    body.append(sql.SQL("primary key ({})").format(key))
    yield sql.SQL("create table if not exists {} ({})").format(name, sql.SQL(", ").join(body))
    for column, kind, _ in definitions:
        yield sql.SQL("alter table {} add column if not exists {} {}").format(name, sql.Identifier(column), kind)
    if stream.kind is Kind.REPORT and stream.report_day:
        # The slice to replace is found by account and days, which need not lead the key.
        yield sql.SQL("create index if not exists {} on {} (_account_id, {})").format(
            sql.Identifier(f"{stream.name}_slice"), name, sql.Identifier(stream.report_day)
        )
    yield sql.SQL("comment on table {} is {}").format(name, sql.Literal(stream.description))
    for column, _, text in definitions:
        yield sql.SQL("comment on column {} is {}").format(
            sql.Identifier(schema_name(connector), stream.name, column), sql.Literal(text)
        )


def _sql_type(column: Column) -> sql.Composable:
    kind = sql.SQL(column.type.value)
    if column.default is not None:
        # A column added later fills existing rows with its default.
        default = sql.Literal(str(column.default)) if column.type is ColumnType.NUMERIC else sql.Literal(column.default)
        return sql.SQL("{} not null default {}").format(kind, default)
    return sql.SQL("{} not null").format(kind) if column.required else kind

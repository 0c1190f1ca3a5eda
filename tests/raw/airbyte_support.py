"""Tables as Airbyte's Postgres destination leaves them, and a platform that reads a vendor from them."""

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import uuid4

from psycopg import sql

from dataflow_assets.connectors.base import Connector, Stream
from dataflow_assets.raw.airbyte import RAW_SCHEMA
from dataflow_assets.raw.session import ensure_schema
from dataflow_assets.resources.platform import Platform

META_COLUMNS = {
    "_airbyte_raw_id": "varchar",
    "_airbyte_extracted_at": "timestamptz",
    "_airbyte_meta": "jsonb",
    "_airbyte_generation_id": "bigint",
}


@dataclass(frozen=True)
class Destination:
    """Where and how Airbyte lands a vendor: final tables, or raw ones of JSON documents.

    `types` are those of the columns of final tables, or of `table.column`, which are text otherwise. What is in
    `undeclared` the source sends and does not declare: final tables have no column for it.
    """

    platform: Platform
    connector: Connector
    schema: str
    types: Mapping[str, str]
    raw: bool = False
    undeclared: frozenset[str] = frozenset()

    def land(
        self, stream: Stream, rows: Sequence[Mapping[str, Any]], moment: datetime, changes: Sequence[Any] = ()
    ) -> None:
        """Append rows, extracted at a moment; `changes` is what Airbyte says it did to their values."""
        assert self.connector.landing
        self.land_table(self.connector.landing.tables[stream.name], rows, moment, changes)

    def land_table(
        self, name: str, rows: Sequence[Mapping[str, Any]], moment: datetime, changes: Sequence[Any] = ()
    ) -> None:
        """The same to a table by its name."""
        meta = json.dumps({"sync_id": 1, "changes": list(changes)})
        with self.platform.warehouse.connect() as connection:
            table = self.make_table(connection, name, {name for row in rows for name in row})
            for row in rows:
                values = (str(uuid4()), moment, meta, 0)
                if self.raw:
                    connection.execute(
                        sql.SQL("insert into {} values (%s, %s, %s, %s, null, %s)").format(table),
                        (*values, json.dumps(row)),
                    )
                    continue
                given = {in_table(name): value for name, value in row.items() if name not in self.undeclared}
                names = [name for name, value in given.items() if value is not None]
                connection.execute(
                    sql.SQL("insert into {} ({}) values ({})").format(
                        table,
                        sql.SQL(", ").join(map(sql.Identifier, (*META_COLUMNS, *names))),
                        sql.SQL(", ").join([sql.Placeholder()] * (len(values) + len(names))),
                    ),
                    (*values, *(json.dumps(v) if isinstance(v := given[n], dict | list) else v for n in names)),
                )

    def make(self, connection: Any, stream: Stream, names: set[str]) -> sql.Identifier:
        """The table of a stream, made if it is not there, with columns of these names."""
        assert self.connector.landing
        return self.make_table(connection, self.connector.landing.tables[stream.name], names)

    def make_table(self, connection: Any, name: str, names: set[str]) -> sql.Identifier:
        """The same by the name of the table."""
        own = dict(META_COLUMNS)
        if self.raw:
            table = sql.Identifier(RAW_SCHEMA, f"{self.schema}_raw__stream_{name}")
            own |= {"_airbyte_loaded_at": "timestamptz", "_airbyte_data": "jsonb"}
        else:
            table = sql.Identifier(self.schema, name)
            columns = sorted(map(in_table, names - self.undeclared))
            own |= {one: self.types.get(f"{name}.{one}", self.types.get(one, "varchar")) for one in columns}
        for schema in (self.schema, RAW_SCHEMA):
            connection.execute(sql.SQL("create schema if not exists {}").format(sql.Identifier(schema)))
        typed = sql.SQL(", ").join(sql.SQL("{} {}").format(sql.Identifier(n), sql.SQL(t)) for n, t in own.items())
        connection.execute(sql.SQL("create table if not exists {} ({})").format(table, typed))
        return table


def in_table(name: str) -> str:
    """A field's name as the name of a column of a final table."""
    return re.sub(r"[^A-Za-z0-9_]", "_", name)


@contextmanager
def reading_from_airbyte(
    platform: Platform, connector: Connector, schema: str, *, account_ids: tuple[str, ...] = ()
) -> Iterator[None]:
    """The platform reads the vendor from Airbyte's tables, and has no credentials of it. The tables are dropped."""
    before = platform.settings
    configured = before.vendors[connector.name]
    none = dict.fromkeys({"access_token", "refresh_token", "api_key"} & type(configured).model_fields.keys())
    changes = {"landing": "airbyte", "airbyte_schema": schema, "account_ids": account_ids}
    vendor = configured.model_copy(update={**changes, **none})
    object.__setattr__(platform, "settings", before.model_copy(update={connector.name: vendor}))
    ensure_schema(platform)
    try:
        yield
    finally:
        object.__setattr__(platform, "settings", before)
        with platform.warehouse.connect() as connection:
            for name in (schema, RAW_SCHEMA):
                connection.execute(sql.SQL("drop schema if exists {} cascade").format(sql.Identifier(name)))

"""Tables as Airbyte's Postgres destination leaves them: where they are, and what is in them.

Read are final tables (destination-postgres 2.x and 3.x), and the raw JSON tables of 2.x where there is no final one.
"""

import json
import re
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from functools import partial
from typing import Any

from psycopg import sql
from psycopg.types.json import set_json_loads

from dataflow_assets.resources.warehouse import AsyncConnection

RAW_SCHEMA = "airbyte_internal"
ROWS_PER_PAGE = 2_000
CHANGES = "_airbyte_changes"
_loads = partial(json.loads, parse_float=Decimal)


@dataclass(frozen=True)
class Table:
    """A table of Airbyte's."""

    schema: str
    name: str
    columns: tuple[str, ...]

    @property
    def is_raw(self) -> bool:
        """Whether a record is one JSON document."""
        return "_airbyte_data" in self.columns

    @property
    def source(self) -> sql.Composed:
        """What to select from."""
        return sql.SQL("{} as landed").format(sql.Identifier(self.schema, self.name))

    def column(self, name: str) -> sql.Composable | None:
        """The text of a column, or of what a path (with dots) leads to. None when there is no such column."""
        head, *rest = name.split(".")
        if self.is_raw:
            # Some sources have dots in the names of their fields.
            return sql.SQL("coalesce(_airbyte_data ->> {}, _airbyte_data #>> {})").format(name, [head, *rest])
        if head in self.columns and rest:
            return sql.SQL("{} #>> {}").format(sql.Identifier(head), [*rest])
        flat = name.replace(".", "_")
        return sql.SQL("{}::text").format(sql.Identifier(flat)) if flat in self.columns else None

    def select(self, conditions: Sequence[sql.Composable], owner: sql.Composable) -> sql.Composed:
        """Records under conditions: each with what Airbyte says it did to its values, when, and whose it is."""
        changes = "_airbyte_meta -> 'changes'" if "_airbyte_meta" in self.columns else "null::jsonb"
        return sql.SQL(
            "select {record} as record, {changes} as changes, {owner} as owner, _airbyte_extracted_at as moment "
            "from {source} where {conditions}"
        ).format(
            record=sql.SQL("_airbyte_data" if self.is_raw else "to_jsonb(landed)"),
            changes=sql.SQL(changes),
            owner=owner,
            source=self.source,
            conditions=sql.SQL(" and ").join([sql.SQL("true"), *conditions]),
        )


def read_exactly(connection: AsyncConnection) -> AsyncConnection:
    """The connection, reading numbers in JSON digit by digit."""
    set_json_loads(_loads, connection)
    return connection


async def find(connection: AsyncConnection, schema: str, name: str) -> Table | None:
    """The final table of a stream of Airbyte's, or its raw one."""
    cursor = await connection.execute(
        """
        select table_schema, table_name, array_agg(column_name::text) as columns
        from information_schema.columns
        where (table_schema, table_name) = (%(schema)s, %(final)s)
            or (table_schema = %(raw_schema)s and table_name ~ %(raw)s)
        group by table_schema, table_name
        having bool_or(column_name = '_airbyte_extracted_at')
        order by table_schema = %(raw_schema)s
        """,
        {
            "schema": schema,
            "final": name,
            "raw_schema": RAW_SCHEMA,
            # The run of underscores in the middle grows where a name has one itself.
            "raw": f"^{re.escape(schema.lower())}_raw_+stream_{re.escape(name.lower())}$",
        },
    )
    row = await cursor.fetchone()
    return Table(row["table_schema"], row["table_name"], tuple(row["columns"])) if row else None


async def newest(connection: AsyncConnection, tables: Sequence[Table]) -> datetime | None:
    """When the last of all rows was extracted."""
    moments = []
    for table in tables:
        query = sql.SQL("select max(_airbyte_extracted_at) as moment from {}").format(table.source)
        row = await (await connection.execute(query)).fetchone()
        moments += [row["moment"]] if row and row["moment"] else []
    return max(moments, default=None)


async def records(
    connection: AsyncConnection, selects: Sequence[sql.Composable], values: Mapping[str, Any], *, newest_only: bool
) -> AsyncIterator[list[dict[str, Any]]]:
    """Records oldest extraction first, so that of several of one key the newest is the last.

    With `newest_only` there is but the newest of each owner.
    """
    one = sql.SQL("distinct on (owner)" if newest_only else "")
    order = sql.SQL("owner, moment desc" if newest_only else "moment")
    query = sql.SQL("select {} record, changes from ({}) as found order by {}").format(
        one, sql.SQL(" union all ").join(selects), order
    )
    async with connection.transaction(), connection.cursor("airbyte") as cursor:
        cursor.itersize = ROWS_PER_PAGE
        await cursor.execute(query, values)
        while rows := await cursor.fetchmany(ROWS_PER_PAGE):
            # Values that Airbyte nulled or cut on the way are told in _extra.
            yield [{**row["record"], **({CHANGES: row["changes"]} if row["changes"] else {})} for row in rows]

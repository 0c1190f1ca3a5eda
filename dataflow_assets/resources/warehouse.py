"""The PostgreSQL warehouse: connections, SQL files, and bringing the schema up to date."""

import hashlib
from collections.abc import Iterable, Mapping
from datetime import datetime
from functools import cache
from typing import Any, LiteralString
from urllib.parse import urlsplit

import psycopg
from psycopg import sql
from psycopg.rows import dict_row

from dataflow_assets.settings import PROJECT_ROOT

SQL_DIR = PROJECT_ROOT / "sql"
SCHEMA_VERSION = 1  # raise it when a change could not be read by an older program
OLDEST_SERVER = 160_000
APPLICATION_NAME = "dataflow"

Connection = psycopg.Connection[dict[str, Any]]
AsyncConnection = psycopg.AsyncConnection[dict[str, Any]]


class WarehouseError(Exception):
    """The warehouse cannot be used. The message says which server, why, and what to do; never the password."""


@cache
def sql_file(name: str) -> sql.SQL:
    """A statement from `sql/`, to be given identifiers by `.format()` and values by bind parameters."""
    return sql.SQL((SQL_DIR / name).read_text("utf-8"))


class Warehouse:
    """Connections to one database. Rows come as dicts."""

    def __init__(self, database_url: str) -> None:
        self.database_url = database_url

    def __repr__(self) -> str:
        return f"Warehouse({self.address})"

    @property
    def address(self) -> str:
        """Host, port and database, for people: no user, no password."""
        parts = urlsplit(self.database_url)
        return f"{parts.hostname or 'localhost'}:{parts.port or 5432}{parts.path}"

    def connect(self, *, autocommit: bool = False) -> Connection:
        """A new connection. Raises WarehouseError when the server cannot be reached or is too old."""
        try:
            connection = psycopg.connect(
                self.database_url,
                autocommit=autocommit,
                row_factory=dict_row,
                connect_timeout=10,
                application_name=APPLICATION_NAME,
            )
        except psycopg.OperationalError as error:
            raise self._unreachable(error) from None
        self._refuse_old(connection.info.server_version)
        return connection

    async def connect_async(self) -> AsyncConnection:
        """A new autocommit connection for asynchronous use. Raises as `connect`."""
        try:
            return await psycopg.AsyncConnection.connect(
                self.database_url,
                autocommit=True,
                row_factory=dict_row,
                connect_timeout=10,
                application_name=APPLICATION_NAME,
            )
        except psycopg.OperationalError as error:
            raise self._unreachable(error) from None

    def _unreachable(self, error: psycopg.Error) -> WarehouseError:
        reason = str(error).strip().splitlines()[-1].strip() if str(error).strip() else type(error).__name__
        return WarehouseError(
            f"The warehouse at {self.address} cannot be reached: {reason} Check DATABASE_URL and that the server runs."
        )

    def _refuse_old(self, version: int) -> None:
        if version < OLDEST_SERVER:
            raise WarehouseError(
                f"The warehouse at {self.address} is PostgreSQL {version // 10_000}; 16 or newer is needed."
            )

    def migrate(self, derived: Iterable[str] = ()) -> bool:
        """Bring schema objects up to date: files of `sql/schema/` in order, then `derived` statements.

        Does nothing, quickly, when both are as they were. Safe to call from several processes at once.

        Returns: whether anything was applied.
        Raises: WarehouseError when a newer program has written the schema.
        """
        files = sorted((SQL_DIR / "schema").glob("*.sql"))
        with self.connect() as connection:
            texts = [path.read_text("utf-8") for path in files]
            statements = list(derived)
            made_from = hashlib.sha256()
            for part in (*texts, *statements, extension_state(connection)):
                made_from.update(part.encode())
            digest = made_from.hexdigest()
            # Restored from a dump, a database has the tables and not its own settings.
            if self._is_current(connection, digest) and lost_rows_guard(connection) != "missing":
                return False
            # Two first runs at once would both create the same table and one would fail.
            connection.execute("select pg_advisory_xact_lock(hashtextextended('dataflow.migrate', 0))")
            for text in texts:
                connection.execute(text)
            for statement in statements:
                connection.execute(statement)
            connection.execute(
                "create table if not exists dataflow.schema_version (version integer not null, digest text not null)"
            )
            connection.execute("delete from dataflow.schema_version")
            connection.execute("insert into dataflow.schema_version values (%s, %s)", (SCHEMA_VERSION, digest))
        return True

    def _is_current(self, connection: Connection, digest: str) -> bool:
        if one(connection, "select to_regclass('dataflow.schema_version') as name")["name"] is None:
            return False
        found = connection.execute("select version, digest from dataflow.schema_version").fetchone()
        if found and found["version"] > SCHEMA_VERSION:
            raise WarehouseError(
                f"The warehouse at {self.address} was written by a newer DataFlow (schema {found['version']}, this "
                f"program knows {SCHEMA_VERSION}). Nothing was changed. Upgrade this installation."
            )
        return bool(found and found["digest"] == digest)


def one(connection: Connection, query: LiteralString, values: Mapping[str, Any] | None = None) -> dict[str, Any]:
    """The only row of a query that always has one."""
    row = connection.execute(query, values).fetchone()
    if row is None:
        raise LookupError("a query that always has a row had none")
    return row


def extension_state(connection: Connection) -> str:
    """`timescale` where continuous aggregates can be used, otherwise `plain`."""
    row = one(
        connection,
        """
        select exists (select from pg_extension where extname = 'timescaledb')
            and coalesce(current_setting('timescaledb.license', true), '') = 'timescale' as usable
        """,
    )
    return "timescale" if row["usable"] else "plain"


def lost_rows_guard(connection: Connection) -> str:
    """Who is kept from losing rows to TimescaleDB's parallel scans, as `sql/schema/001_timescaledb_guard.sql` tells.

    Returns: `everybody`; `us`, when others than this role can lose some; or `missing`.
    """
    row = one(
        connection,
        """
        select
            not exists (select from pg_extension where extname = 'timescaledb')
            or bool_or(setrole = 0) as everybody,
            bool_or(setrole <> 0) as us
        from pg_db_role_setting
        where setdatabase = (select oid from pg_database where datname = current_database())
            and setrole in (0, (select oid from pg_roles where rolname = current_user))
            and 'timescaledb.enable_parallel_chunk_append=off' = any(setconfig)
        """,
    )
    return "everybody" if row["everybody"] else "us" if row["us"] else "missing"


async def database_time(connection: AsyncConnection) -> datetime:
    """The time by the database's clock, which is the same for every process."""
    row = await (await connection.execute("select clock_timestamp() as now")).fetchone()
    if row is None:
        raise LookupError("a query that always has a row had none")
    now: datetime = row["now"]
    return now

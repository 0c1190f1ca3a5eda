"""What PostgreSQL itself needs for the same rows in the same table: the floor under every loader."""

from collections.abc import Callable

import psycopg

from benchmarks.ingest.bench import TARGET, Bench, timed

_COPIED = "bench_floor.copied"
_KEYED = "bench_floor.keyed"
_CHUNK = 1 << 20


def prepare(bench: Bench) -> None:
    """Keep the loaded table as COPY text, and make the floors' own tables."""
    with (
        (bench.scratch / "rows.copy").open("wb") as out,
        psycopg.connect(bench.database) as connection,
        connection.cursor() as cursor,
        cursor.copy(f"copy {TARGET} to stdout") as copy,
    ):
        for block in copy:
            out.write(block)
    bench.sql("create schema if not exists bench_floor")
    bench.sql(f"drop table if exists {_COPIED}, {_KEYED}")
    bench.sql(f"create table {_COPIED} (like {TARGET})")
    bench.sql(f"create table {_KEYED} (like {TARGET} including indexes)")


def copy_and_add_key(bench: Bench) -> Callable[[], float]:
    """COPY text into a table without indexes, then add the primary key; one transaction."""

    def run() -> float:
        bench.sql(f"alter table {_COPIED} drop constraint if exists copied_pkey")
        bench.sql(f"truncate {_COPIED}")
        bench.sql("checkpoint")
        with timed() as seconds, psycopg.connect(bench.database) as connection:
            _copy(bench, connection, _COPIED)
            connection.execute(f"alter table {_COPIED} add primary key (_account_id, date, ad_id)")
        return seconds[0]

    return run


def copy_with_key(bench: Bench) -> Callable[[], float]:
    """COPY text into an empty table that has its primary key: the least for whoever keeps a table with its key."""

    def run() -> float:
        bench.sql(f"truncate {_KEYED}")
        bench.sql("checkpoint")
        with timed() as seconds, psycopg.connect(bench.database) as connection:
            _copy(bench, connection, _KEYED)
        return seconds[0]

    return run


def sorted_upsert(bench: Bench) -> Callable[[], float]:
    """COPY text into a temporary table, then upsert it, sorted, into a table with its key that holds some rows."""

    def run() -> float:
        bench.sql(f"truncate {_KEYED}")
        bench.sql(f"insert into {_KEYED} select * from {TARGET} limit {max(bench.rows // 100, 1)}")
        bench.sql("checkpoint")
        with timed() as seconds, psycopg.connect(bench.database) as connection:
            connection.execute(f"create temporary table staged (like {TARGET}) on commit drop")
            _copy(bench, connection, "staged")
            connection.execute(
                f"""
                insert into {_KEYED} as stored select * from staged order by _account_id, date, ad_id
                on conflict (_account_id, date, ad_id) do update set
                    (updated_at, account_id, campaign_id, campaign_name, impressions, clicks, spend, conversions,
                     conversion_value, currency, actions, _extra, _sync_id, _synced_at)
                    = (excluded.updated_at, excluded.account_id, excluded.campaign_id, excluded.campaign_name,
                       excluded.impressions, excluded.clicks, excluded.spend, excluded.conversions,
                       excluded.conversion_value, excluded.currency, excluded.actions, excluded._extra,
                       excluded._sync_id, excluded._synced_at)
                where stored.updated_at < excluded.updated_at
                """
            )
        return seconds[0]

    return run


def _copy(bench: Bench, connection: psycopg.Connection, table: str) -> None:
    with (
        (bench.scratch / "rows.copy").open("rb") as source,
        connection.cursor() as cursor,
        cursor.copy(f"copy {table} from stdin") as copy,
    ):
        while block := source.read(_CHUNK):
            copy.write(block)

"""Days whose rows changed and that the next layer has not seen yet."""

from dataclasses import dataclass
from datetime import date

from dataflow_assets.resources.warehouse import Connection
from dataflow_assets.windows import DayWindow


@dataclass(frozen=True)
class Touches:
    """Waiting days of one layer: the rows by id, so that later ones are not taken for done, and their days."""

    ids: tuple[int, ...]
    days: frozenset[date]


def waiting(connection: Connection, layer: str, window: DayWindow | None = None) -> Touches:
    """Days waiting in a layer ("raw" or "facts"), within a window or at all."""
    rows = connection.execute(
        """
        select touch_id, day from dataflow.touched_days
        where layer = %(layer)s
            and (%(start)s::date is null or day >= %(start)s) and (%(end)s::date is null or day < %(end)s)
        """,
        {"layer": layer, "start": window.start if window else None, "end": window.end if window else None},
    ).fetchall()
    return Touches(tuple(row["touch_id"] for row in rows), frozenset(row["day"] for row in rows))


def pass_on(connection: Connection, touches: Touches, built: frozenset[date]) -> None:
    """Facts of these days have been built: hand the days to the aggregates, in one transaction."""
    with connection.transaction():
        settle(connection, touches)
        with connection.cursor() as cursor:
            cursor.executemany(
                """
                insert into dataflow.touched_days (layer, connector, account_id, stream, day, sync_id)
                values ('facts', 'dbt', '', '', %s, gen_random_uuid())
                """,
                [(day,) for day in sorted(built)],
            )


def settle(connection: Connection, touches: Touches) -> None:
    """These days have been carried on."""
    connection.execute("delete from dataflow.touched_days where touch_id = any(%s)", (list(touches.ids),))

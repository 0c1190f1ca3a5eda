"""Times every query of the dashboard on the facts and on its aggregate, and a day's refresh against rebuilding.

    python -m benchmarks.aggregates [--rows 10000000] [--json] [--database-url postgresql://...] [--repeat 5]

`--rows` counts rows of ads by day: 500 days of rows / 500 ads. Without `--database-url` a private PostgreSQL is
started; name a server with TimescaleDB to measure continuous aggregates. The benchmark makes a database of its own
there and drops it. Answers are compared before their time is told; a query that misses the goal is told as missed.

Keys of the JSON:
    engine, server          what was measured: "plain" or "timescale", and its versions
    rows, fill_seconds      rows of the ad fact; how long facts and aggregates took to make
    goal                    how many times faster everything is meant to be
    queries[]               name, fact, fact_ms, aggregate_ms (medians), ratio, rows (of the answer)
    refresh.each[]          of each aggregate of advertising, after one restated day: name, day_ms; rival_ms and
                            rival_ratio: REFRESH MATERIALIZED VIEW of the same over the facts of ads; chained_ms and
                            chained_ratio: the same of views that stand on each other as the aggregates do. A week or
                            month is made of its days, so of 500 days a month saves 16 times at most against these
    refresh.day_ms, refresh.rival_ms, refresh.rival_ratio, refresh.chained_ms, refresh.chained_ratio    all of them
    refresh.day_compared_ms day_ms with every touched bucket compared with its source, as the pipeline does it
"""

import argparse
import json
import statistics
import time
from collections.abc import Callable, Iterator, Sequence
from datetime import date, timedelta
from functools import partial
from typing import Any

from psycopg.rows import tuple_row

from benchmarks.aggregates.data import DAYS, LAST, Size, fill, fill_days, warehouse
from benchmarks.aggregates.queries import QUERIES, Query
from benchmarks.aggregates.rivals import check_rival, make_rivals, rebuild
from dataflow_assets.aggregates.backends import backend_for, give_room
from dataflow_assets.aggregates.buckets import widened
from dataflow_assets.aggregates.refresh import refresh_days
from dataflow_assets.aggregates.registry import Aggregate, all_aggregates
from dataflow_assets.aggregates.trailing import Trailing, fill_trailing, refresh_trailing, trailings
from dataflow_assets.resources.warehouse import Connection, Warehouse, one

GOAL = 100
ADVERTISING = ("campaign", "channel", "platform")


def main() -> None:
    """Make the facts, measure, print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=10_000_000)
    parser.add_argument("--repeat", type=int, default=5)
    parser.add_argument("--database-url")
    parser.add_argument("--json", action="store_true")
    arguments = parser.parse_args()
    size = Size(ads=max(10, arguments.rows // DAYS))
    with warehouse(arguments.database_url) as found, found.connect(autocommit=True) as connection:
        report = measure(found, connection, size, arguments.repeat)
    print(json.dumps(report, indent=1) if arguments.json else as_text(report))


def measure(found: Warehouse, connection: Connection, size: Size, repeat: int) -> dict[str, Any]:
    """Everything, as the JSON has it."""
    started = time.perf_counter()
    fill(connection, size)
    for done in (*refresh_days(found, all_aggregates(), []), *refresh_trailing(found, trailings(all_aggregates()))):
        assert not done.stale, done
    connection.execute("vacuum analyze")
    return {
        "engine": backend_for(connection).name,
        "server": server(connection),
        "rows": one(connection, "select count(*) as n from marts.fct_ad_performance_daily")["n"],
        "fill_seconds": round(time.perf_counter() - started, 1),
        "goal": GOAL,
        "queries": [measure_query(connection, query, repeat) for query in QUERIES],
        "refresh": measure_refresh(found, connection, size, repeat),
    }


def server(connection: Connection) -> str:
    """Versions of PostgreSQL and of the extension."""
    row = one(
        connection,
        "select current_setting('server_version') as server, "
        "(select extversion from pg_extension where extname = 'timescaledb') as extension",
    )
    return f"PostgreSQL {row['server']}" + (f", TimescaleDB {row['extension']}" if row["extension"] else "")


def measure_query(connection: Connection, query: Query, repeat: int) -> dict[str, Any]:
    """One query both ways, in turn."""
    values = {"last": LAST, "campaign": "campaign7"}

    def ask(statement: str) -> list[tuple[Any, ...]]:
        with connection.cursor(row_factory=tuple_row) as cursor:
            return cursor.execute(statement.encode(), values).fetchall()

    expected, answer = sorted(ask(query.on_fact)), sorted(ask(query.on_aggregate))
    assert answer == expected != [], f"{query.name}: the aggregate does not answer what the fact does"
    times: dict[str, list[float]] = {"fact": [], "aggregate": []}
    for _ in range(repeat):
        times["fact"].append(timed(lambda: ask(query.on_fact)))
        times["aggregate"].append(timed(lambda: ask(query.on_aggregate)))
    fact, aggregate = median(times["fact"]), median(times["aggregate"])
    return {
        "name": query.name,
        "fact": query.fact,
        "fact_ms": fact,
        "aggregate_ms": aggregate,
        "ratio": round(fact / aggregate, 1),
        "rows": len(answer),
    }


def measure_refresh(found: Warehouse, connection: Connection, size: Size, repeat: int) -> dict[str, Any]:
    """A restated day, refreshed and compared, against rebuilding."""
    ours = [a for a in all_aggregates() if a.family in ADVERTISING]
    on_top = trailings(ours)
    everything: list[Aggregate | Trailing] = [*ours, *on_top]
    give_room(connection)  # rivals get it as well
    make_rivals(connection, everything)
    day_times: dict[str, list[float]] = {kept.name: [] for kept in everything}
    chained_times: dict[str, list[float]] = {name: [] for name in day_times}
    compared = []
    for n in range(repeat):
        day = LAST - timedelta(days=3 + n)
        restate(connection, size, day, seed=n + 1)
        for name, ms in refresh_day(connection, ours, on_top, day):
            day_times[name].append(ms)
        restate(connection, size, day, seed=n + 101)
        of_days = timed(partial(refresh_days, found, ours, [day]))
        compared.append(of_days + timed(partial(refresh_trailing, found, on_top)))
        for kept in everything:
            chained_times[kept.name].append(timed(partial(rebuild, connection, "bench", kept.name)))
            check_rival(connection, kept, "bench")
    day_ms = {name: median(times) for name, times in day_times.items()}
    rivals: dict[str, dict[str, float]] = {"rival": {}, "chained": {}}
    for kept in everything:
        rivals["chained"][kept.name] = median(chained_times[kept.name])
        # Takes seconds: once.
        rivals["rival"][kept.name] = median([timed(partial(rebuild, connection, "bench_ads", kept.name))])
        check_rival(connection, kept, "bench_ads")
    return {
        "each": [
            {"name": name, "day_ms": ms} | against({rival: of[name] for rival, of in rivals.items()}, ms)
            for name, ms in day_ms.items()
        ],
        "day_ms": round(sum(day_ms.values()), 1),
        "day_compared_ms": median(compared),
        **against({rival: round(sum(of.values()), 1) for rival, of in rivals.items()}, sum(day_ms.values())),
    }


def refresh_day(
    connection: Connection, ours: Sequence[Aggregate], on_top: Sequence[Trailing], day: date
) -> Iterator[tuple[str, float]]:
    """Every aggregate with the milliseconds that a day of it took."""
    backend = backend_for(connection)
    for aggregate in ours:
        (window,) = widened([day], aggregate.bucket)
        yield aggregate.name, timed(partial(backend.refresh, connection, aggregate, window))
    for trailing in on_top:
        yield trailing.name, timed(partial(fill_trailing, connection, trailing))


def against(rivals: dict[str, float], ms: float) -> dict[str, float]:
    """Times of rivals, and how many times cheaper ours is."""
    found: dict[str, float] = {}
    for rival, rival_ms in rivals.items():
        found |= {f"{rival}_ms": rival_ms, f"{rival}_ratio": round(rival_ms / ms, 1)}
    return found


def median(times: Sequence[float]) -> float:
    """Of milliseconds, as they are told."""
    return round(statistics.median(times), 2)


def restate(connection: Connection, size: Size, day: date, *, seed: int) -> None:
    """A day of advertising becomes another one, as dbt does it."""
    with connection.transaction():
        for fact in ("ad_performance_daily", "campaign_performance", "conversions_daily"):
            connection.execute(f"delete from marts.fct_{fact} where date_day = %s".encode(), (day,))
        fill_days(connection, size, day, day, seed=seed)


def timed(work: Callable[[], Any]) -> float:
    """Milliseconds."""
    started = time.perf_counter()
    work()
    return (time.perf_counter() - started) * 1000


def as_text(report: dict[str, Any]) -> str:
    """For people."""
    lines = [
        f"{report['engine']}: {report['server']}; {report['rows']:,} rows of ads, made in {report['fill_seconds']} s"
    ]
    lines += [f"{'query':44} {'on facts':>10} {'aggregate':>10} {'faster':>9}"]
    for query in report["queries"]:
        missed = "" if query["ratio"] >= report["goal"] else "   misses the goal"
        times = f"{query['fact_ms']:7.1f} ms {query['aggregate_ms']:7.2f} ms {query['ratio']:8.0f}x"
        lines.append(f"{query['name']:44} {times}{missed}")
    refresh = report["refresh"]
    lines.append(f"{'one restated day':44} {'rebuilt':>10} {'refreshed':>10} {'cheaper':>9} {'chained':>9}")
    for item in [*refresh["each"], {"name": "all", **refresh}]:
        missed = "" if item["rival_ratio"] >= report["goal"] else "   misses the goal"
        ratios = f"{item['rival_ratio']:8.0f}x {item['chained_ratio']:8.0f}x"
        times = f"{item['rival_ms']:7.0f} ms {item['day_ms']:7.2f} ms {ratios}"
        lines.append(f"{item['name']:44} {times}{missed}")
    lines.append(f"All, with the comparison: {refresh['day_compared_ms']} ms.")
    return "\n".join(lines)


if __name__ == "__main__":
    main()

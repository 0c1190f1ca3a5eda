"""The figures as one table of Markdown."""

from typing import Any


def show(found: dict[str, Any]) -> str:
    """A line per experiment: what was measured, its time, and what it is measured against."""
    rows = [("", "measured", "against", "ratio")]
    initial, slow, killed = found["initial"], found["slow_pages"], found["killed"]
    rows += [
        _against("first load, empty table", initial, "COPY text + add key", found["copy_floor"]),
        _against("the same", initial, "COPY text into a table with its key", found["keyed_copy_floor"]),
        ("of that, CPU of the loading process", f"{found['initial_cpu']:.2f} s", "", ""),
        _against("in parts into a keyed table", found["upsert"], "COPY + sorted upsert", found["upsert_floor"]),
        ("1 % changed", f"{found['one_percent']:.2f} s", "", ""),
        ("nothing new", f"{found['nothing_new']:.2f} s", "", ""),
        _against("50 ms a page", slow["seconds"], "sum of the latencies", slow["floor"]),
        ("peak memory", f"{found['memory_mb']:.0f} MB", "", ""),
        (
            f"killed after {killed['killed_after_seconds']:.1f} s, run again",
            f"{killed['requests_after']} requests",
            f"{killed['requests_of_a_restart']} of a restart",
            "EXACT",
        ),
        _against("as a Dagster asset, the step", found["dagster"]["step"], "without Dagster", initial),
        ("as a Dagster asset, the process", f"{found['dagster']['wall']:.2f} s", "", ""),
        ("Pandera over the loaded rows", f"{found['pandera']['checking']:.2f} s", "the load", _percent(found)),
        _against(
            "90 days in one run", found["backfill"]["one_run"], "90 runs (extrapolated)", found["backfill"]["runs"]
        ),
        _against("five vendors at once", found["vendors"]["at_once"], "in turn", found["vendors"]["in_turn"]),
    ]
    for way, name in (("defaults", "dlt, defaults"), ("arrow", "dlt, Arrow + ADBC")):
        if way in found["dlt"]:
            rows.append((name, f"{found['dlt'][way]:.1f} s", "our first load", f"{found['dlt'][way] / initial:.1f}x"))
        else:
            why = found["dlt"].get(f"{way}_unavailable") or found["dlt"].get("unavailable") or found["dlt"]["skipped"]
            rows.append((name, "not run", why.replace("\n", " ")[-120:], ""))
    rows += [
        (f"{size['rows']:,} rows", f"{size['per_row']:.1f} us a row", f"{size['memory']:.0f} MB", "")
        for size in found["sizes"]
    ]
    head = f"{found['rows']:,} rows, medians of {found['repeat']}, {found['machine']}, load {found['load_average']:.1f}"
    lines = ["| " + " | ".join(row) + " |" for row in rows]
    return "\n".join([head, "", lines[0], "|---|--:|---|--:|", *lines[1:]])


def _against(what: str, seconds: float, other: str, others: float) -> tuple[str, str, str, str]:
    return what, f"{seconds:.2f} s", f"{other}: {others:.2f} s", f"{seconds / others:.2f}x"


def _percent(found: dict[str, Any]) -> str:
    return f"{found['pandera']['share']:.0%}"

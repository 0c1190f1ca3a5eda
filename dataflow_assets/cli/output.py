"""Where commands print, and rows as a table. Imports nothing that takes long."""

import sys
from typing import Any

from rich.console import Console
from rich.table import Table

# Wide enough for the tables where nothing says how wide it is.
console = Console(width=None if sys.stdout.isatty() else 140)


def print_rows(title: str, rows: list[dict[str, Any]]) -> None:
    """Rows of a query as a table."""
    if not rows:
        return
    table = Table(title=title, box=None, title_justify="left", header_style="bold")
    for name in rows[0]:
        table.add_column(name)
    for row in rows:
        table.add_row(*(_cell(value) for value in row.values()))
    console.print(table)


def _cell(value: Any) -> str:
    if value is None:
        return ""
    return value.strftime("%Y-%m-%d %H:%M") if hasattr(value, "hour") else str(value)

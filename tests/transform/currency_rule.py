"""Law 10 for compiled SQL: what is added up is in one currency, or in the home currency."""

import re

import sqlglot
from sqlglot import exp

# How amounts of money are named, here and in staging. Those in the home currency end in _home.
MONEY = re.compile(r"(.+_)?(amount|balance|cost|disputes|fees?|gross|net|other|price|refunds?|spend|value)")


def sums_of_money(sql: str) -> list[tuple[str, bool]]:
    """Every sum or average of amounts that are not in the home currency, and whether it keeps currencies apart."""
    return [
        (aggregate.sql("postgres"), "currency" in _kept_apart(aggregate))
        for aggregate in sqlglot.parse_one(sql, dialect="postgres").find_all(exp.Sum, exp.Avg)
        if any(MONEY.fullmatch(column.name) for column in aggregate.find_all(exp.Column))
    ]


def _kept_apart(aggregate: exp.Expression) -> set[str]:
    """Columns whose values are not mixed by an aggregate: those of its window, or else of its select's `group by`."""
    window = aggregate.find_ancestor(exp.Window, exp.Select)
    if isinstance(window, exp.Window):
        return {key.name for key in window.args.get("partition_by") or []}
    select = aggregate.find_ancestor(exp.Select)
    group = select.args.get("group") if select else None
    return {key.name for key in group.expressions} if group else set()

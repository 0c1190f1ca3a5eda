"""Amounts of several currencies are never added up: on samples, and on every model as it is compiled."""

import pytest
from currency_rule import sums_of_money
from over_sandbox import Synced


@pytest.mark.parametrize(
    ("sql", "expected"),
    [
        ("select sum(net) from revenue", [("SUM(net)", False)]),
        ("select account_id, sum(spend) from facts group by account_id", [("SUM(spend)", False)]),
        ("select currency, sum(spend) from facts group by currency", [("SUM(spend)", True)]),
        ("select sum(f.amount * sign) from f group by day, f.currency", [("SUM(f.amount * sign)", True)]),
        ("select avg(conversion_value) from facts", [("AVG(conversion_value)", False)]),
        ("select sum(amount) filter (where is_won) from deals group by currency", [("SUM(amount)", True)]),
        ("select sum(gross) over (partition by day) from revenue", [("SUM(gross)", False)]),
        ("select sum(gross) over (partition by currency) from revenue group by day", [("SUM(gross)", True)]),
        # The inner sum is what it is, whatever the outer one does.
        (
            "select currency, sum(net) from (select day, sum(net) as net from f group by day) as x group by currency",
            [("SUM(net)", True), ("SUM(net)", False)],
        ),
        ("select sum(net_home), sum(clicks), max(amount), count(amount) from revenue", []),
        ("select net, sum(clicks) from revenue group by net", []),
    ],
)
def test_a_sum_of_money_is_found_with_what_it_keeps_apart(sql: str, expected: list[tuple[str, bool]]) -> None:
    assert sums_of_money(sql) == expected


def test_law_10_no_model_adds_up_amounts_of_several_currencies(synced: Synced) -> None:
    compiled = synced.dbt.folder / "target" / "compiled" / "dataflow" / "models"
    found = {
        path.stem: sums_of_money(path.read_text("utf-8"))
        for layer in ("intermediate", "marts")
        for path in sorted((compiled / layer).rglob("*.sql"))
        if path.parent.suffix != ".yml"
    }
    mixed = {name: [sql for sql, is_apart in sums if not is_apart] for name, sums in found.items()}
    assert {name: sums for name, sums in mixed.items() if sums} == {}
    # Nothing is looked for in vain.
    assert len(found["fct_revenue_daily"]) >= 6
    assert {"fct_ad_performance_daily", "int_ad_conversions_daily", "int_meta_ads__conversions"} <= {
        name for name, sums in found.items() if sums
    }
    assert {"fct_ad_performance_daily", "fct_blended_efficiency_daily", "int_linkedin_ads__performance_daily"} <= {
        name for name, sums in found.items() if sums
    }

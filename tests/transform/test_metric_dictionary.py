"""The committed dictionary of metrics is that of the dbt project, and leaves out no macro and no figure."""

import re

from dbt_command import Dbt

from dataflow_assets.transform import metric_dictionary


def test_the_committed_dictionary_is_that_of_the_project(parsed: Dbt) -> None:
    committed = metric_dictionary.PATH.read_text("utf-8")
    run = "Run `python -m dataflow_assets.transform.metric_dictionary`."
    assert committed == metric_dictionary.render(parsed.manifest()), run


def test_every_macro_of_metrics_is_described() -> None:
    macros = re.findall(r"macro (\w+)\(", metric_dictionary.MACROS.read_text("utf-8"))
    assert [metric.name for metric in metric_dictionary.metrics()] == [name for name in macros if name != "ratio"]


def test_a_metric_is_shown_as_the_sql_that_is_run() -> None:
    (roas,) = (metric for metric in metric_dictionary.metrics() if metric.name == "roas")
    assert roas.sql == "coalesce(conversion_value / nullif(spend::numeric, 0), 0)::numeric(38, 6)"

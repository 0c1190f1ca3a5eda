"""The dbt project in, `docs/metrics.md` out: what every figure means and how every ratio is made.

Run `python -m dataflow_assets.transform.metric_dictionary` after a macro of metrics or the description of a fact has
changed. The file is committed, because people look for it; a test fails while it is out of date.
"""

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from jinja2 import Environment

from dataflow_assets.resources.dbt import DBT_DIR, dbt_project
from dataflow_assets.settings import PROJECT_ROOT

PATH = PROJECT_ROOT / "docs" / "metrics.md"
MACROS = DBT_DIR / "macros" / "metrics.sql"
INTRODUCTION = """\
A total takes one currency, or amounts that end in `_home`, which are in the currency of the variable `home_currency`.
A ratio is made of the sums of what is looked at, never added up or averaged. A figure is final when its day is settled:
`marts.coverage` says how far, `marts.campaign_performance_with_status` marks each row.
"""
MEASURES = ("numeric", "bigint", "integer")
_MACRO = re.compile(r"\{#- (?P<text>[^#]*?) -#\}\n\{% macro (?P<name>\w+)\((?P<arguments>[^)]*)\)")


@dataclass(frozen=True)
class Metric:
    """A ratio as its macro defines it: what it is, in words and in SQL over sums."""

    name: str
    text: str
    sql: str


def metrics() -> list[Metric]:
    """Every described macro, filled in with the names of its arguments."""
    source = MACROS.read_text("utf-8")
    # SQL, not HTML: nothing is to be escaped.
    module: Any = Environment(autoescape=False).from_string(source).module  # noqa: S701
    found = []
    for match in _MACRO.finditer(source):
        arguments = [name.strip() for name in match["arguments"].split(",")]
        sql = str(getattr(module, match["name"])(*arguments)).strip()
        found.append(Metric(match["name"], " ".join(match["text"].split()), sql))
    return [metric for metric in found if metric.name != "ratio"]


def render(manifest: Mapping[str, Any]) -> str:
    """The dictionary, from what dbt has parsed."""
    return "\n".join(_lines(manifest)) + "\n"


def _lines(manifest: Mapping[str, Any]) -> Iterator[str]:
    facts = sorted(
        (node for node in manifest["nodes"].values() if node["schema"] == "marts" and node["name"].startswith("fct_")),
        key=lambda node: str(node["name"]),
    )
    yield "# Metrics"
    yield ""
    yield "Derived from the dbt project. Do not edit; run `python -m dataflow_assets.transform.metric_dictionary`."
    yield ""
    yield from INTRODUCTION.splitlines()
    yield ""
    yield "## Ratios"
    yield ""
    yield "Each is one macro in `dbt/macros/metrics.sql`, wherever it is used. Its arguments are sums."
    yield ""
    yield "| ratio | what it is | in SQL | stored in |"
    yield "|---|---|---|---|"
    for metric in metrics():
        users = sorted(f"`{node['name']}`" for node in facts if _uses(node, metric.name))
        yield f"| `{metric.name}` | {metric.text} | `{metric.sql}` | {', '.join(users)} |"
    for fact in facts:
        yield from _fact(fact)


def _uses(node: Mapping[str, Any], macro: str) -> bool:
    return f"macro.dataflow.{macro}" in node["depends_on"]["macros"]


def _fact(node: Mapping[str, Any]) -> Iterator[str]:
    keys = [one["columns"] for one in node.get("constraints") or [] if one["type"] == "primary_key"]
    grain = [name for columns in keys for name in columns]
    yield ""
    yield f"## {node['name']}"
    yield ""
    yield _cell(node["description"])
    yield ""
    yield f"One row for each {', '.join(f'`{name}`' for name in grain)}."
    yield ""
    yield "| figure | type | what it is |"
    yield "|---|---|---|"
    for column in node["columns"].values():
        if column["data_type"].startswith(MEASURES) and column["name"] not in grain:
            yield f"| `{column['name']}` | {column['data_type']} | {_cell(column['description'])} |"


def _cell(text: str) -> str:
    return " ".join(text.split()).replace("|", "\\|")


def main() -> None:
    """Write the file."""
    manifest = json.loads(dbt_project().manifest_path.read_text("utf-8"))
    PATH.write_text(render(manifest), "utf-8")


if __name__ == "__main__":
    main()

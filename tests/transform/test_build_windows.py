"""The dbt macro that says which days are rebuilt, rendered by itself."""

import re
from collections.abc import Mapping
from datetime import date, timedelta
from types import SimpleNamespace
from typing import Any, NoReturn

import jinja2
import pytest

from dataflow_assets.settings import PROJECT_ROOT
from dataflow_assets.windows import contiguous

MACRO = (PROJECT_ROOT / "dbt" / "macros" / "build_windows.sql").read_text("utf-8")


class ReturnedError(Exception):
    """What dbt's `return` gives back from a macro."""


class CompilerError(Exception):
    """What dbt's `raise_compiler_error` raises."""


def returned(value: Any) -> NoReturn:
    raise ReturnedError(value)


def refused(message: str) -> NoReturn:
    raise CompilerError(message)


def windows(variable: Any = None, environment: Mapping[str, str] | None = None, *, execute: bool = True) -> Any:
    """What the macro makes of the dbt variable `windows` and an environment."""
    template = jinja2.Environment(extensions=["jinja2.ext.do"], autoescape=False).from_string(MACRO)  # noqa: S701  SQL
    module: Any = template.make_module(
        {
            "var": {"windows": variable}.get,
            "env_var": (environment or {}).get,
            "execute": execute,
            "modules": SimpleNamespace(re=re),
            "exceptions": SimpleNamespace(raise_compiler_error=refused),
            "return": returned,
        }
    )
    with pytest.raises(ReturnedError) as result:
        module.build_windows()
    return result.value.args[0]


@pytest.mark.parametrize("nothing", ["", None])
def test_nothing_given_means_every_day(nothing: str | None) -> None:
    assert windows(nothing) == []


def test_several_windows_are_read_as_inclusive_days() -> None:
    assert windows("2026-11-01...2026-11-03,2026-11-07...2026-11-07") == [
        ("2026-11-01", "2026-11-03"),
        ("2026-11-07", "2026-11-07"),
    ]


def test_the_variable_wins_over_the_environment() -> None:
    environment = {"DATAFLOW_BUILD_WINDOWS": "2026-11-01...2026-11-03"}
    assert windows(environment=environment) == [("2026-11-01", "2026-11-03")]
    assert windows("2026-12-01...2026-12-02", environment) == [("2026-12-01", "2026-12-02")]
    assert windows("", environment) == []


def test_the_environment_is_not_read_while_dbt_parses() -> None:
    # A value read then becomes part of what was parsed, and each new window would parse the project again.
    assert windows(environment={"DATAFLOW_BUILD_WINDOWS": "2026-11-01...2026-11-03"}, execute=False) == []


@pytest.mark.parametrize(
    "text",
    [
        "2026-11-01",
        "2026-11-01..2026-11-03",
        "2026-11-1...2026-11-03",
        "2026-13-01...2026-13-03",
        "2026-11-00...2026-11-03",
        "2026-11-03...2026-11-01",
        "2026-11-01...2026-11-03, 2026-11-07...2026-11-07",
        "2026-11-01...2026-11-03,",
        ",",
        " ",
        "2026-11-01...2026-11-03\n",
        "\u0662026-11-01...2026-11-03",
        "2026-11-01...2026-11-03' or true --",
        "true",
    ],
)
def test_anything_else_is_refused_and_named(text: str) -> None:
    with pytest.raises(CompilerError, match=r"is not FIRST\.\.\.LAST"):
        windows(text)


def test_windows_of_the_package_are_understood() -> None:
    days = {date(2026, 11, 1), date(2026, 11, 2), date(2026, 11, 7)}
    spans = [f"{window.start}...{window.end - timedelta(days=1)}" for window in contiguous(days)]
    assert windows(",".join(spans)) == [("2026-11-01", "2026-11-02"), ("2026-11-07", "2026-11-07")]

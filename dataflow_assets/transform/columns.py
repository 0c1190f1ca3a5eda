"""The columns of dbt's models: their types, and which columns of other tables each is made of.

dagster-dbt finds them out after a build, which takes longer than the build. They change with the definitions only, so
those of the models as shipped are in `dbt/columns.json`; after a change the next build finds them out and keeps them in
the state directory. They are part of the definitions: the UI, which shows no lineage of columns by itself, has them
beside each column's description. A test fails while what is shipped is not what a build finds out.
"""

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import dagster as dg
from dagster_dbt import DagsterDbtTranslator, DagsterDbtTranslatorSettings

from dataflow_assets.resources.dbt import DBT_DIR, TARGET, definitions_digest
from dataflow_assets.settings import get_settings

SHIPPED = DBT_DIR / "columns.json"
FOUND_OUT = "columns.json"  # in dbt's folder of the state directory
MOST_SOURCES_IN_WORDS = 4
_SCHEMA, _LINEAGE = "dagster/column_schema", "dagster/column_lineage"


@dataclass(frozen=True)
class Column:
    """A column's type, and the columns it is made of, as `asset/key.column`."""

    type: str
    sources: tuple[str, ...] = ()


Columns = dict[str, dict[str, Column]]  # by the key of the asset, as `asset/key`


def known_columns() -> Columns:
    """Those of the definitions as they are now. Empty for models that nobody has built yet."""
    digest, found = definitions_digest(), {}
    for path in (SHIPPED, _found_out()):
        told = json.loads(path.read_text("utf-8")) if path.exists() else {}
        if told.get("definitions") == digest:
            found.update(told["assets"])
    return {
        key: {name: Column(type_, tuple(sources)) for name, (type_, *sources) in columns.items()}
        for key, columns in found.items()
    }


def keep(found: Mapping[str, Mapping[str, Column]]) -> None:
    """What a build has found out, for the next definitions."""
    if found:
        _write(_found_out(), {**known_columns(), **found})


def _found_out() -> Path:
    return get_settings().state_dir / TARGET / FOUND_OUT


def _write(path: Path, columns: Mapping[str, Mapping[str, Column]]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    assets = [
        f'  "{key}": {{\n'
        + ",\n".join(
            f"    {json.dumps(name)}: {json.dumps([one.type, *one.sources])}" for name, one in columns[key].items()
        )
        + "\n  }"
        for key in sorted(columns)
    ]
    text = f'{{"definitions": "{definitions_digest()}", "assets": {{\n' + ",\n".join(assets) + "\n}}\n"
    # Written aside: another process may be loading its definitions.
    aside = path.with_suffix(".new")
    aside.write_text(text, "utf-8")
    aside.replace(path)


def from_metadata(metadata: Mapping[str, Any]) -> dict[str, Column]:
    """The columns as dagster-dbt tells them of what it has built."""
    if _SCHEMA not in metadata:
        return {}
    schema = metadata[_SCHEMA].value.columns
    told = metadata[_LINEAGE].value.deps_by_column if _LINEAGE in metadata else {}
    return {
        column.name: Column(column.type, tuple(sorted(map(_in_words, told.get(column.name, ()))))) for column in schema
    }


def _in_words(source: dg.TableColumnDep) -> str:
    return f"{source.asset_key.to_user_string()}.{source.column_name}"


class Translator(DagsterDbtTranslator):
    """dagster-dbt's translation, with what is known of the columns."""

    def __init__(self, known: Columns) -> None:
        super().__init__(settings=DagsterDbtTranslatorSettings(enable_code_references=False))
        self.known = known

    def get_metadata(self, dbt_resource_props: Mapping[str, Any]) -> Mapping[str, Any]:
        """What dagster-dbt tells, and types and sources of the columns."""
        told = super().get_metadata(dbt_resource_props)
        columns = self.known.get(self.get_asset_key(dbt_resource_props).to_user_string())
        if not columns:
            return told
        documented = dbt_resource_props.get("columns", {})
        return {
            **told,
            _SCHEMA: dg.TableSchema(
                [
                    dg.TableColumn(name, column.type, _described(documented.get(name, {}), column.sources))
                    for name, column in columns.items()
                ]
            ),
            _LINEAGE: dg.TableColumnLineage(
                {name: [_dependency(source) for source in column.sources] for name, column in columns.items()}
            ),
        }


def _described(documented: Mapping[str, Any], sources: Iterable[str]) -> str:
    named = list(sources)
    more = len(named) - MOST_SOURCES_IN_WORDS
    words = ", ".join(named[:MOST_SOURCES_IN_WORDS]) + (f" and {more} more" if more > 0 else "")
    return " ".join(part for part in (documented.get("description"), f"From {words}." if words else "") if part)


def _dependency(source: str) -> dg.TableColumnDep:
    key, _, column = source.rpartition(".")
    return dg.TableColumnDep(dg.AssetKey(key.split("/")), column)

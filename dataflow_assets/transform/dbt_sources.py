"""A connector's streams in, the dbt file that describes their raw tables out.

Run `python -m dataflow_assets.transform.dbt_sources` after a stream has changed. The files are committed, because dbt
reads them and people look for them; a test fails while one is out of date.
"""

import json
from collections.abc import Iterator
from pathlib import Path

from dataflow_assets.connectors import all_connectors
from dataflow_assets.connectors.base import Connector, Kind, Stream
from dataflow_assets.raw.ddl import schema_name, system_columns
from dataflow_assets.settings import PROJECT_ROOT

STAGING = PROJECT_ROOT / "dbt" / "models" / "staging"
WARN_AFTER_HOURS, ERROR_AFTER_HOURS = 36, 72


def path(connector: Connector) -> Path:
    """Where the connector's sources are described."""
    return STAGING / connector.name / f"_{connector.name}__sources.yml"


def render(connector: Connector) -> str:
    """The YAML of a connector's sources: one table per stream, every column with its type and description.

    Only report streams are held to the freshness limits. An entity that did not change is not written again, so the
    newest `_synced_at` of a quiet stream says nothing about when it was last read; `marts.coverage` does.
    """
    return "\n".join(_lines(connector)) + "\n"


def _lines(connector: Connector) -> Iterator[str]:
    yield "# Derived from the streams. Do not edit; run `python -m dataflow_assets.transform.dbt_sources`."
    yield "sources:"
    yield f"  - name: {connector.name}"
    yield f"    description: {_quoted(f'Raw tables of {connector.title}, as the vendor sent them.')}"
    yield f"    schema: {schema_name(connector)}"
    yield "    config:"
    yield "      loaded_at_field: _synced_at"
    yield "      freshness:"
    yield f"        warn_after: {{count: {WARN_AFTER_HOURS}, period: hour}}"
    yield f"        error_after: {{count: {ERROR_AFTER_HOURS}, period: hour}}"
    yield "    tables:"
    for stream in connector.streams:
        yield from _table(connector, stream)


def _table(connector: Connector, stream: Stream) -> Iterator[str]:
    yield f"      - name: {stream.name}"
    yield f"        description: {_quoted(stream.description)}"
    yield "        config:"
    if stream.kind is not Kind.REPORT:
        yield "          freshness: null"
    yield "          meta:"
    yield "            dagster:"
    yield f"              asset_key: [raw, {connector.name}, {stream.name}]"
    yield "        columns:"
    declared = [(column.name, column.type.value, column.description) for column in stream.columns]
    added = [(name, kind.removesuffix(" not null"), text) for name, (kind, text) in system_columns(stream).items()]
    for name, data_type, description in (*declared, *added):
        yield f"          - name: {name}"
        yield f"            data_type: {data_type}"
        yield f"            description: {_quoted(description)}"


def _quoted(text: str) -> str:
    # A JSON string is a YAML string, whatever characters it holds.
    return json.dumps(text, ensure_ascii=False)


def main() -> None:
    """Write the file of every connector."""
    for connector in all_connectors():
        target = path(connector)
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(render(connector), "utf-8")


if __name__ == "__main__":
    main()

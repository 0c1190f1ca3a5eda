"""Two checks per raw table, on what has landed: it keeps its contract, and it has the rows it should."""

from collections.abc import Iterator, Sequence

import dagster as dg

from dataflow_assets.checks.volume import volume_problems
from dataflow_assets.connectors.base import Connector, Kind, Stream
from dataflow_assets.partitions import window_of
from dataflow_assets.raw.factory import asset_key
from dataflow_assets.resources.dagster import PlatformResource

CONTRACT, VOLUME = "contract", "row_count"


def build_raw_checks(connectors: Sequence[Connector]) -> list[dg.AssetChecksDefinition]:
    """The checks of every stream of every connector."""
    return [_checks(connector, stream) for connector in connectors for stream in connector.streams]


def _checks(connector: Connector, stream: Stream) -> dg.AssetChecksDefinition:
    key = asset_key(connector, stream)

    @dg.multi_asset_check(
        name=f"check_{connector.name}_{stream.name}",
        specs=[
            dg.AssetCheckSpec(
                CONTRACT,
                asset=key,
                description="Types, nulls, bounds and unique keys of the landed rows, and nothing open in quarantine.",
            ),
            dg.AssetCheckSpec(
                VOLUME, asset=key, description="As many rows as the syncs stored, and none missing by past days."
            ),
        ],
    )
    def raw_checks(context: dg.AssetCheckExecutionContext, platform: PlatformResource) -> Iterator[dg.AssetCheckResult]:
        from dataflow_assets.checks import contracts  # noqa: PLC0415  polars and pandera take seconds to import

        window = window_of(context) if stream.kind is Kind.REPORT and _has_range(context) else None
        with platform.get().warehouse.connect() as connection:
            rows, broken = 0, list[str]()
            for frame in contracts.landed(connection, connector, stream, window):
                rows += frame.height
                broken += contracts.violations(stream, frame)[: contracts.FAILURES_SHOWN - len(broken)]
            found = volume_problems(connection, connector, stream, window)
        broken += [f"{found.quarantined} records are in quarantine"] if found.quarantined else []
        yield dg.AssetCheckResult(
            asset_key=key,
            check_name=CONTRACT,
            passed=not broken,
            description="; ".join(broken) or f"{rows} rows keep the contract.",
            metadata={"rows": rows, "window": str(window or "all rows")},
        )
        yield dg.AssetCheckResult(
            asset_key=key,
            check_name=VOLUME,
            passed=not found.problems,
            description="; ".join(found.problems) or f"{found.rows} rows.",
            metadata={"rows": found.rows, "window": str(window or "all rows")},
        )

    return raw_checks


def _has_range(context: dg.AssetCheckExecutionContext) -> bool:
    return any(
        tag.startswith("dagster/asset_partition_range") or tag == "dagster/partition" for tag in context.run.tags
    )

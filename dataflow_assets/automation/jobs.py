"""Named jobs: selections of the one lineage graph. The window of a run comes from its partition range."""

import dagster as dg

from dataflow_assets.aggregates.factory import sweep_checks
from dataflow_assets.aggregates.registry import all_aggregates

ONLY_TOUCHED = {
    "ops": {
        "transform_models": {"config": {"only_touched": True}},
        "transform_facts": {"config": {"only_touched": True}},
        "aggregates": {"config": {"only_touched": True}},
    }
}

_SWEEP = dg.AssetSelection.checks(*sweep_checks(all_aggregates()))
_ALL = dg.AssetSelection.all() - _SWEEP

# Everything, from the vendors to the aggregates; only days that changed are carried downstream.
SYNC = dg.define_asset_job("sync", selection=_ALL, config=ONLY_TOUCHED)

# From the raw tables on: carries days that changed and were not carried, for example after another account's failure.
TRANSFORM = dg.define_asset_job(
    "transform",
    selection=_ALL - dg.AssetSelection.key_prefixes("raw"),
    config=ONLY_TOUCHED,
)

# Tables by day, over any range of days; facts and aggregates are built for every day of it.
BACKFILL = dg.define_asset_job("backfill", selection=_ALL)

# Compares every aggregate with its facts far back, and repairs it. What a sync touches is compared by the sync itself.
SWEEP = dg.define_asset_job("sweep", selection=_SWEEP)

JOBS = [SYNC, TRANSFORM, BACKFILL, SWEEP]

"""Named jobs: selections of the one lineage graph. The window of a run comes from its partition range."""

import dagster as dg

ONLY_TOUCHED = {
    "ops": {
        "dbt_models": {"config": {"only_touched": True}},
        "dbt_facts": {"config": {"only_touched": True}},
        "aggregates": {"config": {"only_touched": True}},
    }
}

# Everything, from the vendors to the aggregates; only days that changed are carried downstream.
SYNC = dg.define_asset_job("sync", selection=dg.AssetSelection.all(), config=ONLY_TOUCHED)

# From the raw tables on: carries days that changed and were not carried, for example after another account's failure.
TRANSFORM = dg.define_asset_job(
    "transform",
    selection=dg.AssetSelection.all() - dg.AssetSelection.key_prefixes("raw"),
    config=ONLY_TOUCHED,
)

# Tables by day, over any range of days; facts and aggregates are built for every day of it.
BACKFILL = dg.define_asset_job("backfill", selection=dg.AssetSelection.all())

JOBS = [SYNC, TRANSFORM, BACKFILL]

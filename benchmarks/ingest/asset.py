"""The first load as Dagster runs it: `python -m benchmarks.ingest.asset ORDERS` prints seconds of its parts."""

import json
import sys
import time

import dagster as dg

from benchmarks.ingest.load import Orders
from benchmarks.ingest.vendor import CHANGES, connector
from dataflow_assets.raw.factory import build_raw_assets
from dataflow_assets.resources.dagster import PlatformResource


def main(orders: Orders) -> dict[str, float]:
    """Materialize the asset with an instance of its own that forgets."""
    assets = [asset for asset in build_raw_assets([connector(orders.api)]) if asset.key.path[-1] == CHANGES.name]
    began = time.perf_counter()
    with dg.DagsterInstance.ephemeral() as instance:
        result = dg.materialize(assets, instance=instance, resources={"platform": PlatformResource()})
        run = time.perf_counter() - began
        (stats,) = instance.get_run_step_stats(result.run_id)
    assert stats.end_time
    assert stats.start_time
    return {"run": run, "step": stats.end_time - stats.start_time}


if __name__ == "__main__":
    print(json.dumps(main(Orders(**json.loads(sys.argv[1])))))

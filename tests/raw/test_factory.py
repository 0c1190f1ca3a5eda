"""A raw asset whose vendor told a wait ends at once, and comes back at the told time."""

import dagster as dg
import pytest
from raw_support import META, World

from dataflow_assets.raw.factory import build_raw_assets
from dataflow_assets.resources import dagster as dagster_module
from dataflow_assets.resources.dagster import PlatformResource

WAIT_SECONDS = 600


@pytest.mark.parametrize("endpoint", ["campaigns", "ad_accounts"], ids=["reading", "listing accounts"])
def test_law_7_a_long_told_wait_ends_the_step_with_a_retry_at_that_time(
    world: World, monkeypatch: pytest.MonkeyPatch, endpoint: str
) -> None:
    world.sandbox.fault("throttle_17_2446079", endpoint=endpoint, seconds=WAIT_SECONDS)
    monkeypatch.setattr(dagster_module, "get_platform", lambda: world.platform)
    (asset,) = (a for a in build_raw_assets([META]) if a.key.path[-1] == "campaigns")
    waits: list[float] = []

    class Told(dg.RetryRequested):
        """Notes the wait that is asked for; none is waited here."""

        def __init__(self, max_retries: int, seconds_to_wait: float) -> None:
            waits.append(seconds_to_wait)
            super().__init__(max_retries=max_retries, seconds_to_wait=0)

    monkeypatch.setattr(dg, "RetryRequested", Told)
    resources = {"platform": PlatformResource()}
    result = dg.materialize([asset], resources=resources, raise_on_error=False)
    assert not result.success
    assert len(waits) == 3, "After some tries the step fails in words of ours."
    assert waits[0] == pytest.approx(WAIT_SECONDS, abs=30)
    (failure,) = (event for event in result.all_events if event.event_type_value == "STEP_FAILURE")
    assert "throttle" in str(failure.step_failure_data).lower() or "budget" in str(failure.step_failure_data)

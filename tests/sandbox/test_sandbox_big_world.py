"""A world of 100 accounts with 20,000 ads each over 500 days: it is made as it is asked for, never as a whole."""

import json
import tracemalloc
from collections import Counter
from datetime import UTC, date, datetime
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import httpx
import pytest
from google_client import Ads, select
from linkedin_client import Rest
from sandbox_process import Process, serving

from dataflow_assets.sandbox import state
from dataflow_assets.sandbox.server import Sandbox
from dataflow_assets.sandbox.testing import TOKEN
from dataflow_assets.sandbox.world import Clock, Counts, WorldConfig
from dataflow_assets.sandbox.world.performance import total

BIG = WorldConfig(
    days=500,
    meta_accounts=100,
    google_accounts=100,
    linkedin_accounts=100,
    customers_per_day=500,
    campaigns_per_account=200,
    ad_sets_per_campaign=10,
    ads_per_ad_set=10,
)
ADS = 20_000  # in each account
ACCOUNT = "920000000000011"
LINKEDIN_ACCOUNT = 50_800_000_000_000_011
DAY = date(2027, 3, 1)
NOW = datetime(2027, 4, 1, 12, tzinfo=UTC)
MOST_MEGABYTES = 400


def test_a_sum_holds_some_of_its_parts_at_a_time() -> None:
    one = Counts(*range(1, 19))
    parts = (Counts(*(figure + number for figure in one)) for number in range(50_000))
    tracemalloc.start()
    summed = total(parts)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert summed == Counts(*(figure * 50_000 + sum(range(50_000)) for figure in one))
    assert peak < 5_000_000


def test_to_serve_a_big_world_builds_none_of_it(tmp_path: Path) -> None:
    file = tmp_path / "big.json"
    state.save(file, BIG, Clock(NOW))
    saved = state.load(file)
    assert saved is not None
    sandbox = Sandbox(*saved)
    world: Any = sandbox.core.world
    made = {name: getattr(world, name).cache_info().misses for name in ("campaign", "ad_set", "ad", "customer")}
    assert made == dict.fromkeys(made, 0)


class Big:
    """The big world, served from its state file by a process of its own."""

    def __init__(self, process: Process, client: httpx.Client) -> None:
        self.process = process
        self.client = client
        self.base = process.url
        self.urls: Any = SimpleNamespace(google_url=f"{self.base}/google", linkedin_url=f"{self.base}/linkedin")

    def truth(self, stream: str, **params: object) -> Counter[str]:
        """How many rows each account has in a stream."""
        found: Counter[str] = Counter()
        asked = {name: str(value) for name, value in params.items()}
        with self.client.stream("GET", f"{self.base}/_sandbox/truth/{stream}", params=asked) as answer:
            assert answer.status_code == 200
            found.update(json.loads(line)["account_id"] for line in answer.iter_lines())
        return found

    def megabytes(self) -> float:
        """The most memory that the process ever had."""
        status = Path(f"/proc/{self.process.child.pid}/status").read_text()
        (line,) = (line for line in status.splitlines() if line.startswith("VmHWM"))
        return int(line.split()[1]) / 1_024


@pytest.mark.long
@pytest.mark.timeout(1_800)
def test_a_big_world_streams(tmp_path: Path) -> None:
    file = tmp_path / "big.json"
    state.save(file, BIG, Clock(NOW))
    patient = httpx.Client(timeout=None)  # noqa: S113 - an answer may take minutes
    with serving("--state", str(file)) as process, patient as client:
        big = Big(process, client)
        rows = big.truth("meta_ads/insights_ad", **{"from": DAY, "to": DAY})
        assert len(rows) == 100
        assert all(ADS / 10 < count < ADS for count in rows.values())

        listed, page, url = 0, 0, f"{big.base}/meta/v26.0/act_{ACCOUNT}/ads?limit=500&fields=id&access_token={TOKEN}"
        while url:
            answer = big.client.get(url).json()
            listed, page, url = listed + len(answer["data"]), page + 1, answer["paging"].get("next", "")
        assert page > 10
        alive = big.truth("meta_ads/ads", account=ACCOUNT)[ACCOUNT]
        assert listed < alive < ADS, "archived ads are part of the truth, and not listed unless asked for"

        year = {"time_range": json.dumps({"since": "2026-03-01", "until": "2027-03-01"}), "access_token": TOKEN}
        summed = big.client.get(f"{big.base}/meta/v26.0/act_{ACCOUNT}/insights", params=year)
        assert len(summed.json()["data"]) == 1

        assert len(Ads(big.urls, big.client).rows(select("ads"))) > ADS / 2
        creatives = Rest(big.urls, big.client).find(
            f"adAccounts/{LINKEDIN_ACCOUNT}/creatives", "q=criteria&pageSize=1000"
        )
        assert len(creatives) > ADS / 10
        assert big.megabytes() < MOST_MEGABYTES

"""LinkedIn landed by Airbyte's source-linkedin-ads: what we store of it is what we would have read ourselves.

How that source changes what LinkedIn sends, by its manifest and components of 2025 and 2026: `changeAuditStamps` become
`created` and `lastModified`, `dateRange` becomes `start_date` and `end_date`, targeting becomes lists of type and
values, all figures are numbers; analytics get `string_of_pivot_values`, `pivot` and `sponsoredCampaign` or
`sponsoredCreative`.
"""

from collections.abc import Callable, Iterator
from datetime import UTC, date, datetime
from typing import Any

import httpx
import pytest
from airbyte_support import Destination, reading_from_airbyte
from psycopg import sql
from raw_support import Row, World, fine

from dataflow_assets.connectors import connector
from dataflow_assets.connectors.base import Stream
from dataflow_assets.raw.ddl import primary_key, table
from dataflow_assets.raw.sync import StreamReport
from dataflow_assets.resources.platform import Platform
from dataflow_assets.sandbox.testing import RunningSandbox, run_sandbox
from dataflow_assets.sandbox.world import WorldConfig
from dataflow_assets.settings import LinkedInAdsSettings
from dataflow_assets.windows import DayWindow

LINKEDIN = connector("linkedin_ads")
BY_CREATIVE = LINKEDIN.stream("analytics_creative")
NOON = datetime(2026, 3, 10, 12, tzinfo=UTC)
WEEK = DayWindow(date(2026, 3, 1), date(2026, 3, 8))
FIGURES = ("impressions", "clicks", "landingPageClicks", "costInLocalCurrency", "costInUsd", "oneClickLeads")
FIGURES += ("externalWebsiteConversions", "externalWebsitePostClickConversions", "externalWebsitePostViewConversions")
FIGURES += ("conversionValueInLocalCurrency", "videoViews")
OBJECTS = ("version", "runSchedule", "totalBudget", "dailyBudget", "unitCost", "locale", "targetingCriteria", "content")
LISTS = ("servingStatuses", "allowedCampaignTypes", "servingHoldReasons", "pivotValues")
# As the schemas of the source have them; the rest is text.
TYPES = dict.fromkeys(FIGURES, "numeric(38, 9)") | dict.fromkeys((*OBJECTS, *LISTS, "review"), "jsonb")
TYPES |= dict.fromkeys(("created", "lastModified"), "timestamptz") | dict.fromkeys(("start_date", "end_date"), "date")
TYPES |= dict.fromkeys(("createdAt", "lastModifiedAt"), "bigint")
TYPES |= dict.fromkeys(("test", "isTest", "isServing", "backfilled", "offsiteDeliveryEnabled"), "boolean")
TYPES |= {"audienceExpansionEnabled": "boolean"}
NOT_DECLARED = frozenset({"politicalIntent"})
# What Airbyte's source changes for good, and what its final tables have no column for.
ITS_OWN = {"targeting_criteria", "political_intent"}

MakePlatform = Callable[..., Platform]


@pytest.fixture(scope="module")
def sandbox() -> Iterator[RunningSandbox]:
    """Two ad accounts."""
    config = WorldConfig(linkedin_accounts=2, campaigns_per_account=6, ad_sets_per_campaign=2, ads_per_ad_set=2)
    with run_sandbox(config, now=NOON) as running:
        yield running


@pytest.fixture
def world(make_platform: MakePlatform, sandbox: RunningSandbox) -> World:
    settings = LinkedInAdsSettings(requests_per_minute=10**8, initial_history_days=30)
    return World(make_platform(sandbox.url, linkedin_ads=settings), sandbox)


def accounts_of(sandbox: RunningSandbox) -> list[str]:
    return [str(account["id"]) for account in sandbox.truth("linkedin_ads", "ad_accounts")]


def run(world: World, stream: Stream) -> StreamReport:
    """Sync a stream by its name: landed by Airbyte it is declared otherwise."""
    window = WEEK if stream.report_day else None
    report: StreamReport = world.with_sync(
        lambda sync: sync.run(sync.connector.stream(stream.name), window), source=LINKEDIN
    )
    return report


def stored(world: World, stream: Stream) -> list[Row]:
    """What the table holds, but for what is Airbyte's own."""
    names = [name for name in ("_account_id", *stream.column_names, "_extra") if name not in ITS_OWN]
    query = sql.SQL("select {} from {} order by {}").format(
        sql.SQL(", ").join(map(sql.Identifier, names)),
        table(LINKEDIN, stream),
        sql.SQL(", ").join(map(sql.Identifier, primary_key(stream))),
    )
    with world.platform.warehouse.connect() as connection:
        return connection.execute(query).fetchall()


# ------------------------------------------------------------------ the source

SEARCH = "q=search&search=(status:(values:List(ACTIVE,PAUSED,ARCHIVED,CANCELED,DRAFT,PENDING_DELETION,REMOVED{})))"
BY_ACCOUNT = "q=statistics&pivots=List(ACCOUNT,CAMPAIGN{})"


def questions(account: str) -> dict[str, str]:
    """What the source asks LinkedIn for each of our streams; figures of a whole account, to keep the test short."""
    first, last = (f"(year:{day.year},month:{day.month},day:{day.day})" for day in (WEEK.days[0], WEEK.days[-1]))
    report = f"timeGranularity=DAILY&dateRange=(start:{first},end:{last})&fields=dateRange,pivotValues,"
    report += f"{','.join(FIGURES)}&accounts=List(urn%3Ali%3AsponsoredAccount%3A{account})"
    return {
        "ad_accounts": "adAccounts?q=search",
        "campaign_groups": f"adAccounts/{account}/adCampaignGroups?{SEARCH.format('')}",
        "campaigns": f"adAccounts/{account}/adCampaigns?{SEARCH.format(',COMPLETED')}",
        "creatives": f"adAccounts/{account}/creatives?q=criteria",
        "analytics_campaign": f"adAnalytics?{BY_ACCOUNT.format('')}&{report}",
        "analytics_creative": f"adAnalytics?{BY_ACCOUNT.format(',CREATIVE')}&{report}",
    }


def emitted(sandbox: RunningSandbox, question: str) -> list[dict[str, Any]]:
    """The records the source makes of an answer."""
    headers = {"LinkedIn-Version": "202601", "X-Restli-Protocol-Version": "2.0.0", "X-RestLi-Method": "FINDER"}
    headers["Authorization"] = "Bearer sandbox-linkedin-token"
    answer = httpx.get(f"{sandbox.linkedin_url}/rest/{question}", headers=headers)
    assert answer.status_code == 200, answer.text
    found = answer.json()
    assert not found.get("metadata", {}).get("nextPageToken"), "There is more than one page."
    return [changed(record) for record in found["elements"]]


def changed(record: dict[str, Any]) -> dict[str, Any]:
    """What LinkedIn sent, as the source hands it on."""
    made = dict(record)
    for name, stamp in made.pop("changeAuditStamps", {}).items():
        made[name] = datetime.fromtimestamp(stamp["time"] // 1_000, UTC).isoformat()
    if days := made.pop("dateRange", None):
        for end in ("start", "end"):
            made[f"{end}_date"] = "{year:04}-{month:02}-{day:02}".format_map(days[end])
    if targeting := made.get("targetingCriteria"):
        parts = [part["or"] for part in targeting["include"]["and"]]
        listed = [{"type": facet, "values": urns} for part in parts for facet, urns in part.items()]
        made["targetingCriteria"] = {"include": {"and": listed}}
    if urns := made.get("pivotValues"):
        made["string_of_pivot_values"] = ",".join(urns)
        made["pivot"] = "CAMPAIGN"
        made["sponsoredCampaign"] = urns[0].rpartition(":")[2]
    return made | {name: float(made[name]) for name in FIGURES if name in made}


@pytest.fixture(params=["final", "raw"])
def airbyte(request: pytest.FixtureRequest, world: World) -> Destination:
    return Destination(world.platform, LINKEDIN, "linkedin", TYPES, raw=request.param == "raw", undeclared=NOT_DECLARED)


# ------------------------------------------------------------------ what we make of it


def test_the_same_rows_land_whoever_fetched_them(airbyte: Destination, world: World, sandbox: RunningSandbox) -> None:
    ours = {}
    for stream in LINKEDIN.streams:
        assert fine(run(world, stream)).counts.inserted > 0
        ours[stream.name] = stored(world, stream)
        world.query(f"delete from raw_linkedin_ads.{stream.name} returning 1")
    with reading_from_airbyte(world.platform, LINKEDIN, "linkedin"):
        for stream in LINKEDIN.streams:
            asked = {questions(account)[stream.name] for account in accounts_of(sandbox)}
            airbyte.land(stream, [row for question in sorted(asked) for row in emitted(sandbox, question)], NOON)
            report = fine(run(world, stream))
            assert report.tally.requests == 0, "Nothing is asked of the vendor."
            assert report.counts.quarantined == 0, stream.name
            assert stored(world, stream) == ours[stream.name], stream.name


@pytest.fixture
def accounts(airbyte: Destination, world: World, sandbox: RunningSandbox) -> Iterator[list[dict[str, Any]]]:
    """The accounts that are landed: both."""
    with reading_from_airbyte(world.platform, LINKEDIN, "linkedin"):
        rows = emitted(sandbox, "adAccounts?q=search")
        airbyte.land(LINKEDIN.stream("ad_accounts"), rows, NOON)
        yield rows


def figures(sandbox: RunningSandbox, account: Any, by: str) -> list[dict[str, Any]]:
    question = questions(account)[BY_CREATIVE.name].replace(BY_ACCOUNT.format(",CREATIVE"), by)
    return emitted(sandbox, question)


def test_law_6_figures_of_creatives_without_their_campaign_are_set_aside_and_told(
    airbyte: Destination, world: World, sandbox: RunningSandbox, accounts: list[dict[str, Any]]
) -> None:
    rows = figures(sandbox, accounts[0]["id"], "q=statistics&pivots=List(ACCOUNT,CREATIVE)")
    airbyte.land(BY_CREATIVE, rows, NOON)
    assert fine(run(world, BY_CREATIVE)).counts.quarantined == len(rows) > 0
    assert stored(world, BY_CREATIVE) == []


def test_law_6_rows_that_do_not_say_whose_they_are_belong_to_nobody_while_there_are_several_accounts(
    airbyte: Destination, world: World, sandbox: RunningSandbox, accounts: list[dict[str, Any]]
) -> None:
    airbyte.land(BY_CREATIVE, figures(sandbox, accounts[0]["id"], BY_ACCOUNT.format(",CREATIVE")), NOON)
    fine(run(world, BY_CREATIVE))
    before = stored(world, BY_CREATIVE)
    airbyte.land(BY_CREATIVE, figures(sandbox, accounts[1]["id"], "q=statistics&pivots=List(CAMPAIGN,CREATIVE)"), NOON)
    report = run(world, BY_CREATIVE)
    assert len(report.failed) == 2
    assert all("do not say whose they are" in str(one.error) for one in report.failed)
    assert stored(world, BY_CREATIVE) == before != []


def test_rows_of_the_only_account_need_not_name_it(airbyte: Destination, world: World, sandbox: RunningSandbox) -> None:
    with reading_from_airbyte(world.platform, LINKEDIN, "linkedin"):
        account, _ = emitted(sandbox, "adAccounts?q=search")
        rows = figures(sandbox, account["id"], "q=statistics&pivots=List(CAMPAIGN,CREATIVE)")
        airbyte.land(LINKEDIN.stream("ad_accounts"), [account], NOON)
        airbyte.land(BY_CREATIVE, rows, NOON)
        fine(run(world, BY_CREATIVE))
    assert {row["_account_id"] for row in stored(world, BY_CREATIVE)} == {str(account["id"])}
    assert len(stored(world, BY_CREATIVE)) == len(rows) > 0

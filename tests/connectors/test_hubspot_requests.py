"""Reading what changed out of a search that is late, moves, and ends at 10,000. Facts: `apis/hubspot.md`, 2.2."""

import asyncio
import json
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from itertools import pairwise
from typing import Any

import msgspec
import pytest
from hasty import HASTY
from hubspot_portal import CURSOR, Portal
from hubspot_support import FREE, MakePlatform
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from dataflow_assets.connectors.base import Account, Probe, Since
from dataflow_assets.connectors.hubspot import CONNECTOR, search
from dataflow_assets.raw.session import open_client
from dataflow_assets.resources.failures import Fatal, Retryable
from dataflow_assets.resources.http import Caller
from dataflow_assets.resources.platform import Platform
from dataflow_assets.windows import DayWindow

NOW = datetime(2026, 11, 20, 12, tzinfo=UTC)
NOW_MS = int(NOW.timestamp() * 1000)
HOUR = 3_600_000
DEALS = CONNECTOR.stream("deals")


def ask(platform: Platform, portal: Portal, work: Callable[[Caller, Account], Any]) -> Any:
    """The result of `work`, which gets a caller for the portal."""
    clock = replace(HASTY, now=lambda: NOW)

    async def go() -> Any:
        async with open_client(platform, CONNECTOR, clock=clock, transport=portal) as client:
            (account,) = await CONNECTOR.accounts(client.caller(), platform.settings)
            return await work(client.caller(account.id, credential=account.credential), account)

    return asyncio.run(go())


def read(platform: Platform, portal: Portal, window: Since) -> list[dict[str, Any]]:
    """The records a reading brings, as they come."""

    async def work(caller: Caller, account: Account) -> list[dict[str, Any]]:
        pages = [page async for page in CONNECTOR.read(caller, account, DEALS, window)]
        return [record for page in pages for record in msgspec.json.decode(page.records)]

    return list(ask(platform, portal, work))


def ids(records: list[dict[str, Any]]) -> set[str]:
    return {record["id"] for record in records}


def spans(portal: Portal) -> list[tuple[int, int]]:
    """The spans of time that were searched, in order; pages of one count once."""
    found = []
    for body in portal.searches:
        low, high, *_ = (int(one["value"]) for one in body["filterGroups"][0]["filters"])
        if (low, high) not in found:
            found.append((low, high))
    return found


SINCE = Since(NOW - timedelta(hours=1))


@pytest.fixture
def platform(make_platform: MakePlatform) -> Platform:
    """On a scripted portal: the sandbox is not asked."""
    return make_platform("http://sandbox.invalid", hubspot=FREE)


@pytest.fixture
def small_ceiling(monkeypatch: pytest.MonkeyPatch) -> Iterator[int]:
    """Search gives out 20 records of a question, in pages of 4."""
    monkeypatch.setattr(search, "CEILING", 20)
    monkeypatch.setattr(search, "PAGE", 4)
    return 20


def spread(count: int, over: int = HOUR) -> dict[str, int]:
    """So many deals, changed evenly over the milliseconds before now, the first at the beginning."""
    return {f"{9_000_000_000 + number * 7}": NOW_MS - over + number * over // count for number in range(count)}


def test_changes_are_asked_for_in_milliseconds_by_id_with_both_ends(platform: Platform) -> None:
    portal = Portal(NOW_MS, spread(3))
    assert ids(read(platform, portal, SINCE)) == set(portal.changed)
    (body,) = portal.searches
    assert body["filterGroups"] == [
        {
            "filters": [
                {"propertyName": CURSOR, "operator": "GTE", "value": f"{NOW_MS - HOUR}"},
                {"propertyName": CURSOR, "operator": "LTE", "value": f"{NOW_MS}"},
            ]
        }
    ]
    assert body["sorts"] == [{"propertyName": "hs_object_id", "direction": "ASCENDING"}]
    assert (body["limit"], body["after"]) == (200, "0")
    assert {"amount", "dealstage", "hs_merged_object_ids", CURSOR} <= set(body["properties"])


def test_a_portal_that_asks_for_a_longer_overlap_gets_it(make_platform: MakePlatform) -> None:
    late = FREE.model_copy(update={"search_overlap_minutes": 60})
    portal = Portal(NOW_MS, spread(3))
    read(make_platform("http://sandbox.invalid", hubspot=late), portal, SINCE)
    # Ten minutes are the stream's own, and were subtracted by the engine.
    assert spans(portal) == [(NOW_MS - HOUR - 50 * 60_000, NOW_MS)]


def test_a_shorter_overlap_than_the_streams_own_does_not_skip_anything(make_platform: MakePlatform) -> None:
    portal = Portal(NOW_MS, spread(3))
    early = FREE.model_copy(update={"search_overlap_minutes": 1})
    read(make_platform("http://sandbox.invalid", hubspot=early), portal, SINCE)
    assert spans(portal) == [(NOW_MS - HOUR, NOW_MS)]


@pytest.mark.usefixtures("small_ceiling")
@pytest.mark.parametrize("count", [4, 5, 19, 20, 21, 100])
def test_no_more_is_asked_for_than_search_gives_out_and_nothing_is_missing(platform: Platform, count: int) -> None:
    portal = Portal(NOW_MS, spread(count), ceiling=20)
    found = read(platform, portal, SINCE)
    assert len(found) == count
    assert ids(found) == set(portal.changed)
    if count > 20:
        asked = spans(portal)
        leaves = sorted(one for one in asked if not any(one != o and one[0] <= o[0] and o[1] <= one[1] for o in asked))
        assert leaves[0][0] == NOW_MS - HOUR
        assert leaves[-1][1] == NOW_MS
        assert all(earlier[1] + 1 == later[0] for earlier, later in pairwise(leaves))


def as_text(text: str) -> str:
    return text


@pytest.mark.usefixtures("small_ceiling")
@pytest.mark.parametrize("order", [int, as_text])
def test_more_records_of_one_millisecond_than_search_gives_out_are_walked_by_id(
    platform: Platform, order: Callable[[str], Any]
) -> None:
    # 7198 and 719869649082: as text the long one comes in between.
    cluster = {f"{id_}": NOW_MS - 1_000 for id_ in (*range(7_190, 7_240), 719_869_649_082, 71_990, 8)}
    portal = Portal(NOW_MS, {**cluster, **spread(6)}, ceiling=20, order=order)
    portal.is_beyond = lambda id_, last: order(id_) > order(last)
    assert ids(read(platform, portal, SINCE)) == set(portal.changed)
    assert len(portal.searches) < 100


@pytest.mark.usefixtures("small_ceiling")
def test_law_6_what_an_order_of_ids_as_text_hides_is_found_in_smaller_spans(platform: Platform) -> None:
    changed = {f"{id_}": NOW_MS - number * 1_000 for number, id_ in enumerate((*range(85, 103), 719_869_649_082))}
    portal = Portal(NOW_MS, changed, ceiling=20, order=as_text)
    assert ids(read(platform, portal, SINCE)) == set(changed)
    assert len(spans(portal)) > 1


@pytest.mark.usefixtures("small_ceiling")
def test_law_6_a_walk_that_skips_records_is_an_error_and_not_a_smaller_result(platform: Platform) -> None:
    cluster = {f"{id_}": NOW_MS - 1_000 for id_ in (*range(80, 110), 719_869_649_082)}
    # In the order of texts, and compared as numbers: 100 comes before 80, and whatever is below 109 is passed over.
    portal = Portal(NOW_MS, cluster, ceiling=20, order=as_text)
    with pytest.raises(Retryable, match="promised 31 records of one millisecond and gave"):
        read(platform, portal, SINCE)


@pytest.mark.usefixtures("small_ceiling")
@pytest.mark.parametrize("comes", [None, "9999999999", "1"])
@pytest.mark.parametrize("leaves", [0, 3, 4, 11])
def test_a_record_that_leaves_or_comes_while_pages_are_read_hides_no_other(
    platform: Platform, comes: str | None, leaves: int
) -> None:
    portal = Portal(NOW_MS, spread(12), ceiling=20)
    known = sorted(portal.changed, key=int)

    def move(number: int) -> None:
        if number == 2:
            # By position those behind it would move up by one, and one would never be on a page.
            portal.changed[known[leaves]] = NOW_MS + 5_000
            if comes:
                portal.changed[comes] = NOW_MS - 60_000

    portal.before = move
    assert {*known[:leaves], *known[leaves + 1 :]} <= ids(read(platform, portal, SINCE))


@pytest.mark.usefixtures("small_ceiling")
@settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_whatever_changes_while_pages_are_read_what_did_not_change_is_found(
    platform: Platform, data: st.DataObject
) -> None:
    portal = Portal(
        NOW_MS, spread(data.draw(st.integers(5, 60)), data.draw(st.sampled_from([3, 50, HOUR]))), ceiling=20
    )
    steady = set(portal.changed)
    moving = data.draw(st.dictionaries(st.integers(1, 12), st.lists(st.sampled_from(sorted(steady)), max_size=2)))

    def move(number: int) -> None:
        for id_ in moving.get(number, ()):
            steady.discard(id_)
            portal.changed[id_] = NOW_MS + number

    portal.before = move
    try:
        found = read(platform, portal, SINCE)
    except Retryable as error:
        # Said aloud, and only where a single millisecond cannot be halved any more.
        assert "of one millisecond" in str(error)  # noqa: PT017
    else:
        assert steady <= ids(found)
        assert all(record["properties"][CURSOR] <= "2026-11-20T12:00:00.000Z" for record in found)


def test_an_empty_page_with_a_next_one_is_not_the_end(platform: Platform) -> None:
    portal = Portal(NOW_MS, spread(3), short={1})
    assert ids(read(platform, portal, SINCE)) == set(portal.changed)


@pytest.mark.usefixtures("small_ceiling")
@pytest.mark.parametrize("results", [[], [{"id": "5", "properties": {}}]])
def test_a_page_that_is_next_to_itself_is_an_error(platform: Platform, results: list[dict[str, Any]]) -> None:
    portal = Portal(NOW_MS, spread(12), ceiling=20)
    original = portal._search

    def stuck(asked: dict[str, Any]) -> dict[str, Any]:
        return {**original(asked), "results": results, "paging": {"next": {"after": "4"}}}

    portal._search = stuck  # type: ignore[method-assign]
    with pytest.raises(Retryable, match="does not move on"):
        read(platform, portal, SINCE)


def test_what_changed_after_the_span_is_left_to_the_next_reading(platform: Platform) -> None:
    portal = Portal(NOW_MS, spread(5))
    late = sorted(portal.changed)[2]
    # The index still has the old time; the record has the new one. Kept, it would carry the watermark with it.
    portal.indexed[late] = portal.changed[late]
    portal.changed[late] = NOW_MS + 90_000
    assert ids(read(platform, portal, SINCE)) == set(portal.changed) - {late}
    portal.now, portal.indexed = NOW_MS + 120_000, {}
    assert late in ids(read(platform, portal, Since(NOW)))


# ------------------------------------------------------------------ archived records


def test_archived_records_are_listed_with_every_change_however_old_they_are(platform: Platform) -> None:
    portal = Portal(NOW_MS, spread(3), archived={"5": NOW_MS - 9_000 * HOUR, "6": NOW_MS - 1_000})
    found = read(platform, portal, SINCE)
    assert {record["id"] for record in found if record["archived"]} == {"5", "6"}


def test_a_record_archived_while_search_still_shows_it_ends_as_archived(platform: Platform) -> None:
    portal = Portal(NOW_MS, {"5": NOW_MS - 1_000}, archived={"5": NOW_MS - 1_000})
    assert [record["archived"] for record in read(platform, portal, SINCE)] == [False, True]


def test_everything_is_listed_without_search_the_archived_ones_first(platform: Platform) -> None:
    portal = Portal(NOW_MS, spread(3), archived={"5": 1_000})
    found = read(platform, portal, Since())
    assert ids(found) == {*portal.changed, "5"}
    assert found[0]["id"] == "5", "One that is restored in between comes twice then, instead of never."
    assert portal.searches == []


# ------------------------------------------------------------------ days


def test_the_records_of_given_days_are_searched_between_their_ends(platform: Platform) -> None:
    day = datetime(2026, 11, 10, tzinfo=UTC)
    start = int(day.timestamp() * 1000)
    end = start + 48 * HOUR
    changed = {"1": start - 1, "2": start, "3": end - 1, "4": end}
    portal = Portal(NOW_MS, changed, archived={"5": start + 5, "6": end + 5})
    window = Since(days=DayWindow(date(2026, 11, 10), date(2026, 11, 12)))
    assert ids(read(platform, portal, window)) == {"2", "3", "5"}
    assert spans(portal) == [(start, end - 1)]


def test_the_running_day_is_searched_until_now_and_a_day_to_come_not_at_all(platform: Platform) -> None:
    portal = Portal(NOW_MS, {"1": NOW_MS, "2": NOW_MS + 1})
    today, tomorrow, last = (date(2026, 11, day) for day in (20, 21, 22))
    assert ids(read(platform, portal, Since(days=DayWindow(today, tomorrow)))) == {"1"}
    asked = len(portal.searches)
    assert read(platform, portal, Since(days=DayWindow(tomorrow, last))) == []
    assert len(portal.searches) == asked


# ------------------------------------------------------------------ is anything newer?


def found_newer(platform: Platform, portal: Portal, watermark: datetime, *names: str) -> set[str]:
    async def work(caller: Caller, account: Account) -> set[str]:
        probes = [Probe(account, CONNECTOR.stream(name), watermark) for name in names]
        return {probe.stream.name for probe in await CONNECTOR.newer(caller.client.caller(), probes)}

    return set(ask(platform, portal, work))


def test_one_search_tells_whether_a_kind_has_changed_and_what_hangs_on_it(platform: Platform) -> None:
    portal = Portal(NOW_MS, {"1": NOW_MS - 1_000})
    every = [stream.name for stream in CONNECTOR.streams]
    hanging = {"deals", "deal_contacts", "deal_companies", "deal_stage_history"}
    just_before = NOW - timedelta(milliseconds=1_001)
    assert found_newer(platform, portal, just_before, "deals", "deal_contacts", "owners") == {"deals", "deal_contacts"}
    (body,) = portal.searches
    assert body["limit"] == 1
    assert body["filterGroups"][0]["filters"] == [
        {"propertyName": CURSOR, "operator": "GT", "value": f"{NOW_MS - 1_001}"}
    ]
    at = just_before + timedelta(milliseconds=1)
    assert found_newer(platform, portal, at, "deals", *hanging) == set()
    portal.searches.clear()
    portal._passes = lambda _id, filters: filters[0]["propertyName"] == CURSOR  # type: ignore[method-assign]
    # Whatever is asked: three searches, one for each kind, and never one for what hangs on it.
    assert hanging <= found_newer(platform, portal, at, *every)
    assert len(portal.searches) == 3


def test_what_hangs_on_a_kind_is_not_asked_for_by_itself(platform: Platform) -> None:
    portal = Portal(NOW_MS, {"1": NOW_MS})
    assert found_newer(platform, portal, NOW - timedelta(days=9), "deal_contacts", "owners", "pipelines") == set()
    assert portal.searches == []


def test_a_probe_that_cannot_be_asked_is_an_error_when_it_is_the_only_one(platform: Platform) -> None:
    portal = Portal(NOW_MS, ceiling=0)
    with pytest.raises(Fatal, match="VALIDATION_ERROR"):
        found_newer(platform, portal, NOW, "deals")


def test_law_13_tokens_travel_in_a_header_alone(platform: Platform) -> None:
    portal = Portal(NOW_MS, spread(3))
    read(platform, portal, SINCE)
    assert len(portal.requests) == 3
    for request in portal.requests:
        assert request.headers["Authorization"] == "Bearer pat-sandbox-0"
        assert "pat-" not in str(request.url) + request.content.decode()
        assert request.method == "GET" or json.loads(request.content)

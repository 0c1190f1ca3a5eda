"""HubSpot's search by bare HTTP: what is found, in which order, how late, and where it ends."""

from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest
from hubspot_client import BY_ID, KINDS, Crm, Json, by_id, problem, window

from dataflow_assets.sandbox.hubspot.conditions import OPERATORS
from dataflow_assets.sandbox.hubspot.search import lateness
from dataflow_assets.sandbox.hubspot.spelling import instant_text, millis
from dataflow_assets.sandbox.testing import RunningSandbox
from dataflow_assets.sandbox.world import World, WorldConfig
from dataflow_assets.sandbox.world.crm import Kind, Portal

INSTANTS = [datetime(2026, 3, 20, 15, 40, tzinfo=UTC), datetime(2026, 5, 1, 12, tzinfo=UTC)]
EVER = 4_102_444_800_000
MARCH = millis(datetime(2026, 3, 1, tzinfo=UTC))
JOB = millis(datetime(2026, 3, 1, 3, tzinfo=UTC))


@pytest.fixture(scope="module")
def http() -> Iterator[httpx.Client]:
    with httpx.Client() as client:
        yield client


@pytest.fixture
def crm(sandbox: RunningSandbox, http: httpx.Client) -> Crm:
    return Crm(sandbox, http)


def live(crm: Crm, kind: str, passes: Callable[[Mapping[str, Any]], bool] = lambda _: True) -> list[Any]:
    """Live rows of truth whose properties pass, by id."""
    rows = crm.sandbox.truth("hubspot", kind, deleted=False)
    return by_id(row for row in rows if passes(row["properties"]))


def ids(rows: list[Json]) -> list[str]:
    return [row["id"] for row in rows]


@pytest.mark.parametrize("now", INSTANTS)
@pytest.mark.parametrize("kind", KINDS)
def test_windows_of_change_bring_every_live_record_as_it_is(crm: Crm, kind: str, now: datetime) -> None:
    crm.sandbox.clock.set(now)
    low, high = millis(now - timedelta(days=30)), millis(now - timedelta(seconds=10))
    truth = live(crm, kind)
    assert crm.changed(kind, 0, EVER) == truth
    expected = [row for row in truth if instant_text(low) <= row["updatedAt"] <= instant_text(high)]
    assert crm.changed(kind, low, high) == expected
    assert 30 < len(expected) < len(truth)


CONDITIONS: list[tuple[str, str, Json, Callable[[Mapping[str, Any]], bool]]] = [
    ("contacts", "EQ", {"propertyName": "firstname", "value": "ada"}, lambda row: row["firstname"] == "Ada"),
    ("contacts", "NEQ", {"propertyName": "country", "value": "DE"}, lambda row: row["country"] != "DE"),
    ("deals", "LT", {"propertyName": "amount", "value": "2000"}, lambda row: float(row["amount"]) < 2_000),
    ("deals", "LTE", {"propertyName": "closedate", "value": str(MARCH)}, lambda row: _at(row, "closedate") <= MARCH),
    ("deals", "GT", {"propertyName": "createdate", "value": MARCH}, lambda row: _at(row, "createdate") > MARCH),
    ("companies", "GTE", {"propertyName": "numberofemployees", "value": "300"}, lambda row: _employees(row) >= 300),
    (
        "companies",
        "BETWEEN",
        {"propertyName": "numberofemployees", "value": "20", "highValue": 50.5},
        lambda row: 20 <= _employees(row) <= 50,
    ),
    (
        "contacts",
        "IN",
        {"propertyName": "lifecyclestage", "values": ["customer", "lead"]},
        lambda row: row["lifecyclestage"] in {"customer", "lead"},
    ),
    (
        "contacts",
        "NOT_IN",
        {"propertyName": "country", "values": ["de", "us"]},
        lambda row: row["country"] not in {"DE", "US"},
    ),
    (
        "contacts",
        "HAS_PROPERTY",
        {"propertyName": "hs_google_click_id"},
        lambda row: row["hs_google_click_id"] is not None,
    ),
    ("contacts", "NOT_HAS_PROPERTY", {"propertyName": "country"}, lambda row: row["country"] is None),
    (
        "companies",
        "CONTAINS_TOKEN",
        {"propertyName": "name", "value": "lum* gmbh"},
        lambda row: row["name"].startswith("Lumen GmbH"),
    ),
    (
        "companies",
        "NOT_CONTAINS_TOKEN",
        {"propertyName": "name", "value": "gmbh"},
        lambda row: "GmbH" not in row["name"],
    ),
]


def _at(row: Mapping[str, Any], name: str) -> int:
    return EVER if row[name] is None else millis(datetime.fromisoformat(row[name]))


def _employees(row: Mapping[str, Any]) -> int:
    return int(row["numberofemployees"] or 0)


def test_no_operator_is_without_a_test() -> None:
    assert {operator for _, operator, _, _ in CONDITIONS} == OPERATORS


@pytest.mark.parametrize(("kind", "operator", "given", "passes"), CONDITIONS)
def test_an_operator_finds_what_it_says(
    crm: Crm, kind: str, operator: str, given: Json, passes: Callable[[Mapping[str, Any]], bool]
) -> None:
    expected = live(crm, kind, passes)
    found = crm.found(kind, filters=[{**given, "operator": operator}], sorts=BY_ID)
    assert ids(found) == ids(expected)
    assert 0 < len(expected) < len(live(crm, kind))


def test_groups_are_alternatives_and_filters_in_a_group_must_all_hold(crm: Crm) -> None:
    won = {"propertyName": "hs_is_closed_won", "operator": "EQ", "value": "true"}
    big = {"propertyName": "amount", "operator": "GT", "value": "10000"}
    lost = {"propertyName": "dealstage", "operator": "EQ", "value": "closedlost"}
    body = {"filterGroups": [{"filters": [won, big]}, {"filters": [lost]}], "sorts": BY_ID}
    expected = live(
        crm,
        "deals",
        lambda row: (
            (row["hs_is_closed_won"] == "true" and float(row["amount"]) > 10_000) or row["dealstage"] == "closedlost"
        ),
    )
    assert ids(crm.found("deals", **body)) == ids(expected)
    assert len({row["properties"]["dealstage"] for row in expected}) == 3


def test_values_of_in_must_be_small_letters_and_enumerations_exact(crm: Crm) -> None:
    def total(**given: Any) -> int:
        return int(crm.search("contacts", filters=[given]).json()["total"])

    assert total(propertyName="country", operator="IN", values=["DE"]) == 0
    assert total(propertyName="country", operator="IN", values=["de"]) > 0
    assert total(propertyName="country", operator="EQ", value="De") > 0
    assert total(propertyName="lifecyclestage", operator="EQ", value="Customer") == 0


def test_words_are_searched_where_people_look_for_them(crm: Crm) -> None:
    row = crm.records("contacts")[20]["properties"]
    asked = f"{row['firstname'][:3]} {row['email'].partition('@')[2].partition('.')[0]}"
    found = crm.found("contacts", query=asked)
    assert row["email"] in [one["properties"]["email"] for one in found]
    assert len(found) <= 2
    assert crm.search("contacts", query="no such words").json() == {"total": 0, "results": []}


def test_archived_and_merged_records_are_not_found_and_none_has_associations(crm: Crm) -> None:
    for kind in KINDS:
        found = crm.found(kind, sorts=BY_ID)
        assert ids(found) == ids(live(crm, kind))
        assert {row["archived"] for row in found} == {False}
        assert not any("associations" in row for row in found)


def test_the_wrong_property_finds_contacts_by_their_creation_and_no_error(crm: Crm) -> None:
    low = {"propertyName": "hs_lastmodifieddate", "operator": "GTE", "value": str(MARCH)}
    found = crm.found("contacts", filters=[low], sorts=BY_ID)
    assert ids(found) == ids(live(crm, "contacts", lambda row: _at(row, "createdate") >= MARCH))
    assert len(found) < len(crm.changed("contacts", MARCH, EVER))


# Order.


def test_sorts_are_given_as_text_or_object(crm: Crm) -> None:
    rows = live(crm, "deals")
    up = sorted(rows, key=lambda row: float(row["properties"]["amount"]))
    down = sorted(rows, key=lambda row: -float(row["properties"]["amount"]))
    for sort, expected in (
        ("amount", up),
        ("-amount", down),
        ({"propertyName": "amount"}, up),
        ({"propertyName": "amount", "direction": "DESCENDING"}, down),
    ):
        assert ids(crm.found("deals", sorts=[sort])) == ids(expected)


def test_a_sort_that_is_no_property_is_lost_without_a_word(crm: Crm) -> None:
    default = ids(crm.found("deals"))
    assert ids(crm.found("deals", sorts=["{'propertyName': 'amount', 'direction': 'ASCENDING'}"])) == default
    created = [row["createdAt"] for row in crm.found("deals")]
    assert created == sorted(created)


def test_what_has_no_value_comes_last_in_both_directions(crm: Crm) -> None:
    for sort in ("numberofemployees", "-numberofemployees"):
        values = [
            row["properties"]["numberofemployees"]
            for row in crm.found("companies", sorts=[sort], properties=["numberofemployees"])
        ]
        without = values.count(None)
        assert 0 < without < 20
        assert set(values[-without:]) == {None}


def test_ids_are_compared_as_numbers_or_as_texts(crm: Crm) -> None:
    rows = ids(live(crm, "contacts"))
    beyond = {"propertyName": "hs_object_id", "operator": "GT", "value": rows[100]}
    assert len(rows[100]) == 11
    assert ids(crm.found("contacts", sorts=BY_ID, filters=[beyond])) == rows[101:]
    crm.sandbox.limits("hubspot", search_id_order="text")
    found = ids(crm.found("contacts", sorts=BY_ID))
    assert found == sorted(rows)
    assert len(found[0]) == 12
    walked = ids(crm.found("contacts", sorts=BY_ID, filters=[beyond]))
    assert walked == sorted(name for name in rows if name > rows[100])


# Pages and the ceiling.


def test_pages_are_offsets_without_a_link(crm: Crm) -> None:
    first = crm.search("contacts", sorts=BY_ID).json()
    assert (len(first["results"]), first["paging"]) == (10, {"next": {"after": "10"}})
    second = crm.search("contacts", sorts=BY_ID, after=10, limit="200").json()
    assert ids(first["results"] + second["results"]) == ids(live(crm, "contacts"))[:210]
    assert first["total"] == second["total"] == len(live(crm, "contacts"))
    last = crm.search("contacts", sorts=BY_ID, after=str(first["total"] - 5)).json()
    assert len(last["results"]) == 5
    assert "paging" not in last


def test_nothing_is_given_beyond_the_ceiling(crm: Crm) -> None:
    assert crm.search("contacts", after="9800", limit=200).status_code == 200
    assert problem(crm.search("contacts", after="9801", limit=200)) == (400, "VALIDATION_ERROR")
    crm.sandbox.limits("hubspot", search_ceiling=50)
    answer = crm.search("contacts", after="40").json()
    assert (answer["paging"]["next"]["after"], answer["total"]) == ("50", len(live(crm, "contacts")))
    assert "50" in crm.search("contacts", after="50").json()["message"]


def test_more_than_the_ceiling_can_share_one_millisecond_and_are_read_by_walking_ids(crm: Crm) -> None:
    crm.sandbox.limits("hubspot", search_ceiling=50)
    filters = window("contacts", JOB, JOB)
    total = crm.search("contacts", filters=filters).json()["total"]
    assert total > 50
    walked: list[str] = []
    while True:
        beyond = [{"propertyName": "hs_object_id", "operator": "GT", "value": walked[-1] if walked else "0"}]
        rows = crm.search("contacts", filters=filters + beyond, sorts=BY_ID, limit=50).json()["results"]
        if not rows:
            break
        walked += ids(rows)
    assert walked == ids(live(crm, "contacts", lambda row: _at(row, "lastmodifieddate") == JOB))
    assert len(walked) == total


def test_clusters_are_of_one_millisecond_for_every_kind(crm: Crm) -> None:
    for kind, least in (("contacts", 50), ("companies", 50), ("deals", 10)):
        times = Counter(row["updatedAt"] for row in live(crm, kind))
        assert times.most_common(1)[0][1] > least


# Lateness.


def test_changes_are_found_late_and_out_of_order(crm: Crm) -> None:
    crm.sandbox.limits("hubspot", search_lag_seconds=7_200)
    start, step = crm.sandbox.clock.now(), timedelta(minutes=15)
    seen: dict[str, int] = {}
    new = [{"propertyName": "createdate", "operator": "GTE", "value": str(millis(start))}]
    for number in range(96):
        crm.sandbox.clock.set(start + number * step)
        for name in ids(crm.found("contacts", filters=new)):
            seen.setdefault(name, millis(crm.sandbox.clock.now()))
    born = {row["id"]: _at(row["properties"], "createdate") for row in live(crm, "contacts")}
    late = [found - born[name] for name, found in seen.items()]
    assert len(late) >= 5
    assert min(late) >= 3_600_000
    assert max(late) <= 7_200_000 + millis(start + step) - millis(start)


def test_without_lag_a_change_is_found_at_once_and_by_default_after_five_seconds(crm: Crm) -> None:
    newest = max(crm.sandbox.truth("hubspot", "deals"), key=lambda row: str(row["createdAt"]))
    born = datetime.fromisoformat(newest["createdAt"])

    def finds() -> bool:
        return newest["id"] in ids(crm.found("deals"))

    crm.sandbox.clock.set(born + timedelta(seconds=2))
    assert newest["id"] in ids(crm.records("deals"))
    assert not finds()
    crm.sandbox.clock.set(born + timedelta(seconds=7))
    assert finds()
    crm.sandbox.limits("hubspot", search_lag_seconds=0)
    crm.sandbox.clock.set(born)
    assert finds()
    crm.sandbox.clock.set(born - timedelta(milliseconds=1))
    assert not finds()


def test_rows_out_of_the_window_are_found_by_what_they_were_and_shown_as_they_are(crm: Crm) -> None:
    low, high = millis(datetime(2026, 2, 10, tzinfo=UTC)), millis(datetime(2026, 2, 20, tzinfo=UTC))
    honest = crm.changed("deals", low, high)
    crm.sandbox.fault("out_of_window_rows", endpoint="deals_search")
    found = crm.changed("deals", low, high)
    strays = [row for row in found if row not in honest]
    assert [row for row in found if row in honest] == honest
    assert len(strays) > 5
    assert {row["updatedAt"] > instant_text(high) for row in strays} == {True}
    assert strays == [row for row in live(crm, "deals") if row["id"] in ids(strays)]
    assert crm.search("deals", filters=window("deals", low, high)).json()["total"] == len(found)


# Refusals.

FINE = {"propertyName": "amount", "operator": "GT", "value": "1"}


@pytest.mark.parametrize(
    "body",
    [
        {"limit": 201},
        {"limit": 0},
        {"after": "-1"},
        {"after": "x"},
        {"after": "9" * 5_000},
        {"query": "x" * 3_001},
        {"sorts": ["amount", "createdate"]},
        {"sorts": [{"propertyName": "no_such_thing"}]},
        {"sorts": [{"propertyName": "amount", "direction": "UP"}]},
        {"properties": "amount"},
        {"archived": True},
        {"filters": [FINE], "filterGroups": [{"filters": [FINE]}]},
        {"filterGroups": [{"filters": [FINE]}] * 6},
        {"filterGroups": [{"filters": [FINE] * 7}]},
        {"filterGroups": [{"filters": [FINE] * 5}] * 4},
        {"filterGroups": ["amount"]},
        {"filters": [{**FINE, "propertyName": "no_such_thing"}]},
        {"filters": [{**FINE, "operator": "LIKE"}]},
        {"filters": [{**FINE, "value": "much"}]},
        {"filters": [{**FINE, "value": "NaN"}]},
        {"filters": [{"propertyName": "createdate", "operator": "GT", "value": "9" * 5_000}]},
        {"filters": [{**FINE, "value": None}]},
        {"filters": [{**FINE, "wert": "1"}]},
        {"filters": [{"propertyName": "dealstage", "operator": "IN", "value": "closedwon"}]},
        {"filters": [{"propertyName": "amount", "operator": "BETWEEN", "value": "1"}]},
        {"filters": [{"propertyName": "dealname", "operator": "CONTAINS_TOKEN", "value": "-"}]},
        {"filters": [{"propertyName": "createdate", "operator": "GT", "value": "2026-03-01T00:00:00Z"}]},
    ],
)
def test_what_a_search_cannot_do_is_refused(crm: Crm, body: Json) -> None:
    assert problem(crm.search("deals", **body)) == (400, "VALIDATION_ERROR")


def test_as_many_filters_as_are_documented_are_taken(crm: Crm) -> None:
    groups = [{"filters": [FINE] * 6}] * 3
    assert crm.search("deals", filterGroups=groups).json()["total"] == len(live(crm, "deals"))
    crm.sandbox.limits("hubspot", search_filters=17)
    assert crm.search("deals", filterGroups=groups).status_code == 400


def test_iso_texts_are_taken_when_they_are_switched_on(crm: Crm) -> None:
    crm.sandbox.limits("hubspot", search_accepts_iso=True)
    given = {"propertyName": "createdate", "operator": "GTE"}
    by_text = crm.search("deals", filters=[{**given, "value": "2026-03-01T00:00:00Z"}]).json()
    assert by_text == crm.search("deals", filters=[{**given, "value": str(MARCH)}]).json()
    assert by_text == crm.search("deals", filters=[{**given, "value": "2026-03-01"}]).json()
    assert crm.search("deals", filters=[{**given, "value": "yesterday"}]).status_code == 400


def test_what_was_created_first_can_be_found_later() -> None:
    portal = Portal(World(WorldConfig()), 0)
    records = list(portal.records(Kind.CONTACT, MARCH))
    found_at = [record.created + lateness(record, 7_200_000) for record in records]
    assert found_at != sorted(found_at)
    assert {3_600_000 <= lateness(record, 7_200_000) <= 7_200_000 for record in records} == {True}

"""HubSpot's lists, single records, batches and associations by bare HTTP."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest
from hubspot_client import KINDS, Crm, by_id, problem

from dataflow_assets.sandbox.hubspot import ids
from dataflow_assets.sandbox.hubspot.spelling import millis
from dataflow_assets.sandbox.testing import RunningSandbox
from dataflow_assets.sandbox.world import World
from dataflow_assets.sandbox.world.crm import End, Kind, Portal, Record

INSTANTS = [datetime(2026, 3, 20, 15, 40, tzinfo=UTC), datetime(2026, 5, 1, 12, tzinfo=UTC)]
LIST = "crm/v3/objects/contacts"


@pytest.fixture(scope="module")
def http() -> Iterator[httpx.Client]:
    with httpx.Client() as client:
        yield client


@pytest.fixture
def crm(sandbox: RunningSandbox, http: httpx.Client) -> Crm:
    return Crm(sandbox, http)


@pytest.fixture(scope="module")
def portal(shared: RunningSandbox) -> Portal:
    return Portal(World(shared.config), 0)


def ended(portal: Portal, kind: Kind, how: End, *, before: datetime) -> Record:
    """The first record of a kind that ends in a way, some days before an instant."""
    return next(
        record
        for record in portal.records(kind, millis(before))
        if record.ending and record.ending.how is how and record.ending.at < millis(before - timedelta(days=3))
    )


# Lists.


@pytest.mark.parametrize("now", INSTANTS)
@pytest.mark.parametrize("kind", KINDS)
def test_a_list_brings_everything_live_by_id(crm: Crm, kind: str, now: datetime) -> None:
    crm.sandbox.clock.set(now)
    truth = crm.sandbox.truth("hubspot", kind, deleted=False)
    assert crm.records(kind) == by_id(truth)
    assert len(truth) > 100


@pytest.mark.parametrize("limit", [3, 37, 100])
def test_pages_of_any_size_bring_the_same(crm: Crm, limit: int) -> None:
    pages = crm.pages("crm/v3/objects/deals", limit=limit)
    assert {len(page) for page in pages[:-1]} <= {limit}
    assert [row["id"] for page in pages for row in page] == [
        row["id"] for row in by_id(crm.sandbox.truth("hubspot", "deals", deleted=False))
    ]


def test_ids_are_ordered_as_numbers_which_is_not_the_order_of_texts(crm: Crm) -> None:
    found = [row["id"] for row in crm.records("contacts")]
    assert found == sorted(found, key=int) != sorted(found)


def test_the_last_page_has_no_paging_and_the_others_link_to_their_own_host(crm: Crm) -> None:
    first = crm.get(LIST, {"limit": 100, "properties": "email"}).json()
    following = first["paging"]["next"]
    assert following["link"].startswith(f"{crm.url}/{LIST}?limit=100&properties=email&after=")
    second = crm.get(LIST, {"limit": 100, "properties": "email", "after": following["after"]})
    assert second.json() == crm.get(following["link"]).json()
    last = crm.get(LIST, {"limit": 100}).json()
    while "paging" in last:
        last = crm.get(last["paging"]["next"]["link"]).json()
    assert last.keys() == {"results"}
    assert 0 < len(last["results"]) <= 100


def test_pages_neither_skip_nor_repeat_while_time_passes(crm: Crm) -> None:
    before = [row["id"] for row in crm.records("deals")]
    found: list[str] = []
    answer = crm.get("crm/v3/objects/deals", {"limit": 20}).json()
    while True:
        found += [row["id"] for row in answer["results"]]
        if "paging" not in answer:
            break
        crm.sandbox.clock.advance(6 * 3_600)
        answer = crm.get(answer["paging"]["next"]["link"]).json()
    after = {row["id"] for row in crm.records("deals")}
    assert len(found) == len(set(found))
    assert set(before) & after <= set(found)
    assert set(found) <= set(before) | after
    assert set(before) != after


@pytest.mark.parametrize("archived", ["true", "True", "TRUE"])
def test_lists_are_given_repeated_or_with_commas_and_flags_in_any_case(crm: Crm, archived: str) -> None:
    joined = crm.get(LIST, {"properties": "email, country", "archived": archived}).json()
    repeated = crm.get(LIST, {"properties": ["email", "country"], "archived": archived.lower()}).json()
    assert joined["results"] == repeated["results"]
    assert {row["archived"] for row in joined["results"]} == {True}


def test_only_what_is_asked_for_and_known_comes_with_what_always_comes(crm: Crm) -> None:
    row = crm.get(LIST, {"limit": 1, "properties": "country,no_such_thing,li_fat_id"}).json()["results"][0]
    assert row["properties"].keys() == {"country", "li_fat_id", "createdate", "lastmodifieddate", "hs_object_id"}
    assert row["properties"]["hs_object_id"] == row["id"]


@pytest.mark.parametrize("kind", KINDS)
def test_every_property_is_text_or_null(crm: Crm, kind: str) -> None:
    for row in crm.records(kind):
        assert {type(value) for value in row["properties"].values()} <= {str, type(None)}


def test_amounts_are_decimal_texts_of_their_currency(crm: Crm) -> None:
    rows = [row["properties"] for row in crm.records("deals")]
    decimals = {(row["deal_currency_code"], len(row["amount"].partition(".")[2])) for row in rows}
    assert {("EUR", 2), ("JPY", 0), ("KWD", 3)} <= decimals
    for row in rows:
        assert len(row["amount_in_home_currency"].partition(".")[2]) == 2
        assert row["deal_currency_code"] != "EUR" or row["amount"] == row["amount_in_home_currency"]


def test_who_came_by_an_ad_carries_its_campaign_and_click(crm: Crm) -> None:
    campaigns: dict[str, set[str]] = {"google": set(), "facebook": set(), "linkedin": set()}
    # At two instants: who came by a campaign stays when the campaign is deleted.
    for now in (datetime(2026, 1, 20, tzinfo=UTC), crm.sandbox.clock.now()):
        crm.sandbox.clock.set(now)
        campaigns["google"] |= {str(row["campaign"]["id"]) for row in crm.sandbox.truth("google_ads", "campaigns")}
        campaigns["facebook"] |= {row["id"] for row in crm.sandbox.truth("meta_ads", "campaigns")}
        campaigns["linkedin"] |= {str(row["id"]) for row in crm.sandbox.truth("linkedin_ads", "campaigns")}
    click = {"google": "hs_google_click_id", "facebook": "hs_facebook_click_id", "linkedin": "li_fat_id"}
    sources = {"google": "PAID_SEARCH", "facebook": "PAID_SOCIAL", "linkedin": "PAID_SOCIAL"}
    seen = set()
    for row in (record["properties"] for record in crm.records("contacts")):
        given = {name for name in click.values() if row[name]}
        seen.add(row["utm_source"])
        if row["utm_source"] is None:
            assert not given
            assert row["utm_campaign"] is None
            assert row["hs_analytics_source"] not in {"PAID_SEARCH", "PAID_SOCIAL"}
        else:
            assert given == {click[row["utm_source"]]}
            assert row["hs_analytics_source"] == sources[row["utm_source"]]
            assert row["utm_campaign"] in campaigns[row["utm_source"]]
    assert seen == {None, "google", "facebook", "linkedin"}


@pytest.mark.parametrize(
    "params",
    [
        {"limit": 101},
        {"limit": 0},
        {"limit": "x"},
        {"limit": "9" * 5_000},
        {"limit": 51, "propertiesWithHistory": "email"},
        {"archived": "maybe"},
        {"after": "48211093772"},
        {"associations": "tickets"},
        {"associations": "contacts"},
        {"sort": "email"},
    ],
)
def test_what_a_list_cannot_do_is_refused(crm: Crm, params: dict[str, Any]) -> None:
    answer = crm.get(LIST, params)
    assert problem(answer) == (400, "VALIDATION_ERROR")
    assert answer.json()["correlationId"] == answer.headers["X-HubSpot-Correlation-Id"]


def test_an_after_of_another_list_is_refused(crm: Crm) -> None:
    after = crm.get(LIST, {"limit": 1}).json()["paging"]["next"]["after"]
    assert crm.get(LIST, {"limit": 1, "after": after}).status_code == 200
    for path, params in (("crm/v3/objects/deals", {}), (LIST, {"archived": "true"})):
        assert problem(crm.get(path, {"limit": 1, "after": after, **params})) == (400, "VALIDATION_ERROR")


# Addresses.


@pytest.mark.parametrize(
    ("old", "dated"),
    [
        ("crm/v3/objects/contacts", "crm/objects/2026-09/contacts"),
        ("crm/v3/objects/0-2", "crm/objects/2026-03/company"),
        ("crm/v3/objects/deal", "crm/objects/2026-09/0-3"),
        ("crm/v3/owners/", "crm/owners/2026-09"),
        ("crm/v3/pipelines/deals", "crm/pipelines/2026-09/0-3"),
        ("crm/v3/properties/contacts", "crm/properties/2026-09/contact/"),
        ("account-info/v3/details", "account-info/2026-03/details"),
    ],
)
def test_both_families_of_addresses_answer_the_same(crm: Crm, old: str, dated: str) -> None:
    one, other = crm.get(old).json(), crm.get(dated).json()
    for answer in (one, other):
        answer.pop("paging", None)
    assert one == other


def test_searches_and_batches_have_dated_addresses_too(crm: Crm) -> None:
    for old, dated, body in (
        ("crm/v3/objects/deals/search", "crm/objects/2026-09/0-3/search", {"limit": 3}),
        ("crm/v3/objects/deals/batch/read", "crm/objects/2026-09/deals/batch/read", {"inputs": [{"id": "1"}]}),
        (
            "crm/v4/associations/deal/contact/batch/read",
            "crm/associations/2026-09/0-3/0-1/batch/read",
            {"inputs": [{"id": "1"}]},
        ),
    ):
        one, other = crm.post(old, body), crm.post(dated, body)
        assert (one.status_code, one.json()) == (other.status_code, other.json())


@pytest.mark.parametrize(
    "path",
    [
        "crm/v1/objects/contacts",
        "crm/v4/objects/contacts",
        "crm/objects/2025-09/contacts",
        "crm/v3/associations/deals/contacts/batch/read",
        "crm/v3/lists",
        "contacts/v1/lists/all/contacts/all",
        "",
    ],
)
def test_an_address_that_does_not_exist_is_not_found(crm: Crm, path: str) -> None:
    assert crm.get(path).status_code == 404


def test_writing_and_wrong_types_are_refused(crm: Crm) -> None:
    assert crm.post(LIST, {"properties": {}}).status_code == 405
    assert crm.get(f"{LIST}/search").status_code == 405
    assert problem(crm.get("crm/v3/objects/tickets")) == (400, "VALIDATION_ERROR")
    assert problem(crm.get("crm/v3/pipelines/contacts")) == (400, "VALIDATION_ERROR")
    plain = crm.client.post(f"{crm.url}/{LIST}/search", content="{}", headers=crm.headers)
    assert plain.status_code == 415
    broken = crm.client.post(
        f"{crm.url}/{LIST}/search", content="{", headers={**crm.headers, "Content-Type": "application/json"}
    )
    assert problem(broken) == (400, "VALIDATION_ERROR")


def test_an_address_that_is_too_long_is_refused(crm: Crm) -> None:
    assert crm.get(LIST, {"properties": ",".join(f"property_{number}" for number in range(1_500))}).status_code == 414


# What happens to records.


def test_archiving_does_not_touch_the_last_change(crm: Crm, portal: Portal) -> None:
    record = ended(portal, Kind.CONTACT, End.ARCHIVED, before=crm.sandbox.clock.now())
    assert record.ending is not None
    path = f"{LIST}/{ids.id_of(portal, record)}"
    at = datetime.fromtimestamp(record.ending.at / 1_000, UTC)
    crm.sandbox.clock.set(at - timedelta(seconds=1))
    live = crm.get(path).json()
    crm.sandbox.clock.set(at + timedelta(seconds=1))
    assert problem(crm.get(path)) == (404, "OBJECT_NOT_FOUND")
    archived = crm.get(path, {"archived": "true"}).json()
    assert archived.pop("archivedAt") > live["updatedAt"]
    assert archived == {**live, "archived": True}


def test_an_archived_record_is_gone_after_90_days(crm: Crm, portal: Portal) -> None:
    record = ended(portal, Kind.CONTACT, End.ARCHIVED, before=crm.sandbox.clock.now())
    assert record.ending is not None
    name = ids.id_of(portal, record)
    end = datetime.fromtimestamp(record.ending.at / 1_000, UTC) + timedelta(days=90)
    crm.sandbox.clock.set(end - timedelta(seconds=1))
    assert name in [row["id"] for row in crm.records("contacts", archived=True)]
    crm.sandbox.clock.set(end)
    assert name not in [row["id"] for row in crm.records("contacts", archived=True)]
    assert name not in [row["id"] for row in crm.sandbox.truth("hubspot", "contacts")]
    assert crm.get(f"{LIST}/{name}", {"archived": "true"}).status_code == 404


def test_an_erased_contact_leaves_no_trace(crm: Crm, portal: Portal) -> None:
    record = ended(portal, Kind.CONTACT, End.ERASED, before=crm.sandbox.clock.now())
    name = ids.id_of(portal, record)
    assert name not in [row["id"] for row in crm.records("contacts") + crm.records("contacts", archived=True)]
    for archived in ("false", "true"):
        assert crm.get(f"{LIST}/{name}", {"archived": archived}).status_code == 404


def test_a_merged_contact_is_answered_by_the_one_that_is_left(crm: Crm, portal: Portal) -> None:
    record = ended(portal, Kind.CONTACT, End.MERGED, before=crm.sandbox.clock.now())
    loser, survivor = ids.id_of(portal, record), ids.record_id(portal, Kind.CONTACT, record.number, 0)
    listed = {row["id"]: row for row in crm.records("contacts")}
    assert loser not in listed
    assert listed[survivor]["properties"]["hs_merged_object_ids"] == loser
    assert loser not in [row["id"] for row in crm.records("contacts", archived=True)]
    assert crm.get(f"{LIST}/{loser}").json()["id"] == survivor
    batch = crm.post(f"{LIST}/batch/read", {"inputs": [{"id": loser}], "properties": ["email"]})
    assert (batch.status_code, [row["id"] for row in batch.json()["results"]]) == (200, [survivor])


def test_merged_deals_live_on_under_a_new_id_with_the_stages_of_the_first(crm: Crm, portal: Portal) -> None:
    record = ended(portal, Kind.DEAL, End.MERGED, before=crm.sandbox.clock.now())
    first, twin, merged = (ids.record_id(portal, Kind.DEAL, record.number, copy) for copy in range(3))
    listed = {row["id"]: row for row in crm.records("deals")}
    assert {first, twin}.isdisjoint(listed)
    assert listed[merged]["properties"]["hs_merged_object_ids"] == f"{first};{twin}"
    for old in (first, twin):
        assert crm.get(f"crm/v3/objects/deals/{old}").json()["id"] == merged
        assert crm.links("deals", "contacts", [old]) == []
        assert crm.get(f"crm/v4/objects/deals/{old}/associations/contacts").json() == {"results": []}
    assert crm.links("deals", "contacts", [merged])
    history = crm.get(f"crm/v3/objects/deals/{merged}", {"propertiesWithHistory": "dealstage"}).json()
    stages = history["propertiesWithHistory"]["dealstage"]
    assert stages[-1]["timestamp"] == history["createdAt"]
    assert stages == sorted(stages, key=lambda entry: entry["timestamp"], reverse=True)


def test_the_amount_of_a_won_deal_changes_long_after_it_was_closed(crm: Crm) -> None:
    earlier, later = INSTANTS
    crm.sandbox.clock.set(earlier)
    before = {row["id"]: row["properties"] for row in crm.records("deals")}
    crm.sandbox.clock.set(later)
    changed = [
        (before[row["id"]], row["properties"])
        for row in crm.records("deals")
        if row["id"] in before and row["properties"]["amount"] != before[row["id"]]["amount"]
    ]
    assert len(changed) >= 3
    for old, new in changed:
        assert new["hs_is_closed_won"] == "true"
        assert float(new["amount"]) < float(old["amount"])
        assert new["closedate"] < new["hs_lastmodifieddate"]


# One record and batches.


def test_a_contact_is_read_by_email(crm: Crm) -> None:
    row = crm.records("contacts")[11]
    email = row["properties"]["email"]
    assert crm.get(f"{LIST}/{email.upper()}", {"idProperty": "email"}).json()["id"] == row["id"]
    body = {"inputs": [{"id": email}, {"id": "nobody@nowhere.example"}], "idProperty": "email"}
    answer = crm.post(f"{LIST}/batch/read", body)
    assert (answer.status_code, [one["id"] for one in answer.json()["results"]]) == (207, [row["id"]])
    assert problem(crm.get(f"{LIST}/1", {"idProperty": "li_fat_id"})) == (400, "VALIDATION_ERROR")


def test_a_batch_answers_in_its_own_order_and_once_for_each(crm: Crm) -> None:
    rows = crm.records("deals")[10:14]
    body = {"inputs": [{"id": row["id"]} for row in [*reversed(rows), rows[0]]], "properties": ["dealname"]}
    answer = crm.post("crm/v3/objects/deals/batch/read", body)
    assert answer.json().keys() == {"status", "results", "startedAt", "completedAt"}
    assert [row["id"] for row in answer.json()["results"]] == [row["id"] for row in rows]


def test_archived_records_are_read_in_batches_of_their_own(crm: Crm) -> None:
    row = crm.records("deals", archived=True)[0]
    body = {"inputs": [{"id": row["id"]}], "propertiesWithHistory": ["dealstage"]}
    assert crm.post("crm/v3/objects/deals/batch/read", body).json()["numErrors"] == 1
    found = crm.post("crm/v3/objects/deals/batch/read?archived=true", body).json()["results"]
    assert [(one["id"], one["archived"]) for one in found] == [(row["id"], True)]
    assert found[0]["propertiesWithHistory"]["dealstage"][0]["value"] == row["properties"]["dealstage"]


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"inputs": []},
        {"inputs": ["1"]},
        {"inputs": [{"identifier": "1"}]},
        {"inputs": [{"id": "1"}], "properties": "email"},
        {"inputs": [{"id": "1"}], "archived": True},
        {"inputs": [{"id": str(number)} for number in range(101)]},
        {"inputs": [{"id": str(number)} for number in range(51)], "propertiesWithHistory": ["dealstage"]},
    ],
)
def test_what_a_batch_cannot_do_is_refused(crm: Crm, body: dict[str, Any]) -> None:
    assert problem(crm.post("crm/v3/objects/deals/batch/read", body)) == (400, "VALIDATION_ERROR")


def test_histories_are_newest_first_and_tell_who_did_it(crm: Crm) -> None:
    found = crm.listing(LIST, limit=50, propertiesWithHistory="lifecyclestage,hubspot_owner_id")
    histories = [row["propertiesWithHistory"] for row in found]
    kinds = {entry["sourceType"] for one in histories for entry in one["lifecyclestage"]}
    assert {"FORM", "CRM_UI", "AUTOMATION_PLATFORM"} <= kinds
    assert max(len(one["lifecyclestage"]) for one in histories) == 4
    assert {len(one["hubspot_owner_id"]) for one in histories} == {0, 1}
    for one in histories:
        times = [entry["timestamp"] for entry in one["lifecyclestage"]]
        assert times == sorted(times, reverse=True)

"""HubSpot's associations, owners, pipelines, properties and portals by bare HTTP."""

from collections.abc import Iterator
from datetime import UTC, datetime

import httpx
import pytest
from hubspot_client import KINDS, LINKS, Crm, by_id, problem

from dataflow_assets.sandbox.testing import RunningSandbox, run_sandbox
from dataflow_assets.sandbox.world import WorldConfig

INSTANTS = [datetime(2026, 3, 20, 15, 40, tzinfo=UTC), datetime(2026, 5, 1, 12, tzinfo=UTC)]
LIST = "crm/v3/objects/contacts"


@pytest.fixture(scope="module")
def http() -> Iterator[httpx.Client]:
    with httpx.Client() as client:
        yield client


@pytest.fixture
def crm(sandbox: RunningSandbox, http: httpx.Client) -> Crm:
    return Crm(sandbox, http)


# Associations.


@pytest.mark.parametrize("now", INSTANTS)
@pytest.mark.parametrize("stream", LINKS)
@pytest.mark.parametrize("size", [1, 500])
def test_associations_come_in_pages_of_each_record(crm: Crm, stream: str, now: datetime, size: int) -> None:
    crm.sandbox.clock.set(now)
    crm.sandbox.limits("hubspot", associations_per_page=size)
    kind, to = LINKS[stream]
    truth = crm.sandbox.truth("hubspot", stream)
    found = crm.links(kind, to, [row["id"] for row in crm.records(kind)])
    assert sorted(found, key=str) == sorted(truth, key=str)
    assert len(truth) > len({row["from_id"] for row in truth}) or stream == "deal_companies"


def test_associations_look_the_same_from_the_other_end(crm: Crm) -> None:
    there = {(row["from_id"], row["to_id"]) for row in crm.sandbox.truth("hubspot", "deal_contacts")}
    back = crm.links("contacts", "deals", [row["id"] for row in crm.records("contacts")])
    assert {(row["to_id"], row["from_id"]) for row in back} == there
    assert {kind["typeId"] for row in back for kind in row["types"]} == {4, 18}


def test_every_kind_of_association_has_its_number_and_label(crm: Crm) -> None:
    seen = {
        stream: {
            (kind["category"], kind["typeId"], kind["label"])
            for row in crm.sandbox.truth("hubspot", stream)
            for kind in row["types"]
        }
        for stream in LINKS
    }
    own = "HUBSPOT_DEFINED"
    assert seen == {
        "deal_contacts": {(own, 3, None), ("USER_DEFINED", 17, "Champion")},
        "deal_companies": {(own, 5, "Primary"), (own, 341, None)},
        "contact_companies": {(own, 1, "Primary"), (own, 279, None)},
    }


def test_the_other_id_is_a_number_and_that_of_the_record_a_text(crm: Crm) -> None:
    deal = crm.sandbox.truth("hubspot", "deal_contacts")[0]["from_id"]
    answer = crm.post("crm/v4/associations/deals/contacts/batch/read", {"inputs": [{"id": deal}]}).json()
    row = answer["results"][0]
    assert row["from"] == {"id": deal}
    assert type(row["to"][0]["toObjectId"]) is int
    single = crm.get(f"crm/v4/objects/deals/{deal}/associations/contacts").json()
    assert single == {"results": row["to"]}


def test_associations_inside_of_a_list_repeat_the_id_for_each_kind_and_lead_on(crm: Crm) -> None:
    crm.sandbox.limits("hubspot", associations_per_page=1)
    truth = crm.sandbox.truth("hubspot", "contact_companies")
    rows = [row for row in crm.records("contacts", associations="companies") if "associations" in row]
    found = set()
    for row in rows:
        links = row["associations"]["companies"]
        names = [(one["id"], one["type"]) for one in links["results"]]
        assert names[0][1] in {"contact_to_company", "contact_to_company_unlabeled"}
        found |= {(row["id"], one) for one, _ in names}
        if "paging" in links:
            rest = crm.get(links["paging"]["next"]["link"]).json()["results"]
            found |= {(row["id"], str(one["toObjectId"])) for one in rest}
    assert found == {(row["from_id"], row["to_id"]) for row in truth}
    assert any("paging" in row["associations"]["companies"] for row in rows)
    assert any(len(row["associations"]["companies"]["results"]) == 2 for row in rows)


def test_records_without_associations_are_reported_or_left_out(crm: Crm) -> None:
    linked = {row["from_id"] for row in crm.sandbox.truth("hubspot", "deal_contacts")}
    alone = next(row["id"] for row in crm.records("deals") if row["id"] not in linked)
    body = {"inputs": [{"id": alone}, {"id": min(linked)}]}
    answer = crm.post("crm/v4/associations/deals/contacts/batch/read", body)
    assert (answer.status_code, answer.json()["numErrors"]) == (207, 1)
    assert answer.json()["errors"][0]["subCategory"] == "crm.associations.NO_ASSOCIATIONS_FOUND"
    crm.sandbox.limits("hubspot", report_no_associations=False)
    answer = crm.post("crm/v4/associations/deals/contacts/batch/read", body)
    assert (answer.status_code, len(answer.json()["results"])) == (200, 1)
    assert "errors" not in answer.json()


def test_what_associations_cannot_do_is_refused(crm: Crm) -> None:
    path = "crm/v4/associations/deals/contacts/batch/read"
    most = [{"id": str(number)} for number in range(1_001)]
    assert crm.post(path, {"inputs": most[:1_000]}).status_code == 207
    assert problem(crm.post(path, {"inputs": most})) == (400, "VALIDATION_ERROR")
    assert problem(crm.post(path, {"inputs": most[:1], "limit": 3})) == (400, "VALIDATION_ERROR")
    assert problem(crm.post(path.replace("contacts", "deals"), {"inputs": most[:1]})) == (400, "VALIDATION_ERROR")
    deal = crm.sandbox.truth("hubspot", "deal_contacts")[0]["from_id"]
    wrong = {"inputs": [{"id": deal, "after": "1"}]}
    assert problem(crm.post(path, wrong)) == (400, "VALIDATION_ERROR")
    assert crm.get("crm/v4/objects/deals/5/associations/contacts").status_code == 404
    assert crm.get(f"crm/v4/objects/deals/{deal}/associations/contacts", {"limit": 501}).status_code == 400


# Owners, pipelines, properties, portals.


def test_owners_come_in_pages_and_by_email(crm: Crm) -> None:
    truth = crm.sandbox.truth("hubspot", "owners", deleted=False)
    assert crm.pages("crm/v3/owners/", limit=3) == [truth[:3], truth[3:]]
    assert crm.listing("crm/v3/owners", email=truth[2]["email"]) == [truth[2]]
    assert crm.get("crm/v3/owners", {"limit": 501}).status_code == 400
    gone = crm.listing("crm/v3/owners", archived="True")
    assert [row["archived"] for row in gone] == [True]
    assert "userId" not in gone[0]
    owned = {row["properties"]["hubspot_owner_id"] for row in crm.records("deals")}
    assert gone[0]["id"] in owned <= {row["id"] for row in truth + gone}
    assert crm.get(f"crm/v3/owners/{gone[0]['id']}").status_code == 404
    assert crm.get(f"crm/v3/owners/{gone[0]['id']}", {"archived": "true"}).json() == gone[0]


def test_an_owner_is_in_charge_until_they_leave(crm: Crm) -> None:
    crm.sandbox.clock.set(datetime(2026, 2, 1, tzinfo=UTC))
    assert crm.listing("crm/v3/owners", archived="true") == []
    before = {row["id"]: row for row in crm.listing("crm/v3/owners")}
    crm.sandbox.clock.set(datetime(2026, 5, 1, tzinfo=UTC))
    (gone,) = crm.listing("crm/v3/owners", archived="true")
    assert before[gone["id"]]["updatedAt"] < gone["updatedAt"]
    assert before[gone["id"]]["userId"] == gone["userIdIncludingInactive"]


def test_pipelines_hold_every_stage_of_a_deal_and_one_is_renamed(crm: Crm) -> None:
    pipelines = crm.get("crm/v3/pipelines/deals").json()["results"]
    stages = {(pipeline["id"], stage["id"]) for pipeline in pipelines for stage in pipeline["stages"]}
    rows = [row["properties"] for row in crm.records("deals")]
    assert {row["pipeline"] for row in rows} == {pipeline["id"] for pipeline in pipelines}
    assert {(row["pipeline"], row["dealstage"]) for row in rows} <= stages
    closed = {stage["id"] for one in pipelines for stage in one["stages"] if stage["metadata"]["isClosed"] == "true"}
    assert {row["dealstage"] for row in rows if row["hs_is_closed"] == "true"} == closed
    crm.sandbox.clock.set(datetime(2026, 2, 1, tzinfo=UTC))
    before = crm.get("crm/v3/pipelines/deals").json()["results"]
    assert [one["updatedAt"] for one in before] != [one["updatedAt"] for one in pipelines]
    labels = [
        (old["label"], new["label"])
        for old, new in zip(before[0]["stages"], pipelines[0]["stages"], strict=True)
        if old != new
    ]
    assert labels == [("Contract sent", "Offer sent")]


def test_properties_are_defined(crm: Crm) -> None:
    found = {row["name"]: row for row in crm.get("crm/v3/properties/deals").json()["results"]}
    assert found["dealstage"]["type"] == "enumeration"
    assert "closedwon" in [option["value"] for option in found["dealstage"]["options"]]
    assert crm.get("crm/v3/properties/deals/amount").json() == found["amount"]
    assert crm.get("crm/v3/properties/deals/nothing").status_code == 404
    assert crm.get("crm/v3/properties/deals", {"archived": "true"}).json() == {"results": []}


def test_two_portals_are_two_accounts_with_their_own_currency() -> None:
    config = WorldConfig(hubspot_portals=2)
    with run_sandbox(config) as sandbox, httpx.Client() as client:
        portals = [Crm(sandbox, client, number) for number in range(2)]
        details = [portal.get("account-info/v3/details").json() for portal in portals]
        names = [str(one["portalId"]) for one in details]
        assert [(one["companyCurrency"], one["timeZone"], one["utcOffset"]) for one in details] == [
            ("EUR", "Europe/Berlin", "+02:00"),
            ("USD", "America/Los_Angeles", "-07:00"),
        ]
        assert details[1]["utcOffsetMilliseconds"] == -7 * 3_600_000
        assert "EUR" in details[1]["additionalCurrencies"]
        for kind in KINDS:
            told = [sandbox.truth("hubspot", kind, account=name, deleted=False) for name in names]
            assert [portal.records(kind) for portal in portals] == [by_id(rows) for rows in told]
            assert {row["id"] for row in told[0]}.isdisjoint(row["id"] for row in told[1])
        for row in portals[1].records("deals"):
            told = row["properties"]
            assert told["deal_currency_code"] != "USD" or told["amount"] == told["amount_in_home_currency"]
        assert portals[1].get(f"{LIST}/{portals[0].records('contacts')[0]['id']}").status_code == 404
        assert sandbox.requests()["by_account"]["hubspot"].keys() == set(names)
        with pytest.raises(ValueError, match="no stream or account"):
            sandbox.truth("hubspot", "contacts", account="1")


@pytest.mark.parametrize("stream", ["campaigns", ""])
def test_truth_of_an_unknown_stream_is_refused(sandbox: RunningSandbox, stream: str) -> None:
    with pytest.raises(ValueError, match="no stream or account"):
        sandbox.truth("hubspot", stream)

"""HubSpot's own SDK reads the sandbox as it reads HubSpot. Whatever it gets is compared with the world's truth."""

from datetime import UTC, datetime
from typing import Any

import hubspot
import pytest
from hubspot.crm import companies, contacts, deals
from hubspot.crm.associations.v4 import (
    BatchInputPublicFetchAssociationsBatchRequest,
    PublicFetchAssociationsBatchRequest,
)
from hubspot.crm.contacts.exceptions import ApiException
from hubspot_client import KINDS, LINKS, bare, by_id, window

from dataflow_assets.sandbox.hubspot.auth import CLIENT_ID, CLIENT_SECRET, private_token, refresh_token
from dataflow_assets.sandbox.hubspot.properties import DEFAULTS, TOLD
from dataflow_assets.sandbox.hubspot.spelling import instant_text, millis
from dataflow_assets.sandbox.testing import RunningSandbox

INSTANTS = [datetime(2026, 3, 20, 15, 40, tzinfo=UTC), datetime(2026, 5, 1, 12, tzinfo=UTC)]
MODELS = {"contacts": contacts, "companies": companies, "deals": deals}


@pytest.fixture
def sdk(sandbox: RunningSandbox) -> Any:
    return hubspot.Client.create(access_token=private_token(0), host=sandbox.hubspot_url)


def api(sdk: Any, kind: str) -> Any:
    return getattr(sdk.crm, kind)


def as_told(record: Any) -> dict[str, Any]:
    """What the SDK made of a record, in HubSpot's terms again."""
    row = {
        "id": record.id,
        "properties": record.properties,
        "createdAt": instant_text(millis(record.created_at)),
        "updatedAt": instant_text(millis(record.updated_at)),
        "archived": record.archived,
    }
    if record.archived_at is not None:
        row["archivedAt"] = instant_text(millis(record.archived_at))
    return bare(row)


@pytest.mark.parametrize("now", INSTANTS)
@pytest.mark.parametrize("kind", KINDS)
def test_get_all_brings_every_record_live_or_archived(
    sdk: Any, sandbox: RunningSandbox, kind: str, now: datetime
) -> None:
    sandbox.clock.set(now)
    found = [
        as_told(record)
        for archived in (False, True)
        for record in api(sdk, kind).get_all(properties=list(TOLD[KINDS[kind]]), archived=archived)
    ]
    truth = sandbox.truth("hubspot", kind)
    assert by_id(found) == by_id(truth)
    assert {row["archived"] for row in truth} == {False, True}
    assert len(truth) > 100


@pytest.mark.parametrize("kind", KINDS)
def test_pages_have_default_properties_and_lead_to_the_next(sdk: Any, kind: str) -> None:
    first = api(sdk, kind).basic_api.get_page(limit=2, archived=False)
    second = api(sdk, kind).basic_api.get_page(limit=2, after=first.paging.next.after)
    assert len({record.id for page in (first, second) for record in page.results}) == 4
    always = {"createdate", "hs_object_id", "lastmodifieddate" if kind == "contacts" else "hs_lastmodifieddate"}
    assert first.results[0].properties.keys() == {*DEFAULTS[KINDS[kind]], *always}


def test_a_page_can_bring_associations(sdk: Any, sandbox: RunningSandbox) -> None:
    truth = {
        name: {(row["from_id"], row["to_id"]) for row in sandbox.truth("hubspot", name)}
        for name in ("deal_contacts", "deal_companies")
    }
    page = sdk.crm.deals.basic_api.get_page(limit=100, associations=["contacts", "companies"])
    ids = {record.id for record in page.results}
    for to, name in (("contacts", "deal_contacts"), ("companies", "deal_companies")):
        found = {
            (record.id, one.id)
            for record in page.results
            for one in (record.associations or {}).get(to, _NoLinks).results
        }
        assert found == {pair for pair in truth[name] if pair[0] in ids}
        assert len(found) > 50


class _NoLinks:
    results: tuple[()] = ()


@pytest.mark.parametrize("kind", KINDS)
def test_one_record_is_read_by_its_id(sdk: Any, sandbox: RunningSandbox, kind: str) -> None:
    truth = sandbox.truth("hubspot", kind, deleted=False)[7]
    record = api(sdk, kind).basic_api.get_by_id(truth["id"], properties=list(TOLD[KINDS[kind]]))
    assert as_told(record) == truth


@pytest.mark.parametrize("as_dict", [True, False])
@pytest.mark.parametrize("kind", KINDS)
def test_a_search_takes_models_and_dicts(sdk: Any, sandbox: RunningSandbox, kind: str, *, as_dict: bool) -> None:
    low, high = millis(datetime(2026, 3, 1, tzinfo=UTC)), millis(datetime(2026, 3, 31, tzinfo=UTC))
    body: Any = {
        "filterGroups": [{"filters": window(kind, low, high)}],
        "sorts": ["hs_object_id"],
        "properties": list(TOLD[KINDS[kind]]),
        "limit": 200,
        "after": "0",
    }
    if not as_dict:
        models = MODELS[kind]
        filters = [
            models.Filter(property_name=one["propertyName"], operator=one["operator"], value=one["value"])
            for one in window(kind, low, high)
        ]
        body = models.PublicObjectSearchRequest(
            filter_groups=[models.FilterGroup(filters=filters)],
            sorts=body["sorts"],
            properties=body["properties"],
            limit=200,
            after="0",
        )
    answer = api(sdk, kind).search_api.do_search(body)
    truth = [
        row
        for row in sandbox.truth("hubspot", kind, deleted=False)
        if low <= millis(datetime.fromisoformat(row["updatedAt"])) <= high
    ]
    assert [as_told(record) for record in answer.results] == by_id(truth)[:200]
    assert answer.total == len(truth) > 30


@pytest.mark.parametrize("kind", KINDS)
def test_a_batch_reads_what_there_is(sdk: Any, sandbox: RunningSandbox, kind: str) -> None:
    models = MODELS[kind]
    truth = sandbox.truth("hubspot", kind, deleted=False)[40:60]
    inputs = [models.SimplePublicObjectId(id=row["id"]) for row in reversed(truth)]
    wanted = models.BatchReadInputSimplePublicObjectId(
        properties=list(TOLD[KINDS[kind]]), properties_with_history=[], inputs=inputs
    )
    answer = api(sdk, kind).batch_api.read(wanted)
    assert (answer.status, [as_told(record) for record in answer.results]) == ("COMPLETE", by_id(truth))
    wanted.inputs = [*inputs[:2], models.SimplePublicObjectId(id="5")]
    answer = api(sdk, kind).batch_api.read(wanted)
    assert (len(answer.results), answer.num_errors, answer.errors[0].context) == (2, 1, {"ids": ["5"]})


@pytest.mark.parametrize("now", INSTANTS)
def test_the_history_of_stages_is_that_of_the_world(sdk: Any, sandbox: RunningSandbox, now: datetime) -> None:
    sandbox.clock.set(now)
    found = [
        {"deal_id": deal.id, "stage": entry.value, "timestamp": instant_text(millis(entry.timestamp))}
        for archived in (False, True)
        for deal in sdk.crm.deals.get_all(properties_with_history=["dealstage"], archived=archived)
        for entry in reversed(deal.properties_with_history["dealstage"])
    ]
    truth = sandbox.truth("hubspot", "deal_stage_history")
    assert sorted(found, key=str) == sorted(truth, key=str)
    assert len(truth) > 200


@pytest.mark.parametrize("now", INSTANTS)
@pytest.mark.parametrize("stream", LINKS)
def test_associations_are_read_in_batches(sdk: Any, sandbox: RunningSandbox, stream: str, now: datetime) -> None:
    sandbox.clock.set(now)
    kind, to = LINKS[stream]
    inputs = [
        PublicFetchAssociationsBatchRequest(id=row["id"]) for row in sandbox.truth("hubspot", kind, deleted=False)
    ]
    answer = sdk.crm.associations.v4.batch_api.get_page(
        kind, to, BatchInputPublicFetchAssociationsBatchRequest(inputs=inputs)
    )
    found = [
        {
            "from_id": row._from.id,
            "to_id": one.to_object_id,
            "types": [
                {"category": kind.category, "typeId": kind.type_id, "label": kind.label}
                for kind in one.association_types
            ],
        }
        for row in answer.results
        for one in row.to
    ]
    truth = sandbox.truth("hubspot", stream)
    assert found == truth
    assert len(truth) > 100


def test_associations_of_one_record_are_read(sdk: Any, sandbox: RunningSandbox) -> None:
    row = sandbox.truth("hubspot", "deal_contacts")[5]
    answer = sdk.crm.associations.v4.basic_api.get_page("deals", row["from_id"], "contacts", limit=500)
    assert row["to_id"] in [one.to_object_id for one in answer.results]


@pytest.mark.parametrize("now", INSTANTS)
def test_owners_are_read_those_who_have_left_apart(sdk: Any, sandbox: RunningSandbox, now: datetime) -> None:
    sandbox.clock.set(now)
    found = [
        owner
        for archived in (False, True)
        for owner in sdk.crm.owners.owners_api.get_page(limit=100, archived=archived).results
    ]
    truth = sandbox.truth("hubspot", "owners")
    assert [(one.id, one.email, one.archived, one.user_id) for one in found] == [
        (row["id"], row["email"], row["archived"], row.get("userId")) for row in truth
    ]
    assert [one.archived for one in found] == [False] * 4 + [True]
    assert sdk.crm.owners.owners_api.get_by_id(truth[0]["id"]).last_name == truth[0]["lastName"]


def test_pipelines_and_properties_are_read(sdk: Any, sandbox: RunningSandbox) -> None:
    pipelines = sdk.crm.pipelines.pipelines_api.get_all("deals").results
    truth = sandbox.truth("hubspot", "pipelines")
    assert [(one.id, one.label, [stage.id for stage in one.stages]) for one in pipelines] == [
        (row["id"], row["label"], [stage["id"] for stage in row["stages"]]) for row in truth
    ]
    for kind, known in KINDS.items():
        found = {one.name: one.type for one in sdk.crm.properties.core_api.get_all(kind).results}
        assert found.keys() >= set(TOLD[known])
        assert found["createdate"] == "datetime"
    assert sdk.crm.properties.core_api.get_by_name("deals", "amount").type == "number"


def test_a_refreshed_token_reads(sdk: Any, sandbox: RunningSandbox) -> None:
    answer = sdk.oauth.tokens_api.create(
        grant_type="refresh_token", client_id=CLIENT_ID, client_secret=CLIENT_SECRET, refresh_token=refresh_token(0)
    )
    assert (answer.expires_in, answer.token_type) == (1800, "bearer")
    other = hubspot.Client.create(access_token=answer.access_token, host=sandbox.hubspot_url)
    assert len(other.crm.contacts.basic_api.get_page(limit=3).results) == 3


def test_an_error_is_an_exception_of_the_sdk(sdk: Any) -> None:
    with pytest.raises(ApiException) as caught:
        sdk.crm.contacts.basic_api.get_by_id("5")
    assert caught.value.status == 404
    with pytest.raises(ApiException) as caught:
        sdk.crm.contacts.basic_api.get_page(limit=101)
    assert caught.value.status == 400


def test_the_sdk_repeats_a_throttled_call_only_when_told_to_come_back(sdk: Any, sandbox: RunningSandbox) -> None:
    sandbox.fault("throttle_ten_seconds", seconds=0, times=2)
    assert len(sdk.crm.contacts.basic_api.get_page(limit=3).results) == 3
    assert sandbox.requests()["total"] == 3
    sandbox.fault("throttle_ten_seconds", times=1)
    with pytest.raises(ApiException) as caught:
        sdk.crm.contacts.basic_api.get_page(limit=3)
    assert caught.value.status == 429

"""HubSpot's webhooks: what they tell, and that a receiver can trust them. The SDK checks the signatures."""

import time
from collections import Counter
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import httpx
import msgspec
import pytest
from hubspot.exceptions import InvalidSignatureTimestampError
from hubspot.utils.signature import Signature
from hubspot_client import KINDS, Crm

from dataflow_assets.sandbox.hubspot.auth import CLIENT_SECRET
from dataflow_assets.sandbox.hubspot.properties import MODIFIED, TOLD
from dataflow_assets.sandbox.hubspot.spelling import millis
from dataflow_assets.sandbox.hubspot.webhooks import MOST_EVENTS, Request, events, requests
from dataflow_assets.sandbox.testing import RunningSandbox
from dataflow_assets.sandbox.world import World, WorldConfig
from dataflow_assets.sandbox.world.crm import Kind, Portal

URL = "https://warehouse.example/hooks/hubspot?portal=44556677&from=hubspot%2Fcrm"
SINCE, UNTIL = (datetime(2026, 3, 1, tzinfo=UTC), datetime(2026, 4, 1, tzinfo=UTC))


@pytest.fixture(scope="module")
def portal() -> Portal:
    return Portal(World(WorldConfig()), 0)


@pytest.fixture(scope="module")
def told(portal: Portal) -> list[dict[str, Any]]:
    return events(portal, millis(SINCE), millis(UNTIL))


@pytest.fixture(scope="module")
def http() -> Iterator[httpx.Client]:
    with httpx.Client() as client:
        yield client


@pytest.fixture
def crm(sandbox: RunningSandbox, http: httpx.Client) -> Crm:
    return Crm(sandbox, http)


def body(request: Request) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = msgspec.json.decode(request.body)
    return found


def signed(told: list[dict[str, Any]], **options: Any) -> list[Request]:
    return list(requests(told, URL, **{"sent_at": int(time.time() * 1_000), **options}))


def is_good(request: Request, **changes: Any) -> bool:
    given = {
        "signature": request.headers["X-HubSpot-Signature-v3"],
        "client_secret": CLIENT_SECRET,
        "request_body": request.body.decode(),
        # As HubSpot signs it: decoded.
        "http_uri": "https://warehouse.example/hooks/hubspot?portal=44556677&from=hubspot/crm",
        "http_method": request.method,
        "signature_version": "v3",
        "timestamp": request.headers["X-HubSpot-Request-Timestamp"],
    }
    return bool(Signature.is_valid(**{**given, **changes}))


def test_the_sdk_accepts_every_request_and_nothing_that_was_changed(told: list[dict[str, Any]]) -> None:
    sent = signed(told)
    assert len(sent) > 5
    assert all(is_good(request) for request in sent)
    request = sent[0]
    for changes in (
        {"client_secret": "other"},
        {"request_body": request.body.decode() + " "},
        {"http_uri": URL},
        {"http_method": "PUT"},
        {"timestamp": str(int(request.headers["X-HubSpot-Request-Timestamp"]) + 1)},
    ):
        assert not is_good(request, **changes)
    assert all(is_good(one, client_secret="another") for one in signed(told[:3], secret="another"))


def test_the_old_signature_is_sent_as_well(told: list[dict[str, Any]]) -> None:
    for request in signed(told):
        assert Signature.is_valid(
            request.headers["X-HubSpot-Signature"], CLIENT_SECRET, request.body.decode(), signature_version="v1"
        )


def test_what_was_signed_long_ago_is_refused(told: list[dict[str, Any]]) -> None:
    (request,) = signed(told[:1], sent_at=int((time.time() - 301) * 1_000))
    with pytest.raises(InvalidSignatureTimestampError):
        is_good(request)


def test_requests_hold_up_to_a_hundred_events_and_all_of_them(told: list[dict[str, Any]]) -> None:
    sizes = [len(body(request)) for request in signed(told)]
    assert set(sizes[:-1]) == {MOST_EVENTS}
    assert [event for request in signed(told) for event in body(request)] == told
    assert {event["attemptNumber"] for request in signed(told, attempt=3) for event in body(request)} == {3}


def test_events_can_come_twice_and_out_of_order(told: list[dict[str, Any]]) -> None:
    def ids(**options: Any) -> list[int]:
        return [event["eventId"] for request in signed(told, **options) for event in body(request)]

    whole = [event["eventId"] for event in told]
    twice = Counter(ids(duplicates=True))
    assert twice.keys() == set(whole)
    assert set(twice.values()) == {1, 2}
    mixed = ids(disorder=True)
    assert mixed != whole
    assert sorted(mixed) == sorted(whole)
    assert ids(disorder=True) == mixed


def test_every_kind_of_event_is_told_oldest_first(told: list[dict[str, Any]]) -> None:
    kinds = {event["subscriptionType"] for event in told}
    assert kinds == {
        *(f"{kind}.{word}" for kind in Kind for word in ("creation", "propertyChange", "deletion")),
        "contact.merge",
        "deal.merge",
        "contact.privacyDeletion",
    }
    times = [event["occurredAt"] for event in told]
    assert times == sorted(times)
    assert millis(SINCE) <= times[0]
    assert times[-1] < millis(UNTIL)
    assert {type(event["objectId"]) for event in told} == {int}
    assert len({event["subscriptionId"] for event in told}) == len(kinds)


def test_neighbouring_windows_share_out_the_events(portal: Portal, told: list[dict[str, Any]]) -> None:
    middle = told[len(told) // 2]["occurredAt"]
    assert events(portal, millis(SINCE), middle) + events(portal, middle, millis(UNTIL)) == told
    assert events(portal, millis(SINCE), millis(UNTIL), [Kind.DEAL]) == [
        event for event in told if event["subscriptionType"].startswith("deal.")
    ]


def test_what_is_told_leads_from_what_was_to_what_is(crm: Crm, told: list[dict[str, Any]]) -> None:
    for kind, known in KINDS.items():
        crm.sandbox.clock.set(SINCE)
        before = {row["id"]: row["properties"] for row in crm.records(kind)}
        crm.sandbox.clock.set(UNTIL)
        after = {row["id"]: row["properties"] for row in crm.records(kind)}
        mine = [event for event in told if event["subscriptionType"].startswith(f"{known}.")]
        created = {str(event["objectId"]) for event in mine if event["subscriptionType"].endswith(".creation")}
        gone = {str(event["objectId"]) for event in mine if event["subscriptionType"].lower().endswith("deletion")}
        assert after.keys() == (before.keys() | created) - gone
        merged = {str(event["newObjectId"]) for event in mine if event["subscriptionType"].endswith(".merge")}
        seen = {}
        for event in mine:
            if event["subscriptionType"].endswith(".propertyChange"):
                seen[str(event["objectId"]), event["propertyName"]] = event["propertyValue"]
        for name in (before.keys() & after.keys()) - merged:
            changed = {
                one: after[name][one] or ""
                for one in TOLD[known]
                if one != MODIFIED[known] and before[name][one] != after[name][one]
            }
            assert changed.items() <= {one: value for (of, one), value in seen.items() if of == name}.items()


def test_a_merge_tells_who_was_merged_and_under_which_id_it_lives_on(portal: Portal) -> None:
    year = events(portal, millis(datetime(2026, 1, 1, tzinfo=UTC)), millis(datetime(2026, 7, 1, tzinfo=UTC)))
    deleted = {event["objectId"] for event in year if event["subscriptionType"].endswith(".deletion")}
    merges = [event for event in year if event["subscriptionType"].endswith(".merge")]
    assert len(merges) > 20
    for event in merges:
        assert set(event["mergedObjectIds"]) <= deleted
        assert event["objectId"] == event["newObjectId"]
        is_deal = event["subscriptionType"] == "deal.merge"
        assert (event["primaryObjectId"] in deleted) is is_deal
        assert (event["primaryObjectId"] != event["newObjectId"]) is is_deal
    of_merges = {(event["objectId"], event["occurredAt"]) for event in merges}
    changes = {(event["objectId"], event["occurredAt"]) for event in year if "propertyName" in event}
    assert not of_merges & changes

"""What the Stripe connector learns from events: what changed, and if anything did. Facts: `apis/stripe.md`, 2 and 5."""

import asyncio
import json
from datetime import timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from stripe_support import (
    ACCOUNT,
    NOWHERE,
    REFUSED,
    SINCE,
    STREAMS,
    MakePlatform,
    Row,
    Sent,
    T,
    Wire,
    caller_for,
    event,
    invoice,
    missing,
    newer,
    page,
    platform,
    platform_of,
    probes,
    read,
    scripted,
    subscription,
    with_client,
)

from dataflow_assets.connectors.base import Account, Since
from dataflow_assets.connectors.stripe import CONNECTOR
from dataflow_assets.connectors.stripe.lists import REQUESTS_AT_ONCE
from dataflow_assets.resources.failures import Fatal, Unauthorized
from dataflow_assets.resources.http import ApiClient
from dataflow_assets.resources.platform import Platform

__all__ = ["platform"]  # fixtures
CHANGES = Since(SINCE)


# ------------------------------------------------------------------ changes


def feed(*events: Row, **others: Any) -> Wire:
    """A Stripe with these events, newest first, and these objects by path (a slash is __)."""

    def answer(sent: Sent) -> Any:
        if sent.path == "events":
            return [one for one in events if one["type"] in sent.query["types"]]
        return others.get(sent.path.replace("/", "__"), missing())

    return scripted(answer)


def customer(which: str = "cus_1", /, **more: Any) -> Row:
    return {"id": which, "object": "customer", **more}


@pytest.mark.parametrize(
    "stream", [stream for stream in CONNECTOR.streams if "feed" in stream.params], ids=lambda one: one.name
)
def test_a_stream_in_which_nothing_happened_costs_one_request(platform: Platform, stream: Any) -> None:
    wire = feed()
    assert read(platform, ACCOUNT, stream.name, CHANGES, wire) == []
    (sent,) = wire.sent
    assert (sent.path, sent.query) == (
        "events",
        {"limit": "100", "created[gte]": f"{T}", "types": list(stream.params["feed"].types)},
    )


def test_an_event_brings_its_object_with_the_time_of_the_event(platform: Platform) -> None:
    wire = feed(event(1, T + 5, "customer.updated", customer(name="Ada", balance=-5)))
    assert read(platform, ACCOUNT, "customers", CHANGES, wire) == [customer(name="Ada", balance=-5, updated_at=T + 5)]
    assert wire.paths == ["events"]


def test_of_several_events_the_newest_counts(platform: Platform) -> None:
    wire = feed(
        event(3, T + 9, "customer.updated", customer(name="new")),
        event(2, T + 8, "customer.updated", customer("cus_2", name="other")),
        event(1, T + 5, "customer.created", customer(name="old")),
    )
    found = read(platform, ACCOUNT, "customers", CHANGES, wire)
    assert [(row["id"], row["name"], row["updated_at"]) for row in found] == [
        ("cus_1", "new", T + 9),
        ("cus_2", "other", T + 8),
    ]
    assert wire.paths == ["events"]


@pytest.mark.parametrize(
    "events",
    [
        # Of two events in one second nobody knows which was the last.
        [
            event(2, T + 9, "customer.updated", customer(name="a")),
            event(1, T + 9, "customer.created", customer(name="b")),
        ],
        [event(1, T + 9, "customer.updated", customer(name="a"), api_version="2024-06-20")],
        [event(1, T + 9, "customer.updated", customer(name="a"), api_version="2026-03-25.dahlia")],
        [event(1, T + 9, "customer.updated", customer(name="a"), api_version=None)],
    ],
    ids=["one second", "before the names", "older name", "no version"],
)
def test_an_event_that_cannot_be_taken_at_its_word_has_its_object_read(platform: Platform, events: list[Row]) -> None:
    wire = feed(*events, customers__cus_1=customer(name="now"))
    assert read(platform, ACCOUNT, "customers", CHANGES, wire) == [customer(name="now", updated_at=T + 9)]
    assert wire.paths == ["events", "customers/cus_1"]


def test_a_discount_is_read_as_a_whole_where_an_event_has_only_its_id(platform: Platform) -> None:
    told = {"id": "sub_1", "object": "subscription", "discounts": ["di_1"]}
    whole = told | {"discounts": [{"id": "di_1", "source": {"coupon": "WELCOME"}}]}
    wire = feed(event(1, T + 9, "customer.subscription.updated", told), subscriptions__sub_1=whole)
    assert read(platform, ACCOUNT, "subscriptions", CHANGES, wire) == [whole | {"updated_at": T + 9}]
    assert [(sent.path, sent.query.get("expand")) for sent in wire.sent] == [
        ("events", None),
        ("subscriptions/sub_1", ["discounts"]),
    ]


def test_months_of_one_version_name_are_taken_at_their_word(platform: Platform) -> None:
    wire = feed(event(1, T + 9, "customer.updated", customer(), api_version="2026-09-30.endive"))
    assert read(platform, ACCOUNT, "customers", CHANGES, wire) == [customer(updated_at=T + 9)]


def test_a_second_that_goes_on_in_the_next_page_is_one_second(platform: Platform) -> None:
    newer, older = (
        event(2, T + 9, "customer.updated", customer(name="a")),
        event(1, T + 9, "customer.updated", customer(name="b")),
    )
    first = event(3, T + 9, "customer.updated", customer("cus_2", name="c"))
    last = event(0, T, "customer.updated", customer("cus_3", name="d"))

    def answer(sent: Sent) -> Any:
        if sent.path != "events":
            return customer(name="now")
        return page([first, newer], more=True) if "starting_after" not in sent.query else [older, last]

    found = read(platform, ACCOUNT, "customers", CHANGES, scripted(answer))
    assert {row["id"]: row["name"] for row in found} == {"cus_1": "now", "cus_2": "c", "cus_3": "d"}


@pytest.mark.parametrize("version", ["2026-10-28.endive", "2024-06-20"])
def test_what_was_deleted_keeps_what_it_was_and_is_marked(platform: Platform, version: str) -> None:
    wire = feed(event(1, T + 9, "customer.deleted", customer(name="Ada"), api_version=version))
    found = read(platform, ACCOUNT, "customers", CHANGES, wire)
    assert found == [customer(name="Ada", updated_at=T + 9, deleted=True)]
    assert wire.paths == ["events"]


def test_of_one_second_a_deletion_is_the_last(platform: Platform) -> None:
    wire = feed(
        event(2, T + 9, "customer.updated", customer(name="a")),
        event(1, T + 9, "customer.deleted", customer(name="Ada")),
    )
    assert read(platform, ACCOUNT, "customers", CHANGES, wire) == [customer(name="Ada", updated_at=T + 9, deleted=True)]


@pytest.mark.parametrize(
    "shown", [{"id": "cus_1", "object": "customer", "deleted": True}, missing()], ids=["stub", "404"]
)
def test_what_is_gone_when_it_is_read_is_taken_from_the_event(platform: Platform, shown: Any) -> None:
    wire = feed(
        event(1, T + 9, "customer.updated", customer(name="Ada"), api_version="2024-06-20"), customers__cus_1=shown
    )
    assert read(platform, ACCOUNT, "customers", CHANGES, wire) == [customer(name="Ada", updated_at=T + 9, deleted=True)]


def test_a_subscription_that_stripe_calls_deleted_has_ended_and_is_there(platform: Platform) -> None:
    ended = {"id": "sub_1", "object": "subscription", "status": "canceled"}
    wire = feed(event(1, T + 9, "customer.subscription.deleted", ended))
    assert read(platform, ACCOUNT, "subscriptions", CHANGES, wire) == [{**ended, "updated_at": T + 9}]


def test_an_id_that_the_account_has_chosen_is_a_part_of_the_path_whatever_it_is(platform: Platform) -> None:
    coupon = {"id": "50% off/summer?", "object": "coupon"}
    wire = feed(event(1, T, "coupon.updated", coupon, api_version=None))
    read(platform, ACCOUNT, "coupons", CHANGES, wire)
    assert [request.url.raw_path for request in wire.requests][1] == b"/stripe/v1/coupons/50%25%20off%2Fsummer%3F"


def test_a_dispute_or_refund_has_its_charge_read(platform: Platform) -> None:
    wire = feed(
        event(4, T + 4, "charge.dispute.created", {"id": "du_1", "object": "dispute", "charge": "ch_1"}),
        event(
            3, T + 3, "refund.failed", {"id": "re_1", "object": "refund", "charge": {"id": "ch_2", "object": "charge"}}
        ),
        event(2, T + 2, "refund.updated", {"id": "re_2", "object": "refund", "charge": None}),
        event(2, T + 2, "refund.updated", {"id": "re_3", "object": "refund", "charge": {"deleted": True}}),
        event(1, T + 1, "charge.dispute.closed", {"id": "du_2", "object": "dispute", "charge": "ch_of_nobody"}),
        event(0, T + 0, "charge.succeeded", {"id": "ch_1", "object": "charge", "disputed": False}),
        charges__ch_1={"id": "ch_1", "disputed": True},
        charges__ch_2={"id": "ch_2", "amount_refunded": 0},
    )
    found = read(platform, ACCOUNT, "charges", CHANGES, wire)
    assert found == [
        {"id": "ch_1", "disputed": True, "updated_at": T + 4},
        {"id": "ch_2", "amount_refunded": 0, "updated_at": T + 3},
    ]


def test_payments_of_an_invoice_are_read_again_when_it_changes(platform: Platform) -> None:
    def answer(sent: Sent) -> Any:
        if sent.path == "events":
            paid = {"id": "inpay_1", "object": "invoice_payment", "invoice": "in_1"}
            return [
                event(3, T + 9, "invoice_payment.paid", paid),
                event(2, T + 8, "invoice.finalized", {"id": "in_1", "object": "invoice"}),
                event(1, T + 7, "invoice.deleted", {"id": "in_2", "object": "invoice"}),
            ]
        assert sent.path == "invoice_payments"
        return [{"id": "inpay_1"}, {"id": "inpay_2"}] if sent.query["invoice"] == "in_1" else missing("invoice")

    wire = scripted(answer)
    found = read(platform, ACCOUNT, "invoice_payments", CHANGES, wire)
    assert found == [{"id": f"inpay_{number}", "invoice": "in_1", "updated_at": T + 9} for number in (1, 2)]
    assert wire.paths == ["events", "invoice_payments", "invoice_payments"]


def changed(number: int, at: int, *items: str, was: tuple[str, ...] = (), **more: Any) -> Row:
    if was:
        more["was"] = {"items": {"data": [{"id": item} for item in was]}}
    return event(number, at, "customer.subscription.updated", subscription("sub_1", *items), **more)


def by_id(found: list[Row]) -> dict[str, tuple[int, bool]]:
    """Of each item the time of the event and whether it is marked deleted."""
    assert {row["subscription"] for row in found} == {"sub_1"}
    assert len({row["id"] for row in found}) == len(found)
    return {row["id"]: (row["updated_at"], row.get("deleted", False)) for row in found}


def test_an_item_that_was_taken_out_is_marked_deleted(platform: Platform) -> None:
    wire = feed(changed(1, T + 9, "si_1", was=("si_1", "si_2")))
    found = read(platform, ACCOUNT, "subscription_items", CHANGES, wire)
    assert by_id(found) == {"si_1": (T + 9, False), "si_2": (T + 9, True)}


def test_an_item_that_was_taken_out_some_changes_ago_is_marked_deleted_too(platform: Platform) -> None:
    wire = feed(
        changed(3, T + 9, "si_3"),
        changed(2, T + 5, "si_1", "si_3", was=("si_1", "si_2")),
        changed(1, T + 1, "si_1", "si_2"),
    )
    found = read(platform, ACCOUNT, "subscription_items", CHANGES, wire)
    assert by_id(found) == {"si_3": (T + 9, False), "si_1": (T + 9, True), "si_2": (T + 9, True)}


def test_an_item_that_came_back_is_there(platform: Platform) -> None:
    wire = feed(changed(2, T + 9, "si_1", "si_2", was=("si_1",)), changed(1, T + 5, "si_1", was=("si_1", "si_2")))
    assert by_id(read(platform, ACCOUNT, "subscription_items", CHANGES, wire)) == {
        "si_1": (T + 9, False),
        "si_2": (T + 9, False),
    }


def test_what_is_read_decides_which_items_are_left(platform: Platform) -> None:
    present = subscription("sub_1", "si_1", more=True)
    wire = feed(
        changed(1, T + 9, "si_1", "si_2", was=("si_3",), api_version="2024-06-20"),
        subscriptions__sub_1=present,
        subscription_items=[{"id": "si_1"}, {"id": "si_4"}],
    )
    found = read(platform, ACCOUNT, "subscription_items", CHANGES, wire)
    assert by_id(found) == {
        "si_1": (T + 9, False),
        "si_4": (T + 9, False),
        "si_2": (T + 9, True),
        "si_3": (T + 9, True),
    }


def test_items_of_an_ended_subscription_stay(platform: Platform) -> None:
    wire = feed(event(1, T + 9, "customer.subscription.deleted", subscription("sub_1", "si_1")))
    assert by_id(read(platform, ACCOUNT, "subscription_items", CHANGES, wire)) == {"si_1": (T + 9, False)}


def test_lines_of_a_deleted_invoice_are_deleted(platform: Platform) -> None:
    wire = feed(event(1, T + 9, "invoice.deleted", invoice("in_1", "il_1", "il_2", more=True)))
    found = read(platform, ACCOUNT, "invoice_lines", CHANGES, wire)
    assert [(row["id"], row["invoice"], row["deleted"]) for row in found] == [
        ("il_1", "in_1", True),
        ("il_2", "in_1", True),
    ]


def test_an_event_in_the_feed_that_cannot_be_read_stops_the_stream_loudly(platform: Platform) -> None:
    broken = event(1, T, "customer.updated", customer()) | {"created": "n/a"}
    with pytest.raises(Fatal, match="event cannot be read"):
        read(platform, ACCOUNT, "customers", CHANGES, feed(broken))


def test_many_readings_go_side_by_side_and_the_first_failure_is_raised_as_it_is(platform: Platform) -> None:
    told = [event(n, T + n, "customer.updated", customer(f"cus_{n}"), api_version=None) for n in range(60, 0, -1)]
    running, most = 0, 0

    async def work(client: ApiClient) -> list[Row]:
        pages = CONNECTOR.read(caller_for(client, ACCOUNT), ACCOUNT, CONNECTOR.stream("customers"), CHANGES)
        return [row async for one in pages for row in json.loads(bytes(one.records))]

    class Crowded(Wire):
        async def handle_async_request(self, request: Any) -> Any:
            nonlocal running, most
            running, most = running + 1, max(most, running + 1)
            await asyncio.sleep(0.01)
            running -= 1
            return await super().handle_async_request(request)

    def answer(sent: Sent) -> Any:
        return told if sent.path == "events" else customer(sent.path.split("/")[1])

    found = with_client(platform, work, Crowded(below=scripted(answer).below))
    assert [row["id"] for row in found] == [f"cus_{n}" for n in range(60, 0, -1)]
    assert most == REQUESTS_AT_ONCE

    def refusing(sent: Sent) -> Any:
        return REFUSED if sent.path == "customers/cus_30" else answer(sent)

    with pytest.raises(Unauthorized):
        with_client(platform, work, Crowded(below=scripted(refusing).below))


# ------------------------------------------------------------------ is anything new?


def test_one_request_tells_which_streams_of_an_account_have_something_new(platform: Platform) -> None:
    told = [event(2, T + 2, "customer.subscription.updated", {}), event(1, T + 1, "payment_intent.created", {})]
    wire = scripted(lambda _: told)
    earlier = probes(SINCE - timedelta(hours=1), "products")
    found = newer(platform, [*earlier, *probes(SINCE, *[one for one in STREAMS if one != "products"])], wire)
    assert {stream for _, stream in found} == {"subscriptions", "subscription_items", "events"}
    (sent,) = wire.sent
    assert (sent.path, sent.query) == ("events", {"created[gt]": f"{T - 3600}", "limit": "100"})


def test_what_a_stream_has_read_already_is_not_new_to_it(platform: Platform) -> None:
    wire = scripted(lambda _: [event(1, T, "customer.updated", {}), event(0, T - 5, "customer.created", {})])
    assert newer(platform, probes(SINCE, "customers", "events"), wire) == []
    assert newer(platform, probes(SINCE - timedelta(seconds=1), "customers"), wire) == [("acct_1", "customers")]


def test_law_6_of_what_was_cut_off_nobody_says_that_it_is_not_new(platform: Platform) -> None:
    told = [event(n, T + n, "payment_intent.created", {}) for n in range(100, 0, -1)]
    wire = scripted(lambda _: page(told, more=True))
    assert newer(platform, probes(SINCE, "customers"), wire) == [("acct_1", "customers")]
    late = SINCE + timedelta(seconds=50)
    assert newer(platform, probes(late, "customers"), wire) == [], "The page reaches back to what is known."


def test_the_balance_is_looked_at_when_what_moves_it_has_something_new(platform: Platform) -> None:
    wire = scripted(lambda _: [event(1, T + 1, "charge.succeeded", {})])
    found = newer(platform, probes(SINCE, "charges", "balance_transactions"), wire)
    assert found == [("acct_1", "charges"), ("acct_1", "balance_transactions")]
    # Its own watermark is the newest movement, and the event of that may be a second younger for good.
    read_since = SINCE + timedelta(seconds=2)
    asked = [*probes(read_since, "charges"), *probes(SINCE, "balance_transactions")]
    assert newer(platform, asked, wire) == []
    assert newer(platform, probes(SINCE, "balance_transactions"), wire) == []


def test_law_9_an_account_that_cannot_be_asked_does_not_silence_the_others(make_platform: MakePlatform) -> None:
    platform = platform_of(make_platform, NOWHERE, "sk_a", "sk_b")
    other = Account("acct_2", "", "", ZoneInfo("UTC"), credential=1)

    def answer(sent: Sent) -> Any:
        refused = sent.headers["Authorization"] == "Bearer sk_a"
        return REFUSED if refused else [event(1, T + 1, "customer.updated", {})]

    both = [*probes(SINCE, "customers"), *probes(SINCE, "customers", account=other)]
    assert newer(platform, both, scripted(answer)) == [("acct_2", "customers")]
    with pytest.raises(Unauthorized):
        newer(platform, both, scripted(lambda _: REFUSED))


def test_nothing_is_asked_when_there_is_nothing_to_ask(platform: Platform) -> None:
    wire = scripted(lambda _: [])
    assert newer(platform, [], wire) == []
    assert wire.sent == []

"""What the Stripe connector sends, and what it makes of what comes back. Facts: `apis/stripe.md`, sections 2 to 5."""

import asyncio
import json
import logging
from collections.abc import Callable, Iterator
from datetime import UTC, date, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from stripe_support import (
    Row,
    Sent,
    Wire,
    accounts,
    caller_for,
    event,
    missing,
    page,
    platform_of,
    read,
    scripted,
    with_client,
)

from dataflow_assets.connectors.base import Account, Probe, Since
from dataflow_assets.connectors.stripe import CONNECTOR
from dataflow_assets.connectors.stripe.lists import REQUESTS_AT_ONCE
from dataflow_assets.resources.failures import Fatal, Retryable, Throttled, Unauthorized, VendorError
from dataflow_assets.resources.http import ApiClient
from dataflow_assets.resources.platform import Platform
from dataflow_assets.sandbox.testing import RunningSandbox, run_sandbox
from dataflow_assets.sandbox.world import WorldConfig
from dataflow_assets.windows import DayWindow

MakePlatform = Callable[..., Platform]
NOWHERE = "http://127.0.0.1:9"
ACCOUNT = Account("acct_1", "Lumen", "EUR", ZoneInfo("UTC"))
EVERYTHING = Since()
SINCE = datetime(2026, 11, 8, 13, tzinfo=UTC)
T = int(SINCE.timestamp())
CHANGES = Since(SINCE)


@pytest.fixture
def platform(make_platform: MakePlatform) -> Platform:
    """A platform for scripts: nobody listens at its address."""
    return platform_of(make_platform, NOWHERE)


@pytest.fixture
def sandbox() -> Iterator[RunningSandbox]:
    """Two accounts with a few customers."""
    with run_sandbox(
        WorldConfig(stripe_accounts=2, customers_per_day=2), now=datetime(2026, 5, 20, tzinfo=UTC)
    ) as made:
        yield made


# ------------------------------------------------------------------ accounts


def named(name: str) -> Row:
    return {"id": name, "object": "account", "default_currency": "eur", "business_profile": {"name": f"Shop {name}"}}


def by_key(**answers: Any) -> Wire:
    """Answers to the question for the account, by key; with `__` for the account named in the header."""

    def answer(sent: Sent) -> Any:
        assert (sent.path, dict(sent.query)) == ("account", {})
        key, acting = sent.headers["Authorization"].removeprefix("Bearer "), sent.headers.get("Stripe-Account", "")
        return answers[f"{key}__{acting}" if acting else key]

    return scripted(answer)


REFUSED = (401, {"type": "invalid_request_error", "message": "Invalid API Key provided: sk_test_***efgh"})
BROKEN = (503, {"type": "api_error", "message": "Busy."})


def test_each_key_is_an_account_with_its_name_and_currency_and_days_in_utc(
    make_platform: MakePlatform, sandbox: RunningSandbox
) -> None:
    platform = platform_of(make_platform, sandbox.url, "sk_test_sandbox_0", "sk_test_sandbox_1")
    one, two = accounts(platform)
    assert [one.id[:5], two.id[:5]] == ["acct_", "acct_"]
    assert one.id != two.id
    assert [(one.name, one.currency), (two.name, two.currency)] == [("DataFlow DE 1", "EUR"), ("DataFlow US 2", "USD")]
    assert {account.zone.key for account in (one, two)} == {"UTC"}
    assert [(account.credential, account.problem) for account in (one, two)] == [(0, ""), (1, "")]
    # Each is read with its own key.
    charges = [{row["id"] for row in read(platform, account, "charges", EVERYTHING)} for account in (one, two)]
    assert all(charges)
    assert charges[0].isdisjoint(charges[1])


def test_law_9_a_refused_key_is_told_by_its_place_and_holds_no_other_back(make_platform: MakePlatform) -> None:
    secret = "sk_test_abcdefgh"
    platform = platform_of(make_platform, NOWHERE, "sk_a", secret, "sk_c")
    wire = by_key(sk_a=named("acct_a"), sk_test_abcdefgh=REFUSED, sk_c=named("acct_c"))
    found = accounts(platform, wire)
    assert [account.id for account in found] == ["acct_a", "key 2 of 3", "acct_c"]
    assert [bool(account.problem) for account in found] == [False, True, False]
    assert found[2].credential == 2
    assert "DATAFLOW_STRIPE__API_KEY" in found[1].problem
    assert not [part for part in (secret, "efgh", "sk_test") if part in repr(found)]


def test_a_refused_key_is_told_even_when_it_is_the_only_one(make_platform: MakePlatform) -> None:
    (found,) = accounts(platform_of(make_platform, NOWHERE, "sk_a"), by_key(sk_a=REFUSED))
    assert found.id == "key 1 of 1"
    assert found.problem


def test_law_9_a_fault_that_passes_holds_back_its_own_key_only(
    make_platform: MakePlatform,
) -> None:
    platform = platform_of(make_platform, NOWHERE, "sk_a", "sk_b")
    found = accounts(platform, by_key(sk_a=BROKEN, sk_b=named("acct_b")))
    assert [(account.id, bool(account.problem)) for account in found] == [("key 1 of 2", True), ("acct_b", False)]


def test_a_fault_that_passes_is_raised_when_every_key_has_it(make_platform: MakePlatform) -> None:
    with pytest.raises(Retryable, match="Busy"):
        accounts(platform_of(make_platform, NOWHERE, "sk_a"), by_key(sk_a=BROKEN))


def test_a_restricted_key_that_may_not_see_its_account_is_of_the_one_the_refusal_names(
    make_platform: MakePlatform,
) -> None:
    message = (
        "The provided key 'rk_live_***' does not have the required permissions for this endpoint on account "
        "'acct_1PJ7J3'. Having the 'rak_accounts_kyc_basic_read' permission would allow this request to continue."
    )
    refused = (403, {"type": "invalid_request_error", "message": message})
    (found,) = accounts(platform_of(make_platform, NOWHERE, "rk_a"), by_key(rk_a=refused))
    assert found == Account("acct_1PJ7J3", "acct_1PJ7J3", "", ZoneInfo("UTC"))


def test_live_and_test_keys_of_one_account_are_not_mixed(make_platform: MakePlatform) -> None:
    platform = platform_of(make_platform, NOWHERE, "sk_live", "sk_test")
    one, two = accounts(platform, by_key(sk_live=named("acct_a"), sk_test=named("acct_a")))
    assert (one.id, one.credential, one.problem) == ("acct_a", 0, "")
    assert two.id == "key 2 of 2"
    assert "same account as key 1" in two.problem


def test_accounts_that_are_no_keys_own_are_connected_ones_of_the_first_key(make_platform: MakePlatform) -> None:
    platform = platform_of(
        make_platform, NOWHERE, "sk_a", "sk_b", account_ids=("acct_b", "acct_connected", "acct_stranger")
    )
    denied = (403, {"code": "account_invalid", "message": "The provided key does not have access to account."})
    wire = by_key(
        sk_a=named("acct_a"), sk_b=REFUSED, sk_a__acct_connected=named("acct_connected"), sk_a__acct_stranger=denied,
        sk_a__acct_b=denied,
    )  # fmt: skip
    found = {account.id: account for account in accounts(platform, wire)}
    connected = found["acct_connected"]
    assert (connected.headers, connected.credential, connected.problem) == ({"Stripe-Account": "acct_connected"}, 0, "")
    assert connected.name == "Shop acct_connected"
    # The key of acct_b was refused: that it is not a connected account either is not its trouble.
    assert "key 2 of 2" in found["acct_b"].problem
    assert found["acct_a"].headers == {}
    assert "account_invalid" in found["acct_stranger"].problem


def test_every_request_about_a_connected_account_says_so(make_platform: MakePlatform, sandbox: RunningSandbox) -> None:
    both = accounts(platform_of(make_platform, sandbox.url, "sk_test_sandbox_0", "sk_test_sandbox_1"))
    platform = platform_of(make_platform, sandbox.url, "sk_test_sandbox_0", account_ids=(both[1].id,))
    connected = accounts(platform)[-1]
    assert connected.id == both[1].id
    wire = Wire()
    assert read(platform, connected, "invoice_lines", EVERYTHING, wire)
    assert {sent.headers["Stripe-Account"] for sent in wire.sent} == {connected.id}
    assert {sent.headers["Authorization"] for sent in wire.sent} == {"Bearer sk_test_sandbox_0"}


# ------------------------------------------------------------------ lists


@pytest.mark.parametrize("stream", [stream.name for stream in CONNECTOR.streams])
def test_everything_is_listed_in_the_largest_pages_in_the_pinned_version(platform: Platform, stream: str) -> None:
    wire = scripted(lambda _: [])
    assert read(platform, ACCOUNT, stream, EVERYTHING, wire) == []
    (sent,) = wire.sent
    listed = {"subscription_items": "subscriptions", "invoice_lines": "invoices"}.get(stream, stream)
    # Without the status canceled subscriptions are left out.
    extra: Row = {"status": "all"} if listed == "subscriptions" else {}
    # Discounts are in no list of their own.
    extra |= {"expand": ["data.discounts"]} if stream == "subscriptions" else {}
    assert (sent.path, sent.query) == (listed, {"limit": "100", **extra})
    assert sent.headers["Stripe-Version"] == "2026-10-28.endive"


@pytest.mark.parametrize("stream", [stream.name for stream in CONNECTOR.streams])
def test_days_are_asked_for_from_midnight_to_midnight_utc(platform: Platform, stream: str) -> None:
    wire = scripted(lambda _: [])
    read(platform, ACCOUNT, stream, Since(days=DayWindow(date(2026, 11, 8), date(2026, 11, 10))), wire)
    (sent,) = wire.sent
    assert (sent.query["created[gte]"], sent.query["created[lt]"]) == ("1794096000", "1794268800")


@pytest.mark.parametrize("stream", ["balance_transactions", "events"])
def test_what_only_grows_is_asked_for_by_when_it_was_created(platform: Platform, stream: str) -> None:
    wire = scripted(lambda _: [])
    read(platform, ACCOUNT, stream, Since(SINCE + timedelta(seconds=0.9)), wire)
    (sent,) = wire.sent
    assert (sent.path, sent.query) == (stream, {"limit": "100", "created[gte]": f"{T}"})


def test_pages_are_followed_from_the_last_record_to_the_one_that_says_it_is_the_last(platform: Platform) -> None:
    answers = {None: page([{"id": "c"}, {"id": "b"}], more=True), "b": page([{"id": "a"}], more=True), "a": page([])}
    wire = scripted(lambda sent: answers[sent.query.get("starting_after")])
    assert [row["id"] for row in read(platform, ACCOUNT, "customers", EVERYTHING, wire)] == ["c", "b", "a"]
    assert {sent.query["limit"] for sent in wire.sent} == {"100"}
    assert len(wire.sent) == 3


def test_a_record_that_vanished_while_paging_does_not_break_it(platform: Platform) -> None:
    def answer(sent: Sent) -> Any:
        after = sent.query.get("starting_after")
        if after is None:
            return page([{"id": "d"}, {"id": "c"}, {"id": "b"}], more=True)
        return missing("starting_after") if after in {"b", "c"} else [{"id": "a"}]

    wire = scripted(answer)
    assert [row["id"] for row in read(platform, ACCOUNT, "invoices", EVERYTHING, wire)] == ["d", "c", "b", "a"]
    assert [sent.query.get("starting_after") for sent in wire.sent] == [None, "b", "c", "d"]


def test_a_page_that_is_empty_for_once_is_asked_for_again(platform: Platform) -> None:
    told = [
        page([], more=True),
        page([{"id": "b"}], more=True),
        page([], more=True),
        page([], more=True),
        page([{"id": "a"}]),
    ]
    wire = scripted(lambda _: told.pop(0))
    assert [row["id"] for row in read(platform, ACCOUNT, "customers", EVERYTHING, wire)] == ["b", "a"]
    assert [sent.query.get("starting_after") for sent in wire.sent] == [None, None, "b", "b", "b"]


def test_law_6_paging_that_cannot_go_on_is_no_end(platform: Platform) -> None:
    def vanished(sent: Sent) -> Any:
        return missing("starting_after") if "starting_after" in sent.query else page([{"id": "a"}], more=True)

    for answer in (
        lambda _: page([], more=True),
        lambda _: page([{"id": "a"}], more=True),
        lambda _: page([{"name": "no id"}], more=True),
        vanished,
    ):
        with pytest.raises(Retryable):
            read(platform, ACCOUNT, "customers", EVERYTHING, scripted(answer))


@pytest.mark.parametrize("body", [{"object": "list"}, {"data": []}, {"data": {}, "has_more": "no"}, {"id": "cus_1"}])
def test_law_6_an_answer_that_is_no_list_is_no_empty_list(platform: Platform, body: Row) -> None:
    with pytest.raises(Retryable):
        read(platform, ACCOUNT, "customers", EVERYTHING, scripted(lambda _: body))


def test_records_are_handed_on_as_stripe_wrote_them(platform: Platform) -> None:
    wide = {"id": "cus_1", "amount": 12345678901234567890, "rate": 0.1, "metadata": {"ключ": "значение"}, "x": [1, {}]}
    assert read(platform, ACCOUNT, "customers", EVERYTHING, scripted(lambda _: [wide])) == [wide]


def subscription(name: str, *items: str, more: bool = False) -> Row:
    listed = page([{"id": item, "subscription": name} for item in items], more=more)
    return {"id": name, "object": "subscription", "items": listed}


def invoice(name: str, *lines: str, more: bool = False) -> Row:
    return {"id": name, "object": "invoice", "lines": page([{"id": line, "amount": 1} for line in lines], more=more)}


def test_items_are_taken_from_their_subscriptions_and_asked_for_where_those_show_only_some(platform: Platform) -> None:
    def answer(sent: Sent) -> Any:
        if sent.path == "subscriptions":
            return [
                subscription("sub_1", "si_1", "si_2"),
                subscription("sub_2", "si_3", more=True),
                subscription("sub_3"),
            ]
        assert (sent.path, sent.query["subscription"]) == ("subscription_items", "sub_2")
        return page([{"id": "si_3"}], more=True) if "starting_after" not in sent.query else [{"id": "si_4"}]

    wire = scripted(answer)
    found = read(platform, ACCOUNT, "subscription_items", EVERYTHING, wire)
    owners = {"si_1": "sub_1", "si_2": "sub_1", "si_3": "sub_2", "si_4": "sub_2"}
    assert {row["id"]: row["subscription"] for row in found} == owners
    assert wire.paths == ["subscriptions", "subscription_items", "subscription_items"]


def test_lines_are_taken_from_their_invoices_and_asked_for_where_those_show_only_some(platform: Platform) -> None:
    def answer(sent: Sent) -> Any:
        if sent.path == "invoices":
            return [invoice("in_1", "il_1"), invoice("in_2", "il_2", more=True), invoice("in_3", "il_4", more=True)]
        # An invoice can be deleted between the list and the question for its lines.
        return [{"id": "il_2"}, {"id": "il_3"}] if sent.path == "invoices/in_2/lines" else missing()

    found = read(platform, ACCOUNT, "invoice_lines", EVERYTHING, scripted(answer))
    assert {row["id"]: row["invoice"] for row in found} == {
        "il_1": "in_1",
        "il_2": "in_2",
        "il_3": "in_2",
        "il_4": "in_3",
    }


def test_events_have_id_and_kind_of_their_object_beside_them(platform: Platform) -> None:
    told = [
        event(1, T, "invoice.paid", {"id": "in_1", "object": "invoice"}),
        event(2, T, "balance.available", {"object": "balance"}),
    ]
    found = read(platform, ACCOUNT, "events", EVERYTHING, scripted(lambda _: told))
    assert [(row["object_id"], row["object_type"]) for row in found] == [("in_1", "invoice"), (None, "balance")]
    assert [{name: row[name] for name in told[0]} for row in found] == told


def test_law_6_an_event_that_cannot_be_read_is_left_to_the_gate(platform: Platform) -> None:
    broken = {"id": "evt_1", "data": "n/a"}
    assert read(platform, ACCOUNT, "events", EVERYTHING, scripted(lambda _: [broken])) == [broken]


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


def probes(watermark: datetime, *streams: str, account: Account = ACCOUNT) -> list[Probe]:
    return [Probe(account, CONNECTOR.stream(stream), watermark) for stream in streams]


def newer(platform: Platform, asked: list[Probe], wire: Wire) -> list[tuple[str, str]]:
    async def work(client: ApiClient) -> list[tuple[str, str]]:
        found = await CONNECTOR.newer(client.caller(), asked)
        return [(probe.account.id, probe.stream.name) for probe in found]

    return with_client(platform, work, wire)


STREAMS = [stream.name for stream in CONNECTOR.streams]


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


# ------------------------------------------------------------------ the sandbox on a bad day


@pytest.mark.parametrize(
    ("fault", "kind"),
    [
        ("api_error_500", Retryable),
        ("overloaded_503", Retryable),
        ("conflict_409", Retryable),
        ("html_502", Retryable),
        ("malformed_page", Retryable),
        ("cut_connection", Retryable),
        ("expired_key", Unauthorized),
        ("permission_denied", Fatal),
        ("revoked_account", Fatal),
    ],
)
def test_law_8_a_fault_passes_or_is_raised_as_what_it_is(
    make_platform: MakePlatform, sandbox: RunningSandbox, fault: str, kind: type[VendorError]
) -> None:
    platform = platform_of(make_platform, sandbox.url)
    (account,) = accounts(platform)
    sandbox.fault(fault, vendor="stripe", endpoint="charges")
    with pytest.raises(kind) as raised:
        read(platform, account, "charges", EVERYTHING)
    assert type(raised.value) is kind
    sandbox.clear_faults()
    if kind is Retryable:
        sandbox.fault(fault, vendor="stripe", endpoint="charges", times=2)
        assert read(platform, account, "charges", EVERYTHING)
        assert sum(rule["fired"] for rule in sandbox.faults()) == 2


@pytest.mark.parametrize("fault", ["throttle_rate_limit", "throttle_lock_timeout_should_retry"])
def test_law_7_a_throttle_is_waited_for(make_platform: MakePlatform, sandbox: RunningSandbox, fault: str) -> None:
    platform = platform_of(make_platform, sandbox.url)
    (account,) = accounts(platform)
    sandbox.fault(fault, vendor="stripe", endpoint="charges", times=1)
    assert read(platform, account, "charges", EVERYTHING)
    assert [rule["fired"] for rule in sandbox.faults()] == [1]


def test_law_7_a_throttle_beyond_our_patience_is_raised_with_its_time(platform: Platform) -> None:
    told = (429, {"code": "rate_limit", "message": "Less."}, {"Retry-After": "3600"})
    with pytest.raises(Throttled) as raised:
        read(platform, ACCOUNT, "charges", EVERYTHING, scripted(lambda _: told))
    assert raised.value.wait_seconds == 3600


@pytest.mark.parametrize("fault", ["cursor_gone", "duplicate_rows", "empty_page_with_more"])
def test_a_page_that_overlaps_is_empty_or_lost_its_begin_costs_no_record(
    make_platform: MakePlatform, sandbox: RunningSandbox, fault: str
) -> None:
    platform = platform_of(make_platform, sandbox.url)
    (account,) = accounts(platform)
    expected = {row["id"] for row in read(platform, account, "balance_transactions", EVERYTHING)}
    assert len(expected) > 100
    sandbox.fault(fault, vendor="stripe", endpoint="balance_transactions", times=1)
    assert {row["id"] for row in read(platform, account, "balance_transactions", EVERYTHING)} == expected
    assert [rule["fired"] for rule in sandbox.faults()] == [1]


def test_law_13_keys_travel_in_a_header_and_are_in_no_url_or_log(
    make_platform: MakePlatform, sandbox: RunningSandbox, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    platform = platform_of(make_platform, sandbox.url)
    (account,) = accounts(platform)
    wire = Wire()
    week = Since(datetime(2026, 5, 13, tzinfo=UTC))
    for stream in STREAMS:
        read(platform, account, stream, week, wire)
    newer(platform, probes(datetime(2026, 5, 1, tzinfo=UTC), *STREAMS, account=account), wire)
    assert len(wire.requests) > len(STREAMS)
    for request in wire.requests:
        assert request.headers["Authorization"] == "Bearer sk_test_sandbox_0"
        assert (request.method, request.content) == ("GET", b"")
        assert "sk_test" not in str(request.url)
    assert "sk_test" not in "\n".join(record.getMessage() for record in caplog.records)

"""What the Stripe connector lists, and what it makes of what comes back. Facts: `apis/stripe.md`, sections 2 to 5."""

from datetime import date, timedelta
from typing import Any

import pytest
from stripe_support import (
    ACCOUNT,
    EVERYTHING,
    SINCE,
    MakePlatform,
    Row,
    Sent,
    T,
    accounts,
    event,
    invoice,
    missing,
    page,
    platform,
    platform_of,
    read,
    sandbox,
    scripted,
    subscription,
)

from dataflow_assets.connectors.base import Since
from dataflow_assets.connectors.stripe import CONNECTOR
from dataflow_assets.resources.failures import Fatal, Retryable, Throttled, Unauthorized, VendorError
from dataflow_assets.resources.platform import Platform
from dataflow_assets.sandbox.testing import RunningSandbox
from dataflow_assets.windows import DayWindow

__all__ = ["platform", "sandbox"]  # fixtures


# ------------------------------------------------------------------ what is asked and what comes


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

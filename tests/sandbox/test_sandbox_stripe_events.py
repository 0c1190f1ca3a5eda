"""Events and webhooks: each change is told once or more, as it was, for thirty days."""

import time
from collections import Counter
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from typing import Any

import httpx
import pytest
import stripe
from stripe_client import CONFIG, NOW, Api, account_ids, by_id, code

from dataflow_assets.sandbox.stripe.webhooks import deliveries, signature, webhook_secret
from dataflow_assets.sandbox.testing import RunningSandbox, run_sandbox
from dataflow_assets.sandbox.world import World
from dataflow_assets.sandbox.world.commerce import Commerce

DAY = 86_400
FOLDERS = {"customer", "subscription", "invoice", "payment_intent", "charge", "refund", "dispute"}
# What a later event no longer finds as it was, because no event tells of it.
UNTOLD = ("balance_transactions", "discount", "coupon")

Rows = list[dict[str, Any]]


@pytest.fixture(scope="module")
def shared() -> Iterator[RunningSandbox]:
    with run_sandbox(CONFIG, now=NOW) as sandbox:
        yield sandbox


@pytest.fixture
def api(sandbox: RunningSandbox) -> Iterator[Api]:
    with httpx.Client() as http:
        yield Api(sandbox, http)


@pytest.fixture(scope="module")
def events(shared: RunningSandbox) -> Rows:
    """The events of the first account, customer by customer, in the order they happened."""
    return [dict(row) for row in shared.truth("stripe", "events", account=account_ids(shared)[0])]


def told(row: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in row.items() if name not in UNTOLD}


def merged(after: Any, previous: Any) -> Any:
    """What was before, from what is now and what was different."""
    if not isinstance(after, dict) or not isinstance(previous, dict):
        return previous
    return after | {name: merged(after.get(name), value) for name, value in previous.items()}


def test_what_is_there_is_what_the_last_event_about_it_says(api: Api, events: Rows) -> None:
    last: dict[str, dict[str, Any]] = {}
    for event in events:
        if event["data"]["object"]["object"] in FOLDERS:
            last[event["data"]["object"]["id"]] = event
    by_kind: dict[str, dict[str, Any]] = {}
    compared: Counter[str] = Counter()
    for number, event in last.items():
        kind = event["data"]["object"]["object"]
        if event["type"] in ("customer.deleted", "invoice.deleted") or event["api_version"] != stripe.api_version:
            continue
        if kind not in by_kind:
            by_kind[kind] = by_id(api.rows(f"{kind}s", {"status": "all"} if kind == "subscription" else {}))
        assert told(by_kind[kind][number]) == told(event["data"]["object"])
        compared[kind] += 1
    assert compared.keys() == FOLDERS
    assert sum(compared.values()) > 400


def test_an_update_tells_what_was_there_before(events: Rows) -> None:
    seen: dict[Any, Rows] = {}
    checked: Counter[str] = Counter()
    for event in events:
        now = event["data"]["object"]
        previous = event["data"].get("previous_attributes")
        assert (previous is not None) == (event["type"].endswith(".updated") or event["type"] == "charge.refunded")
        history = seen.setdefault((event["api_version"], now["id"]), [])
        if previous is not None:
            assert previous
            # Several events can tell of one change; what was before it is the last that was different.
            before = next((old for old in reversed(history) if told(old) != told(now)), None)
            assert before is None or told(before) == told(merged(now, previous))
            checked[event["type"]] += before is not None
        history.append(now)
    assert checked["customer.subscription.updated"] > 50
    assert checked["customer.updated"] > 20


def test_the_tale_of_a_subscription_begins_with_its_creation_and_ends_with_its_end(events: Rows) -> None:
    tales: dict[str, list[str]] = {}
    for event in events:
        if event["type"].startswith("customer.subscription."):
            tales.setdefault(event["data"]["object"]["id"], []).append(event["type"].rpartition(".")[2])
    assert any("deleted" in tale for tale in tales.values())
    for tale in tales.values():
        assert "created" not in tale[1:]
        assert "deleted" not in tale[:-1]


def test_events_are_listed_newest_first_also_within_a_second_and_for_thirty_days(api: Api, events: Rows) -> None:
    listed = api.rows("events")
    assert by_id(listed) == by_id(events)
    created = [row["created"] for row in listed]
    assert created == sorted(created, reverse=True)
    assert len(set(created)) < len(created) - 500
    of_one: dict[str, list[str]] = {}
    for row in reversed(listed):
        of_one.setdefault(row["data"]["object"].get("customer") or "", []).append(row["id"])
    wanted: dict[str, list[str]] = {}
    for row in events:
        wanted.setdefault(row["data"]["object"].get("customer") or "", []).append(row["id"])
    assert {key: one for key, one in of_one.items() if key} == {key: one for key, one in wanted.items() if key}
    now = int(NOW.timestamp())
    assert now - 30 * DAY <= min(created) < now - 29 * DAY


def test_an_event_is_gone_after_thirty_days(api: Api, sandbox: RunningSandbox, events: Rows) -> None:
    oldest = min(events, key=lambda row: row["created"])["id"]
    row = api.body(f"events/{oldest}")
    sandbox.clock.set(datetime.fromtimestamp(row["created"] + 30 * DAY - 1, UTC))
    assert api.body(f"events/{oldest}") == row
    sandbox.clock.advance(1)
    assert code(api.get(f"events/{oldest}")) == (404, "resource_missing", "id")
    assert code(api.get("events", {"starting_after": oldest})) == (400, "resource_missing", "starting_after")


@pytest.mark.parametrize(
    ("params", "holds"),
    [
        ({"type": "invoice.paid"}, lambda name: name == "invoice.paid"),
        ({"type": "customer.*"}, lambda name: name.startswith("customer.")),
        ({"type": "charge.dispute.*"}, lambda name: name.startswith("charge.dispute.")),
        (
            {"types[]": ["refund.created", "charge.refunded"]},
            lambda name: name in ("refund.created", "charge.refunded"),
        ),
        ({"type": "payout.paid"}, lambda _: False),
        ({"types[0]": "nothing.known"}, lambda _: False),
    ],
)
def test_types_narrow_events(api: Api, events: Rows, params: dict[str, Any], holds: Callable[[str], bool]) -> None:
    assert by_id(api.rows("events", params)) == by_id([row for row in events if holds(row["type"])])


def test_a_star_after_customer_also_brings_subscriptions_and_discounts(api: Api) -> None:
    kinds = {row["data"]["object"]["object"] for row in api.rows("events", {"type": "customer.*"})}
    assert kinds == {"customer", "subscription", "discount"}


def test_twenty_types_are_the_most_and_type_and_types_exclude_each_other(api: Api) -> None:
    names = [f"a.b{number}" for number in range(21)]
    assert api.get("events", {"types[]": names[:20]}).status_code == 200
    assert code(api.get("events", {"types[]": names})) == (400, None, "types")
    assert code(api.get("events", {"types[]": names[:1], "type": "a.*"})) == (400, None, "type")


def test_some_changes_are_told_by_two_events_and_a_refund_by_three(events: Rows) -> None:
    counted = Counter(row["type"] for row in events)
    assert counted["invoice.paid"] == counted["invoice.payment_succeeded"] > 0
    assert counted["refund.created"] == counted["charge.refunded"] > 0
    assert counted["refund.updated"] == counted["charge.refund.updated"] > 0


def test_a_deleted_customers_event_shows_who_they_were(api: Api, events: Rows) -> None:
    gone = [row["data"]["object"] for row in events if row["type"] == "customer.deleted"]
    assert gone
    for row in gone:
        assert row["email"]
        assert "deleted" not in row
        assert api.body(f"customers/{row['id']}") == {"id": row["id"], "object": "customer", "deleted": True}


@pytest.fixture(scope="module")
def commerce() -> Commerce:
    return Commerce(World(CONFIG))


SPAN = (int(NOW.timestamp()) - 2 * DAY, int(NOW.timestamp()))


def test_a_webhook_is_signed_as_stripe_signs(commerce: Commerce, events: Rows) -> None:
    now = int(time.time())
    sent = list(deliveries(commerce, 0, SPAN, sent_at=now))
    for delivery in sent:
        header = delivery.headers["Stripe-Signature"]
        event = stripe.Webhook.construct_event(delivery.body, header, webhook_secret(0))
        assert event.id == delivery.event
        with pytest.raises(stripe.SignatureVerificationError):
            stripe.Webhook.construct_event(delivery.body + b" ", header, webhook_secret(0))
        with pytest.raises(stripe.SignatureVerificationError):
            stripe.Webhook.construct_event(delivery.body, header, webhook_secret(1))
    wanted = [row for row in events if SPAN[0] <= row["created"] < SPAN[1]]
    lost = {row["id"] for row in wanted if row["pending_webhooks"]}
    assert Counter(one.event for one in sent) == Counter(row["id"] for row in wanted if row["id"] not in lost)
    assert [one.created for one in sent] == sorted(one.created for one in sent)


def test_a_webhook_signed_long_ago_is_refused(commerce: Commerce) -> None:
    delivery = next(deliveries(commerce, 0, SPAN, sent_at=int(time.time()) - 301))
    with pytest.raises(stripe.SignatureVerificationError):
        stripe.Webhook.construct_event(delivery.body, delivery.headers["Stripe-Signature"], webhook_secret(0))


def test_while_a_secret_is_rolled_both_signatures_are_sent(commerce: Commerce) -> None:
    delivery = next(deliveries(commerce, 0, SPAN, sent_at=int(time.time()), secrets=("whsec_new", "whsec_old")))
    for secret in ("whsec_new", "whsec_old"):
        stripe.Webhook.construct_event(delivery.body, delivery.headers["Stripe-Signature"], secret)
    own = stripe.WebhookSignature.generate_signature_header(delivery.body.decode(), "whsec_new", 5)
    assert signature(delivery.body, 5, "whsec_new") == own


def test_what_is_not_delivered_can_be_listed(api: Api, commerce: Commerce, events: Rows) -> None:
    lost = by_id(api.rows("events", {"delivery_success": "false"}))
    assert lost == by_id([row for row in events if row["pending_webhooks"]])
    sent = {one.event for one in deliveries(commerce, 0, (SPAN[1] - 30 * DAY + 1, SPAN[1] + 1))}
    assert sent == by_id(api.rows("events", {"delivery_success": "true"})).keys()
    assert sent | lost.keys() == by_id(events).keys()
    assert 0 < len(lost) < len(sent) // 20


def test_disorderly_webhooks_repeat_and_overtake_but_lose_nothing(commerce: Commerce) -> None:
    orderly = [one.event for one in deliveries(commerce, 0, SPAN)]
    muddled = [one.event for one in deliveries(commerce, 0, SPAN, is_orderly=False)]
    assert set(muddled) == set(orderly)
    assert len(muddled) > len(orderly)
    assert list(dict.fromkeys(muddled)) != orderly
    assert [one.event for one in deliveries(commerce, 0, SPAN, is_orderly=False)] == muddled

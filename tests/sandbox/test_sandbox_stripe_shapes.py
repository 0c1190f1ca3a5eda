"""The shapes of things: in the current version as Stripe's SDK declares them, in the old one as they were."""

import os
import subprocess
import sys
import types
import typing
from collections.abc import Iterator
from decimal import Decimal
from typing import Any

import httpx
import pytest
import stripe
from stripe_client import CONFIG, LISTS, NOW, Api, account_ids, by_id

from dataflow_assets.sandbox.stripe.versions import OLD
from dataflow_assets.sandbox.testing import RunningSandbox, run_sandbox

TYPES: dict[str, type[stripe.StripeObject]] = {
    "customers": stripe.Customer,
    "products": stripe.Product,
    "prices": stripe.Price,
    "coupons": stripe.Coupon,
    "subscriptions": stripe.Subscription,
    "subscription_items": stripe.SubscriptionItem,
    "invoices": stripe.Invoice,
    "invoice_lines": stripe.InvoiceLineItem,
    "invoice_payments": stripe.InvoicePayment,
    "payment_intents": stripe.PaymentIntent,
    "charges": stripe.Charge,
    "refunds": stripe.Refund,
    "disputes": stripe.Dispute,
    "balance_transactions": stripe.BalanceTransaction,
    "events": stripe.Event,
}


# What version 2024-06-20 has that the current one has not, and the other way round.
ONLY_OLD = {
    "subscriptions": {"current_period_end", "current_period_start", "discount"},
    "invoices": {
        "application_fee_amount",
        "charge",
        "discount",
        "paid",
        "paid_out_of_band",
        "payment_intent",
        "quote",
        "subscription",
        "subscription_details",
        "tax",
        "total_tax_amounts",
        "transfer_data",
    },
    "charges": {"invoice"},
    "payment_intents": {"invoice"},
}
ONLY_NEW = {
    "subscriptions": {"billing_mode", "billing_schedules", "status_details"},
    "invoices": {
        "amount_overpaid",
        "amount_paid_off_stripe",
        "parent",
        "status_details",
        "total_pretax_credit_amounts",
        "total_taxes",
    },
    "payment_intents": {"payment_record"},
    "refunds": {"customer", "payment_method", "pending_reason"},
    "balance_transactions": {"balance_type"},
    "disputes": {"enhanced_eligibility_types"},
}


TELL_EVERYTHING = """
import hashlib, sys
from datetime import UTC, datetime
import msgspec
from dataflow_assets.sandbox.core import TruthQuery
from dataflow_assets.sandbox.server import Sandbox
from dataflow_assets.sandbox.stripe.truth import STREAMS
from dataflow_assets.sandbox.world import Clock, WorldConfig
config = WorldConfig(seed=int(sys.argv[1]), customers_per_day=2, stripe_accounts=2)
sandbox = Sandbox(config, Clock(datetime(2026, 4, 20, 12, tzinfo=UTC)))
digest = hashlib.sha256()
for stream in sorted(STREAMS):
    for row in sandbox.vendors["stripe"].truth(stream, TruthQuery()):
        digest.update(msgspec.json.encode(row))
print(digest.hexdigest())
"""


@pytest.fixture(scope="module")
def shared() -> Iterator[RunningSandbox]:
    with run_sandbox(CONFIG, now=NOW) as sandbox:
        yield sandbox


@pytest.fixture
def api(sandbox: RunningSandbox) -> Iterator[Api]:
    with httpx.Client() as http:
        yield Api(sandbox, http)


def complaints(value: Any, hint: Any, path: str) -> list[str]:
    """How a value differs from what the SDK says it is; unknown fields count, absent ones that may be null do not."""
    origin = typing.get_origin(hint)
    if isinstance(hint, (str, typing.ForwardRef)):
        name = hint if isinstance(hint, str) else hint.__forward_arg__
        hint = getattr(stripe, name.removesuffix("Resource"), None)
        if hint is None:  # one of the SDK's modules below, of nothing that is shown here
            return [f"{path}: {value!r} is of no type that is shown here"]
    if origin in (typing.Union, types.UnionType):
        found = [complaints(value, one, path) for one in typing.get_args(hint)]
        return min(found, key=len)
    if origin is typing.Literal:
        return [] if value in typing.get_args(hint) else [f"{path}: {value!r} is not one of {hint}"]
    if origin in (list, stripe.ListObject):
        rows = value["data"] if origin is stripe.ListObject and isinstance(value, dict) else value
        (inner,) = typing.get_args(hint)
        if not isinstance(rows, list):
            return [f"{path}: {value!r} is no list"]
        return [one for row in rows for one in complaints(row, inner, f"{path}[]")]
    if isinstance(hint, type) and issubclass(hint, stripe.StripeObject):
        return of_object(value, hint, path)
    if origin is not None or hint is Any:  # a map of anything
        return [] if isinstance(value, dict) else [f"{path}: {value!r} is no map"]
    expected = {Decimal: str, float: (int, float), int: int}.get(hint, hint)
    is_wrong_bool = isinstance(value, bool) and hint is not bool
    return [f"{path}: {value!r} is no {hint}"] if is_wrong_bool or not isinstance(value, expected) else []


def of_object(value: Any, hint: type[stripe.StripeObject], path: str) -> list[str]:
    if not isinstance(value, dict):
        return [f"{path}: {value!r} is no {hint.__name__}"]
    hints = {name: one for name, one in hint.__annotations__.items() if name != "OBJECT_NAME"}
    found = [f"{path}.{name} is unknown" for name in value if hints and name not in hints]
    for name, one in hints.items():
        if name in value:
            found += complaints(value[name], one, f"{path}.{name}")
        elif type(None) not in typing.get_args(one):
            found.append(f"{path}.{name} is missing")
    return found


@pytest.mark.parametrize("name", TYPES)
def test_every_row_is_what_the_sdk_says_it_is(sandbox: RunningSandbox, name: str) -> None:
    rows = [row for row in sandbox.truth("stripe", name) if not row.get("deleted")]
    assert rows
    for row in rows:
        assert complaints(row, TYPES[name], name) == []


@pytest.mark.parametrize("name", ["subscriptions", "invoices", "charges", "refunds"])
def test_what_is_not_as_the_sdk_says_is_complained_of(sandbox: RunningSandbox, name: str) -> None:
    row = sandbox.truth("stripe", name)[0]
    for broken in ({"created": "1"}, {"currency": None}, {"strange": 1}):
        assert complaints({**row, **broken}, TYPES[name], name)
    assert complaints({key: one for key, one in row.items() if key != "id"}, TYPES[name], name)


@pytest.mark.parametrize("name", [name for name in LISTS if name not in ("events", "invoice_payments")])
def test_the_old_version_tells_the_same_things_in_its_own_fields(api: Api, name: str) -> None:
    new = by_id(api.rows(name, LISTS[name]))
    old = by_id(api.rows(name, LISTS[name], Stripe_Version=OLD))
    assert list(old) == list(new)
    for number, row in old.items():
        assert row.keys() - new[number].keys() == ONLY_OLD.get(name, set())
        assert new[number].keys() - row.keys() == ONLY_NEW.get(name, set())
        nested = {"automatic_tax", "cancellation_details", "items", "lines", "balance_transactions"}
        same = row.keys() & new[number].keys() - nested
        assert {key: row[key] for key in same} == {key: new[number][key] for key in same}


def test_an_old_subscription_holds_the_period_of_its_items(api: Api) -> None:
    new = by_id(api.rows("subscriptions", {"status": "all"}))
    for row in api.rows("subscriptions", {"status": "all"}, Stripe_Version=OLD):
        (begin,) = {item["current_period_start"] for item in new[row["id"]]["items"]["data"]}
        (end,) = {item["current_period_end"] for item in new[row["id"]]["items"]["data"]}
        assert (row["current_period_start"], row["current_period_end"]) == (begin, end)
        assert all(not {"current_period_start", "current_period_end"} & one.keys() for one in row["items"]["data"])
        if row["discounts"]:
            assert row["discount"]["id"] == row["discounts"][0]
            assert row["discount"]["coupon"]["object"] == "coupon"


def test_an_old_invoice_names_its_subscription_payment_and_the_prices_of_its_lines(api: Api) -> None:
    new = by_id(api.rows("invoices"))
    payments = {row["invoice"]: row["payment"]["payment_intent"] for row in api.rows("invoice_payments")}
    charges = by_id(api.rows("charges", Stripe_Version=OLD))
    for row in api.rows("invoices", Stripe_Version=OLD):
        parent = new[row["id"]]["parent"]
        assert row["subscription"] == (parent["subscription_details"]["subscription"] if parent else None)
        assert row["payment_intent"] == payments.get(row["id"])
        assert row["paid"] is (row["status"] == "paid")
        assert row["charge"] is None or charges[row["charge"]]["invoice"] == row["id"]
        for line, now in zip(row["lines"]["data"], new[row["id"]]["lines"]["data"], strict=True):
            details = now["parent"]["subscription_item_details"]
            assert line["price"]["id"] == now["pricing"]["price_details"]["price"]
            assert line["proration"] is bool(details and details["proration"])
            assert line.get("subscription_item") == (details["subscription_item"] if details else None)
            assert line["type"] == ("invoiceitem" if line["proration"] or not details else "subscription")
            assert not {"parent", "pricing", "taxes", "subtotal"} & line.keys()


def test_the_old_version_knows_no_invoice_payments(api: Api) -> None:
    assert api.get("invoice_payments", Stripe_Version=OLD).status_code == 404


def test_events_keep_the_shape_of_their_day_whatever_version_asks(api: Api, sandbox: RunningSandbox) -> None:
    found = api.rows("events")
    assert found == api.rows("events", Stripe_Version=OLD)
    assert {row["api_version"] for row in found} == {OLD, stripe.api_version}
    old = [row for row in found if row["api_version"] == OLD]
    new = [row for row in found if row["api_version"] != OLD]
    assert max(row["created"] for row in old) < min(row["created"] for row in new)
    for rows, field in ((old, "paid"), (new, "parent")):
        bills = [row for row in rows if row["data"]["object"]["object"] == "invoice"]
        assert bills
        assert all(field in row["data"]["object"] for row in bills)
    assert "invoice_payment.paid" not in {row["type"] for row in old}
    assert "invoice_payment.paid" in {row["type"] for row in new}


def test_without_a_version_an_account_gets_the_one_it_has(api: Api, sandbox: RunningSandbox) -> None:
    second = account_ids(sandbox)[1]
    del api.headers["Stripe-Version"]
    assert "billing_mode" in api.body("subscriptions")["data"][0]
    assert "billing_mode" not in api.body("subscriptions", Stripe_Account=second)["data"][0]
    sandbox.clock.advance(86_400 * 7)
    assert "billing_mode" in api.body("subscriptions", Stripe_Account=second)["data"][0]


@pytest.mark.parametrize("version", ["2022-11-15", "2026-10-28", "endive"])
def test_a_version_that_is_not_reproduced_is_refused(api: Api, version: str) -> None:
    assert api.get("customers", Stripe_Version=version).status_code == 400


def told_by_another_process(seed: int, hash_seed: str) -> str:
    environment = {**os.environ, "PYTHONHASHSEED": hash_seed}
    command = [sys.executable, "-c", TELL_EVERYTHING, str(seed)]
    return subprocess.run(command, env=environment, capture_output=True, text=True, check=True).stdout.strip()


def test_the_same_seed_tells_the_same_in_every_process_and_another_seed_does_not() -> None:
    first = told_by_another_process(7, "1")
    assert len(first) == 64
    assert told_by_another_process(7, "2") == first
    assert told_by_another_process(8, "1") != first

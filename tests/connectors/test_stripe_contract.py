"""What the Stripe connector declares, and what it makes of answers. Facts: `apis/stripe.md`, sections 1 to 3 and 5."""

import asyncio
import inspect
import json
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, get_args

import httpx
import msgspec
import pytest
import stripe as sdk
from pydantic import SecretStr

from dataflow_assets.connectors.base import Kind, Stream
from dataflow_assets.connectors.stripe import CONNECTOR, answers
from dataflow_assets.connectors.stripe.answers import Gone, classify
from dataflow_assets.connectors.stripe.changes import same_shape
from dataflow_assets.raw.decode import Decoder
from dataflow_assets.resources.failures import Fatal, Retryable, Scope, Throttled, Unauthorized, VendorError
from dataflow_assets.resources.http import Reply
from dataflow_assets.settings import Settings, StripeSettings

ACCOUNT = "acct_1"

# ------------------------------------------------------------------ what is declared

ENTITIES = {
    "customers": sdk.Customer,
    "products": sdk.Product,
    "prices": sdk.Price,
    "coupons": sdk.Coupon,
    "subscriptions": sdk.Subscription,
    "subscription_items": sdk.SubscriptionItem,
    "invoices": sdk.Invoice,
    "invoice_lines": sdk.InvoiceLineItem,
    "invoice_payments": sdk.InvoicePayment,
    "charges": sdk.Charge,
    "refunds": sdk.Refund,
    "disputes": sdk.Dispute,
    "balance_transactions": sdk.BalanceTransaction,
    "events": sdk.Event,
}
# What objects had in SDK 11.6.0, of the versions before basil, and have no more.
BEFORE_BASIL = {
    "subscriptions": "current_period_end current_period_start discount",
    "invoices": "application_fee_amount charge discount paid paid_out_of_band payment_intent quote subscription "
    "subscription_details subscription_proration_date tax total_tax_amounts transfer_data",
    "invoice_lines": "amount_excluding_tax invoice_item plan price proration proration_details subscription_item "
    "tax_amounts tax_rates type unit_amount_excluding_tax",
    "charges": "invoice",
}
# Objects inside objects of which only some fields are kept.
INNER = {
    ("customers", "address"): sdk.Customer.Address,
    ("prices", "recurring"): sdk.Price.Recurring,
    ("subscriptions", "billing_mode"): sdk.Subscription.BillingMode,
    ("subscriptions", "cancellation_details"): sdk.Subscription.CancellationDetails,
    ("subscription_items", "price"): sdk.Price,
    ("subscription_items", "price.recurring"): sdk.Price.Recurring,
    ("invoices", "status_transitions"): sdk.Invoice.StatusTransitions,
    ("invoices", "customer_address"): sdk.Invoice.CustomerAddress,
    ("invoice_lines", "period"): sdk.InvoiceLineItem.Period,
    ("invoice_payments", "payment"): sdk.InvoicePayment.Payment,
    ("invoice_payments", "status_transitions"): sdk.InvoicePayment.StatusTransitions,
    ("charges", "billing_details"): sdk.Charge.BillingDetails,
    ("charges", "billing_details.address"): sdk.Charge.BillingDetails.Address,
    ("disputes", "evidence_details"): sdk.Dispute.EvidenceDetails,
}


def stream_of(name: str) -> Stream:
    return CONNECTOR.stream(name)


def known(stream: Stream, below: str = "") -> set[str]:
    """The fields a stream keeps or ignores, at the top or below a path."""
    paths = [".".join(column.source_path) for column in stream.columns] + list(stream.ignored)
    inside = [path.removeprefix(f"{below}.") for path in paths if path.startswith(f"{below}.")] if below else paths
    return {path.split(".")[0] for path in inside}


def documented(described: type) -> set[str]:
    return {name for name in inspect.get_annotations(described) if name != "OBJECT_NAME" and not name.startswith("_")}


def test_the_streams_are_those_that_others_build_on() -> None:
    assert [stream.name for stream in CONNECTOR.streams] == list(ENTITIES)
    assert {stream.key for stream in CONNECTOR.streams} == {("id",)}
    assert [stream.name for stream in CONNECTOR.streams if stream.kind is Kind.EVENT] == ["events"]
    assert all(stream.by_day for stream in CONNECTOR.streams)


@pytest.mark.parametrize("name", ENTITIES)
def test_law_6_every_documented_field_is_declared_or_ignored(name: str) -> None:
    stream = stream_of(name)
    may_be_deleted = "deleted" in stream.column_names
    expected = documented(ENTITIES[name]) - (set() if may_be_deleted else {"deleted"})
    assert expected - known(stream) == set()
    assert set(BEFORE_BASIL.get(name, "").split()) - known(stream) == set()


@pytest.mark.parametrize(
    ("place", "described"), INNER.items(), ids=lambda value: ".".join(value) if isinstance(value, tuple) else ""
)
def test_law_6_every_documented_field_inside_one_is_declared_or_ignored(
    place: tuple[str, str], described: type
) -> None:
    name, below = place
    assert documented(described) - known(stream_of(name), below) == set()


@pytest.mark.parametrize(
    "stream", [one for one in CONNECTOR.streams if one.cursor == "updated_at"], ids=lambda one: one.name
)
def test_events_are_asked_for_by_types_that_exist_and_few_enough(stream: Stream) -> None:
    types = stream.params["feed"].types
    exist = get_args(inspect.get_annotations(sdk.Event)["type"])
    assert 0 < len(types) <= 20
    assert len(set(types)) == len(types)
    assert set(types) <= set(exist)
    assert "invoice.upcoming" not in types, "What it tells of has no id."
    # The feed goes back 30 days, and a sweep reconciles long before.
    assert stream.feed_reaches
    assert stream.feed_reaches.days == 29
    assert stream.sweep_every
    assert stream.sweep_every.days < 7


def test_deletions_are_flagged_where_stripe_has_them_and_only_there() -> None:
    for stream in CONNECTOR.streams:
        if stream.cursor == "updated_at":
            endings = {kind for kind in stream.params["feed"].types if kind.endswith(".deleted")}
            gone = endings - {"customer.subscription.deleted"}
            inside = stream.params["inside"]
            expected = bool(gone) if inside is None else bool(inside.shown_in)
            assert ("deleted" in stream.column_names) == expected, stream.name


def decoded(name: str, record: Mapping[str, Any]) -> dict[str, Any]:
    found = Decoder(stream_of(name)).decode(msgspec.Raw(json.dumps([record]).encode()))
    assert found.rejected == []
    assert found.unknown_fields == set()
    return {column: values[0] for column, values in zip(stream_of(name).column_names, found.columns, strict=True)}


CHARGE = {"id": "ch_1", "amount": 100, "currency": "eur", "created": 1794142912, "status": "succeeded"}


@pytest.mark.parametrize("customer", ["cus_1", {"id": "cus_1", "object": "customer", "name": "Ada", "deleted": True}])
def test_a_reference_is_its_id_whether_stripe_writes_the_id_or_the_object(customer: Any) -> None:
    assert decoded("charges", CHARGE | {"customer": customer})["customer"] == "cus_1"


@pytest.mark.parametrize("customer", [None, ""])
def test_a_reference_to_nothing_is_nothing(customer: Any) -> None:
    assert decoded("charges", CHARGE | {"customer": customer})["customer"] is None


@pytest.mark.parametrize("customer", [7, ["cus_1"], {"name": "no id"}])
def test_a_reference_that_is_none_sets_the_record_aside(customer: Any) -> None:
    page = msgspec.Raw(json.dumps([CHARGE | {"customer": customer}]).encode())
    assert len(Decoder(stream_of("charges")).decode(page).rejected) == 1


def test_times_are_unix_seconds_and_what_listings_do_not_tell_is_null_or_false() -> None:
    found = decoded("products", {"id": "prod_1", "created": 1778500804, "updated": 1778500805})
    assert found["created"] == datetime(2026, 5, 11, 12, 0, 4, tzinfo=UTC)
    assert found["updated"] == datetime(2026, 5, 11, 12, 0, 5, tzinfo=UTC)
    assert (found["updated_at"], found["deleted"]) == (None, False)


def test_of_payment_method_and_address_only_the_kind_and_the_country_are_kept() -> None:
    address = {
        "city": "Berlin",
        "country": "DE",
        "line1": "Secret Street 1",
        "line2": None,
        "postal_code": "1",
        "state": None,
    }
    details = {"address": address, "email": "a@lumen.example", "name": "Ada", "phone": "+49", "tax_id": None}
    method = {"type": "card", "card": {"last4": "4242"}}
    found = decoded("charges", CHARGE | {"billing_details": details, "payment_method_details": method})
    assert (found["billing_country"], found["billing_email"], found["payment_method_type"]) == (
        "DE",
        "a@lumen.example",
        "card",
    )
    assert not [value for value in found.values() if value in ("Berlin", "Secret Street 1", "Ada", "+49", "4242")]


@pytest.mark.parametrize(
    ("theirs", "ours", "same"),
    [
        ("2026-10-28.endive", "2026-10-28.endive", True),
        ("2026-09-30.endive", "2026-10-28.endive", True),
        ("2026-03-25.dahlia", "2026-10-28.endive", False),
        ("2024-06-20", "2026-10-28.endive", False),
        ("2024-06-20", "2024-06-20", True),
        ("2024-06-20", "2024-04-10", False),
        ("2026-10-28.endive", "2024-06-20", False),
        (None, "2026-10-28.endive", False),
        ("", "", False),
    ],
)
def test_versions_of_one_name_look_alike_and_others_do_not(theirs: str | None, ours: str, same: bool) -> None:
    assert same_shape(theirs, ours) is same


# ------------------------------------------------------------------ errors: law 8


def reply(body: Any, status: int = 400, headers: Mapping[str, str] | None = None, path: str = "charges") -> Reply:
    content = body if isinstance(body, bytes) else json.dumps(body).encode()
    return Reply(status, httpx.Headers({"Request-Id": "req_1", **(headers or {})}), content, ACCOUNT, path)


def error(
    code: str | None = None, kind: str = "invalid_request_error", message: str = "It went wrong."
) -> dict[str, Any]:
    return {"error": {"type": kind, "message": message, **({"code": code} if code else {})}}


CASES: list[tuple[int, str | None, str, type[VendorError], Scope | None]] = [
    (400, None, "invalid_request_error", Fatal, "account"),
    (400, "parameter_unknown", "invalid_request_error", Fatal, "account"),
    (400, "resource_missing", "invalid_request_error", Gone, "account"),
    (400, None, "idempotency_error", Fatal, "account"),
    (401, None, "invalid_request_error", Unauthorized, "account"),
    (401, "api_key_expired", "invalid_request_error", Unauthorized, "account"),
    (402, "card_declined", "card_error", Fatal, "account"),
    (403, None, "invalid_request_error", Fatal, "account"),
    (403, "account_invalid", "invalid_request_error", Fatal, "account"),
    (404, None, "invalid_request_error", Fatal, "account"),
    (404, "resource_missing", "invalid_request_error", Gone, "account"),
    (409, None, "invalid_request_error", Retryable, None),
    (424, None, "api_error", Retryable, None),
    (429, "rate_limit", "invalid_request_error", Throttled, "account"),
    (429, None, "rate_limit_error", Throttled, "account"),
    (429, "lock_timeout", "invalid_request_error", Throttled, "endpoint"),
    (500, None, "api_error", Retryable, None),
    (502, None, "api_error", Retryable, None),
    (503, None, "invalid_request_error", Retryable, None),
    (504, None, "api_error", Retryable, None),
]


@pytest.mark.parametrize(("status", "code", "kind", "expected", "scope"), CASES)
def test_law_8_every_error_has_its_kind(
    status: int, code: str | None, kind: str, expected: type[VendorError], scope: Scope | None
) -> None:
    failure = classify(reply(error(code, kind), status))
    assert type(failure) is expected
    assert getattr(failure, "scope", None) == scope
    assert failure.account == ACCOUNT
    assert f"HTTP {status}" in str(failure)
    assert "req_1" in str(failure)


@pytest.mark.parametrize("status", [200, 400, 402, 404, 500])
def test_law_8_the_code_decides_where_there_is_one_whatever_the_http_status(status: int) -> None:
    assert type(classify(reply(error("rate_limit"), status))) is Throttled
    assert type(classify(reply(error("lock_timeout"), status))) is Throttled
    assert type(classify(reply(error("resource_missing"), status))) is Gone
    assert type(classify(reply(error("api_key_expired"), status))) is Unauthorized


@pytest.mark.parametrize(
    ("status", "code"), [(400, None), (402, "card_declined"), (404, "resource_missing"), (500, None)]
)
def test_law_8_stripes_own_word_on_trying_again_is_followed(status: int, code: str | None) -> None:
    assert type(classify(reply(error(code), status, {"Stripe-Should-Retry": "true"}))) is Retryable
    assert isinstance(classify(reply(error(code), status, {"Stripe-Should-Retry": "false"})), Fatal)


@pytest.mark.parametrize("word", ["true", "false"])
def test_law_8_a_throttle_is_waited_for_whatever_stripe_says_of_trying_again(word: str) -> None:
    for code in ("rate_limit", "lock_timeout"):
        assert type(classify(reply(error(code), 429, {"Stripe-Should-Retry": word}))) is Throttled


@pytest.mark.parametrize(
    ("reason", "scope"),
    [
        ("global-rate", "account"),
        ("global-concurrency", "account"),
        ("endpoint-rate", "endpoint"),
        ("endpoint-concurrency", "endpoint"),
        ("resource-specific", "endpoint"),
        ("a reason of tomorrow", "account"),
    ],
)
def test_law_7_only_what_was_too_much_is_held(reason: str, scope: Scope) -> None:
    failure = classify(reply(error("rate_limit"), 429, {"Stripe-Rate-Limited-Reason": reason}))
    assert isinstance(failure, Throttled)
    assert failure.scope == scope


@pytest.mark.parametrize(
    ("headers", "seconds"), [({}, 2), ({"Retry-After": "7"}, 7), ({"Retry-After": "soon"}, 2), ({"Retry-After": ""}, 2)]
)
def test_law_7_a_throttle_is_waited_for_two_seconds_unless_told(headers: dict[str, str], seconds: float) -> None:
    failure = classify(reply(error("rate_limit"), 429, headers))
    assert isinstance(failure, Throttled)
    assert failure.wait_seconds == seconds


@pytest.mark.parametrize(
    ("body", "status", "kind"),
    [
        (b"<html>502 Bad Gateway</html>", 502, Retryable),
        (b"<html>Maintenance</html>", 200, Retryable),
        (b"", 200, Retryable),
        (b'{"object": "list", "data": [{"id": "c', 200, Retryable),
        ({}, 500, Retryable),
        ({}, 404, Fatal),
        ({}, 429, Throttled),
        ({"error": {"code": None, "message": None, "type": None}}, 401, Unauthorized),
        ({"object": "list", "data": [], "has_more": False}, 200, None),
        ({"id": "cus_1", "deleted": True}, 200, None),
    ],
)
def test_law_8_answers_without_a_proper_error_object(body: Any, status: int, kind: type[VendorError] | None) -> None:
    failure = classify(reply(body, status))
    assert failure is None if kind is None else type(failure) is kind


def test_a_missing_right_is_named_with_the_stream_it_is_missing_for() -> None:
    message = (
        "The provided key 'rk_test_*********0000' does not have the required permissions for this endpoint on account "
        "'acct_1'. Having the 'rak_balance_transaction_read' permission would allow this request to continue."
    )
    failure = classify(reply(error(message=message), 403, path="balance_transactions"))
    assert isinstance(failure, Fatal)
    assert failure.scope == "account"
    for word in ("rak_balance_transaction_read", "acct_1", "right to read balance transactions"):
        assert word in str(failure)


@pytest.mark.parametrize("status", [401, 403])
@pytest.mark.parametrize("shown", ["sk_live_51H***********************q9aB", "rk_test_abcdefgh12345678", "my-odd-key"])
def test_law_13_no_part_of_a_key_that_stripe_quotes_is_passed_on(status: int, shown: str) -> None:
    body = error(message=f"Invalid API Key provided: {shown}. The key '{shown}' is no good.")
    failure = classify(reply(body, status), ("my-odd-key",))
    assert failure
    told = str(failure) + repr(failure) + "".join(map(str, failure.args))
    assert not [part for part in (shown, shown[:12], shown[-4:]) if part in told]


def test_a_version_that_stripe_does_not_have_is_a_setting_to_change() -> None:
    failure = classify(reply(error(message="Invalid Stripe API version: 2019-01-01.")))
    assert isinstance(failure, Fatal)
    assert failure.scope == "vendor"
    assert "DATAFLOW_STRIPE__API_VERSION" in failure.hint


# ------------------------------------------------------------------ how it is asked


def api(**changes: Any) -> Any:
    return answers.api(Settings(stripe=StripeSettings(**{"api_key": SecretStr("sk_a, sk_b"), **changes})))


def test_each_key_is_a_credential_and_the_version_is_pinned() -> None:
    made = api(base_url="https://example.test/", api_version="2026-09-30.endive")
    sent = [asyncio.run(auth.headers(httpx.AsyncClient()))["Authorization"] for auth in made.auths]
    assert sent == ["Bearer sk_a", "Bearer sk_b"]
    assert made.headers == {"Stripe-Version": "2026-09-30.endive"}
    assert made.base_url == "https://example.test/v1/"
    assert made.params == {}


def test_law_13_the_description_of_the_api_does_not_show_its_keys() -> None:
    assert "sk_a" not in repr(api())
    assert "sk_b" not in repr(api())


def test_law_7_accounts_and_endpoints_have_budgets_of_their_own() -> None:
    limits = api(requests_per_second=80).limits
    for path in ("invoices", "invoices/in_1", "invoices/in_1/lines"):
        found = limits(ACCOUNT, path)
        assert (found["account"].requests, found["endpoint"].requests, found["vendor"].requests) == (80, 20, 160)
        assert {limit.seconds for limit in found.values()} == {1}
        # Stripe's 25 a second for an endpoint: a window never holds more than the rate and the burst.
        assert found["endpoint"].requests + found["endpoint"].burst <= 25
    assert api(requests_per_second=5).limits(ACCOUNT, "invoices")["endpoint"].requests == 5
    one, other = limits(ACCOUNT, "invoices/in_1"), limits(ACCOUNT, "invoices/in_2")
    assert one == other, "Every id is the same endpoint."
    keys = {
        limits(account, path)["endpoint"].key
        for account in ("a", "b")
        for path in ("invoices", "invoices/in_1", "events")
    }
    assert len(keys) == 6
    assert set(limits(None, "account")) == {"vendor"}


def test_law_7_the_defaults_keep_to_what_a_stripe_sandbox_allows() -> None:
    found = answers.api(Settings()).limits(ACCOUNT, "charges")
    assert found["account"].requests + found["account"].burst <= 25

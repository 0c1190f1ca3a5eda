"""Stripe's own SDK reads the sandbox as it reads Stripe. Whatever it gets is compared with the world's truth."""

from collections.abc import Iterator
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest
import stripe
from stripe_client import CONFIG, LISTS, NOW, account_ids, by_id

from dataflow_assets.sandbox.stripe.auth import restricted_key, secret_key
from dataflow_assets.sandbox.stripe.versions import CURRENT
from dataflow_assets.sandbox.testing import RunningSandbox, run_sandbox

INSTANTS = [datetime(2026, 3, 20, 15, 40, 3, tzinfo=UTC), NOW]


@pytest.fixture(scope="module")
def shared() -> Iterator[RunningSandbox]:
    with run_sandbox(CONFIG, now=NOW) as sandbox:
        yield sandbox


@pytest.fixture
def client(sandbox: RunningSandbox) -> stripe.StripeClient:
    return connect(sandbox)


def connect(sandbox: RunningSandbox, key: str = secret_key(0), **options: Any) -> stripe.StripeClient:
    options = {"max_network_retries": 0, **options}
    return stripe.StripeClient(key, base_addresses={"api": sandbox.stripe_url}, **options)


def plain(rows: Any) -> list[dict[str, Any]]:
    """Rows as the SDK read them, with its Decimals as the texts they were."""
    return [untyped(row.to_dict()) for row in rows]


def untyped(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: untyped(one) for name, one in value.items()}
    if isinstance(value, list):
        return [untyped(one) for one in value]
    return str(value) if isinstance(value, Decimal) else value


@pytest.mark.parametrize("instant", INSTANTS)
@pytest.mark.parametrize("name", LISTS)
def test_a_list_pages_through_the_truth_newest_first(
    client: stripe.StripeClient, sandbox: RunningSandbox, name: str, instant: datetime
) -> None:
    sandbox.clock.set(instant)
    truth = by_id(sandbox.truth("stripe", name, account=account_ids(sandbox)[0], deleted=False))
    found = plain(getattr(client.v1, name).list(params={"limit": 37, **LISTS[name]}).auto_paging_iter())
    assert by_id(found) == truth
    assert len(found) > (0 if name == "disputes" else 3)
    created = [row["created"] for row in found]
    assert created == sorted(created, reverse=True)


@pytest.mark.parametrize("instant", INSTANTS)
def test_items_and_lines_are_read_through_what_they_belong_to(
    client: stripe.StripeClient, sandbox: RunningSandbox, instant: datetime
) -> None:
    sandbox.clock.set(instant)
    account = account_ids(sandbox)[0]
    items = [
        row
        for one in sandbox.truth("stripe", "subscriptions", account=account)
        for row in plain(
            client.v1.subscription_items.list(params={"subscription": one["id"], "limit": 1}).auto_paging_iter()
        )
    ]
    assert by_id(items) == by_id(sandbox.truth("stripe", "subscription_items", account=account))
    bills = sandbox.truth("stripe", "invoices", account=account)
    whole = [one for one in bills if one["lines"]["has_more"]]
    assert whole
    lines = [row for one in bills if one not in whole for row in one["lines"]["data"]]
    for one in whole:
        lines += plain(client.v1.invoices.line_items.list(one["id"], params={"limit": 4}).auto_paging_iter())
    assert by_id(lines) == by_id(sandbox.truth("stripe", "invoice_lines", account=account))


@pytest.mark.parametrize("name", LISTS)
def test_each_thing_can_be_read_alone(client: stripe.StripeClient, sandbox: RunningSandbox, name: str) -> None:
    for row in sandbox.truth("stripe", name, account=account_ids(sandbox)[0], deleted=False)[:4]:
        assert untyped(getattr(client.v1, name).retrieve(row["id"]).to_dict()) == row


def test_the_call_of_the_documentation(client: stripe.StripeClient) -> None:
    page = client.v1.customers.list(
        params={"limit": 100, "created": {"gte": 1}, "expand": ["data.subscriptions"]},
    )
    with_subscriptions = [one for one in page.data if one.subscriptions and one.subscriptions.data]
    assert with_subscriptions
    assert {one.subscriptions.data[0].customer == one.id for one in with_subscriptions if one.subscriptions} == {True}


def test_each_key_has_its_own_account_and_the_first_may_act_for_the_others(sandbox: RunningSandbox) -> None:
    first, second = account_ids(sandbox)
    account = connect(sandbox, restricted_key(1)).v1.accounts.retrieve_current()
    assert (account.id, account.default_currency, account.country) == (second, "usd", "US")
    assert account.settings is not None
    assert account.settings.dashboard.timezone == "America/Los_Angeles"
    acting = connect(sandbox).v1.customers.list(options={"stripe_account": second})
    own = connect(sandbox, secret_key(1)).v1.customers.list()
    assert plain(acting.data) == plain(own.data)
    assert connect(sandbox).v1.accounts.retrieve_current().id == first
    everybody = sandbox.truth("stripe", "customers")
    assert len(everybody) == sum(len(sandbox.truth("stripe", "customers", account=one)) for one in (first, second))


def test_the_global_style_works(sandbox: RunningSandbox, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stripe, "api_key", secret_key(0))
    monkeypatch.setattr(stripe, "api_base", sandbox.stripe_url)
    truth = sandbox.truth("stripe", "products", account=account_ids(sandbox)[0])
    assert by_id(plain(stripe.Product.list(limit=2).auto_paging_iter())) == by_id(truth)


def test_a_deleted_customer_is_a_stub_and_no_longer_listed(
    client: stripe.StripeClient, sandbox: RunningSandbox
) -> None:
    deleted = [one for one in sandbox.truth("stripe", "customers", account=account_ids(sandbox)[0]) if "deleted" in one]
    assert deleted
    for row in deleted:
        stub = client.v1.customers.retrieve(row["id"])
        assert stub.to_dict() == {"id": row["id"], "object": "customer", "deleted": True}


def test_errors_have_the_classes_of_the_sdk(client: stripe.StripeClient, sandbox: RunningSandbox) -> None:
    with pytest.raises(stripe.InvalidRequestError) as missing:
        client.v1.customers.retrieve("cus_none")
    assert (missing.value.http_status, missing.value.code) == (404, "resource_missing")
    with pytest.raises(stripe.AuthenticationError):
        connect(sandbox, "sk_test_wrong").v1.customers.list()
    with pytest.raises(stripe.PermissionError):
        connect(sandbox, restricted_key(0)).v1.customers.delete("cus_none")
    for fault, error in (
        ("throttle_rate_limit", stripe.RateLimitError),
        ("api_error_500", stripe.APIError),
        ("revoked_account", stripe.PermissionError),
    ):
        sandbox.fault(fault, times=1)
        with pytest.raises(error):
            client.v1.customers.list()


@pytest.mark.parametrize(
    ("fault", "requests"),
    [
        ("throttle_rate_limit", 1),
        ("throttle_rate_limit_should_retry", 3),
        ("throttle_lock_timeout", 1),
        ("throttle_lock_timeout_should_retry", 3),
        ("api_error_500", 3),
        ("conflict_409", 3),
    ],
)
def test_the_sdk_retries_what_stripe_tells_it_to(
    sandbox: RunningSandbox, monkeypatch: pytest.MonkeyPatch, fault: str, requests: int
) -> None:
    monkeypatch.setattr(stripe.HTTPClient, "_sleep_time_seconds", lambda *_: 0.0)
    sandbox.fault(fault)
    with pytest.raises(stripe.StripeError):
        connect(sandbox, max_network_retries=2).v1.charges.list()
    assert sandbox.requests()["total"] == requests


def test_the_sdk_speaks_the_current_version() -> None:
    assert stripe.api_version == CURRENT

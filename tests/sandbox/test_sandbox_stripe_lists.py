"""Lists as they travel: order, pages, filters, embedded lists, expansion. Against the truth of the world."""

from collections.abc import Callable, Iterator
from datetime import UTC, date, datetime
from typing import Any

import httpx
import pytest
from stripe_client import CONFIG, LISTS, NOW, Api, account_ids, by_id, code

from dataflow_assets.sandbox.testing import RunningSandbox, run_sandbox

Rows = list[dict[str, Any]]


@pytest.fixture(scope="module")
def shared() -> Iterator[RunningSandbox]:
    with run_sandbox(CONFIG, now=NOW) as sandbox:
        yield sandbox


@pytest.fixture
def api(sandbox: RunningSandbox) -> Iterator[Api]:
    with httpx.Client() as http:
        yield Api(sandbox, http)


@pytest.fixture
def truth(sandbox: RunningSandbox) -> Callable[[str], Rows]:
    account = account_ids(sandbox)[0]
    return lambda stream: [dict(row) for row in sandbox.truth("stripe", stream, account=account)]


@pytest.mark.parametrize("name", ["prices", "invoices", "events"])
def test_pages_join_in_both_directions(api: Api, name: str) -> None:
    everything = [row["id"] for row in api.rows(name)]
    page = api.body(name, {"limit": 7})
    assert [row["id"] for row in page["data"]] == everything[:7]
    assert (page["object"], page["url"], page["has_more"]) == ("list", f"/v1/{name}", True)
    assert len(api.body(name)["data"]) == 10
    after = api.body(name, {"limit": 5, "starting_after": everything[20]})
    assert [row["id"] for row in after["data"]] == everything[21:26]
    before = api.body(name, {"limit": 5, "ending_before": everything[20]})
    assert [row["id"] for row in before["data"]] == everything[15:20]
    assert before["has_more"]
    first = api.body(name, {"limit": 5, "ending_before": everything[5]})
    assert [row["id"] for row in first["data"]] == everything[:5]
    assert not first["has_more"]
    last = api.body(name, {"limit": 100, "starting_after": everything[-4]})
    assert [row["id"] for row in last["data"]] == everything[-3:]
    assert not last["has_more"]


def test_many_prices_share_a_second_and_none_is_lost_between_pages(api: Api, truth: Callable[[str], Rows]) -> None:
    found = api.rows("prices", {"limit": 3})
    assert len({row["created"] for row in found}) < len(found) // 10
    assert by_id(found) == by_id(truth("prices"))


@pytest.mark.parametrize("name", ["customers", "prices", "balance_transactions"])
@pytest.mark.parametrize(
    ("asked", "holds"),
    [
        ({"created[gt]": 0}, lambda one, at: one > at),
        ({"created[gte]": 0}, lambda one, at: one >= at),
        ({"created[lt]": 0}, lambda one, at: one < at),
        ({"created[lte]": 0}, lambda one, at: one <= at),
        ({"created": 0}, lambda one, at: one == at),
        ({"created[gte]": 0, "created[lt]": 86_400}, lambda one, at: at <= one < at + 86_400),
    ],
)
def test_created_cuts_a_list(api: Api, name: str, asked: dict[str, int], holds: Callable[[int, int], bool]) -> None:
    everything = api.rows(name, LISTS[name])
    at = everything[len(everything) // 2]["created"]
    found = api.rows(name, {**LISTS[name], **{key: at + offset for key, offset in asked.items()}})
    assert found == [row for row in everything if holds(row["created"], at)]


@pytest.mark.parametrize(
    ("name", "params", "holds"),
    [
        ("products", {"active": "true"}, lambda row: row["active"]),
        ("products", {"type": "good"}, lambda row: row["type"] == "good"),
        ("prices", {"active": "false"}, lambda row: not row["active"]),
        ("prices", {"currency": "kwd"}, lambda row: row["currency"] == "kwd"),
        ("prices", {"type": "one_time"}, lambda row: row["type"] == "one_time"),
        (
            "prices",
            {"recurring[interval]": "year"},
            lambda row: row["recurring"] and row["recurring"]["interval"] == "year",
        ),
        (
            "prices",
            {"lookup_keys[]": ["team_month_jpy", "team_year_eur"]},
            lambda row: row["lookup_key"] in ("team_month_jpy", "team_year_eur"),
        ),
        ("subscriptions", {}, lambda row: row["status"] != "canceled"),
        ("subscriptions", {"status": "all"}, lambda _: True),
        ("subscriptions", {"status": "canceled"}, lambda row: row["status"] == "canceled"),
        ("subscriptions", {"status": "ended"}, lambda row: row["status"] in ("canceled", "incomplete_expired")),
        ("subscriptions", {"status": "active"}, lambda row: row["status"] == "active"),
        ("invoices", {"status": "open"}, lambda row: row["status"] == "open"),
        ("invoices", {"status": "draft"}, lambda row: row["status"] == "draft"),
        ("invoices", {"collection_method": "send_invoice"}, lambda _: False),
        ("invoices", {"due_date[gte]": "1"}, lambda _: False),
        ("invoice_payments", {"status": "open"}, lambda row: row["status"] == "open"),
        ("balance_transactions", {"type": "adjustment"}, lambda row: row["type"] == "adjustment"),
        ("balance_transactions", {"type": "stripe_fee"}, lambda row: row["source"] is None),
        ("balance_transactions", {"currency": "usd"}, lambda row: row["currency"] == "usd"),
    ],
)
def test_a_filter_leaves_what_it_names(
    api: Api, truth: Callable[[str], Rows], name: str, params: dict[str, Any], holds: Callable[[Any], bool]
) -> None:
    wanted = [row for row in truth(name) if holds(row)]
    assert by_id(api.rows(name, params)) == by_id(wanted)
    assert len(wanted) < len(truth(name)) or params in ({"active": "true"}, {"status": "all"})


def test_canceled_subscriptions_of_deleted_customers_are_listed_when_asked_for(
    api: Api, truth: Callable[[str], Rows]
) -> None:
    deleted = {row["id"] for row in truth("customers") if row.get("deleted")}
    listed = {row["customer"] for row in api.rows("subscriptions", {"status": "canceled"})}
    assert deleted & listed
    assert not deleted & {row["customer"] for row in api.rows("subscriptions")}


@pytest.mark.parametrize(
    ("name", "param", "field"),
    [
        ("subscriptions", "customer", "customer"),
        ("invoices", "customer", "customer"),
        ("invoice_payments", "invoice", "invoice"),
        ("charges", "customer", "customer"),
        ("charges", "payment_intent", "payment_intent"),
        ("payment_intents", "customer", "customer"),
        ("refunds", "charge", "charge"),
        ("refunds", "payment_intent", "payment_intent"),
        ("disputes", "charge", "charge"),
        ("balance_transactions", "source", "source"),
    ],
)
def test_a_scope_leaves_what_belongs_to_it(
    api: Api, truth: Callable[[str], Rows], name: str, param: str, field: str
) -> None:
    everything = truth(name)
    several = [row[field] for row in everything if row[field] is not None]
    wanted = max(several, key=several.count)
    params = {**LISTS[name], param: wanted}
    found = by_id(api.rows(name, params))
    assert found == by_id([row for row in everything if row[field] == wanted])
    assert found
    assert code(api.get(name, {**params, param: "xx_none"})) == (400, "resource_missing", param)


def test_invoices_of_a_subscription_are_not_those_of_its_customer(api: Api, truth: Callable[[str], Rows]) -> None:
    bills = truth("invoices")
    customer = next(row["customer"] for row in bills if row["billing_reason"] == "manual")
    (subscription,) = api.rows("subscriptions", {"customer": customer, "status": "all"})
    found = api.rows("invoices", {"subscription": subscription["id"]})
    assert 0 < len(found) < len(api.rows("invoices", {"customer": customer}))
    assert all(row["parent"] for row in found)


def test_price_and_period_narrow_subscriptions(api: Api, truth: Callable[[str], Rows]) -> None:
    everything = truth("subscriptions")
    price = everything[0]["items"]["data"][0]["price"]["id"]
    for param in ("price", "plan"):
        wanted = [row for row in everything if price in {item["price"]["id"] for item in row["items"]["data"]}]
        assert by_id(api.rows("subscriptions", {param: price, "status": "all"})) == by_id(wanted)
    until = int(NOW.timestamp())
    over = [row for row in everything if row["items"]["data"][0]["current_period_end"] < until]
    assert by_id(api.rows("subscriptions", {"current_period_end[lt]": until, "status": "all"})) == by_id(over)
    assert 0 < len(over) < len(everything)


def test_a_customer_is_found_by_mail_and_products_by_ids(api: Api, truth: Callable[[str], Rows]) -> None:
    row = next(row for row in truth("customers") if not row.get("deleted"))
    assert api.rows("customers", {"email": row["email"]}) == [row]
    assert row["metadata"] == {"contact_email": row["email"]}
    products = truth("products")
    found = api.body("products", [("ids[0]", products[0]["id"]), ("ids[1]", products[2]["id"])])["data"]
    assert by_id(found) == by_id([products[0], products[2]])


def test_long_invoices_show_ten_lines_and_where_the_others_are(api: Api, truth: Callable[[str], Rows]) -> None:
    long = [row for row in truth("invoices") if row["lines"]["has_more"]]
    for row in long:
        lines = row["lines"]
        assert len(lines["data"]) == 10
        rest = api.body(lines["url"].removeprefix("/v1/"), {"limit": 100, "starting_after": lines["data"][-1]["id"]})
        amounts = [line["amount"] for line in lines["data"] + rest["data"]]
        assert rest["data"]
        assert row["total"] == sum(amounts) - sum(one["amount"] for one in row["total_discount_amounts"])
    assert long


def test_an_invoice_adds_up(truth: Callable[[str], Rows]) -> None:
    lines: dict[str, Rows] = {}
    for line in truth("invoice_lines"):
        lines.setdefault(line["invoice"], []).append(line)
    for row in truth("invoices"):
        off = sum(one["amount"] for one in row["total_discount_amounts"])
        assert row["subtotal"] == sum(line["amount"] for line in lines[row["id"]])
        assert off == sum(one["amount"] for line in lines[row["id"]] for one in line["discount_amounts"])
        assert row["total"] == row["subtotal"] - off
        assert row["amount_due"] == max(0, row["total"] + row["starting_balance"])
        assert row["amount_paid"] == (row["amount_due"] if row["status"] == "paid" else 0)
        assert row["amount_remaining"] == row["amount_due"] - row["amount_paid"]
        assert (row["number"] is None) == (row["status"] == "draft")
        assert row["attempted"] or row["attempt_count"] == 0


def test_what_charges_of_invoices_captured_is_what_invoices_say_was_paid(truth: Callable[[str], Rows]) -> None:
    captured = {row["payment_intent"]: row["amount_captured"] for row in truth("charges") if row["captured"]}
    paid = {row["invoice"]: captured.pop(row["payment"]["payment_intent"], 0) for row in truth("invoice_payments")}
    for row in truth("invoices"):
        assert row["amount_paid"] == paid.get(row["id"], 0)
    assert captured  # what is left are purchases without an invoice


def test_embedded_lists_can_be_made_shorter(sandbox: RunningSandbox, api: Api) -> None:
    sandbox.limits("stripe", embedded_rows=1)
    cut = [row for row in api.rows("subscriptions") if row["items"]["has_more"]]
    assert cut
    for row in cut:
        items = row["items"]
        assert len(items["data"]) == 1
        path, query = items["url"].removeprefix("/v1/").split("?")
        assert len(api.body(path, query)["data"]) == 2
        assert query == f"subscription={row['id']}"


EXPANDED = [
    ("charges", "customer", "customer"),
    ("charges", "balance_transaction", "balance_transaction"),
    ("charges", "payment_intent", "payment_intent"),
    ("charges", "refunds", "list"),
    ("customers", "subscriptions", "list"),
    ("invoices", "customer", "customer"),
    ("invoices", "payments", "list"),
    ("subscriptions", "latest_invoice", "invoice"),
    ("prices", "product", "product"),
    ("products", "default_price", "price"),
    ("payment_intents", "latest_charge", "charge"),
    ("refunds", "charge", "charge"),
    ("disputes", "charge", "charge"),
    ("invoice_payments", "invoice", "invoice"),
]


@pytest.mark.parametrize(("name", "field", "kind"), EXPANDED)
def test_a_reference_becomes_the_object_it_names(api: Api, name: str, field: str, kind: str) -> None:
    plain = api.body(name, {"limit": 3})["data"]
    rows = api.body(name, {"limit": 3, "expand[]": f"data.{field}"})["data"]
    assert rows
    for row, before in zip(rows, plain, strict=True):
        if before.get(field, "") is None:
            assert row[field] is None
            continue
        assert row[field]["object"] == kind
        assert kind == "list" or row[field]["id"] == before[field]
    assert api.body(f"{name}/{rows[0]['id']}", {"expand[]": field}) == rows[0]


def test_brackets_may_be_numbered_and_encoded(api: Api) -> None:
    wanted = api.body("charges", "limit=2&created[gte]=1767300000&expand[]=data.customer&expand[]=data.refunds")
    assert wanted["data"][0]["customer"]["object"] == "customer"
    for query in (
        "limit=2&created%5Bgte%5D=1767300000&expand%5B%5D=data.customer&expand%5B%5D=data.refunds",
        "limit=2&created[gte]=1767300000&expand[0]=data.customer&expand[1]=data.refunds",
        "limit=2&created%5Bgte%5D=1767300000&expand%5B0%5D=data.customer&expand%5B1%5D=data.refunds",
    ):
        assert api.body("charges", query) == wanted


def test_a_deleted_customer_is_expanded_to_a_stub(api: Api, truth: Callable[[str], Rows]) -> None:
    deleted = {row["id"] for row in truth("customers") if row.get("deleted")}
    charge = next(row for row in truth("charges") if row["customer"] in deleted)
    found = api.body(f"charges/{charge['id']}", {"expand[]": "customer"})["customer"]
    assert found == {"id": charge["customer"], "object": "customer", "deleted": True}


def test_expansion_goes_four_levels_deep_and_into_lists(api: Api) -> None:
    (row,) = api.body("refunds", {"limit": 1, "expand[]": "data.charge.customer.subscriptions"})["data"]
    assert row["charge"]["customer"]["subscriptions"]["object"] == "list"
    (bill,) = api.body("invoices", {"limit": 1, "status": "paid", "expand[]": "data.payments"})["data"]
    assert [one["invoice"] for one in bill["payments"]["data"]] == [bill["id"]]
    rows = api.rows("invoices", {"expand[]": "data.discounts"})
    assert {one["object"] for row in rows for one in row["discounts"]} == {"discount"}
    sources = api.rows("balance_transactions", {"expand[]": "data.source"})
    assert {row["source"] and row["source"]["object"] for row in sources} >= {"charge", "refund", None}
    too_deep = api.get("charges", {"expand[]": "data.payment_intent.latest_charge.customer.x"})
    assert code(too_deep) == (400, None, "expand")


@pytest.mark.parametrize("path", ["data.amount", "data.nothing", "customer", "data.metadata.x", "data.payment_method"])
def test_what_cannot_be_expanded_is_refused(api: Api, path: str) -> None:
    assert code(api.get("charges", {"expand[]": path})) == (400, None, "expand")


def test_charges_come_without_their_refunds_and_customers_without_subscriptions(api: Api) -> None:
    assert "refunds" not in api.body("charges")["data"][0]
    assert "subscriptions" not in api.body("customers")["data"][0]
    refund = api.body("refunds")["data"][0]
    charge = api.body(f"charges/{refund['charge']}", {"expand[]": "refunds"})
    assert refund in charge["refunds"]["data"]


@pytest.mark.parametrize(
    ("path", "params", "error"),
    [
        ("customers", {"limit": 0}, (400, "parameter_invalid_integer", "limit")),
        ("customers", {"limit": 101}, (400, "parameter_invalid_integer", "limit")),
        ("customers", {"limit": "ten"}, (400, "parameter_invalid_integer", "limit")),
        ("customers", {"created": "today"}, (400, "parameter_invalid_integer", "created")),
        ("customers", {"created[after]": "1"}, (400, "parameter_unknown", "created[after]")),
        ("customers", {"starting_after": "cus_none"}, (400, "resource_missing", "starting_after")),
        ("customers", {"ending_before": "cus_none"}, (400, "resource_missing", "ending_before")),
        ("customers", {"updated[gte]": "1"}, (400, "parameter_unknown", "updated")),
        ("products", {"updated": "1"}, (400, "parameter_unknown", "updated")),
        ("charges", {"invoice": "in_1"}, (400, "parameter_unknown", "invoice")),
        ("prices", {"recurring[count]": "1"}, (400, "parameter_unknown", "recurring[count]")),
        ("prices", {"active": "yes"}, (400, None, "active")),
        ("subscriptions", {"status": "dead"}, (400, None, "status")),
        ("subscription_items", {}, (400, "parameter_missing", "subscription")),
        ("balance_transactions", {"payout": "po_1"}, (400, None, "payout")),
        ("subscriptions", {"test_clock": "clock_1"}, (400, None, "test_clock")),
        ("customers/search", {"query": "x"}, (400, None, None)),
        ("customers/cus_none", {}, (404, "resource_missing", "id")),
        ("payouts", {}, (404, None, None)),
        ("customers/cus_1/sources/2", {}, (404, None, None)),
    ],
)
def test_what_makes_no_sense_is_refused_in_stripes_words(
    api: Api, path: str, params: dict[str, Any], error: tuple[int, str | None, str | None]
) -> None:
    assert code(api.get(path, params)) == error


def test_a_cursor_of_a_customer_who_was_deleted_meanwhile_is_an_error(api: Api, truth: Callable[[str], Rows]) -> None:
    deleted = next(row["id"] for row in truth("customers") if row.get("deleted"))
    assert code(api.get("customers", {"starting_after": deleted})) == (400, "resource_missing", "starting_after")


def test_ids_of_another_kind_or_account_are_not_found(api: Api, sandbox: RunningSandbox) -> None:
    second = account_ids(sandbox)[1]
    charge = api.body("charges", Stripe_Account=second)["data"][0]["id"]
    assert api.get(f"charges/{charge}").status_code == 404
    assert api.get(f"charges/{charge}", Stripe_Account=second).status_code == 200
    assert api.get(f"refunds/{charge}", Stripe_Account=second).status_code == 404
    assert api.get(f"charges/{charge.swapcase()}", Stripe_Account=second).status_code == 404


def test_the_truth_is_told_by_the_day_something_was_created(sandbox: RunningSandbox) -> None:
    everything = sandbox.truth("stripe", "charges")
    march = sandbox.truth("stripe", "charges", first=date(2026, 3, 1), last=date(2026, 3, 31))
    begin, end = 1_772_323_200, 1_775_001_600  # 1 March and 1 April, 00:00 UTC
    assert by_id(march) == by_id([row for row in everything if begin <= row["created"] < end])
    assert 0 < len(march) < len(everything)
    with_deleted = sandbox.truth("stripe", "customers")
    without = sandbox.truth("stripe", "customers", deleted=False)
    assert by_id(without) == by_id([row for row in with_deleted if not row.get("deleted")])
    assert len(without) < len(with_deleted)
    with pytest.raises(ValueError, match="no stream or account"):
        sandbox.truth("stripe", "charges", account="acct_none")


def test_each_currency_has_its_own_decimals_and_settles_in_that_of_the_account(
    api: Api, truth: Callable[[str], Rows]
) -> None:
    charges = by_id(truth("charges"))
    settled = [row for row in truth("balance_transactions") if row["type"] == "charge"]
    assert {charges[row["source"]]["currency"] for row in settled} >= {"eur", "usd", "jpy", "kwd"}
    assert {row["currency"] for row in settled} == {"eur"}
    for row in settled:
        charge = charges[row["source"]]
        assert row["net"] == row["amount"] - row["fee"]
        assert sum(part["amount"] for part in row["fee_details"]) == row["fee"]
        if charge["currency"] == "eur":
            assert row["exchange_rate"] is None
            assert row["amount"] == charge["amount"]
        else:
            assert abs(row["amount"] - charge["amount"] * row["exchange_rate"]) < 1


def test_a_draft_binds_after_an_hour(api: Api, sandbox: RunningSandbox) -> None:
    event = next(
        row
        for row in api.rows("events", {"type": "invoice.finalized"})
        if row["data"]["object"]["billing_reason"] == "subscription_cycle"
    )
    number = event["data"]["object"]["id"]
    sandbox.clock.set(datetime.fromtimestamp(event["created"] - 1, UTC))
    draft = api.body(f"invoices/{number}")
    assert (draft["status"], draft["number"]) == ("draft", None)
    assert draft in api.rows("invoices", {"status": "draft"})
    assert event["created"] - draft["created"] == 3_600 == draft["automatically_finalizes_at"] - draft["created"]
    sandbox.clock.advance(1)
    final = api.body(f"invoices/{number}")
    assert final["status"] in ("open", "paid", "void", "uncollectible")
    assert final["status_transitions"]["finalized_at"] == event["created"]
    assert final["number"]


def test_a_draft_that_was_wrong_vanishes(api: Api, sandbox: RunningSandbox) -> None:
    event = api.rows("events", {"type": "invoice.deleted"})[-1]
    wrong = event["data"]["object"]["id"]
    sandbox.clock.set(datetime.fromtimestamp(event["created"] - 1, UTC))
    assert api.body(f"invoices/{wrong}")["status"] == "draft"
    sandbox.clock.advance(1)
    assert code(api.get(f"invoices/{wrong}")) == (404, "resource_missing", "id")
    assert wrong not in by_id(api.rows("invoices"))

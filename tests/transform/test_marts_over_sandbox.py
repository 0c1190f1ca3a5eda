"""The marts of CRM, revenue and growth, over what syncs of every vendor have brought, hold what the vendors hold."""

from collections import Counter, defaultdict
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

from over_sandbox import Synced

Row = dict[str, Any]
CHANNELS = {"google_ads", "meta_ads", "linkedin_ads", "organic", "direct", "unknown"}
CLICK_IDS = {"hs_google_click_id": "google_ads", "hs_facebook_click_id": "meta_ads", "li_fat_id": "linkedin_ads"}
SOURCES = {"ORGANIC_SEARCH": "organic", "REFERRALS": "organic", "DIRECT_TRAFFIC": "direct"}


def day_of(instant: int | str) -> date:
    """The day in UTC of Stripe's seconds or HubSpot's text."""
    if isinstance(instant, int):
        return datetime.fromtimestamp(instant, UTC).date()
    return datetime.fromisoformat(instant).astimezone(UTC).date()


def channel_of(contact: Row) -> str:
    properties = contact["properties"]
    clicked = [channel for name, channel in CLICK_IDS.items() if properties[name]]
    return clicked[0] if clicked else SOURCES.get(properties["hs_analytics_source"], "unknown")


def live(synced: Synced, stream: str) -> list[Row]:
    return [row for row in synced.truth(f"hubspot/{stream}") if not row.get("archived")]


def test_every_channel_of_the_world_is_met(synced: Synced) -> None:
    found = synced.rows("select distinct channel from marts.fct_blended_efficiency_daily")
    assert {row["channel"] for row in found} == CHANNELS


def test_new_contacts_are_those_hubspot_holds_by_day_and_channel(synced: Synced) -> None:
    held = Counter((day_of(row["properties"]["createdate"]), channel_of(row)) for row in live(synced, "contacts"))
    found = synced.rows("select date_day, channel, new_contacts from marts.fct_blended_efficiency_daily")
    assert {(row["date_day"], row["channel"]): row["new_contacts"] for row in found if row["new_contacts"]} == held


def test_the_funnel_counts_who_became_a_marketing_qualified_lead_and_what_became_of_deals(synced: Synced) -> None:
    became = "hs_lifecyclestage_marketingqualifiedlead_date"
    held = Counter(
        (day_of(row["properties"][became]), channel_of(row))
        for row in live(synced, "contacts")
        if row["properties"][became]
    )
    found = synced.rows("select date_day, channel, mqls from marts.fct_funnel_daily")
    assert {(row["date_day"], row["channel"]): row["mqls"] for row in found if row["mqls"]} == held
    (sums,) = synced.rows("select sum(deals_created) as created, sum(deals_won) as won from marts.fct_funnel_daily")
    won = [row for row in live(synced, "deals") if row["properties"]["hs_is_closed_won"] == "true"]
    assert (sums["created"], sums["won"]) == (len(live(synced, "deals")), len(won))


def test_the_pipeline_now_is_what_hubspot_holds_of_open_and_closed_deals(synced: Synced) -> None:
    stages = [stage for pipeline in synced.truth("hubspot/pipelines") for stage in pipeline["stages"]]
    chances = {stage["id"]: Decimal(stage["metadata"]["probability"]) for stage in stages}
    held: defaultdict[str, Counter[str]] = defaultdict(Counter)
    for row in live(synced, "deals"):
        deal = row["properties"]
        if deal["hs_is_closed"] == "true":
            held[deal["deal_currency_code"]]["closed"] += 1
        else:
            held[deal["deal_currency_code"]]["value"] += Decimal(deal["amount"]) * chances[deal["dealstage"]]
    found = synced.rows(
        "select currency, sum(open_value) as value, sum(deals_closed) as closed from marts.pipeline_now group by 1"
    )
    assert {row["currency"]: {name: row[name] for name in ("value", "closed") if row[name]} for row in found} == held


def test_deals_are_those_hubspot_holds(synced: Synced) -> None:
    def won(rows: list[Row]) -> list[Row]:
        return [row for row in rows if row["hs_is_closed_won"] == "true"]

    held = [row["properties"] | {"id": row["id"]} for row in live(synced, "deals")]
    deals = {row["deal_id"]: row for row in synced.rows("select * from marts.fct_deals")}
    assert {row["id"]: Decimal(row["amount"]) for row in held} == {one: row["amount"] for one, row in deals.items()}
    assert {row["id"] for row in won(held)} == {one for one, row in deals.items() if row["is_won"]}
    assert {row["id"]: day_of(row["closedate"]) for row in won(held)} == {
        one: row["closed_day"] for one, row in deals.items() if row["is_won"]
    }
    (blended,) = synced.rows("select sum(deals_won) as won from marts.fct_blended_efficiency_daily")
    assert blended["won"] == len(won(held)) > 5


def test_the_pipeline_of_a_day_is_what_hubspot_holds_of_its_deals(synced: Synced) -> None:
    held: defaultdict[tuple[Any, ...], Row] = defaultdict(Counter)
    for row in live(synced, "deals"):
        deal = row["properties"]
        key = (deal["pipeline"], deal["deal_currency_code"])
        steps = [("created", deal["createdate"])]
        if deal["hs_is_closed"] == "true":
            steps.append(("won" if deal["hs_is_closed_won"] == "true" else "lost", deal["closedate"]))
        for step, at in steps:
            sums = held[day_of(at), *key]
            sums[f"deals_{step}"] += 1
            sums[f"amount_{step}"] += Decimal(deal["amount"])
    columns = [f"{measure}_{step}" for measure in ("deals", "amount") for step in ("created", "won", "lost")]
    found = synced.rows(
        f"select date_day, pipeline_id, currency, {', '.join(f'sum({one}) as {one}' for one in columns)} "
        "from marts.fct_pipeline_daily group by 1, 2, 3"
    )
    assert {
        (row["date_day"], row["pipeline_id"], row["currency"]): {one: row[one] for one in columns if row[one]}
        for row in found
    } == held
    assert {one for sums in held.values() for one in sums} == set(columns)


def test_the_way_of_a_deal_is_the_one_hubspot_remembers(synced: Synced) -> None:
    deals = {row["id"] for row in live(synced, "deals")}
    told = synced.truth("hubspot/deal_stage_history")
    held = {
        (row["deal_id"], row["stage"], datetime.fromisoformat(row["timestamp"]))
        for row in told
        if row["deal_id"] in deals
    }
    history = synced.rows("select * from marts.fct_deal_stage_history")
    assert {(row["deal_id"], row["stage_id"], row["entered_at"]) for row in history} == held
    assert all(row["stage_name"] for row in history)
    ways = defaultdict(list)
    for row in sorted(history, key=lambda one: one["entered_at"]):
        ways[row["deal_id"]].append(row)
    for way in ways.values():
        assert [row["left_at"] for row in way] == [*(row["entered_at"] for row in way[1:]), None]


def test_revenue_is_what_moved_on_the_balance(synced: Synced) -> None:
    held: defaultdict[tuple[Any, ...], Row] = defaultdict(Counter)
    for row in synced.truth("stripe/balance_transactions"):
        sums = held[day_of(row["created"]), row["currency"].upper()]
        name = {"charge": "gross", "refund": "refunds", "refund_failure": "refunds", "stripe_fee": "fees"}
        sums[name.get(row["type"], "disputes")] += row["amount"]
        sums["fees"] -= row["fee"]
        sums["net"] += row["net"]
    columns = ("gross", "refunds", "disputes", "fees", "net")
    found = synced.rows(
        f"select date_day, currency, {', '.join(f'sum({one}) as {one}' for one in columns)} "
        "from marts.fct_revenue_daily group by 1, 2"
    )
    in_cents = {
        (row["date_day"], row["currency"]): {one: int(row[one] * 100) for one in columns if row[one]} for row in found
    }
    assert in_cents == {key: {one: sums[one] for one in columns if sums[one]} for key, sums in held.items()}
    seen = {one for sums in in_cents.values() for one in sums}
    assert seen == set(columns)


def test_who_paid_first_on_a_day_is_a_new_customer_of_the_channel_of_their_contact(synced: Synced) -> None:
    contacts = {row["properties"]["email"]: channel_of(row) for row in live(synced, "contacts")}
    emails = {row["id"]: row["email"] for row in synced.truth("stripe/customers") if not row.get("deleted")}
    firsts: dict[str, int] = {}
    for charge in synced.truth("stripe/charges"):
        if charge["status"] == "succeeded":
            firsts[charge["customer"]] = min(charge["created"], firsts.get(charge["customer"], charge["created"]))
    # Stripe does not list whom it has deleted: nobody knows their address.
    held = Counter((day_of(at), contacts.get(emails.get(customer, ""), "unknown")) for customer, at in firsts.items())
    found = synced.rows("select date_day, channel, new_customers from marts.fct_blended_efficiency_daily")
    assert {(r["date_day"], r["channel"]): r["new_customers"] for r in found if r["new_customers"]} == held
    assert len(held) > 20


def test_spend_is_what_the_platform_reports(synced: Synced) -> None:
    running = synced.sandbox.clock.now().date().isoformat()
    told = synced.truth("meta_ads/insights_campaign")
    held = sum(Decimal(row["spend"]) for row in told if row["date_start"] < running)
    (found,) = synced.rows(
        "select sum(spend_home) as spend from marts.fct_blended_efficiency_daily where channel = 'meta_ads'"
    )
    assert found["spend"] == held > 0


def test_campaigns_that_brought_contacts_are_found(synced: Synced) -> None:
    missing = synced.rows(
        """
        select contact_id from marts.dim_contact
        left join marts.dim_campaign as campaigns
            on dim_contact.channel = campaigns.platform and dim_contact.ad_account_id = campaigns.account_id
            and dim_contact.campaign_id = campaigns.campaign_id
        where utm_campaign is not null and campaigns.campaign_name is null
        """
    )
    assert missing == []
    (found,) = synced.rows("select count(distinct channel) as n from marts.dim_contact where campaign_id is not null")
    assert found["n"] == 3

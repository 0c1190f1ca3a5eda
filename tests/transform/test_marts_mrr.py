"""Monthly recurring revenue, rebuilt from what Stripe tells of today and of the last 30 days, is what the world has."""

from collections import defaultdict
from datetime import date, timedelta
from decimal import Decimal

from over_sandbox import WORLD, Synced
from world_mrr import mrr_found, mrr_of


def test_mrr_of_every_day_and_item_is_what_the_world_has_to_the_cent(synced: Synced) -> None:
    yesterday = synced.sandbox.clock.now().date() - timedelta(days=1)
    held = mrr_of(WORLD, WORLD.start, yesterday)
    assert mrr_found(synced, yesterday) == held
    # Nothing is looked for in vain.
    assert {currency for _, _, currency in held} >= {"EUR", "USD", "GBP"}
    told = {row["basis"] for row in synced.rows("select distinct basis from marts.fct_subscription_mrr_daily")}
    assert told == {"events", "object", "invoices"}


def test_every_item_is_counted(synced: Synced) -> None:
    spans = synced.rows(
        "select uncounted, status, count(*) as n from intermediate.int_subscription_item_spans group by 1, 2"
    )
    assert {row["uncounted"] for row in spans} == {None}
    assert {"trialing", "active", "past_due", "canceled", "incomplete_expired"} <= {row["status"] for row in spans}


def test_days_are_built_up_to_the_one_that_is_known_and_no_further(synced: Synced) -> None:
    (row,) = synced.rows("select max(date_day) as newest from marts.fct_subscription_mrr_daily")
    assert row["newest"] == synced.sandbox.clock.now().date()


def test_the_movements_of_a_month_lead_from_the_revenue_before_it_to_that_at_its_end(synced: Synced) -> None:
    march = [date(2026, 2, 28), date(2026, 3, 31)]
    opening, closing = (defaultdict(Decimal) for _ in march)
    for sums, day in ((opening, march[0]), (closing, march[1])):
        for (_, _, currency), amount in mrr_of(WORLD, day, day).items():
            sums[currency] += amount
    moves = ("new", "expansion", "contraction", "churned", "reactivation")
    rows = synced.rows(
        f"select currency, sum(opening_mrr) as opening, sum(closing_mrr) as closing, "
        f"{', '.join(f'sum({move}_mrr) as {move}' for move in moves)} "
        "from marts.fct_mrr_movements where month = '2026-03-01' group by 1"
    )
    assert {row["currency"]: row["opening"] for row in rows if row["opening"]} == opening
    assert {row["currency"]: row["closing"] for row in rows if row["closing"]} == closing
    assert all(row["opening"] + sum(row[move] for move in moves) == row["closing"] for row in rows)
    assert {move for move in moves for row in rows if row[move]} >= {"new", "expansion", "contraction", "churned"}


EVENTS = "intermediate.int_subscription_events"


def test_what_is_kept_of_an_event_follows_its_source_and_the_sql_that_made_it(synced: Synced) -> None:
    def kept() -> list[dict[str, object]]:
        return synced.rows(f"select *, xmin::text as stored_by from {EVENTS} order by account_id, event_id")

    before = kept()
    first, second, *rest = before
    synced.rows(
        f"update {EVENTS} set definition = 'older', state_after = '{{}}' where event_id = %s", first["event_id"]
    )
    synced.rows("create table public.lost as select * from raw_stripe.events where id = %s", second["event_id"])
    synced.rows("delete from raw_stripe.events where id = %s", second["event_id"])
    synced.build("--select", "int_subscription_events")
    made_anew, *others = kept()
    assert made_anew | {"stored_by": ""} == first | {"stored_by": ""}
    assert others == rest, "the others are left as they were"
    synced.rows("insert into raw_stripe.events select * from public.lost")
    synced.rows("drop table public.lost")
    synced.build("--select", "int_subscription_events")
    assert [row | {"stored_by": ""} for row in kept()] == [row | {"stored_by": ""} for row in before]

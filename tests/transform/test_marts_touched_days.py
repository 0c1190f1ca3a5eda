"""Facts are as right when only those days are rebuilt that something has touched as when all are; where they are not
right, a reconciliation says so. Over what syncs of every vendor have brought.
"""

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest
from over_sandbox import NOW, WORLD, Synced
from test_dbt_project import FACTS
from world_mrr import mrr_found, mrr_of

from dataflow_assets.windows import ONE_DAY

Row = dict[str, Any]
IS_FACT = "config.incremental_strategy:replace_range"
NO_TESTS = ("--exclude-resource-type", "test")


@dataclass(frozen=True)
class Rebuilt:
    """Days that were touched, by what touched them; the facts after a build of these days, and then of all days."""

    touched: dict[str, set[date]]
    by_touched_days: dict[str, list[Row]]
    by_all_days: dict[str, list[Row]]


def rebuild(synced: Synced) -> Rebuilt:
    """Build as a sync does: the tables first, then the facts of the days that are waiting."""
    synced.build(*NO_TESTS, "--exclude-resource-type", "seed", "--exclude", IS_FACT)
    touched = touched_days(synced)
    days = sorted(set().union(*touched.values()))
    synced.build(*NO_TESTS, "--select", IS_FACT, windows=",".join(f"{day}...{day}" for day in days))
    by_touched_days = facts(synced)
    synced.build(*NO_TESTS, "--select", IS_FACT)
    return Rebuilt(touched, by_touched_days, facts(synced))


def touched_days(synced: Synced) -> dict[str, set[date]]:
    """Days waiting for the facts; they wait no longer."""
    found = defaultdict(set)
    for row in synced.rows("delete from dataflow.touched_days where layer = 'raw' returning connector, stream, day"):
        found[f"{row['connector']}/{row['stream']}"].add(row["day"])
    return dict(found)


def facts(synced: Synced) -> dict[str, list[Row]]:
    return {fact: synced.rows(f"select * from marts.{fact} as one order by one") for fact in FACTS}


@pytest.fixture(scope="module")
def later(synced: Synced) -> Rebuilt:
    """Twenty days later."""
    touched_days(synced)
    synced.sandbox.clock.advance(timedelta(days=20).total_seconds())
    synced.sync()
    return rebuild(synced)


MAY, NEWEST_RATE = date(2026, 5, 1), date(2026, 6, 10)


@dataclass(frozen=True)
class Corrected:
    """What a few corrections led to, and the days they should have touched, by table."""

    rebuilt: Rebuilt
    expected: dict[str, set[date]]


@pytest.fixture(scope="module")
def corrected(synced: Synced, later: Rebuilt) -> Corrected:
    """Corrections of rows whose own days are others than those of the facts, or no days at all.

    A contact loses its click id when its deal was won and money has come for weeks; another one is merged into it. A
    deal loses a tenth of its amount. Customers get another lifecycle stage. The rates of May are other ones, and a
    currency gets its first.
    """
    del later
    (one,) = synced.rows(
        """
        select contact_id, dim_contact.first_touch_day, deals.closed_day, array_agg(distinct date_day) as days
        from marts.dim_contact
        inner join marts.fct_deals as deals using (contact_id)
        inner join marts.dim_customer using (contact_id)
        inner join intermediate.int_revenue_transactions using (customer_id)
        where is_won and dim_contact.channel = 'google_ads'
        group by 1, 2, 3 order by count(*) desc limit 1
        """
    )
    (merged,) = synced.rows(
        "select contact_id, first_touch_day from marts.dim_contact where channel = 'meta_ads' and not is_deleted "
        "and not exists (select from marts.fct_deals where fct_deals.contact_id = dim_contact.contact_id) "
        "and not exists (select from marts.dim_customer where dim_customer.contact_id = dim_contact.contact_id) limit 1"
    )
    (deal,) = synced.rows(
        "select deal_id, closed_day from marts.fct_deals where is_won and closed_day <> %s order by closed_day limit 1",
        one["closed_day"],
    )
    # Of deals in other currencies that were closed in May the amount at home is another one.
    deals = synced.rows(
        """
        select created_day as day from marts.fct_deals where contact_id = %s or deal_id = %s
        union
        select closed_day from marts.fct_deals
        where closed_day is not null and (
            contact_id = %s or deal_id = %s
            or (currency <> home_currency and date_trunc('month', closed_day) = %s)
        )
        """,
        *(one["contact_id"], deal["deal_id"]) * 2,
        MAY,
    )
    paying = synced.rows(
        """
        select distinct date_day as day from marts.fct_subscription_mrr_daily
        inner join marts.dim_customer using (account_id, customer_id) where contact_id = %s
        """,
        one["contact_id"],
    )
    synced.rows(
        """
        update raw_hubspot.contacts set hs_google_click_id = null, hs_analytics_source = 'DIRECT_TRAFFIC',
            hs_merged_object_ids = %s
        where id = %s
        """,
        merged["contact_id"],
        one["contact_id"],
    )
    synced.rows("update raw_hubspot.deals set amount = amount * 0.9 where id = %s", deal["deal_id"])
    synced.rows("update raw_hubspot.contacts set lifecyclestage = 'evangelist' where lifecyclestage = 'customer'")
    synced.rows(
        "update staging.fx_rates set units_per_usd = units_per_usd * 1.1 where (currency, rate_date) = ('EUR', %s)", MAY
    )
    synced.rows("insert into staging.fx_rates values ('KWD', %s, 0.3)", NEWEST_RATE)
    expected = {
        "dbt/dim_contact": {one["first_touch_day"], merged["first_touch_day"]},
        "dbt/dim_customer": set(one["days"]),
        "dbt/fct_deals": {row["day"] for row in deals},
        "dbt/int_subscription_item_spans": {row["day"] for row in paying},
    }
    return Corrected(rebuild(synced), expected)


@pytest.mark.parametrize("when", ["later", "corrected"])
def test_law_5_building_the_touched_days_gives_what_building_all_days_gives(
    when: str, request: pytest.FixtureRequest
) -> None:
    found = request.getfixturevalue(when)
    rebuilt: Rebuilt = found if when == "later" else found.rebuilt
    for fact in FACTS:
        assert rebuilt.by_touched_days[fact] == rebuilt.by_all_days[fact] != []
    there_are = {row["date_day"] for row in rebuilt.by_all_days["fct_blended_efficiency_daily"]}
    assert there_are - set().union(*rebuilt.touched.values()), "Every day was touched: nothing was left out."


def test_mrr_is_still_what_the_world_has(synced: Synced, later: Rebuilt) -> None:
    del later
    yesterday = synced.sandbox.clock.now().date() - ONE_DAY
    assert mrr_found(synced, yesterday) == mrr_of(WORLD, WORLD.start, yesterday)


def test_a_change_of_a_subscription_touches_no_day_before_it(later: Rebuilt) -> None:
    assert later.touched["dbt/int_subscription_item_spans"] == {NOW.date() + ONE_DAY * (n + 1) for n in range(20)}


@pytest.mark.parametrize("table", ["dim_contact", "dim_customer", "fct_deals", "int_subscription_item_spans"])
def test_a_table_touches_the_days_its_changes_concern_and_no_others(table: str, corrected: Corrected) -> None:
    assert corrected.rebuilt.touched[f"dbt/{table}"] == corrected.expected[f"dbt/{table}"]


def test_a_rate_touches_the_days_on_which_it_holds_up_to_today(corrected: Corrected) -> None:
    touched = sorted(corrected.rebuilt.touched["dbt/dim_exchange_rate"])
    may = [MAY + timedelta(days=n) for n in range(31)]
    assert touched[:31] == may
    today = touched[-1]
    assert today in {datetime.now(UTC).date(), datetime.now(UTC).date() - timedelta(days=1)}  # midnight may have passed
    assert touched[31:] == [NEWEST_RATE + timedelta(days=n) for n in range((today - NEWEST_RATE).days + 1)]


def test_what_no_fact_reads_touches_no_day(corrected: Corrected) -> None:
    assert set(corrected.rebuilt.touched) == {*corrected.expected, "dbt/dim_exchange_rate"}


# ------------------------------------------------------------------------- reconciliation

DAMAGES = {
    "mrr_movements_equal_the_change": (
        "update marts.fct_subscription_mrr_daily set mrr = mrr + 0.01 where date_day = %s"
    ),
    "pipeline_equals_its_deals": (
        "update marts.fct_pipeline_daily set amount_created = amount_created + 0.01 where date_day = %s"
    ),
    "stripe_revenue_equals_raw": "update marts.fct_revenue_daily set net = net + 0.01 where date_day = %s",
    "blended_efficiency_equals_its_sources": (
        "update marts.fct_blended_efficiency_daily set new_contacts = new_contacts + 1 where date_day = %s"
    ),
    "google_ads_facts_equal_raw": (
        "update marts.fct_ad_performance_daily set spend = spend + 0.000001 where date_day = %s "
        "and platform = 'google_ads' and entity_level = 'ad_group' and spend > 0"
    ),
    "conversions_equal_raw": (
        "update marts.fct_conversions_daily set conversions = conversions + 0.000001 where date_day = %s"
    ),
    "conversions_add_up_to_campaigns": (
        "update marts.fct_campaign_performance set conversions = conversions + 1 where date_day = %s"
    ),
    "linkedin_ads_facts_equal_raw": (
        "update marts.fct_ad_performance_daily set clicks = clicks + 1 where date_day = %s "
        "and platform = 'linkedin_ads' and entity_level = 'ad' and clicks > 0"
    ),
}


@pytest.fixture(scope="module")
def damaged(synced: Synced, corrected: Corrected) -> Iterator[date]:
    """A day with a little too much of everything in the facts. They are mended afterwards: others look at them too."""
    del corrected
    (row,) = synced.rows(
        """
        select date_day from marts.fct_revenue_daily
        inner join marts.fct_ad_performance_daily as ads using (date_day)
        inner join marts.fct_pipeline_daily using (date_day)
        where entity_level = 'ad' and clicks > 0 and extract(day from date_day + 1) = 1
        group by 1 having count(distinct platform) = 3 order by 1 limit 1
        """
    )
    for damage in DAMAGES.values():
        synced.rows(damage, row["date_day"])
    day: date = row["date_day"]
    yield day
    touched_days(synced)
    synced.build(*NO_TESTS, "--select", IS_FACT, windows=f"{day}...{day}")


def reconciled(synced: Synced, day: date) -> dict[str, str]:
    synced.dbt("test", "--select", *DAMAGES, DATAFLOW_BUILD_WINDOWS=f"{day}...{day}")
    return {name.split(".")[2]: status for name, status in synced.dbt.results().items()}


def test_a_cent_too_much_fails_each_reconciliation(synced: Synced, damaged: date) -> None:
    assert reconciled(synced, damaged) == dict.fromkeys(DAMAGES, "fail")


def test_what_has_landed_since_the_run_began_is_left_to_the_next_one(synced: Synced, damaged: date) -> None:
    for vendor in ("google_ads", "meta_ads", "linkedin_ads", "stripe"):
        synced.rows(
            """
            insert into dataflow.touched_days (layer, connector, account_id, stream, day, sync_id, touched_at)
            select 'raw', %s, account_id, '', %s, gen_random_uuid(), now() + interval '1 hour'
            from dataflow.watermarks where connector = %s group by account_id
            """,
            vendor,
            damaged,
            vendor,
        )
    assert reconciled(synced, damaged) == dict.fromkeys(DAMAGES, "pass")

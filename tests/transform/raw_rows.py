"""Raw rows of two small ad accounts, as a sync would have stored them."""

import json
from collections.abc import Iterable
from typing import Any
from uuid import UUID

import psycopg
from psycopg import sql

SYNC = {"_sync_id": UUID(int=1), "_synced_at": "2026-11-20T06:00:00Z"}
EURO, YEN = "100", "200"
DAYS = ("2026-11-01", "2026-11-02", "2026-11-03", "2026-11-04", "2026-11-05")


def insert(connection: psycopg.Connection[Any], table: str, **row: Any) -> None:
    row |= SYNC | {"_account_id": row["account_id"]}
    statement = sql.SQL("insert into raw_meta_ads.{} ({}) values ({})").format(
        sql.Identifier(table),
        sql.SQL(", ").join(map(sql.Identifier, row)),
        sql.SQL(", ").join([sql.Placeholder()] * len(row)),
    )
    connection.execute(statement, list(row.values()))


def actions(**counts: str) -> str:
    """Meta's list, with two underscores where an action type has a dot."""
    return json.dumps([{"action_type": name.replace("__", "."), "value": value} for name, value in counts.items()])


def _report(day: str, account: str, currency: str, ids: dict[str, str], **measures: Any) -> dict[str, Any]:
    return {"date_start": day, "account_id": account, "account_currency": currency, **ids, **measures}


def _purchases(count: int, value: str) -> dict[str, str]:
    names = ("omni_purchase", "purchase", "offsite_conversion__fb_pixel_purchase")
    return {
        "actions": actions(link_click="25", **dict.fromkeys(names, str(count))),
        "action_values": actions(**dict.fromkeys(names, value)),
    }


def load(connection: psycopg.Connection[Any]) -> None:
    """Five days of a campaign in euro with two ad sets and three ads, of which one day's spend is on no ad; and one day
    of a campaign in yen, whose value Meta lists without a count. One campaign is in the reports only."""
    zones = {EURO: ("EUR", "Europe/Berlin"), YEN: ("JPY", "Asia/Tokyo")}
    for account, (currency, zone) in zones.items():
        insert(
            connection,
            "ad_accounts",
            id=f"act_{account}",
            account_id=account,
            name=f"Account {account}",
            currency=currency,
            timezone_name=zone,
            account_status=1,
            amount_spent=128_430,
        )
        insert(
            connection,
            "campaigns",
            id=f"{account}1",
            account_id=account,
            name="Spring",
            status="ACTIVE",
            daily_budget=2_500,
        )
    for day in DAYS:
        _euro_day(connection, day)
    insert(
        connection,
        "insights_campaign",
        **_report(DAYS[1], YEN, "JPY", {"campaign_id": "2001"}, impressions=500, inline_link_clicks=0, spend="900"),
        action_values=actions(purchase="4200"),
    )
    insert(
        connection,
        "insights_campaign",
        **_report(DAYS[0], EURO, "EUR", {"campaign_id": "1002", "campaign_name": "Gone"}, impressions=1),
    )
    connection.execute(
        """
        insert into dataflow.watermarks (connector, account_id, stream, complete_from, watermark, settled_through)
        values ('meta_ads', %s, 'insights_ad', '2026-08-21 22:00Z', '2026-11-19 23:00Z', '2026-10-22')
        """,
        [EURO],
    )


def _euro_day(connection: psycopg.Connection[Any], day: str) -> None:
    campaign = {"campaign_id": "1001"}
    insert(
        connection,
        "insights_campaign",
        **_report(
            day,
            EURO,
            "EUR",
            campaign,
            impressions=3_000,
            clicks=70,
            inline_link_clicks=40,
            spend="50.00",
            **_purchases(8, "125.00"),
        ),
    )
    spends = {("11", "a"): "20.00", ("11", "b"): "10.50", ("12", "c"): "19.50"}
    if day == DAYS[2]:
        spends[("12", "c")] = "15.25"  # the rest is on no ad
    for ad_set in ("11", "12"):
        ids = campaign | {"adset_id": ad_set}
        insert(
            connection,
            "insights_ad_set",
            **_report(
                day,
                EURO,
                "EUR",
                ids,
                impressions=1_500,
                clicks=35,
                inline_link_clicks=20,
                spend="30.50" if ad_set == "11" else "19.50",
                **_purchases(4, "62.50"),
            ),
        )
    for (ad_set, ad), spend in spends.items():
        impressions, clicks, link_clicks, purchases, value = {
            "a": (1_000, 24, 10, 2, "31.25"),
            "b": (500, 11, 10, 2, "31.25"),
            "c": (1_500, 35, 20, 4, "62.50"),
        }[ad]
        insert(
            connection,
            "insights_ad",
            **_report(
                day,
                EURO,
                "EUR",
                campaign | {"adset_id": ad_set, "ad_id": ad},
                impressions=impressions,
                clicks=clicks,
                inline_link_clicks=link_clicks,
                spend=spend,
                **_purchases(purchases, value),
            ),
        )


def delete(connection: psycopg.Connection[Any], tables: Iterable[str], condition: str) -> None:
    for table in tables:
        connection.execute(f"delete from raw_meta_ads.{table} where {condition}")

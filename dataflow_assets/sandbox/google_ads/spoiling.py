"""The faults that spoil the rows of a page."""

from collections.abc import Container
from typing import Any

from dataflow_assets.sandbox.google_ads.rows import Row

ROW_FAULTS = frozenset({"unknown_field", "bad_row", "type_changed"})
# What is spoiled, the first of these that the row has.
_FIGURES = (
    ("metrics", "costMicros"),
    ("metrics", "clicks"),
    ("metrics", "impressions"),
    ("metrics", "conversions"),
    ("metrics", "allConversions"),
    ("campaignBudget", "amountMicros"),
    ("adGroup", "cpcBidMicros"),
    ("conversionAction", "clickThroughLookbackWindowDays"),
    ("customerClient", "level"),
)
_IDS = ("adGroupAd", "adGroup", "campaign", "customer")


def spoiled(rows: list[Row], faults: Container[str]) -> list[Row]:
    """The rows after the faults named; rows that are not hit stay the same objects."""
    if "unknown_field" in faults:
        rows = [{**row, "fieldOfTomorrow": {"value": "1"}} for row in rows]
    if "type_changed" in faults:
        rows = [_replaced(row, lambda value: {"value": value}) for row in rows]
    if "bad_row" in faults and rows:
        rows = [_replaced(rows[0], lambda _: "n/a"), *rows[1:]]
    return rows


def _replaced(row: Row, change: Any) -> Row:
    for group, name in _FIGURES:
        if name in row.get(group, {}):
            return {**row, group: {**row[group], name: change(row[group][name])}}
    for group in _IDS:
        holder = row.get(group, {})
        if "ad" in holder:
            return {**row, group: {**holder, "ad": {**holder["ad"], "id": change(holder["ad"].get("id"))}}}
        if "id" in holder:
            return {**row, group: {**holder, "id": change(holder["id"])}}
    return row

"""The days a query asks about, and how far back they may lie."""

from datetime import date, timedelta

from dataflow_assets.sandbox.google_ads.conditions import during, value_of
from dataflow_assets.sandbox.google_ads.errors import AdsError, bad_query, refused
from dataflow_assets.sandbox.google_ads.fields import FIELDS
from dataflow_assets.sandbox.google_ads.gaql import Condition, Query

DATE = "segments.date"
_CHANGED_AT = "change_status.last_change_date_time"
_MONTHS_BACK = 37
_CHANGES_DAYS_BACK = 90
_MOST_CHANGES = 10_000
_FROM, _UNTIL = frozenset({"=", "BETWEEN", ">", ">="}), frozenset({"=", "BETWEEN", "<", "<="})

Days = tuple[int, int]
"""First and last day, both included, as ordinals."""


def days_of(query: Query, today: date, history_error: str) -> Days | None:
    """The days that meet all conditions on the date; None without any.

    Raises:
        AdsError: `queryError` for a range that is not finite, or empty; `dateRangeError` (`history_error`) for rows by
            day of too long ago.
    """
    conditions = [one for one in query.conditions if one.field == DATE]
    for one in conditions:
        if one.operator not in _FROM | _UNTIL | {"DURING"}:
            raise bad_query("OPERATOR_FIELD_MISMATCH", f"The operator {one.operator} does not apply to {DATE}.")
    bounds = [_bounds(one, today) for one in conditions]
    lows = [_day(low) + (one.operator == ">") for one, (low, _) in zip(conditions, bounds, strict=True) if low]
    highs = [_day(high) - (one.operator == "<") for one, (_, high) in zip(conditions, bounds, strict=True) if high]
    if not lows and not highs and DATE not in query.fields:
        return None
    if not lows or not highs:
        raise bad_query("EXPECTED_FILTERS_ON_DATE_RANGE", f"{DATE} needs a finite range of days in WHERE.")
    first, last = max(lows), min(highs)
    if first > last:
        raise bad_query("DATE_RANGE_TOO_NARROW", f"The range of {DATE} ends before it begins.")
    if DATE in query.fields and first < earliest(today).toordinal():
        message = f"Rows by day can be read for the last {_MONTHS_BACK} months only."
        raise refused("dateRangeError", history_error, message)
    return first, last


def earliest(today: date) -> date:
    """The oldest day that still has a row of its own."""
    months = today.year * 12 + today.month - 1 - _MONTHS_BACK
    first = date(months // 12, months % 12 + 1, 1)
    end = (first + timedelta(days=32)).replace(day=1) - timedelta(days=1)
    return min(first + timedelta(days=today.day - 1), end)


def check_changes(query: Query, today: date) -> None:
    """Check a query of `change_status`: a finite time within 90 days, and a limit. Raises AdsError if it has not."""
    bounds = [_bounds(one, today) for one in query.conditions if one.field == _CHANGED_AT]
    lows, highs = [low for low, _ in bounds if low], [high for _, high in bounds if high]
    if not lows or not highs:
        message = "A query of change_status needs a finite range of last_change_date_time."
        raise _bad_changes("CHANGE_DATE_RANGE_INFINITE", message)
    if max(lows) > min(highs):
        message = "The range of last_change_date_time ends before it begins."
        raise _bad_changes("CHANGE_DATE_RANGE_NEGATIVE", message)
    if max(lows) < (today - timedelta(days=_CHANGES_DAYS_BACK)).isoformat():
        message = f"Changes can be read for the last {_CHANGES_DAYS_BACK} days only."
        raise _bad_changes("START_DATE_TOO_OLD", message)
    if query.limit is None:
        raise _bad_changes("LIMIT_NOT_SPECIFIED", "A query of change_status needs a LIMIT.")
    if query.limit > _MOST_CHANGES:
        raise _bad_changes("INVALID_LIMIT_CLAUSE", f"The LIMIT of change_status is {_MOST_CHANGES} at most.")


def _bounds(one: Condition, today: date) -> tuple[str | None, str | None]:
    """From when until when a condition lets pass, as text; None for ever."""
    if one.operator == "DURING":
        first, last = during(one.values[0], today)
        return first.isoformat(), last.isoformat()
    values = [value_of(FIELDS[one.field], token) for token in one.values]
    return (values[0] if one.operator in _FROM else None), (values[-1] if one.operator in _UNTIL else None)


def _day(text: str) -> int:
    return date.fromisoformat(text).toordinal()


def _bad_changes(code: str, message: str) -> AdsError:
    return refused("changeStatusError", code, message)

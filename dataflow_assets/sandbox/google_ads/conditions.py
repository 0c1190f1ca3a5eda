"""Conditions of a query: whether a value of a field meets them."""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from operator import eq, ge, gt, le, lt, ne
from typing import Any

from dataflow_assets.sandbox.google_ads.errors import AdsError, bad_query, not_reproduced
from dataflow_assets.sandbox.google_ads.fields import Field, Type
from dataflow_assets.sandbox.google_ads.gaql import Condition, Token

_COMPARE: Mapping[str, Callable[[Any, Any], bool]] = {"=": eq, "!=": ne, ">": gt, ">=": ge, "<": lt, "<=": le}
_ORDERED = frozenset({Type.INT64, Type.DOUBLE, Type.STRING, Type.DATE, Type.TIME})
_ANY_TYPE = frozenset({"=", "!=", "IN", "NOT IN", "IS NULL", "IS NOT NULL"})
_DAYS = frozenset({Type.DATE, Type.TIME})
_TRAILING = {"LAST_7_DAYS": 7, "LAST_14_DAYS": 14, "LAST_30_DAYS": 30}
_DATE = re.compile(r"\d{4}-\d{2}-\d{2}")
_TIME = re.compile(r"(\d{4}-\d{2}-\d{2})( \d{2}:\d{2}(?::\d{2}(?:\.\d{1,6})?)?)?")
_EVER = "0000-00-00 00:00:00.000000"


@dataclass(frozen=True, slots=True)
class Filter:
    """A condition on one field, ready to be put to values."""

    field: Field
    passes: Callable[[Any], bool]


def read_filter(condition: Condition, field: Field, today: date) -> Filter:
    """Make a condition ready. Raises AdsError with a `queryError` when operator or value do not fit the field."""
    operator = condition.operator
    _check_operator(operator, field)
    if operator == "IS NULL":
        return Filter(field, lambda value: value is None)
    if operator == "IS NOT NULL":
        return Filter(field, lambda value: value is not None)
    read = _at_length if field.type is Type.TIME else lambda value: value
    if operator == "DURING":
        first, last = during(condition.values[0], today)
        low, high = first.isoformat(), (last + timedelta(days=1)).isoformat()
        return Filter(field, lambda value: value is not None and low <= value < high)
    values = [value_of(field, token) for token in condition.values]
    if operator == "BETWEEN":
        if values[0] > values[1]:
            code = "DATE_RANGE_TOO_NARROW" if field.type in _DAYS else "INVALID_VALUE_WITH_BETWEEN_OPERATOR"
            raise bad_query(code, f"The range of {field.path} ends before it begins.")
        return Filter(field, lambda value: value is not None and values[0] <= read(value) <= values[1])
    if operator in ("IN", "NOT IN"):
        wanted, among = operator == "IN", frozenset(values)
        return Filter(field, lambda value: (value is not None and read(value) in among) is wanted)
    compare = _COMPARE[operator]
    return Filter(field, lambda value: operator == "!=" if value is None else compare(read(value), values[0]))


def value_of(field: Field, token: Token) -> Any:
    """The value that a token of a query stands for, comparable with those of the field."""
    match field.type:
        case Type.INT64 | Type.DOUBLE:
            return _number(field, token)
        case Type.BOOL:
            if token.text.upper() not in ("TRUE", "FALSE"):
                raise bad_query("BAD_VALUE", f"{field.path} is TRUE or FALSE, not {token.text!r}.")
            return token.text.upper() == "TRUE"
        case Type.ENUM:
            if token.text not in field.constants:
                raise bad_query("BAD_ENUM_CONSTANT", f"{token.text!r} is no constant of {field.path}.")
            return token.text
    if token.kind != "string":
        code = "INVALID_DATE_FORMAT" if field.type in _DAYS else "INVALID_STRING_VALUE"
        raise bad_query(code, f"{field.path} is compared with text in quotes, not with {token.text!r}.")
    if field.type is Type.DATE:
        return _day(field, token.text).isoformat()
    return _time(field, token.text) if field.type is Type.TIME else token.text


def during(token: Token, today: date) -> tuple[date, date]:
    """The first and last day of a named range; the LAST_n_DAYS end yesterday."""
    yesterday = today - timedelta(days=1)
    name = token.text
    if name in _TRAILING:
        return today - timedelta(days=_TRAILING[name]), yesterday
    if name == "TODAY":
        return today, today
    if name == "YESTERDAY":
        return yesterday, yesterday
    if name == "THIS_MONTH":
        return today.replace(day=1), today
    if name == "LAST_MONTH":
        last = today.replace(day=1) - timedelta(days=1)
        return last.replace(day=1), last
    raise bad_query("INVALID_VALUE_WITH_DURING_OPERATOR", f"{name!r} is no range of days that the sandbox knows.")


def _check_operator(operator: str, field: Field) -> None:
    if field.type is Type.STRINGS:
        raise not_reproduced(f"conditions on lists such as {field.path}")
    fits = operator in _ANY_TYPE
    if operator in ("<", "<=", ">", ">=", "BETWEEN"):
        fits = field.type in _ORDERED
    elif operator == "DURING":
        fits = field.type in _DAYS
    if not fits:
        raise bad_query("OPERATOR_FIELD_MISMATCH", f"The operator {operator} does not apply to {field.path}.")


def _number(field: Field, token: Token) -> float:
    try:
        return int(token.text) if field.type is Type.INT64 else float(token.text)
    except ValueError:
        raise bad_query("BAD_NUMBER", f"{field.path} is compared with a number, not with {token.text!r}.") from None


def _day(field: Field, text: str) -> date:
    if not _DATE.fullmatch(text):
        raise _no_date(field, text)
    try:
        return date.fromisoformat(text)
    except ValueError:
        raise _no_date(field, text) from None


def _time(field: Field, text: str) -> str:
    """A time of day at full length, so that text compares as time does; a day alone means its midnight."""
    match = _TIME.fullmatch(text)
    if match is None:
        raise _no_date(field, text)
    try:
        datetime.fromisoformat(text if "." not in text else text.partition(".")[0])
    except ValueError:
        raise _no_date(field, text) from None
    return _at_length(text)


def _at_length(text: str) -> str:
    return text + _EVER[len(text) :]


def _no_date(field: Field, text: str) -> AdsError:
    return bad_query("INVALID_DATE_FORMAT", f"{field.path}: {text!r} is no date YYYY-MM-DD.")

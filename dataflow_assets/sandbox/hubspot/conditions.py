"""The filters of a search: what they compare and how."""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal, InvalidOperation
from fnmatch import fnmatchcase
from typing import Any, cast

from dataflow_assets.sandbox.hubspot.errors import invalid, invalid_field
from dataflow_assets.sandbox.hubspot.limits import Limits
from dataflow_assets.sandbox.hubspot.properties import PROPERTIES, Property, View
from dataflow_assets.sandbox.hubspot.spelling import millis
from dataflow_assets.sandbox.world.crm import Kind

Comparable = str | int | Decimal
Test = Callable[[Comparable | None], bool]

_FIELDS = frozenset({"propertyName", "operator", "value", "values", "highValue"})
_WHOLE = re.compile(r"-?[0-9]{1,18}")
_WORD = re.compile(r"[^\W_]+")
_PATTERN = re.compile(r"[\w*]+")


@dataclass(frozen=True)
class Condition:
    """One filter."""

    property: Property
    test: Test
    limits: Limits

    def holds(self, view: View) -> bool:
        """Whether a record passes."""
        return self.test(comparable(self.property, view, self.limits))


def comparable(definition: Property, view: View, limits: Limits) -> Comparable | None:
    """What a property is compared by: numbers and instants as numbers, texts without regard to letter case."""
    value = definition.read(view)
    if value is None:
        return None
    if definition.type == "string":
        return str(value).lower()
    if definition.name == "hs_object_id" and limits.search_id_order == "text":
        return str(value)
    if isinstance(value, bool):
        return "true" if value else "false"
    return value


def read_groups(body: Mapping[str, Any], kind: Kind, limits: Limits) -> list[list[Condition]]:
    """The groups of conditions of a search: one group must hold as a whole. Empty when there are none.

    Raises:
        HubSpotError: 400 for too many, for an unknown property, or for what cannot be understood.
    """
    groups = body.get("filterGroups") or []
    if body.get("filters"):
        if groups:
            raise invalid("filters and filterGroups cannot be given together")
        groups = [{"filters": body["filters"]}]
    if not isinstance(groups, list) or not all(isinstance(group, dict) for group in groups):
        raise invalid_field("filterGroups", "it must be a list of objects")
    listed = [group.get("filters") or [] for group in groups]
    if not all(isinstance(one, list) and all(isinstance(part, dict) for part in one) for one in listed):
        raise invalid_field("filters", "it must be a list of objects")
    sizes = [len(one) for one in listed]
    if len(sizes) > limits.search_groups or sum(sizes) > limits.search_filters:
        raise invalid(f"At most {limits.search_groups} groups and {limits.search_filters} filters are possible")
    if any(size > limits.search_filters_per_group for size in sizes):
        raise invalid(f"At most {limits.search_filters_per_group} filters are possible in a group")
    return [[_condition(one, kind, limits) for one in filters] for filters in listed]


def words_of(value: Comparable | None) -> list[str]:
    """The words of a text in small letters."""
    return [] if value is None else _WORD.findall(str(value).lower())


def _condition(given: Mapping[str, Any], kind: Kind, limits: Limits) -> Condition:
    if unknown := given.keys() - _FIELDS:
        raise invalid(f"A filter has no {', '.join(sorted(unknown))}")
    name, operator = given.get("propertyName"), given.get("operator")
    definition = PROPERTIES[kind].get(name) if isinstance(name, str) else None
    if definition is None:
        raise invalid_field("propertyName", f"there is no property {name!r}")
    if not isinstance(operator, str) or operator not in _OPERATORS:
        raise invalid_field("operator", f"there is no operator {operator!r}")

    def read(value: object) -> Comparable:
        return _value(definition, value, limits)

    return Condition(definition, _OPERATORS[operator](given, read), limits)


def _value(definition: Property, value: object, limits: Limits) -> Comparable:
    """A value of a filter as the property is compared by."""
    if isinstance(value, bool):
        value = "true" if value else "false"
    if not isinstance(value, str | int | float):
        raise invalid_field(definition.name, "a filter with this operator needs a value of text")
    text = str(value)
    if definition.type == "datetime":
        return _instant(definition.name, text, iso=limits.search_accepts_iso)
    if definition.type == "number":
        if definition.name == "hs_object_id" and limits.search_id_order == "text":
            return text
        return _number(definition.name, text)
    return text.lower() if definition.type == "string" else text


def _number(name: str, text: str) -> Decimal:
    try:
        number = Decimal(text)
    except InvalidOperation:
        number = Decimal("NaN")
    if not number.is_finite():
        raise invalid_field(name, f"{text[:40]!r} is not a number")
    return number


def _instant(name: str, text: str, *, iso: bool) -> int:
    if _WHOLE.fullmatch(text):
        return int(text)
    if iso:
        try:
            when = datetime.fromisoformat(text)
        except ValueError:
            raise invalid_field(name, f"{text!r} is no instant") from None
        return millis(when if when.tzinfo else when.replace(tzinfo=UTC))
    raise invalid_field(name, f"{text!r} is not a number of milliseconds")


_Read = Callable[[object], Comparable]
_Given = Mapping[str, Any]


def _ordered(compare: Callable[[Any, Any], bool]) -> Callable[[_Given, _Read], Test]:
    def build(given: _Given, read: _Read) -> Test:
        bound = read(given.get("value"))
        return lambda value: value is not None and compare(value, bound)

    return build


def _unequal(given: _Given, read: _Read) -> Test:
    bound = read(given.get("value"))
    return lambda value: value != bound


def _between(given: _Given, read: _Read) -> Test:
    # Any: both are of the type that the property is compared by.
    low, high = cast("Any", read(given.get("value"))), cast("Any", read(given.get("highValue")))
    return lambda value: value is not None and bool(low <= value <= high)


def _among(*, wanted: bool) -> Callable[[_Given, _Read], Test]:
    def build(given: _Given, read: _Read) -> Test:
        values = given.get("values")
        if not isinstance(values, list) or not values:
            raise invalid_field("values", "IN and NOT_IN need a list of values")
        # A text with capital letters is found by nothing: HubSpot wants small ones here, and does not make them.
        kept = {read(one) for one in values if not _has_capitals(read(one), one)}
        return lambda value: (value in kept) is wanted

    return build


def _has_capitals(understood: Comparable, given: object) -> bool:
    return isinstance(understood, str) and isinstance(given, str) and understood != given


def _tokens(*, wanted: bool) -> Callable[[_Given, _Read], Test]:
    def build(given: _Given, _read: _Read) -> Test:
        patterns = _PATTERN.findall(str(given.get("value") or "").lower())
        if not patterns:
            raise invalid_field("value", "CONTAINS_TOKEN and NOT_CONTAINS_TOKEN need a word")

        def holds(value: Comparable | None) -> bool:
            words = words_of(value)
            return all(any(fnmatchcase(word, pattern) for word in words) for pattern in patterns) is wanted

        return holds

    return build


_OPERATORS: Mapping[str, Callable[[_Given, _Read], Test]] = {
    "EQ": _ordered(lambda value, bound: value == bound),
    "NEQ": _unequal,
    "LT": _ordered(lambda value, bound: value < bound),
    "LTE": _ordered(lambda value, bound: value <= bound),
    "GT": _ordered(lambda value, bound: value > bound),
    "GTE": _ordered(lambda value, bound: value >= bound),
    "BETWEEN": _between,
    "IN": _among(wanted=True),
    "NOT_IN": _among(wanted=False),
    "HAS_PROPERTY": lambda _given, _read: lambda value: value is not None,
    "NOT_HAS_PROPERTY": lambda _given, _read: lambda value: value is None,
    "CONTAINS_TOKEN": _tokens(wanted=True),
    "NOT_CONTAINS_TOKEN": _tokens(wanted=False),
}
OPERATORS = frozenset(_OPERATORS)

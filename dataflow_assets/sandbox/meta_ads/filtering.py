"""The `filtering` parameter: `[{"field": "ad.updated_time", "operator": "GREATER_THAN", "value": 1767225600}]`."""

import operator
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from dataflow_assets.sandbox.meta_ads.entities import View, kind_of
from dataflow_assets.sandbox.meta_ads.errors import invalid
from dataflow_assets.sandbox.meta_ads.requests import Call

_OPERATORS: Mapping[str, Callable[[Any, Any], bool]] = {
    "EQUAL": operator.eq,
    "NOT_EQUAL": operator.ne,
    "GREATER_THAN": operator.gt,
    "GREATER_THAN_OR_EQUAL": operator.ge,
    "LESS_THAN": operator.lt,
    "LESS_THAN_OR_EQUAL": operator.le,
    "IN": lambda value, wanted: value in wanted,
    "NOT_IN": lambda value, wanted: value not in wanted,
    "CONTAIN": lambda value, wanted: wanted in value,
}
_LISTS = frozenset({"IN", "NOT_IN"})
_NUMBERS = frozenset({"updated_time", "created_time", "spend", "impressions", "clicks"})
_PROPERTIES: Mapping[str, Callable[[View], Any]] = {
    "updated_time": lambda of: of.state.updated,
    "created_time": lambda of: of.state.created,
    "effective_status": lambda of: str(of.effective_status),
    "name": lambda of: of.state.name,
}


@dataclass(frozen=True)
class Filter:
    """One condition. `subject` is `campaign`, `adset`, `ad`, or "" for what is listed itself."""

    subject: str
    name: str
    test: Callable[[Any, Any], bool]
    wanted: Any

    def passes(self, value: Any) -> bool:
        """Whether a value of the property meets it."""
        return self.test(value, self.wanted)


def read_filters(call: Call, subjects: frozenset[str], metrics: frozenset[str] = frozenset()) -> list[Filter]:
    """The conditions of a call on `subjects` (and metrics). Raises GraphError 100 for what is not known."""
    raw = call.json("filtering")
    if raw is None:
        return []
    if not isinstance(raw, list) or not all(isinstance(item, dict) for item in raw):
        raise invalid("Param filtering must be an array of objects")
    return [_filter(item, subjects, metrics) for item in raw]


def property_of(name: str, of: View) -> Any:
    """What a condition on a thing looks at. Times are unix seconds."""
    return kind_of(of.node).fields["id"](of) if name == "id" else _PROPERTIES[name](of)


def _filter(item: dict[str, Any], subjects: frozenset[str], metrics: frozenset[str]) -> Filter:
    field, name_of_test, value = str(item.get("field")), str(item.get("operator")), item.get("value")
    subject, _, name = field.rpartition(".")
    known = name in metrics if subject == "" and name in metrics else subject in subjects
    if not known or (name not in metrics and name != "id" and name not in _PROPERTIES):
        raise invalid(f"Filtering field '{field}' with operation '{name_of_test}' is not supported")
    test = _OPERATORS.get(name_of_test)
    if test is None or (name_of_test in _LISTS) != isinstance(value, list):
        raise invalid(f"Filtering field '{field}' with operation '{name_of_test}' is not supported")
    if name in _NUMBERS:
        try:
            value = [float(one) for one in value] if isinstance(value, list) else float(str(value))
        except (TypeError, ValueError):
            raise invalid(f"Filtering field '{field}' needs a number") from None
    elif isinstance(value, list):
        value = {str(one) for one in value}
    else:
        value = str(value)
    return Filter(subject, name, test, value)

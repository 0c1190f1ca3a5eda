"""A query checked against what there is: who may be asked what, which days, in which form.

Codes of the refusals: apis/google_ads.md, section 2, and the texts of Google's own v26 enums.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property

from dataflow_assets.sandbox.google_ads.conditions import Filter, read_filter, value_of
from dataflow_assets.sandbox.google_ads.customers import Customer
from dataflow_assets.sandbox.google_ads.errors import bad_query, not_reproduced
from dataflow_assets.sandbox.google_ads.fields import FIELDS, JOINED, WITH_METRICS, Field, Type, camel
from dataflow_assets.sandbox.google_ads.gaql import Condition, Query
from dataflow_assets.sandbox.google_ads.metrics import BY_ACTION
from dataflow_assets.sandbox.google_ads.ranges import DATE, Days, check_changes, days_of

_AD = "ad_group_ad.ad."


@dataclass(frozen=True, eq=False)
class Plan:
    """What to find and how to show it.

    `attributes` are shown of each subject, resource names among them. `days` None means all there are. `campaign_ids`
    are the only campaigns that can meet the conditions; None when any can. Equality is identity: see `Finder.plan`.
    """

    customer: Customer
    instant: int
    resource: str
    shown: tuple[Field, ...]
    attributes: tuple[Field, ...]
    metrics: tuple[Field, ...]
    days: Days | None
    filters: tuple[Filter, ...]
    campaign_ids: frozenset[int] | None
    order: tuple[tuple[Field, bool], ...]
    limit: int | None

    @cached_property
    def figures(self) -> tuple[tuple[Field, str], ...]:
        """The metrics and segments that are shown, each with its name in JSON."""
        own = [field for field in self.shown if field.resource in ("metrics", "segments")]
        return tuple((field, camel(field.path.partition(".")[2])) for field in own)

    @cached_property
    def counts(self) -> bool:
        """Whether what happened is asked for at all, be it in conditions only."""
        return any(field.resource == "metrics" for field in (*self.shown, *(one.field for one in self.filters)))

    @cached_property
    def by_day(self) -> bool:
        """Whether each day has a row of its own."""
        return any(field.path == DATE for field in self.shown)

    @cached_property
    def by_action(self) -> bool:
        """Whether each conversion action has a row of its own."""
        return any(_is_action(field) for field in self.shown)

    @property
    def endpoint(self) -> str:
        """What faults and counters call this question."""
        if not self.counts:
            return self.resource
        return f"{self.resource}_conversions" if self.by_action else f"{self.resource}_metrics"


def make_plan(query: Query, customer: Customer, instant: int, history_error: str) -> Plan:
    """Check a query for a customer.

    Raises:
        AdsError: `queryError` for what the query gets wrong; `changeStatusError` for changes without a finite time
            or limit; `dateRangeError` (`history_error`) for days of too long ago.
    """
    shown = tuple(_field(query.resource, name) for name in query.fields)
    pairs = [(one, _field(query.resource, one.field, "WHERE")) for one in query.conditions]
    order = tuple((_field(query.resource, name), descending) for name, descending in query.order)
    _check_metrics(shown, [field for _, field in pairs], customer)
    _check_selected(query.resource, shown, pairs, order)
    today = customer.today(instant)
    if query.resource == "change_status":
        check_changes(query, today)
    days = days_of(query, today, history_error)
    filters = tuple(read_filter(one, field, today) for one, field in pairs if field.path != DATE)
    return Plan(
        customer,
        instant,
        query.resource,
        shown,
        _attributes(query, shown),
        tuple(field for field in shown if field.resource == "metrics"),
        days,
        filters,
        _campaign_ids(pairs),
        order,
        query.limit,
    )


def _field(resource: str, name: str, clause: str = "SELECT") -> Field:
    if resource not in JOINED:
        raise bad_query("BAD_RESOURCE_TYPE_IN_FROM_CLAUSE", f"The sandbox has no resource {resource!r} in FROM.")
    field = FIELDS.get(name)
    if field is None:
        message = f"Unrecognized field in the query: '{name}'. (The sandbox has the fields that its README tells of.)"
        raise bad_query("UNRECOGNIZED_FIELD", message)
    owner = field.resource
    message = f"{name} cannot be used with FROM {resource}."
    if owner in ("metrics", "segments"):
        if resource not in WITH_METRICS:
            raise bad_query(f"PROHIBITED_{owner[:-1].upper()}_IN_SELECT_OR_WHERE_CLAUSE", message)
    elif owner != resource and owner not in JOINED[resource]:
        raise bad_query(f"PROHIBITED_RESOURCE_TYPE_IN_{clause}_CLAUSE", message)
    return field


def _is_action(field: Field) -> bool:
    return field.path.startswith("segments.conversion_action")


def _check_metrics(shown: tuple[Field, ...], filtered: list[Field], customer: Customer) -> None:
    metrics = [field for field in (*shown, *filtered) if field.resource == "metrics"]
    segments = [field for field in (*shown, *filtered) if field.resource == "segments"]
    if metrics and customer.manager:
        raise bad_query(
            "REQUESTED_METRICS_FOR_MANAGER",
            "Metrics cannot be requested for a manager account. To retrieve metrics, issue separate requests against "
            "each client account under the manager account.",
        )
    in_select = {field.resource for field in shown}
    if (segments and not metrics) or ("segments" in in_select and "metrics" not in in_select):
        raise not_reproduced("segments without metrics")
    if any(map(_is_action, segments)):
        for metric in metrics:
            if metric.path not in BY_ACTION:
                raise bad_query(
                    "PROHIBITED_SEGMENT_WITH_METRIC_IN_SELECT_OR_WHERE_CLAUSE",
                    f"{metric.path} cannot be segmented by conversion action.",
                )


def _check_selected(
    resource: str,
    shown: tuple[Field, ...],
    pairs: list[tuple[Condition, Field]],
    order: Iterable[tuple[Field, bool]],
) -> None:
    """Segments (but the date) must be shown to be filtered; to be ordered by, also metrics and other resources."""
    resources = {resource, *(field.resource for field in shown)} - {"metrics", "segments"}
    missing = [field for _, field in pairs if _is_action(field) and field not in shown]
    missing += [field for field, _ in order if field not in shown and field.resource not in resources]
    for field in missing:
        raise bad_query("EXPECTED_REFERENCED_FIELD_IN_SELECT_CLAUSE", f"{field.path} has to be selected as well.")
    for field, _ in order:
        if field.type is Type.STRINGS:
            raise bad_query("PROHIBITED_FIELD_IN_ORDER_BY_CLAUSE", f"Rows cannot be ordered by {field.path}.")


def _attributes(query: Query, shown: tuple[Field, ...]) -> tuple[Field, ...]:
    """The fields of resources that are shown, with the names of the resources unless the query omits them."""
    asked = [field for field in shown if field.resource not in ("metrics", "segments")]
    if "omit_unselected_resource_names" in query.parameters:
        return tuple(asked)
    names = [f"{resource}.resource_name" for resource in (query.resource, *(field.resource for field in asked))]
    if any(field.path.startswith(_AD) for field in asked):
        names.append(f"{_AD}resource_name")
    return tuple(dict.fromkeys([*(FIELDS[name] for name in names), *asked]))


def _campaign_ids(pairs: Iterable[tuple[Condition, Field]]) -> frozenset[int] | None:
    ids: frozenset[int] | None = None
    for one, field in pairs:
        if field.path == "campaign.id" and one.operator in ("=", "IN"):
            found = frozenset(value_of(field, token) for token in one.values)
            ids = found if ids is None else ids & found
    return ids

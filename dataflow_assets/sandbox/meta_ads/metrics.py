"""The values of an insights row as Meta writes them: every figure a string, results as lists by action type.

Money is in major units with two decimals or fewer, yen with none. Meta drops trailing zeros at times; here that happens
where the major part is even, so that clients meet both forms.
"""

from collections.abc import Callable, Mapping
from typing import Any

from dataflow_assets.sandbox.meta_ads import ids
from dataflow_assets.sandbox.world import Account, Ad, AdSet, Campaign, Counts
from dataflow_assets.sandbox.world.campaigns import lineage
from dataflow_assets.sandbox.world.performance import Results

Windows = tuple[str, ...]
Metric = Callable[[Counts, int, Windows], Any]

_WINDOWS_OF_RESULTS = ("1d_click", "7d_click", "28d_click", "1d_view")
_EMPTY_WINDOWS = ("7d_view", "28d_view", "1d_ev", "default", "dda", "incrementality", "skan_click", "skan_view")
KNOWN_WINDOWS = frozenset({*_WINDOWS_OF_RESULTS, *_EMPTY_WINDOWS})
"""Windows that may be asked for. Only clicks and `1d_view` bring figures; Meta stopped 7d_view and 28d_view."""

_ATTRIBUTION_SETTING = "7d_click_1d_view"
_PURCHASES = ("purchase", "omni_purchase", "offsite_conversion.fb_pixel_purchase")


def who(account: Account, node: ids.Entity, instant: int) -> dict[str, str]:
    """The fields that say who a row is about, with the names of the instant."""
    fields = {
        "account_id": ids.account_id(account),
        "account_currency": account.market.currency,
        "account_name": account.name,
        "attribution_setting": _ATTRIBUTION_SETTING,
    }
    for one in () if isinstance(node, Account) else lineage(node):
        prefix, identity = _identity(one)
        state = one.life.at(instant) or one.life.states[0]
        fields |= {f"{prefix}_id": identity, f"{prefix}_name": state.name}
    return fields


def _identity(node: Campaign | AdSet | Ad) -> tuple[str, str]:
    if isinstance(node, Campaign):
        return "campaign", ids.campaign_id(node)
    return ("adset", ids.ad_set_id(node)) if isinstance(node, AdSet) else ("ad", ids.ad_id(node))


def money(minor: int, digits: int) -> str:
    """An amount in major units."""
    if digits == 0:
        return str(minor)
    whole, rest = divmod(minor, 10**digits)
    text = f"{whole}.{rest:0{digits}}"
    return text if whole % 2 else text.rstrip("0").rstrip(".")


def _ratio(above: int, below: int) -> str | None:
    return f"{above / below:.6f}".rstrip("0").rstrip(".") if below else None


def _actions(counts: Counts, _digits: int, windows: Windows) -> list[dict[str, str]] | None:
    links = counts.link_clicks
    found = _entries(("link_click",), (links, links, links, 0), windows, str, default=links)
    found += _entries(_PURCHASES, counts.purchases, windows, str)
    found += _entries(("lead",), counts.leads, windows, str)
    return found or None


def _action_values(counts: Counts, digits: int, windows: Windows) -> list[dict[str, str]] | None:
    return _entries(_PURCHASES, counts.values, windows, lambda minor: money(minor, digits)) or None


def _entries(
    types: tuple[str, ...], results: Results, windows: Windows, text: Callable[[int], str], default: int | None = None
) -> list[dict[str, str]]:
    """One entry per action type, all with the same figures; none when nothing happened in any window asked for.

    Without a `default`, `value` follows the attribution setting: 7 days after a click or 1 day after a view.
    """
    by_window = dict(zip(_WINDOWS_OF_RESULTS, results, strict=True))
    value = by_window["7d_click"] + by_window["1d_view"] if default is None else default
    asked = {window: text(count) for window in windows if (count := by_window.get(window, 0))}
    if not value and not asked:
        return []
    return [{"action_type": name, "value": text(value), **asked} for name in types]


METRICS: Mapping[str, Metric] = {
    "impressions": lambda counts, _digits, _windows: str(counts.impressions),
    "clicks": lambda counts, _digits, _windows: str(counts.clicks),
    "inline_link_clicks": lambda counts, _digits, _windows: str(counts.link_clicks) if counts.link_clicks else None,
    "spend": lambda counts, digits, _windows: money(counts.spend, digits),
    "reach": lambda counts, _digits, _windows: str(counts.people),
    "frequency": lambda counts, _digits, _windows: _ratio(counts.impressions, counts.people),
    "ctr": lambda counts, _digits, _windows: _ratio(counts.clicks * 100, counts.impressions),
    "cpc": lambda counts, digits, _windows: _ratio(counts.spend, counts.clicks * 10**digits),
    "cpm": lambda counts, digits, _windows: _ratio(counts.spend * 1_000, counts.impressions * 10**digits),
    "actions": _actions,
    "action_values": _action_values,
}
EMPTY = frozenset({"conversions", "conversion_values", "outbound_clicks", "purchase_roas", "video_play_actions"})
"""Fields of Meta's that can be asked for and never have a value here."""

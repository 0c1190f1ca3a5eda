"""Conversion rules: the finder `account`, one of the older ones, which page by offset. apis/linkedin_ads.md, 2.1."""

from typing import Any

from dataflow_assets.sandbox.linkedin_ads import ids
from dataflow_assets.sandbox.linkedin_ads.errors import RestError, invalid_field
from dataflow_assets.sandbox.linkedin_ads.requests import Call
from dataflow_assets.sandbox.world import Account

KNOWN_PARAMS = frozenset({"q", "account", "start", "count", "fields"})
_DEFAULT_COUNT = 10


def rules(call: Call, account: Account, most: int) -> dict[str, Any]:
    """The rules of an account: one, for purchases. Raises RestError for a `count` over `most` or an unknown field."""
    start, count = call.whole("start", 0), call.whole("count", _DEFAULT_COUNT)
    if count > most:
        raise RestError(400, f"Specified count is larger than {most}", code="PARAM_INVALID", field="count")
    everyone = [_rule(ids.ConversionRule(account))]
    fields = call.fields()
    for name in fields or ():
        if name not in everyone[0]:
            raise invalid_field(name, "conversions has no such field here")
    if fields is not None:
        everyone = [{name: rule[name] for name in fields} for rule in everyone]
    paging = {"start": start, "count": count, "links": [], "total": len(everyone)}
    return {"elements": everyone[start : start + count], "paging": paging}


def _rule(rule: ids.ConversionRule) -> dict[str, Any]:
    created = rule.account.created * 1_000
    return {
        "id": ids.number(rule),
        "name": "Purchase",
        "account": ids.urn(rule.account),
        "type": "PURCHASE",
        "enabled": True,
        "attributionType": "LAST_TOUCH_BY_CAMPAIGN",
        # LinkedIn offers 1, 7, 30 and 90 days; the world finds purchases until 28 days after a click.
        "postClickAttributionWindowSize": 30,
        "viewThroughAttributionWindowSize": 1,
        "created": created,
        "lastModified": created,
    }

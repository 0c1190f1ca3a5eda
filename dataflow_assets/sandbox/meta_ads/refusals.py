"""The faults that refuse a call: what each answers. Statuses can be overridden, for Meta documents none of them."""

import json
import math
from collections.abc import Callable, Mapping

from dataflow_assets.sandbox.faults import FaultRule
from dataflow_assets.sandbox.meta_ads.errors import GraphError, expired_token, reduce_data, revoked_token

_TIER = "standard_access"
_BLOCK_SECONDS = 300.0

Refusal = Callable[[FaultRule, str | None], GraphError]


def _app_throttle(rule: FaultRule, _account: str | None) -> GraphError:
    usage = json.dumps({"call_count": 100, "total_time": 58, "total_cputime": 61})
    return GraphError(
        4,
        "(#4) Application request limit reached",
        subcode=1504022,
        status=rule.status or 403,
        transient=True,
        headers={"X-App-Usage": usage},
    )


def _score_throttle(code: int, subcode: int, message: str) -> Refusal:
    def refuse(rule: FaultRule, _account: str | None) -> GraphError:
        usage = {
            "acc_id_util_pct": 100,
            "reset_time_duration": math.ceil(rule.seconds or _BLOCK_SECONDS),
            "ads_api_access_tier": _TIER,
        }
        headers = {"X-Ad-Account-Usage": json.dumps(usage)}
        status = rule.status or 400
        return GraphError(code, message, subcode=subcode, status=status, transient=True, headers=headers)

    return refuse


def _use_case_throttle(code: int, use_case: str) -> Refusal:
    def refuse(rule: FaultRule, account: str | None) -> GraphError:
        other = "ads_management" if use_case == "ads_insights" else "ads_insights"
        minutes = math.ceil((rule.seconds or _BLOCK_SECONDS) / 60)
        # The blocked use case stands second: who reads only the first entry sees nothing wrong.
        entries = [
            {"type": kind, "call_count": count, "total_cputime": 5, "total_time": 5}
            | {"estimated_time_to_regain_access": wait, "ads_api_access_tier": _TIER}
            for kind, count, wait in ((other, 12, 0), (use_case, 100, minutes))
        ]
        return GraphError(
            code,
            f"(#{code}) There have been too many calls from this ad-account. Wait a bit and try again.",
            subcode=2446079,
            status=rule.status or 400,
            headers={"X-Business-Use-Case-Usage": json.dumps({account or "0": entries})},
        )

    return refuse


def _transient(rule: FaultRule, _account: str | None) -> GraphError:
    message = "An unexpected error has occurred. Please retry your request later."
    return GraphError(2, message, status=rule.status or 500, transient=True)


def _revoked(rule: FaultRule, _account: str | None) -> GraphError:
    code = rule.code or 200
    message = f"(#{code}) Ad account owner has NOT grant ads_management or ads_read permission"
    return GraphError(code, message, status=rule.status or 403)


REFUSALS: Mapping[str, Refusal] = {
    "throttle_4_1504022": _app_throttle,
    "throttle_17_2446079": _score_throttle(17, 2446079, "(#17) User request limit reached"),
    "throttle_613_1487742": _score_throttle(
        613,
        1487742,
        "(#613) Calls to this api have exceeded the rate limit: too many calls from this ad-account.",
    ),
    "throttle_80000": _use_case_throttle(80_000, "ads_insights"),
    "throttle_80004": _use_case_throttle(80_004, "ads_management"),
    "reduce_500": lambda rule, _: reduce_data(rule.status or 500),
    "transient_2": _transient,
    "expired_token": lambda rule, _: expired_token(rule.status or 401),
    "revoked_token": lambda rule, _: revoked_token(rule.status or 401),
    "revoked_account": _revoked,
}

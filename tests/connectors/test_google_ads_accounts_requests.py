"""Which accounts the Google Ads connector finds, and what gives it access. Facts: `apis/google_ads.md`, 1 and 2."""

import logging
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

import google_support
import pytest
from google_support import (
    BERLIN,
    CANCELED,
    CLIENTS,
    MANAGER,
    TOKYO,
    ScriptedGoogle,
    Wire,
    accounts,
    by_resource,
    client_of,
    database_url,
    denied,
    newer,
    no_tokens,
)

from dataflow_assets.connectors.base import Account, Probe, Since
from dataflow_assets.connectors.google_ads import CONNECTOR
from dataflow_assets.resources.failures import Fatal, Throttled, VendorError
from dataflow_assets.resources.platform import Platform
from dataflow_assets.sandbox.testing import RunningSandbox
from dataflow_assets.settings import GoogleAdsSettings

__all__ = ["database_url", "no_tokens"]  # fixtures
MakePlatform = Callable[..., Platform]


# ------------------------------------------------------------------ accounts


def test_every_client_is_found_once_with_its_currency_and_zone(platform: Platform, sandbox: RunningSandbox) -> None:
    wire = Wire()
    found = accounts(platform, wire)
    truth = [row["customer"] for row in sandbox.truth("google_ads", "customers")]
    assert [(one.id, one.name, one.currency, one.zone.key) for one in found] == [
        (row["id"], row["descriptiveName"], row["currencyCode"], row["timeZone"]) for row in truth
    ]
    assert [one.problem for one in found] == [""] * 3
    # The first is reached directly as well; the tree of the manager has it already. The cancelled one is not asked.
    assert list(by_resource(wire.searches)) == [(MANAGER, "customer"), (MANAGER, "customer_client")]
    assert {one.headers["login-customer-id"] for one in found} == {MANAGER}


def test_a_configured_manager_is_gone_through_without_asking_what_is_accessible(
    make_platform: MakePlatform, sandbox: RunningSandbox
) -> None:
    wire = Wire()
    google = GoogleAdsSettings(login_customer_id=f"{MANAGER[:3]}-{MANAGER[3:6]}-{MANAGER[6:]}")
    found = accounts(make_platform(sandbox.url, google_ads=google), wire)
    assert [one.id for one in found] == list(CLIENTS)
    assert not [request for request in wire.sent if "listAccessibleCustomers" in request.url.path]


def test_a_client_that_is_logged_in_to_itself_needs_no_header(
    make_platform: MakePlatform, sandbox: RunningSandbox
) -> None:
    (found,) = accounts(make_platform(sandbox.url, google_ads=GoogleAdsSettings(login_customer_id=BERLIN)))
    assert (found.id, found.headers) == (BERLIN, {})


def test_the_cancelled_client_has_a_problem_only_when_it_is_named(
    make_platform: MakePlatform, sandbox: RunningSandbox
) -> None:
    google = GoogleAdsSettings(account_ids=f"{TOKYO},298-765-4321,{MANAGER}")
    found = {one.id: one.problem for one in accounts(make_platform(sandbox.url, google_ads=google))}
    assert "CANCELED" in found[CANCELED]
    assert "DATAFLOW_GOOGLE_ADS__ACCOUNT_IDS" in found[CANCELED]
    assert "manager account" in found[MANAGER]
    assert found[TOKYO] == ""


def customer(number: str, **more: Any) -> Mapping[str, Any]:
    return {"id": number, "descriptiveName": f"No {number}", "currencyCode": "EUR", "timeZone": "UTC", **more}


def tree(*clients: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    return [{"customerClient": one} for one in clients]


def itself(number: str, **more: Any) -> list[Mapping[str, Any]]:
    return [{"customer": customer(number, **more)}]


FOREST = ScriptedGoogle(
    ["7", "1", "10", "2", "11", "3", "4"],
    {
        ("7", "customer"): denied("CUSTOMER_NOT_ENABLED"),
        ("1", "customer"): itself("1", manager=True),
        ("1", "customer_client"): tree(
            customer("10", manager=True, status="ENABLED"),
            customer("2", status="ENABLED"),
            customer("11", status="ENABLED", hidden=True),
            customer("12", status="SUSPENDED"),
            customer("13", status="CLOSED"),
            customer("14", status="ENABLED", timeZone="Mars/Olympus"),
            {"id": "15"},
        ),
        ("11", "customer"): itself("11", status="ENABLED"),
        ("3", "customer"): denied("TWO_STEP_VERIFICATION_NOT_ENROLLED", "authenticationError"),
        ("4", "customer"): itself("4", status="ENABLED"),
    },
)


def through(found: Sequence[Account]) -> dict[str, str]:
    return {one.id: one.headers.get("login-customer-id", "") for one in found}


def test_a_tree_is_walked_once_and_what_it_hides_may_still_be_reached_directly(platform: Platform) -> None:
    wire = FOREST.wire()
    found = accounts(platform, wire)
    # 10 is a manager below 1, and 2 its client: both are in the tree of 1. Of 11 the tree says it is hidden.
    assert list(by_resource(wire.searches)) == [
        ("7", "customer"),
        ("1", "customer"),
        ("1", "customer_client"),
        ("11", "customer"),
        ("3", "customer"),
        ("4", "customer"),
    ]
    assert through(found) == {"2": "1", "14": "1", "15": "1", "11": "", "3": "", "4": ""}


def test_law_9_an_account_that_cannot_be_listed_is_named_and_holds_no_other_back(platform: Platform) -> None:
    problems = {one.id: one.problem for one in accounts(platform, FOREST.wire())}
    assert "TWO_STEP_VERIFICATION_NOT_ENROLLED" in problems.pop("3")
    assert "'Mars/Olympus'" in problems.pop("14")
    assert "''" in problems.pop("15")
    assert set(problems.values()) == {""}


def test_what_is_named_is_read_although_it_is_hidden_or_suspended_and_explained_when_it_is_gone(
    make_platform: MakePlatform, sandbox: RunningSandbox
) -> None:
    named = make_platform(sandbox.url, google_ads=GoogleAdsSettings(account_ids="7,11,12,13"))
    found = {one.id: one for one in accounts(named, FOREST.wire())}
    assert (found["11"].problem, found["12"].problem) == ("", "")
    assert found["12"].headers == {"login-customer-id": "1"}
    assert "CUSTOMER_NOT_ENABLED" in found["7"].problem
    assert "CLOSED" in found["13"].problem


def test_what_cannot_be_reached_directly_is_read_through_a_manager(platform: Platform) -> None:
    google = ScriptedGoogle(["2", "1"], {**FOREST.answers, ("2", "customer"): denied("USER_PERMISSION_DENIED")})
    found = {one.id: one for one in accounts(platform, google.wire())}
    assert (found["2"].problem, found["2"].headers) == ("", {"login-customer-id": "1"})


@pytest.mark.parametrize(
    ("answer", "kind"),
    [
        (denied("MISSING_TOS"), Fatal),
        (denied("RESOURCE_EXHAUSTED", "quotaError", quotaErrorDetails={"retryDelay": "5400s"}), Throttled),
        (denied("OAUTH_TOKEN_REVOKED", "authenticationError"), Fatal),
    ],
)
def test_what_concerns_every_account_is_no_problem_of_one(
    platform: Platform, answer: Any, kind: type[VendorError]
) -> None:
    google = ScriptedGoogle(["1", "4"], {("1", "customer"): answer, ("4", "customer"): itself("4")})
    with pytest.raises(kind):
        accounts(platform, google.wire())


def test_no_account_at_all_is_an_error_and_not_a_green_run_without_rows(platform: Platform) -> None:
    for accessible in ([], ["7"]):
        with pytest.raises(Fatal, match="no client account"):
            accounts(platform, ScriptedGoogle(accessible, FOREST.answers).wire())


def test_an_account_of_another_shape_is_said_to_be_one(platform: Platform, sandbox: RunningSandbox) -> None:
    wire = ScriptedGoogle(["1"], {("1", "customer"): [{"customer": {"id": {"value": "1"}}}]}).wire()
    (found,) = accounts(platform, wire)
    assert "not as documented" in found.problem


# ------------------------------------------------------------------ versions and tokens


@pytest.mark.parametrize(("version", "said"), [("v22", "UNSUPPORTED_VERSION"), ("v99", "404")])
def test_a_dead_version_is_named_with_the_setting_to_change(
    make_platform: MakePlatform, sandbox: RunningSandbox, version: str, said: str
) -> None:
    with pytest.raises(Fatal, match=said) as caught:
        accounts(make_platform(sandbox.url, google_ads=GoogleAdsSettings(api_version=version)))
    assert caught.value.scope == "vendor"
    assert "DATAFLOW_GOOGLE_ADS__API_VERSION" in str(caught.value)


def test_a_refresh_token_that_was_revoked_needs_a_person(platform: Platform, sandbox: RunningSandbox) -> None:
    sandbox.fault("invalid_grant")
    wire = Wire()
    with pytest.raises(Fatal, match="invalid_grant") as caught:
        accounts(platform, wire)
    assert "DATAFLOW_GOOGLE_ADS__REFRESH_TOKEN" in str(caught.value)
    assert len(wire.sent) == 1


def test_law_13_tokens_travel_in_headers_and_are_in_no_url_body_or_log(
    platform: Platform, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    wire = Wire()
    account = client_of(platform)
    google_support.read(platform, account, "campaigns", Since(), wire)
    newer(platform, [Probe(account, CONNECTOR.stream("ads"), datetime(2026, 5, 1, tzinfo=UTC))], wire)
    tokens = {request.headers["authorization"].removeprefix("Bearer ") for request in wire.sent}
    (token,) = tokens
    secrets = (token, "sandbox-google-secret", "sandbox-google-refresh")
    for request in wire.sent:
        assert not [one for one in secrets if one in str(request.url) or one in request.content.decode()]
    said = "\n".join(record.getMessage() for record in caplog.records)
    assert not [one for one in secrets if one in said]

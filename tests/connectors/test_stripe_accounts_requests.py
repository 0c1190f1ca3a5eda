"""Which accounts the Stripe connector finds behind its keys, and where the keys go. Facts: `apis/stripe.md`, 2 to 5."""

import logging
from datetime import UTC, datetime
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from stripe_support import (
    EVERYTHING,
    NOWHERE,
    REFUSED,
    STREAMS,
    MakePlatform,
    Row,
    Sent,
    Wire,
    accounts,
    newer,
    platform_of,
    probes,
    read,
    sandbox,
    scripted,
)

from dataflow_assets.connectors.base import Account, Since
from dataflow_assets.resources.failures import Retryable
from dataflow_assets.sandbox.testing import RunningSandbox

__all__ = ["sandbox"]  # fixtures


def named(name: str) -> Row:
    return {"id": name, "object": "account", "default_currency": "eur", "business_profile": {"name": f"Shop {name}"}}


def by_key(**answers: Any) -> Wire:
    """Answers to the question for the account, by key; with `__` for the account named in the header."""

    def answer(sent: Sent) -> Any:
        assert (sent.path, dict(sent.query)) == ("account", {})
        key, acting = sent.headers["Authorization"].removeprefix("Bearer "), sent.headers.get("Stripe-Account", "")
        return answers[f"{key}__{acting}" if acting else key]

    return scripted(answer)


BROKEN = (503, {"type": "api_error", "message": "Busy."})


def test_each_key_is_an_account_with_its_name_and_currency_and_days_in_utc(
    make_platform: MakePlatform, sandbox: RunningSandbox
) -> None:
    platform = platform_of(make_platform, sandbox.url, "sk_test_sandbox_0", "sk_test_sandbox_1")
    one, two = accounts(platform)
    assert [one.id[:5], two.id[:5]] == ["acct_", "acct_"]
    assert one.id != two.id
    assert [(one.name, one.currency), (two.name, two.currency)] == [("DataFlow DE 1", "EUR"), ("DataFlow US 2", "USD")]
    assert {account.zone.key for account in (one, two)} == {"UTC"}
    assert [(account.credential, account.problem) for account in (one, two)] == [(0, ""), (1, "")]
    # Each is read with its own key.
    charges = [{row["id"] for row in read(platform, account, "charges", EVERYTHING)} for account in (one, two)]
    assert all(charges)
    assert charges[0].isdisjoint(charges[1])


def test_law_9_a_refused_key_is_told_by_its_place_and_holds_no_other_back(make_platform: MakePlatform) -> None:
    secret = "sk_test_abcdefgh"
    platform = platform_of(make_platform, NOWHERE, "sk_a", secret, "sk_c")
    wire = by_key(sk_a=named("acct_a"), sk_test_abcdefgh=REFUSED, sk_c=named("acct_c"))
    found = accounts(platform, wire)
    assert [account.id for account in found] == ["acct_a", "key 2 of 3", "acct_c"]
    assert [bool(account.problem) for account in found] == [False, True, False]
    assert found[2].credential == 2
    assert "DATAFLOW_STRIPE__API_KEY" in found[1].problem
    assert not [part for part in (secret, "efgh", "sk_test") if part in repr(found)]


def test_a_refused_key_is_told_even_when_it_is_the_only_one(make_platform: MakePlatform) -> None:
    (found,) = accounts(platform_of(make_platform, NOWHERE, "sk_a"), by_key(sk_a=REFUSED))
    assert found.id == "key 1 of 1"
    assert found.problem


def test_law_9_a_fault_that_passes_holds_back_its_own_key_only(
    make_platform: MakePlatform,
) -> None:
    platform = platform_of(make_platform, NOWHERE, "sk_a", "sk_b")
    found = accounts(platform, by_key(sk_a=BROKEN, sk_b=named("acct_b")))
    assert [(account.id, bool(account.problem)) for account in found] == [("key 1 of 2", True), ("acct_b", False)]


def test_a_fault_that_passes_is_raised_when_every_key_has_it(make_platform: MakePlatform) -> None:
    with pytest.raises(Retryable, match="Busy"):
        accounts(platform_of(make_platform, NOWHERE, "sk_a"), by_key(sk_a=BROKEN))


def test_a_restricted_key_that_may_not_see_its_account_is_of_the_one_the_refusal_names(
    make_platform: MakePlatform,
) -> None:
    message = (
        "The provided key 'rk_live_***' does not have the required permissions for this endpoint on account "
        "'acct_1PJ7J3'. Having the 'rak_accounts_kyc_basic_read' permission would allow this request to continue."
    )
    refused = (403, {"type": "invalid_request_error", "message": message})
    (found,) = accounts(platform_of(make_platform, NOWHERE, "rk_a"), by_key(rk_a=refused))
    assert found == Account("acct_1PJ7J3", "acct_1PJ7J3", "", ZoneInfo("UTC"))


def test_live_and_test_keys_of_one_account_are_not_mixed(make_platform: MakePlatform) -> None:
    platform = platform_of(make_platform, NOWHERE, "sk_live", "sk_test")
    one, two = accounts(platform, by_key(sk_live=named("acct_a"), sk_test=named("acct_a")))
    assert (one.id, one.credential, one.problem) == ("acct_a", 0, "")
    assert two.id == "key 2 of 2"
    assert "same account as key 1" in two.problem


def test_accounts_that_are_no_keys_own_are_connected_ones_of_the_first_key(make_platform: MakePlatform) -> None:
    platform = platform_of(
        make_platform, NOWHERE, "sk_a", "sk_b", account_ids=("acct_b", "acct_connected", "acct_stranger")
    )
    denied = (403, {"code": "account_invalid", "message": "The provided key does not have access to account."})
    wire = by_key(
        sk_a=named("acct_a"), sk_b=REFUSED, sk_a__acct_connected=named("acct_connected"), sk_a__acct_stranger=denied,
        sk_a__acct_b=denied,
    )  # fmt: skip
    found = {account.id: account for account in accounts(platform, wire)}
    connected = found["acct_connected"]
    assert (connected.headers, connected.credential, connected.problem) == ({"Stripe-Account": "acct_connected"}, 0, "")
    assert connected.name == "Shop acct_connected"
    # The key of acct_b was refused: that it is not a connected account either is not its trouble.
    assert "key 2 of 2" in found["acct_b"].problem
    assert found["acct_a"].headers == {}
    assert "account_invalid" in found["acct_stranger"].problem


def test_every_request_about_a_connected_account_says_so(make_platform: MakePlatform, sandbox: RunningSandbox) -> None:
    both = accounts(platform_of(make_platform, sandbox.url, "sk_test_sandbox_0", "sk_test_sandbox_1"))
    platform = platform_of(make_platform, sandbox.url, "sk_test_sandbox_0", account_ids=(both[1].id,))
    connected = accounts(platform)[-1]
    assert connected.id == both[1].id
    wire = Wire()
    assert read(platform, connected, "invoice_lines", EVERYTHING, wire)
    assert {sent.headers["Stripe-Account"] for sent in wire.sent} == {connected.id}
    assert {sent.headers["Authorization"] for sent in wire.sent} == {"Bearer sk_test_sandbox_0"}


def test_law_13_keys_travel_in_a_header_and_are_in_no_url_or_log(
    make_platform: MakePlatform, sandbox: RunningSandbox, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    platform = platform_of(make_platform, sandbox.url)
    (account,) = accounts(platform)
    wire = Wire()
    week = Since(datetime(2026, 5, 13, tzinfo=UTC))
    for stream in STREAMS:
        read(platform, account, stream, week, wire)
    newer(platform, probes(datetime(2026, 5, 1, tzinfo=UTC), *STREAMS, account=account), wire)
    assert len(wire.requests) > len(STREAMS)
    for request in wire.requests:
        assert request.headers["Authorization"] == "Bearer sk_test_sandbox_0"
        assert (request.method, request.content) == ("GET", b"")
        assert "sk_test" not in str(request.url)
    assert "sk_test" not in "\n".join(record.getMessage() for record in caplog.records)

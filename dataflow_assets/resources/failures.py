"""The four kinds of failure a vendor can cause.

Each vendor maps its own codes to these by the body of the answer; everything above decides by kind alone:
retryable is tried again, throttled waits until told, too much data is split, fatal stops an account or the vendor.
"""

from typing import Literal

Scope = Literal["endpoint", "account", "vendor"]


class VendorError(Exception):
    """A request to a vendor failed. `hint` tells the person what to do about it.

    Messages are written by us from codes and scrubbed texts; they never hold a URL, header or token.
    """

    def __init__(self, message: str, *, vendor: str, account: str | None = None, hint: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.vendor = vendor
        self.account = account
        self.hint = hint

    def __str__(self) -> str:
        subject = f"{self.vendor}, account {self.account}" if self.account else self.vendor
        return f"{subject}: {self.message}" + (f" {self.hint}" if self.hint else "")


class Retryable(VendorError):
    """A passing fault: cut connection, 5xx page, "try again later" code."""


class Throttled(VendorError):
    """The vendor, our own budget or an open breaker says to wait `wait_seconds` before the next request."""

    def __init__(
        self,
        message: str,
        *,
        vendor: str,
        account: str | None = None,
        hint: str = "",
        wait_seconds: float,
        scope: Scope = "account",
    ) -> None:
        super().__init__(message, vendor=vendor, account=account, hint=hint)
        self.wait_seconds = wait_seconds
        self.scope = scope


class TooMuchData(VendorError):
    """The vendor refuses the size of the question: ask for fewer days, rows or fields."""


class Fatal(VendorError):
    """Asking again cannot help. `scope` says whether one account is affected or every account of the vendor."""

    def __init__(
        self,
        message: str,
        *,
        vendor: str,
        account: str | None = None,
        hint: str = "",
        scope: Scope = "account",
    ) -> None:
        super().__init__(message, vendor=vendor, account=account, hint=hint)
        self.scope = scope


class Unauthorized(Fatal):
    """The credential itself was refused, so every account it reads is affected. The client renews it once if it can."""

    def __init__(
        self, message: str, *, vendor: str, account: str | None = None, hint: str = "", scope: Scope = "vendor"
    ) -> None:
        super().__init__(message, vendor=vendor, account=account, hint=hint, scope=scope)

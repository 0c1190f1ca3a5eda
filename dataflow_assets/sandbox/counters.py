"""How many requests came in, for tests that assert what a connector costs."""

import threading
from collections import Counter


class Counters:
    """Counts per vendor, endpoint and account. Safe to use from several threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._clear()

    def _clear(self) -> None:
        self._total: Counter[str] = Counter()
        self._endpoints: dict[str, Counter[str]] = {}
        self._accounts: dict[str, Counter[str]] = {}
        self._throttled = 0

    def request(self, vendor: str) -> None:
        """One HTTP request arrived at a vendor's API; a batch is one."""
        with self._lock:
            self._total[vendor] += 1

    def call(self, vendor: str, endpoint: str, account: str | None) -> None:
        """One call of an endpoint was made, alone or as an item of a batch."""
        with self._lock:
            self._endpoints.setdefault(vendor, Counter())[endpoint] += 1
            if account is not None:
                self._accounts.setdefault(vendor, Counter())[account] += 1

    def throttled(self) -> None:
        """One call was answered with "too many calls"."""
        with self._lock:
            self._throttled += 1

    def reset(self) -> None:
        """Back to zero."""
        with self._lock:
            self._clear()

    def snapshot(self) -> dict[str, object]:
        """All counts, as JSON."""
        with self._lock:
            return {
                "total": self._total.total(),
                "by_vendor": dict(self._total),
                "by_endpoint": {vendor: dict(counts) for vendor, counts in self._endpoints.items()},
                "by_account": {vendor: dict(counts) for vendor, counts in self._accounts.items()},
                "throttled": self._throttled,
            }

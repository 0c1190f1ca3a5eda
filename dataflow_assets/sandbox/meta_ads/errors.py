"""Meta's error answers. Codes and texts: apis/meta_ads.md, section 3.3; the status of each is not documented."""

from collections.abc import Mapping
from typing import Any

import msgspec

from dataflow_assets.sandbox.answers import Answer


class GraphError(Exception):
    """An error as Meta reports it. `headers` are usage headers that come with this error in place of the usual ones."""

    def __init__(
        self,
        code: int,
        message: str,
        *,
        subcode: int | None = None,
        status: int = 400,
        kind: str = "OAuthException",
        transient: bool | None = None,
        bare: bool = False,
        headers: Mapping[str, str] | None = None,
        title: str | None = None,
    ) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.subcode = subcode
        self.status = status
        self.kind = kind
        self.transient = transient
        self.bare = bare
        self.headers = dict(headers or {})
        self.title = title

    @property
    def throttles(self) -> bool:
        """Whether it tells the client to call less."""
        return self.code in (4, 17, 32, 341, 613) or 80_000 <= self.code <= 80_014  # noqa: PLR2004

    def body(self) -> dict[str, Any]:
        """The JSON of the answer. A bare error has only what Meta always sends."""
        error: dict[str, Any] = {"message": self.message, "code": self.code}
        if not self.bare:
            error["type"] = self.kind
            if self.subcode is not None:
                error["error_subcode"] = self.subcode
            if self.transient is not None:
                error["is_transient"] = self.transient
            if self.title is not None:
                error["error_user_title"] = self.title
                error["error_user_msg"] = self.message
            error["fbtrace_id"] = "ASandbox0Trace0Id"
        return {"error": error}

    def answer(self) -> Answer:
        """The whole answer."""
        return Answer(self.status, msgspec.json.encode(self.body()), headers=self.headers)


def invalid(message: str, subcode: int | None = None) -> GraphError:
    """Code 100: a parameter is wrong."""
    return GraphError(100, f"(#100) {message}", subcode=subcode)


def not_reproduced(what: str) -> GraphError:
    """Code 100 for what Meta offers and the sandbox does not: better refused than answered with other numbers."""
    return invalid(f"The sandbox does not reproduce {what}.")


def missing(node: str) -> GraphError:
    """Code 100, subcode 33: no such object, or not for this token."""
    return GraphError(
        100,
        f"Unsupported get request. Object with ID '{node}' does not exist, cannot be loaded due to missing "
        "permissions, or does not support this operation.",
        subcode=33,
        kind="GraphMethodException",
    )


def reduce_data(status: int = 500) -> GraphError:
    """Code 1 with the one text that clients have to match; it comes with nothing else."""
    return GraphError(
        1,
        "Please reduce the amount of data you're asking for, then retry your request",
        status=status,
        bare=True,
    )


def bad_token() -> GraphError:
    """Code 190: not a token of this app."""
    return GraphError(190, "Invalid OAuth access token - Cannot parse access token", status=400)


def expired_token(status: int = 401) -> GraphError:
    """Code 190, subcode 463: the token was good once."""
    return GraphError(
        190,
        "Error validating access token: Session has expired.",
        subcode=463,
        status=status,
        transient=False,
    )


def revoked_token(status: int = 401) -> GraphError:
    """Code 190, subcode 460: the token was taken back before its time, as a change of password does."""
    return GraphError(
        190,
        "Error validating access token: The session has been invalidated.",
        subcode=460,
        status=status,
        transient=False,
    )


def deprecated_version(version: str) -> GraphError:
    """Code 2635: the Marketing API of this version has been switched off."""
    return GraphError(
        2635,
        f"(#2635) You are calling a deprecated version of the Ads API. {version} is switched off: please update.",
    )


def unknown_path(path: str) -> GraphError:
    """Code 2500: there is no such address."""
    return GraphError(2500, f"Unknown path components: {path}")

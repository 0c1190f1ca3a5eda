"""The sandbox's one app: its token and secret, and what is checked of them on each call."""

import hashlib
import hmac

from dataflow_assets.sandbox.meta_ads.errors import GraphError, bad_token
from dataflow_assets.sandbox.meta_ads.requests import Call

TOKEN = "sandbox-token"  # noqa: S105 - documented: it opens nothing but this sandbox
APP_SECRET = "sandbox-app-secret"  # noqa: S105 - as above

_PROOF = hmac.new(APP_SECRET.encode(), TOKEN.encode(), hashlib.sha256).hexdigest()


def check_token(call: Call) -> None:
    """Raise GraphError 190 for a missing or wrong token, 100 for a proof that does not belong to it."""
    if call.params.get("access_token") != TOKEN:
        raise bad_token()
    proof = call.params.get("appsecret_proof")
    if proof is not None and not hmac.compare_digest(proof.encode(), _PROOF.encode()):
        raise GraphError(100, "Invalid appsecret_proof provided in the API argument", kind="GraphMethodException")

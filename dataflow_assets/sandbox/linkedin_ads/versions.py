"""LinkedIn's versions: one a month, each switched off about a year later. apis/linkedin_ads.md, section 1."""

import re
from datetime import date

from dataflow_assets.sandbox.linkedin_ads.errors import RestError, nonexistent_version

_VERSION = re.compile(r"(\d{4})(0[1-9]|1[0-2])(\.\d\d)?")
_NEVER_PUBLISHED = frozenset({"202512"})
_SUNSET_DAY = 15
_OTHER_SUNSET_DAYS = {"202508": 17, "202511": 16, "202603": 16}


def check_version(asked: str | None, today: date, newest: str) -> str:
    """The version of a request.

    Versions work before their month has come, so that a world in the past can be read with today's.

    Raises:
        RestError: 400 when there is none, 426 for one that never was, is newer than `newest`, or was switched off.
    """
    if not asked:
        message = "A version must be present. Please specify a version by adding the LinkedIn-Version header."
        raise RestError(400, message, code="VERSION_MISSING")
    match = _VERSION.fullmatch(asked)
    if match is None:
        raise nonexistent_version(asked)
    year, month = match[1], match[2]
    version = year + month
    gone = date(int(year) + 1, int(month), _OTHER_SUNSET_DAYS.get(version, _SUNSET_DAY)) <= today
    if version in _NEVER_PUBLISHED or version > newest or gone:
        raise nonexistent_version(asked)
    return asked

"""The `dataflow` command in this process: what a person types, and what comes back."""

import contextlib
import io
import json
import sys
from dataclasses import dataclass
from typing import Any
from unittest.mock import patch

from installation import Installation

from dataflow_assets.cli.main import main


@dataclass(frozen=True)
class Answer:
    """Exit code and what was written."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        """Standard output, which must be one JSON document and nothing else."""
        return json.loads(self.out)


@dataclass(frozen=True)
class Dataflow:
    """The command in an installation. Keywords are further variables."""

    installed: Installation

    def __call__(self, *args: str, **variables: str) -> Answer:
        out, err = io.StringIO(), io.StringIO()
        self.installed.settings.update(variables)
        code: Any = None
        with (
            self.installed.there(),
            patch.object(sys, "argv", ["dataflow", *args]),
            contextlib.redirect_stdout(out),
            contextlib.redirect_stderr(err),
        ):
            try:
                main()
            except SystemExit as ended:
                code = ended.code
        return Answer(code or 0, out.getvalue(), err.getvalue())

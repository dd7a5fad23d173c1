"""What judges answered, by the digest of what they were asked, so that nothing is asked twice.

One file per answer, so that jobs of any number and on any host may share the folder: an answer appears whole
by a rename, and whoever writes the same one writes the same bytes. Keys and addresses of judges are not in it.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from opencompass_ops.contract import codec, layout, variables
from opencompass_ops.contract.files import LocalFiles


@dataclass(frozen=True)
class Verdicts:
    """:param files: the folder that holds them."""

    files: LocalFiles

    def find(self, question: Mapping[str, Any]) -> str | None:
        """The answer to a question, None when it is not known; a damaged file is no answer."""
        try:
            kept = json.loads(self.files.read(_name(question)))
        except (FileNotFoundError, ValueError):
            return None
        known = (
            isinstance(kept, dict) and kept.get("question") == dict(question) and isinstance(kept.get("answer"), str)
        )
        return str(kept["answer"]) if known else None

    def keep(self, question: Mapping[str, Any], answer: str) -> None:
        """Remember an answer."""
        body = json.dumps({"question": question, "answer": answer}, ensure_ascii=False, indent=1)
        self.files.write(_name(question), body.encode("utf-8", "backslashreplace"))


def open_verdicts(files: LocalFiles) -> Verdicts:
    """Those of ``$OPENCOMPASS_OPS_VERDICTS``, else of the run directory's ``verdicts/``."""
    shared = os.environ.get(variables.VERDICTS, "")
    return Verdicts(LocalFiles(shared) if shared else LocalFiles(files.path(layout.VERDICTS)))


def _name(question: Mapping[str, Any]) -> str:
    digest = codec.digest(question)
    return f"{digest[:2]}/{digest}.json"

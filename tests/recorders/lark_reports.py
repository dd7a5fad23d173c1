"""What OpenCompass's LarkReporter posts; run by hand in OpenCompass's virtualenv.

``python tests/recorders/lark_reports.py tests/golden/lark/reports.json``
"""

from __future__ import annotations

import getpass
import json
import sys
from pathlib import Path
from typing import Any

import opencompass.runners.base
import opencompass.utils.lark
from mmengine.config import ConfigDict
from opencompass.runners.base import BaseRunner

posted: list[Any] = []


class Requests:
    """Takes the place of the library ``requests``."""

    @staticmethod
    def post(url: str, data: str) -> None:
        posted.append(json.loads(data))


class Runner(BaseRunner):
    """A runner whose tasks have ended."""

    def launch(self, tasks: Any) -> Any:
        return []


if __name__ == "__main__":
    opencompass.utils.lark.requests = Requests
    getpass.getuser = lambda: "ann"
    # cli/main.py posts this itself before it partitions
    opencompass.utils.lark.LarkReporter("http://bot").post("ann's task has been launched!")
    for kind in ("OpenICLInfer", "OpenICLEval"):
        runner = Runner(ConfigDict(type=f"{kind}Task"), lark_bot_url="http://bot")
        names = [f"{kind}[m/a]", f"{kind}[m/b,m/c]"]
        runner.summarize([(name, 0) for name in names])
        runner.summarize([(names[0], 0), (names[1], 1)])
    Path(sys.argv[1]).write_text(json.dumps(posted, ensure_ascii=False, indent=1) + "\n")

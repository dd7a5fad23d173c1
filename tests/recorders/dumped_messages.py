"""Record what OpenCompass 0.5.4's ``--dump-only-message-path`` writes for ``message_cases``.

Run it in OpenCompass's own virtualenv::

    PYTHONPATH=tests VENV/bin/python tests/recorders/dumped_messages.py tests/golden/dumped_messages
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from message_cases import lay_down

_ONLY_TOKENIZERS = ("max_seq_len=", "tokenizer_only=True, max_seq_len=")
"""Messages need no weights, and those of the cases are none."""


def main(target: Path) -> None:
    """Write the files as they are."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        native, api = lay_down(folder).split("    dict(type='opencompass.models.OpenAI'")
        text = native.replace(*_ONLY_TOKENIZERS) + "    dict(type='opencompass.models.OpenAI'" + api
        (folder / "asked.py").write_text(text)
        command = ["-m", "opencompass.cli.main", "asked.py", "-m", "infer", "-w", "out", "--dump-only-message-path"]
        environment = {**os.environ, "OPENAI_API_KEY": "none", "HF_HUB_OFFLINE": "1"}
        del environment["PYTHONPATH"]
        subprocess.run([sys.executable, *command, str(folder / "messages")], cwd=folder, env=environment, check=True)
        for log in sorted((folder / "out").rglob("*.out")) if "-v" in sys.argv else []:
            print(log.read_text()[-3000:])
        shutil.rmtree(target, ignore_errors=True)
        shutil.copytree(folder / "messages", target)


if __name__ == "__main__":
    main(Path(sys.argv[1]))

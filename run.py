"""What OpenCompass's users type, ``python run.py CONFIG [flags]``: the command ``opencompass-ops run``."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent / "plugins"))

from opencompass_ops.cli import main  # a checkout works without being installed

if __name__ == "__main__":
    sys.exit(main(["run", *sys.argv[1:]]))

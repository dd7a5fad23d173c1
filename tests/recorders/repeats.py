"""Record what OpenCompass 0.5.4's ``--analysis-repeat`` reports of the answers of ``repeat_cases``.

PYTHONPATH=tests python tests/recorders/repeats.py tests/golden/repeats/report.json
"""

from __future__ import annotations

import json
import sys
import tempfile
from pathlib import Path

from mmengine.config import ConfigDict
from opencompass.utils.repeat_analysis import analyze_repeat_predictions

from repeat_cases import BENCHMARKS, MODELS, write_predictions, write_tokenizer


def main(target: Path) -> None:
    """Write the report without folders and times."""
    with tempfile.TemporaryDirectory() as folder:
        work_dir = Path(folder)
        write_tokenizer(work_dir / "tokenizer")
        write_predictions(work_dir)
        config = ConfigDict(
            work_dir=str(work_dir),
            models=[{"abbr": name, "path": str(work_dir / "tokenizer")} for name in MODELS],
            datasets=[{"abbr": name} for name in BENCHMARKS],
        )
        body = Path(analyze_repeat_predictions(config, time_str="20260101_000000")).read_text()
    found = json.loads(body.replace(str(work_dir), "WORK"))
    for statistics in found["benchmark_stats"].values():
        del statistics["timing"]
    for samples in found["abnormal_samples"].values():
        for sample in samples:
            del sample["prediction"]
    target.write_text(json.dumps(found, indent=1) + "\n")


if __name__ == "__main__":
    main(Path(sys.argv[1]))

"""Write the table of what runs natively into docs/coverage.md: ``python -m scripts.coverage``.

Counted over the dataset configs of an unpacked OpenCompass wheel (``$OPENCOMPASS_OPS_OPENCOMPASS_DIR``, else the one
that the tests keep in ``.cache``), which are read and judged by the functions that judge them when a run is planned.
"""

from __future__ import annotations

import ast
import os
import sys
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from inference.evaluators import with_every_package
from inference.native import Gaps, gaps, no_task
from inference.problems import InputProblem
from opencompass_ops.configs.bases import PACKAGE_VARIABLE, opencompass_configs
from opencompass_ops.configs.load import LoadedConfig, load

ROOT = Path(__file__).resolve().parent.parent
PAGE = ROOT / "docs" / "coverage.md"
BEGIN = "<!-- coverage: python -m scripts.coverage -->"
END = "<!-- end of coverage -->"

NATIVE, BRIDGE, REFUSED, UNREADABLE = "native", "bridge", "refused", "unreadable"
_LISTED = "_datasets"
_SHOWN = 15


@dataclass(frozen=True)
class Judged:
    """One config file that defines datasets.

    :param path: below ``configs/datasets``.
    :param verdict: what runs it.
    :param gaps: of its datasets, each once.
    """

    path: str
    verdict: str
    gaps: tuple[Gaps, ...] = ()


def judge(configs: Path) -> list[Judged]:
    """Every defining file of a config library.

    :param configs: ``opencompass/configs``.
    """
    paths = sorted(path for path in (configs / "datasets").rglob("*.py") if not _is_alias(path))
    with with_every_package():
        judged = [_judged_file(loaded, configs / "datasets") for loaded in load(paths)]
    return [file for file in judged if file is not None]


def table(judged: Iterable[Judged]) -> str:
    """How many files are native, bridged and refused, and what would make the most bridged ones native, in Markdown."""
    files = [file for file in judged if file.verdict != UNREADABLE]
    counts = Counter(file.verdict for file in files)
    partly = [file for file in files if file.verdict == BRIDGE]
    rows = [
        ("wholly native: loader, prompts, inferencer, post-processors, evaluator", counts[NATIVE]),
        ("through the bridge: OpenCompass answers, scores or both", counts[BRIDGE]),
        ("- of these answered natively and scored by OpenCompass", sum(map(_only_scored, partly))),
        ("refused: prompts that are attacked (OpenICLAttackTask), or a section that is malformed", counts[REFUSED]),
    ]
    lines = [f"Of {len(files)} files that define datasets:", "", "| | files | share |", "|---|---:|---:|"]
    lines += [f"| {what} | {count} | {100 * count / len(files):.1f} % |" for what, count in rows]
    lines += ["", "What stands between the bridged ones and the native engine most often:", ""]
    lines += ["| reason | files |", "|---|---:|"]
    lines += [f"| {reason} | {count} |" for reason, count in _reasons(partly)[:_SHOWN]]
    return "\n".join(lines)


def page(text: str, judged: Iterable[Judged]) -> str:
    """The page with the present table.

    :param text: the page, with both marks.
    """
    before, _, rest = text.partition(BEGIN)
    return f"{before}{BEGIN}\n{table(judged)}\n{END}{rest.partition(END)[2]}"


def _is_alias(path: Path) -> bool:
    """Whether a file only passes on what a base defines."""
    try:
        body = ast.parse(path.read_text(encoding="utf-8")).body
    except (SyntaxError, ValueError):
        return False
    return all(isinstance(node, (ast.Import, ast.ImportFrom, ast.With)) or _is_text(node) for node in body)


def _is_text(node: ast.stmt) -> bool:
    return isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)


def _datasets(values: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    for key, listed in values.items():
        if key.endswith(_LISTED) and isinstance(listed, list):
            yield from (entry for entry in listed if isinstance(entry, dict) and "infer_cfg" in entry)


def _judged_file(loaded: LoadedConfig, folder: Path) -> Judged | None:
    """The verdict on one file; None when it defines no dataset."""
    name = loaded.path.relative_to(folder).as_posix()
    if loaded.error:
        return Judged(name, UNREADABLE)
    datasets = list(_datasets(loaded.values))
    return _judged(name, datasets) if datasets else None


def _judged(name: str, datasets: Iterable[dict[str, Any]]) -> Judged:
    refused = False
    found: dict[Gaps, None] = {}
    for dataset in datasets:
        try:
            found[gaps(dataset)] = None
        except InputProblem:
            refused = True
        refused = refused or bool(no_task(dataset))
    is_native = all(gap == Gaps("", "", "") for gap in found)
    return Judged(name, REFUSED if refused else NATIVE if is_native else BRIDGE, tuple(found))


def _only_scored(file: Judged) -> bool:
    return not any(gap.loader or gap.infer for gap in file.gaps)


def _reasons(files: Iterable[Judged]) -> list[tuple[str, int]]:
    """Reasons without the names of paths and near types in them, and how many files each keeps from being native."""
    reasons: Counter[str] = Counter()
    for file in files:
        told = {reason for gap in file.gaps for reason in (gap.loader, gap.infer, gap.scoring) if reason}
        reasons.update({_short(reason) for reason in told})
    return sorted(reasons.items(), key=lambda item: (-item[1], item[0]))


def _short(reason: str) -> str:
    words = reason.partition(";")[0].split("'")
    return "'".join([words[0], words[1].rpartition(".")[2], *words[2:]]) if len(words) > 2 else words[0]


def main() -> int:
    """Write the page; returns the exit code."""
    kept = ROOT / ".cache" / "opencompass-0.5.4"
    if not os.environ.get(PACKAGE_VARIABLE) and kept.is_dir():
        os.environ[PACKAGE_VARIABLE] = str(kept)
    configs = opencompass_configs()
    if configs is None:
        print(
            "there is no OpenCompass library: unpack its wheel (pip download --no-deps opencompass==0.5.4) and name "
            f"the folder in {PACKAGE_VARIABLE}",
            file=sys.stderr,
        )
        return 2
    PAGE.write_text(page(PAGE.read_text(), judge(configs)))
    print(f"written: {PAGE}")
    return 0


if __name__ == "__main__":
    sys.exit(main())

"""What a job is told: one model and the dataset parts it answers or evaluates."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from opencompass_ops.contract import codec

INFER = "infer"
EVAL = "eval"
VIZ = "viz"
"""Tables by a summarizer of OpenCompass's: one shard of a run, once everything is scored."""

DUMP_DETAILS = "dump_details"
"""Option of an evaluation: False leaves the items out of its result."""
RUN_CODE = "run_code"
"""Option of an evaluation that runs programs which models wrote: :data:`SANDBOXED` or :data:`UNSANDBOXED`."""
SANDBOXED = "sandboxed"
"""Where they can do no harm, or not at all."""
UNSANDBOXED = "unsandboxed"
"""Also by evaluators of OpenCompass, which run them as the job's own user."""
NATIVE = "native"
"""The engine of this project."""
OPENCOMPASS = "opencompass"
"""OpenCompass's own task modules, run by the job in an interpreter that has them."""

COMPARISONS = "comparisons"
"""Option of an evaluation by the judges of an ``eval`` section: lists of the models that they see together."""
BESIDE = "beside"
"""Option of such an evaluation: by abbr the config of each other model in them, and ``[index, start, stop,
fingerprint]`` of its parts; none where its answers were given."""

DUMP_RES_LENGTH = "dump_res_length"
"""Option of an inference: True adds the lengths of prompts and answers in tokens."""


@dataclass(frozen=True)
class Part:
    """Rows ``start`` to ``stop`` (exclusive) of one dataset's selected rows.

    Selected rows are those that ``reader_cfg.test_range`` leaves, cut to the run's ``limit``;
    the parts of a dataset tile ``0..total``.

    :param dataset: the resolved OpenCompass dataset config, with its ``abbr``.
    :param index: number of the part, None when the part is the whole dataset.
    :param fingerprint: hash of everything that determines the predictions, the range included.
    :param pair_fingerprint: the same without the range, equal for all parts of model x dataset.
    """

    dataset: dict[str, Any]
    index: int | None
    start: int
    stop: int
    total: int
    fingerprint: str
    pair_fingerprint: str

    @property
    def dataset_abbr(self) -> str:
        """The dataset's name in every path and table."""
        return str(self.dataset["abbr"])

    @property
    def name(self) -> str:
        """The stem of the prediction file: ``abbr`` or ``abbr_index``, as OpenCompass names it."""
        return self.dataset_abbr if self.index is None else f"{self.dataset_abbr}_{self.index}"

    @property
    def count(self) -> int:
        """How many rows the part holds."""
        return self.stop - self.start


@dataclass(frozen=True)
class ShardSpec:
    """The unit of cluster work.

    :param id: unique within the run: kind, number and a digest of the content, e.g. ``infer-0003-3fa9c1``.
    :param kind: ``infer``, ``eval`` or ``viz``.
    :param model: the resolved OpenCompass model config, with its ``abbr``; for ``viz`` a name only.
    :param parts: the parts to infer, in order; for ``eval`` all parts of one model x dataset; for ``viz`` one that has
        the summarizer's name.
    :param weights_id: identity of the weights at plan time; the job refuses other weights.
    :param evaluation_fingerprint: for ``eval``: hash of the pair's fingerprint and the scoring; parts do not count.
    :param data_dir: the folder that relative paths of data (``./data/gsm8k``) and models start at.
    :param options: what was asked for (:data:`DUMP_DETAILS`, :data:`DUMP_RES_LENGTH`, :data:`RUN_CODE`), and what only
        OpenCompass's engine needs: ``rows``, by dataset the rows of its test split before any range; ``num_gpus`` of an
        evaluation; ``config`` and ``pairs`` of a ``viz``.
    :param engine: who does the work, :data:`NATIVE` or :data:`OPENCOMPASS`.
    """

    id: str
    kind: str
    model: dict[str, Any]
    parts: tuple[Part, ...]
    weights_id: str = ""
    evaluation_fingerprint: str = ""
    data_dir: str = ""
    options: dict[str, Any] = field(default_factory=dict)
    engine: str = NATIVE

    @property
    def model_abbr(self) -> str:
        """The model's name in every path and table."""
        return str(self.model["abbr"])

    @property
    def label(self) -> str:
        """What people read: ``model/part`` of the first part (of others: ``model/dataset``), and the engine."""
        if self.kind != INFER:
            return f"{self.model_abbr}/{self.parts[0].dataset_abbr}{self._engine}"
        more = f" +{len(self.parts) - 1}" if len(self.parts) > 1 else ""
        return f"{self.model_abbr}/{self.parts[0].name}{more}{self._engine}"

    @property
    def _engine(self) -> str:
        return "" if self.engine == NATIVE else f" [engine: {self.engine}]"

    def to_json(self) -> str:
        """The JSON text that :meth:`from_json` reads."""
        return codec.dumps(self)

    @classmethod
    def from_json(cls, text: str | bytes) -> ShardSpec:
        """Read a spec; raises :class:`codec.SchemaError` when it is damaged or too new."""
        return codec.loads(cls, text, nested={"parts": Part})

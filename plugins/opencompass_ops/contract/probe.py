"""The question asked where data and weights live, before any job, and its answer."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from opencompass_ops.contract import codec
from opencompass_ops.contract.spec import NATIVE


@dataclass(frozen=True)
class ProbeRequest:
    """``python -m inference probe`` reads this from stdin.

    To the native engine it is the whole question. OpenCompass's interpreter is asked for the rows of the datasets that
    have no native loader, and for its version.

    :param models: resolved OpenCompass model configs, each with ``abbr``.
    :param datasets: resolved OpenCompass dataset configs, each with ``abbr``.
    :param limit: rows kept per dataset, None for all.
    :param data_dir: the folder relative data paths are resolved against.
    :param cache_dir: where digests of big files are remembered, ``~`` included; "" for no cache.
    :param engine: who is asked: ``native`` or ``opencompass``.
    :param weights_may_be_gone: whether a checkpoint that is not there, or not whole, is no error: its model then has no
        ``weights_id``.
    """

    models: tuple[dict[str, Any], ...]
    datasets: tuple[dict[str, Any], ...]
    limit: int | None = None
    data_dir: str = ""
    cache_dir: str = ""
    engine: str = NATIVE
    weights_may_be_gone: bool = False

    def to_json(self) -> str:
        """The JSON text that :meth:`from_json` reads."""
        return codec.dumps(self)

    @classmethod
    def from_json(cls, text: str | bytes) -> ProbeRequest:
        """Read a request; raises :class:`codec.SchemaError` when it is damaged or too new."""
        return codec.loads(cls, text)


@dataclass(frozen=True)
class ModelProbe:
    """What is known of a model's files.

    :param weights_id: ``sha256:...`` of all weight files, or ``quick:...`` for very large ones
        (safetensors headers, sizes, samples, mtime in milliseconds); "" when there are none.
    :param tokenizer_id: digest of the tokenizer's files and the chat template.
    :param error: one message with the next step when the model cannot be used, else "".
    :param weights_bytes: size of all weight files; 0 when unknown.
    :param bridge: why only OpenCompass can run it, "" when we can.
    """

    abbr: str
    weights_id: str = ""
    tokenizer_id: str = ""
    error: str = ""
    weights_bytes: int = 0
    bridge: str = ""


@dataclass(frozen=True)
class DatasetProbe:
    """What is known of a dataset's rows.

    :param rows: rows of the test split before any range.
    :param selected: rows after ``test_range`` and ``limit``.
    :param error: one message with the next step when the dataset cannot be used, else "".
    :param digest: of the rows, where the requests are not rendered from them here.
    :param bridge: why only OpenCompass can load it, "" when we can.
    :param unscorable: why neither engine can score it, "" when one can.
    :param runs_code: the evaluator that runs programs which the model wrote, "" when none does.
    :param missing: the folder that is not there or lacks files, where that is the error; else "".
    """

    abbr: str
    rows: int = 0
    selected: int = 0
    error: str = ""
    digest: str = ""
    bridge: str = ""
    unscorable: str = ""
    runs_code: str = ""
    missing: str = ""


@dataclass(frozen=True)
class RequestProbe:
    """What is asked of a model with a dataset, and who can ask it and score it.

    :param digest: of every rendered request (prompt, labels, gold) in order; of the dataset's rows where OpenCompass
        renders them.
    :param bridge: why only OpenCompass can answer, "" when we can.
    :param eval_bridge: why only OpenCompass can score, "" when we can.
    :param judge: who judges, where the environment of the jobs says so and not the config.
    :param open_judge: whether the config leaves it to that environment.
    """

    model: str
    dataset: str
    digest: str
    bridge: str = ""
    eval_bridge: str = ""
    judge: str = ""
    open_judge: bool = False


@dataclass(frozen=True)
class UnknownName:
    """A class or function that a config names and the native engine does not have; OpenCompass may.

    :param owner: what names it: ``model tiny``, ``dataset sums``.
    :param place: where it stands there, such as ``eval_cfg.evaluator``; "" for its own type.
    :param what: what it would be: ``dataset``, ``evaluator``, ``post-processor`` ...
    :param name: bare or dotted, as the config says it.
    """

    owner: str
    place: str
    what: str
    name: str


@dataclass(frozen=True)
class ProbeReport:
    """The answer; every list is complete even when some entries carry an error.

    :param unknown: every name that is not native, of every model and dataset.
    """

    models: tuple[ModelProbe, ...] = ()
    datasets: tuple[DatasetProbe, ...] = ()
    requests: tuple[RequestProbe, ...] = ()
    versions: dict[str, str] = field(default_factory=dict)
    unknown: tuple[UnknownName, ...] = ()

    def to_json(self) -> str:
        """The JSON text that :meth:`from_json` reads."""
        return codec.dumps(self)

    @classmethod
    def from_json(cls, text: str | bytes) -> ProbeReport:
        """Read a report; raises :class:`codec.SchemaError` when it is damaged or too new."""
        nested = {"models": ModelProbe, "datasets": DatasetProbe, "requests": RequestProbe, "unknown": UnknownName}
        return codec.loads(cls, text, nested=nested)

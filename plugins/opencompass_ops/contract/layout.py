"""Every path of a run directory; no other file joins run paths.

OpenCompass's layout exactly (``configs/ logs/ predictions/ results/ summary/``), so that its tools
read ours and we read theirs, and folders of our own that it never looks at:
``plan.json``, ``shards/`` (what each job is told), ``jobs/`` (what each job leaves behind), ``verdicts/`` (what
judges answered), ``events.jsonl`` (what befell the run as a whole) and ``notifications.jsonl`` (what was told of it).
All paths are relative to the run directory, with forward slashes.
"""

from __future__ import annotations

PLAN = "plan.json"
PROBE = "probe.json"
VERDICTS = "verdicts"
COVERAGE = "summary/coverage.json"
EVENTS = "events.jsonl"
GATE = "summary/gate.json"
IDENTITIES = "identities.json"
NOTIFICATIONS = "notifications.jsonl"


_LONGEST_NAME, _LONGEST_ABBR = 200, 1000
_OURS = (".manifest", ".samples", ".manifest.json", ".samples.jsonl")
"""Ends of names that stand beside the files that an abbr names."""


def safe_name(name: str) -> str:
    """``name`` as one path component that nobody overlooks.

    :raises ValueError: it is empty, hidden, contains a separator or a control character, is too long for a file name,
        or collides with our own names.
    """
    if name.startswith(".") or not _is_component(name):
        raise ValueError(f"{name!r} cannot be a file name; choose one without '/', leading '.' or 'tmp_'")
    return name


def safe_abbr(abbr: str) -> str:
    """The abbr of a model or dataset as a relative path: as in OpenCompass, each ``/`` in it makes a folder.

    :raises ValueError: a part between slashes is empty, ``.`` or ``..``, contains a backslash or a control character,
        is too long for a file name, or collides with our own names.
    """
    if not all(map(_is_component, abbr.split("/"))) or len(abbr.encode()) > _LONGEST_ABBR:
        raise ValueError(
            f"abbr {abbr!r} cannot be a file name; a '/' makes a folder, and no name between them may be empty, '.' or "
            "'..', begin with 'tmp_' or hold a backslash"
        )
    return abbr


def _is_component(name: str) -> bool:
    return not (
        name in ("", ".", "..")
        or name.startswith("tmp_")
        or any(c in "/\\" or ord(c) < 32 for c in name)
        or name.endswith(_OURS)
        or len(name.encode()) > _LONGEST_NAME
    )


def _beside(model: str, part: str, name: str) -> str:
    """A file of unfinished work: OpenCompass puts ``tmp_`` before the last name of the part.

    :param name: ``{}`` in it is that last name.
    """
    folder, _, last = safe_abbr(f"{safe_abbr(model)}/{part}").rpartition("/")
    return f"predictions/{folder}/{name.format(last)}"


def config_dump(stamp: str, pid: int) -> str:
    """The resolved config of one launch."""
    return f"configs/{stamp}_{pid}.py"


def log(kind: str, model: str, part: str) -> str:
    """The output of a shard of ``kind``, named after its first part."""
    return f"logs/{kind}/{safe_abbr(model)}/{safe_abbr(part)}.out"


def prediction(model: str, part: str) -> str:
    """The answers to one part: a dict keyed "0".."N-1"."""
    return f"predictions/{safe_abbr(model)}/{safe_abbr(part)}.json"


def journal(model: str, part: str, rank: int = 0) -> str:
    """Finished items of a part that is still running, one JSON line each."""
    suffix = f".rank{rank}" if rank else ""
    return _beside(model, part, f"tmp_{{}}{suffix}.jsonl")


def result(model: str, dataset: str) -> str:
    """The metrics of model x dataset."""
    return f"results/{safe_abbr(model)}/{safe_abbr(dataset)}.json"


def judged(model: str, dataset: str, kind: str, run: int) -> str:
    """What a judge was asked and answered in one run over the dataset, as OpenCompass names it.

    :param kind: "" of a judge alone, ``_llm_judge`` of one beside rules.
    """
    return f"results/{safe_abbr(model)}/{safe_abbr(dataset)}{kind}_replica{run}.json"


def samples(model: str, dataset: str) -> str:
    """One JSON line per scored item, so that two models can be compared item by item."""
    return f"results/{safe_abbr(model)}/{safe_abbr(dataset)}.samples.jsonl"


def manifest(path: str) -> str:
    """The manifest beside a prediction or result file."""
    return path.removesuffix(".json") + ".manifest.json"


def summary(stamp: str, suffix: str) -> str:
    """The summary table of one launch as ``txt``, ``csv`` or ``md``."""
    return f"summary/summary_{stamp}.{suffix}"


def repeats(stamp: str) -> str:
    """Which answers of one launch repeat themselves, under OpenCompass's name."""
    return f"summary/repeat_analysis_{stamp}.json"


def plot(name: str) -> str:
    """A figure of the summary."""
    return f"summary/{safe_name(name)}.png"


def shard_spec(shard: str) -> str:
    """What the shard's job is told."""
    return f"shards/{safe_name(shard)}.json"


def workplace(shard: str, name: str = "") -> str:
    """The folder in which OpenCompass works for a shard, or a file in it."""
    return f"shards/{safe_name(shard)}.opencompass" + (f"/{name}" if name else "")


def tables(shard: str) -> str:
    """What a summarizer of OpenCompass's has written below ``summary/``."""
    return f"shards/{safe_name(shard)}.tables.json"


def owner(model: str, part: str) -> str:
    """Which request OpenCompass's unfinished files of a part answer: its fingerprint."""
    return _beside(model, part, "tmp_{}.owner")


def job(token: str, name: str = "") -> str:
    """The folder of one submission, or a file in it."""
    return f"jobs/{safe_name(token)}" + (f"/{name}" if name else "")


def exit_record(token: str) -> str:
    """How the job ended, written last."""
    return job(token, "exit.json")


def heartbeat(token: str) -> str:
    """How far the job is."""
    return job(token, "heartbeat.json")


def starts(token: str) -> str:
    """One line per start of the job, appended by the job itself."""
    return job(token, "starts")


def claim(token: str) -> str:
    """The folder whose creation makes one job the holder of the token."""
    return job(token, "claim")


def told(moment: str) -> str:
    """The folder whose creation makes one process the one that tells chats of a moment that many see."""
    return f"told/{moment}"


def history(token: str) -> str:
    """State changes as the control side saw them, one JSON line each."""
    return job(token, "history.jsonl")

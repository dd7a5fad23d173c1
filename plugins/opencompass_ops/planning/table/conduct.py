"""How a run is done: shown, split, tried again, written down."""

from __future__ import annotations

from opencompass_ops.planning.parameter import Parameter
from opencompass_ops.planning.table.headings import HOW
from opencompass_ops.planning.table.patterns import CLUSTER_NAME

CONDUCT = (
    Parameter(
        "dry_run",
        "boolean",
        "Dry run",
        "Plan and show the plan; start nothing.",
        HOW,
        default=False,
        flags=("--dry-run",),
    ),
    Parameter(
        "dump_only_message_path",
        "string",
        "Messages only",
        "Folder for MODEL/DATASET.jsonl: what each model would be asked, and the reference; nothing is answered.",
        HOW,
        flags=("--dump-only-message-path",),
        refused="only the command run (run.py) writes messages, on its own host; a form, REST and plan cannot",
        typed=True,
    ),
    Parameter(
        "debug",
        "boolean",
        "Debug",
        "One job at a time with full output.",
        HOW,
        default=False,
        flags=("--debug",),
    ),
    Parameter(
        "lark",
        "boolean",
        "Messages",
        "Tell start and end to the chats of the connections opencompass_lark and opencompass_slack, and to the "
        "config's lark_bot_url.",
        HOW,
        default=False,
        flags=("-l", "--lark"),
    ),
    Parameter(
        "config_verbose",
        "boolean",
        "Print the config",
        "Show the resolved config before the plan, secrets masked.",
        HOW,
        default=False,
        flags=("--config-verbose",),
    ),
    Parameter(
        "retry",
        "integer",
        "Retries",
        "How often a failed job is tried again, after its first try.",
        HOW,
        default=2,
        flags=("--retry",),
        minimum=0,
        maximum=10,
    ),
    Parameter(
        "accelerator",
        "string",
        "Accelerator",
        "vllm or lmdeploy: run Hugging Face models with it, through the bridge to OpenCompass. Empty: as configured.",
        HOW,
        flags=("-a", "--accelerator"),
        choices=("vllm", "lmdeploy"),
    ),
    Parameter(
        "max_partition_size",
        "integer",
        "Partition size",
        "Split by size instead: no job above this cost (rows times 20 for generation, times the number of labels for "
        "ranking). Empty: split by expected time.",
        HOW,
        flags=("--max-partition-size",),
        minimum=1,
    ),
    Parameter(
        "target_minutes",
        "integer",
        "Minutes to aim at",
        "Split the work into jobs that are expected to take no longer, their model's load included, as long as each "
        "works longer than it loads. Empty: half an hour, or more for models that load long.",
        HOW,
        flags=("--target-minutes",),
        minimum=1,
    ),
    Parameter(
        "gen_task_coef",
        "integer",
        "Cost of a generated row",
        "Split by size, and count a row of generation as so much. Empty: 20.",
        HOW,
        flags=("--gen-task-coef",),
        minimum=1,
    ),
    Parameter(
        "run_code",
        "string",
        "Run code",
        "Whether programs that models wrote are run to score them (HumanEval, MBPP). sandboxed: in a sandbox. "
        "unsandboxed: also by OpenCompass's own evaluators, which have none. Empty: they are not run, and their "
        "answers get no score.",
        HOW,
        flags=("--run-code",),
        choices=("sandboxed", "unsandboxed"),
    ),
    Parameter(
        "dump_eval_details",
        "boolean",
        "Details in results",
        "Keep every item's prediction and reference in the result files; the flag takes the word false.",
        HOW,
        default=True,
        flags=("--dump-eval-details",),
    ),
    Parameter(
        "dump_res_length",
        "boolean",
        "Lengths in predictions",
        "Say of each answer that is generated how many tokens it and its prompt have.",
        HOW,
        default=False,
        flags=("--dump-res-length",),
    ),
    Parameter(
        "series",
        "string",
        "Series",
        "Training run that the checkpoints belong to, for curves and listings. Empty: as their names tell.",
        HOW,
        flags=("--series",),
        pattern=CLUSTER_NAME,
        expected="letters, digits, '_' and '-'",
    ),
    Parameter(
        "gate",
        "string",
        "Gate",
        "Compare the newest checkpoint with the earlier ones: report (tell, change nothing), enforce (a drop fails the "
        "run), off, or settings as a JSON object; docs/gates.md. Empty: report.",
        HOW,
        flags=("--gate",),
    ),
    Parameter(
        "baseline",
        "string",
        "Baseline",
        "Compare with this one too: a model's name in the tables, a version (0.0.7 of the same series, SERIES@0.0.7), "
        "or a run directory.",
        HOW,
        flags=("--baseline",),
    ),
    Parameter(
        "analysis_repeat",
        "boolean",
        "Look for repetition",
        "Look for answers that repeat themselves, into summary/repeat_analysis_*.json.",
        HOW,
        default=False,
        flags=("--analysis-repeat",),
    ),
    Parameter(
        "station_path",
        "string",
        "Results station",
        "Folder that also gets every score as DATASET/MODEL.json, as OpenCompass's station has it. Empty: the config's "
        "station_path, else none.",
        HOW,
        flags=(
            "-sp",
            "--station-path",
        ),
    ),
    Parameter(
        "station_overwrite",
        "boolean",
        "Overwrite station",
        "Replace files of the station that exist.",
        HOW,
        default=False,
        flags=("--station-overwrite",),
    ),
)

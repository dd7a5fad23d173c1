"""What classes of models demand of a job before one is started; a site registers those of its own.

A demand is called with ``run_cfg`` and returns what is wrong with it, "" when nothing is. In a module that
``$OPENCOMPASS_OPS_EXTENSIONS`` names::

    from inference.demands import DEMANDS, one_process_a_gpu

    DEMANDS.add("LLMv3")(one_process_a_gpu)
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from inference.problems import InputProblem
from inference.registry import Registry, section

Demand = Callable[[Mapping[str, Any]], str]

DEMANDS: Registry[Demand] = Registry("model")


@DEMANDS.add("LLMv2")
def one_process_a_gpu(run_cfg: Mapping[str, Any]) -> str:
    """The class splits its weights over its processes, one to a GPU."""
    gpus, processes = run_cfg.get("num_gpus", 0), run_cfg.get("num_procs", 1)
    if gpus == processes:
        return ""
    return f"num_gpus is {gpus!r} and num_procs {processes!r}; it starts one process on each GPU, so make them equal"


def check_demands(model_cfg: dict[str, Any]) -> None:
    """Refuse a model whose ``run_cfg`` is not what its class demands.

    :raises InputProblem: it is not.
    """
    name = str(model_cfg.get("type") or "").rsplit(".", 1)[-1]
    problem = DEMANDS.find(name)(section(model_cfg, "run_cfg")) if name in DEMANDS.names() else ""
    if problem:
        raise InputProblem(f"run_cfg of {name}: {problem}")

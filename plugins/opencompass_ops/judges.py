"""Who judges where a config leaves that to the environment of the evaluation, known before any job runs."""

from __future__ import annotations

from dataclasses import replace

from opencompass_ops.clusters.config import ClusterConfig
from opencompass_ops.contract.probe import ProbeReport, RequestProbe

MODEL = "OC_JUDGE_MODEL"
"""OpenCompass's variable; those of the judge's address and key go with it."""


def with_judges(report: ProbeReport, cluster: ClusterConfig, scoring: ClusterConfig | None) -> ProbeReport:
    """The report with the judge of each pair that wants one, as its evaluation will find it.

    Where nothing names one, the dataset carries an error: else a run would learn so once its predictions are made.

    :param report: what the probe said, whose environment is that of inference.
    :param cluster: where inference runs and the probe was asked.
    :param scoring: where evaluations run; None when there are none.
    """
    if scoring is None:
        return report
    judges = {(pair.model, pair.dataset): _judge(pair, cluster, scoring) for pair in report.requests if pair.open_judge}
    open_ = {dataset for (_, dataset), judge in judges.items() if judge is None}
    problem = (
        f"it wants a judge, and {MODEL} is not set where evaluations run (cluster {scoring.name!r}); put it and "
        "OC_JUDGE_API_BASE under env of the cluster config, OC_JUDGE_API_KEY under secrets (of local jobs, the "
        "environment of this process will do), or write judge_cfg=dict(type='OpenAISDK', path=..., ...)"
    )
    return replace(
        report,
        datasets=tuple(
            replace(dataset, error=dataset.error or problem) if dataset.abbr in open_ else dataset
            for dataset in report.datasets
        ),
        requests=tuple(replace(pair, judge=judges.get((pair.model, pair.dataset)) or "") for pair in report.requests),
    )


def _judge(pair: RequestProbe, cluster: ClusterConfig, scoring: ClusterConfig) -> str | None:
    """The judge's name, "" where it is a secret that only jobs see; None where nothing names one."""
    is_here = scoring.kind == "local"
    said = (scoring.job_environment() if is_here else scoring.env).get(MODEL)
    if said or MODEL in scoring.secrets:
        return said or ""
    # The probe saw what jobs see only where it ran beside them.
    was_beside = scoring.account == cluster.account and cluster.probe_on == "login"
    return (pair.judge or None) if was_beside else None

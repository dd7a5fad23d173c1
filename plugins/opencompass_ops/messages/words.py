"""Every word of a message, in every language; the only file that a further language needs."""

from __future__ import annotations

from collections.abc import Mapping

ENGLISH, CHINESE = "en", "zh"

WORDS: Mapping[str, Mapping[str, str]] = {
    ENGLISH: {
        "start": "Evaluation started: {name}",
        "success": "Evaluation done: {name}",
        "failure": "Evaluation failed: {name}",
        "gate_pass": "Gate passed: {name}",
        "gate_fail": "Gate FAILED: {name}",
        "gate_inconclusive": "Gate inconclusive: {name}",
        "promotion_waits": "Evaluation done, promotion waits for approval: {name}",
        "promotion_approved": "Evaluation done, promotion approved: {name}",
        "promotion_rejected": "Evaluation done, promotion rejected: {name}",
        "promotion_expired": "Evaluation done, NOT promoted, nobody answered: {name}",
        "promotion": "Promotion",
        "waits": "{checkpoint} is the best so far; without an answer within {days} days it is not promoted",
        "approved": "{checkpoint} was approved and is promoted",
        "rejected": "{checkpoint} was rejected and is not promoted",
        "expired": "{checkpoint} is not promoted: nobody answered within {days} days; clear the task gate to ask again",
        "hang": "Evaluation hangs: {name}",
        "budget": "Budget exceeded: {name}",
        "series": "Series",
        "user": "Started by",
        "took": "Took",
        "pairs": "Scored",
        "of_pairs": "{done} of {total} model x dataset pairs",
        "jobs": "Jobs",
        "infer": "inference {done} ok, {failed} failed",
        "eval": "evaluation {done} ok, {failed} failed",
        "viz": "tables {done} ok, {failed} failed",
        "planned": "{infer} of inference, {eval} of evaluation",
        "failed": "Failed ({count})",
        "times": "{count} x",
        "and_more": "and {count} more",
        "other_reasons": "{count} further reasons, {failed} failures",
        "score": "Score",
        "gate": "Gate",
        "pass": "passed",
        "fail": "FAILED",
        "inconclusive": "inconclusive",
        "against": "{value} against {reference_value}",
        "than": "of {reference}",
        "note": "Note",
        "folder": "Folder",
        "cut": "{count} lines left out; all of it stands in the run folder",
        "run": "Run",
        "log": "Log",
        "page": "Scores",
        "answer": "Answer",
    },
    CHINESE: {
        "start": "评测已启动：{name}",
        "success": "评测完成：{name}",
        "failure": "评测失败：{name}",
        "gate_pass": "门禁通过：{name}",
        "gate_fail": "门禁未通过：{name}",
        "gate_inconclusive": "门禁无定论：{name}",
        "promotion_waits": "评测完成，晋级待批准：{name}",
        "promotion_approved": "评测完成，晋级已批准：{name}",
        "promotion_rejected": "评测完成，晋级被拒绝：{name}",
        "promotion_expired": "评测完成，无人答复，未晋级：{name}",
        "promotion": "晋级",
        "waits": "{checkpoint} 为目前最佳；{days} 天内无人答复则不晋级",
        "approved": "{checkpoint} 已获批准并晋级",
        "rejected": "{checkpoint} 被拒绝，未晋级",
        "expired": "{checkpoint} 未晋级：{days} 天内无人答复；清除任务 gate 可再次询问",
        "hang": "评测疑似卡住：{name}",
        "budget": "超出预算：{name}",
        "series": "训练系列",
        "user": "发起人",
        "took": "用时",
        "pairs": "已评分",
        "of_pairs": "{total} 个模型×数据集中的 {done} 个",
        "jobs": "作业",
        "infer": "推理成功 {done} 个、失败 {failed} 个",
        "eval": "评估成功 {done} 个、失败 {failed} 个",
        "viz": "汇总成功 {done} 个、失败 {failed} 个",
        "planned": "推理 {infer} 个，评估 {eval} 个",
        "failed": "失败（{count}）",
        "times": "{count} 次",
        "and_more": "另有 {count} 个",
        "other_reasons": "另有 {count} 种原因，共 {failed} 个失败",
        "score": "得分",
        "gate": "门禁",
        "pass": "通过",
        "fail": "未通过",
        "inconclusive": "无定论",
        "against": "{value}，对照 {reference_value}",
        "than": "（{reference}）",
        "note": "注意",
        "folder": "目录",
        "cut": "省略 {count} 行；全部内容见运行目录",
        "run": "运行",
        "log": "日志",
        "page": "得分页",
        "answer": "去答复",
    },
}

LANGUAGES = tuple(WORDS)


def phrase(language: str, which: str, /, **values: object) -> str:
    """One phrase.

    :param language: one of :data:`LANGUAGES`.
    :param which: its name, the same in every language.
    :param values: what stands in its places.
    """
    return WORDS[language][which].format(**values)

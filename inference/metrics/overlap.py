"""How much of a reference's words a text has: ROUGE and BLEU, by the packages that papers cite."""

from __future__ import annotations

from typing import Any

from inference.evaluators import EVALUATORS, Metric, Scored, package, requires
from inference.postprocess import general

_ROUGE = ("rouge1", "rouge2", "rougeL", "rougeLsum")


@EVALUATORS.add("RougeEvaluator")
@requires(package("rouge_score", "rouge-score"))
def rouge(predictions: list[Any], references: list[Any]) -> Scored:
    """F-measures of rouge-score; of several references the best.

    Each is the median of 1,000 resampled means, as in OpenCompass and the package's own aggregator, drawn
    from the same seed.
    """
    import numpy
    from rouge_score.rouge_scorer import RougeScorer
    from rouge_score.scoring import BootstrapAggregator

    scorer, aggregator = RougeScorer(_ROUGE), BootstrapAggregator()
    items = [
        scorer.score_multi(wanted, str(said)) if isinstance(wanted, list) else scorer.score(str(wanted), str(said))
        for said, wanted in zip(predictions, references, strict=True)
    ]
    for item in items:
        aggregator.add_scores(item)
    before = numpy.random.get_state()
    try:
        numpy.random.seed(0)
        middle = aggregator.aggregate()
    finally:
        numpy.random.set_state(before)
    metrics = tuple(Metric(name, float(middle[name].mid.fmeasure) * 100) for name in _ROUGE)
    return Scored(metrics, [100.0 * float(item["rouge1"].fmeasure) for item in items])


@EVALUATORS.add("JiebaRougeEvaluator")
@requires(package("jieba"))
@requires(package("rouge_chinese", "rouge-chinese"))
def chinese_rouge(predictions: list[Any], references: list[Any]) -> Scored:
    """ROUGE over the words that jieba finds, for Chinese; both sides are reduced before."""
    import jieba
    from rouge_chinese import Rouge

    def words(texts: list[Any], blank: str) -> list[str]:
        return [" ".join(jieba.cut(general(str(text)))) or blank for text in texts]

    said, wanted = words(predictions, "__PREDPLACEHOLDER__"), words(references, "__REFRPLACEHOLDER__")
    items = Rouge().get_scores(said, wanted)
    metrics = tuple(
        Metric(name, sum(item[key]["f"] for item in items) / len(items) * 100)
        for name, key in (("rouge1", "rouge-1"), ("rouge2", "rouge-2"), ("rougeL", "rouge-l"))
    )
    return Scored(metrics, [100.0 * item["rouge-1"]["f"] for item in items])


@EVALUATORS.add("BleuEvaluator")
@requires(package("sacrebleu"))
def bleu(predictions: list[Any], references: list[Any]) -> Scored:
    """Corpus BLEU of sacrebleu with its default tokens; as many references for each item as for the first."""
    import sacrebleu

    lists = [wanted if isinstance(wanted, list) else [wanted] for wanted in references]
    streams = [[str(wanted[number]) for wanted in lists] for number in range(min(map(len, lists)))]
    found = sacrebleu.corpus_bleu([str(said) for said in predictions], streams)
    metrics = (
        Metric("score", found.score),
        Metric("bp", found.bp, ""),
        Metric("sys_len", found.sys_len, ""),
        Metric("ref_len", found.ref_len, ""),
    )
    extra = {"counts": found.counts, "totals": found.totals, "precisions": found.precisions}
    return Scored(metrics, extra=extra)

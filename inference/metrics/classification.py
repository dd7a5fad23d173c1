"""Labels: precision, recall and F1 (macro, micro, per class), Matthews correlation; by scikit-learn."""

from __future__ import annotations

from typing import Any

from inference.evaluators import EVALUATORS, Metric, Scored, package, requires

_SKLEARN = package("sklearn", "scikit-learn")
_NAMES = ("precision", "recall", "f1")


@EVALUATORS.add("ClassificationEvaluator")
@requires(_SKLEARN)
def classification(
    predictions: list[Any], references: list[Any], *, labels: list[Any] | None = None, per_class: bool = True
) -> Scored:
    """Accuracy, and precision, recall and F1 over classes and within each.

    What was never predicted has precision 0, what never occurs has recall 0.

    :param labels: the classes; without them, those that occur in the references. An answer that names none of
        them is wrong and counts against the recall of its reference's class only.
    :param per_class: whether to add ``f1[label]`` and so on for each class.
    """
    said, wanted = [str(one) for one in predictions], [str(one) for one in references]
    classes = list(map(str, labels)) if labels else sorted(set(wanted))
    correct = [one == other for one, other in zip(said, wanted, strict=True)]
    metrics = [Metric("accuracy", 100 * sum(correct) / len(correct))]
    for average in ("macro", "micro"):
        metrics += _metrics(_scores(wanted, said, classes, average), f"_{average}")
    if per_class:
        table = _scores(wanted, said, classes, None)
        for number, label in enumerate(classes):
            metrics += _metrics([column[number] for column in table], f"[{label}]")
    return Scored(tuple(metrics), [100.0 * one for one in correct], correct)


def _scores(wanted: list[str], said: list[str], classes: list[str], average: str | None) -> list[Any]:
    from sklearn.metrics import precision_recall_fscore_support

    found = precision_recall_fscore_support(wanted, said, labels=classes, average=average, zero_division=0)
    return list(found[:3])


def _metrics(values: list[Any], suffix: str) -> list[Metric]:
    return [Metric(name + suffix, 100 * float(value)) for name, value in zip(_NAMES, values, strict=True)]


@EVALUATORS.add("MccEvaluator")
@requires(_SKLEARN)
def matthews(predictions: list[Any], references: list[Any]) -> Scored:
    """The correlation of predicted and true labels (Matthews 1975; Gorodkin 2004 for more than two), times 100."""
    from sklearn.metrics import matthews_corrcoef

    said, wanted = [str(one) for one in predictions], [str(one) for one in references]
    correct = [one == other for one, other in zip(said, wanted, strict=True)]
    metric = Metric("matthews_correlation", 100 * float(matthews_corrcoef(wanted, said)), "")
    return Scored((metric,), correct=correct)

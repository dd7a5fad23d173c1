import pytest

from opencompass_ops.errors import ConfigError
from opencompass_ops.planning.choice import configured
from opencompass_ops.planning.partition import Naive, NumWorker, Size


@pytest.mark.parametrize(
    ("values", "partitioner"),
    [
        ({"type": "NaivePartitioner", "n": 10}, Naive(10)),
        ({"type": "opencompass.partitioners.size.SizePartitioner", "gen_task_coef": 15}, Size(gen_task_coef=15)),
        (
            {"type": "opencompass.partitioners.NumWorkerPartitioner", "num_worker": 4, "num_split": None},
            NumWorker(4),
        ),
        ({"type": "NumWorkerPartitioner", "strategy": "split", "out_dir": "x"}, NumWorker(strategy="split")),
        ({"type": "SizePartitioner", "dataset_size_path": ".cache/dataset_size.json", "keep_keys": None}, Size()),
    ],
)
def test_a_config_names_the_partitioner_and_its_arguments(values, partitioner):
    assert configured(values) == partitioner


@pytest.mark.parametrize(
    ("values", "culprit"),
    [
        ({"type": "SubjectiveNaivePartitioner"}, "SubjectiveNaivePartitioner"),
        ({}, "of type None"),
        ({"type": "NumWorkerPartitioner", "max_task_size": 4}, "has no argument max_task_size"),
        ({"type": "NaivePartitioner", "n": 0}, "n of NaivePartitioner is 0"),
        ({"type": "SizePartitioner", "max_task_size": None}, "is None; write a whole number"),
        ({"type": "SizePartitioner", "strategy": "best"}, "'best'; write heuristic or split"),
    ],
)
def test_a_partitioner_that_cannot_be_is_refused_by_name(values, culprit):
    with pytest.raises(ConfigError, match=culprit):
        configured(values)

# What `make demo` runs: a tiny model on one generation and one ranking dataset.
from mmengine.config import read_base

with read_base():
    from .datasets.demo.arithmetic_gen import arithmetic_datasets
    from .datasets.demo.facts_ppl import facts_datasets
    from .models.demo.tiny_llama import models

datasets = [*arithmetic_datasets, *facts_datasets]
summarizer = dict(dataset_abbrs=['arithmetic', 'facts'])

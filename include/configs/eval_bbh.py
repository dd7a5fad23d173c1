# BIG-Bench Hard: two subsets by generation, one by ranking its options, and the mean over the three.
from mmengine.config import read_base

with read_base():
    from .datasets.bbh.bbh_short_answer_gen import bbh_datasets
    from .datasets.bbh.bbh_mc_ppl import bbh_mc_datasets
    from .models.demo.tiny_llama import models

datasets = [*bbh_datasets, *bbh_mc_datasets]
bbh_abbrs = [dataset['abbr'] for dataset in datasets]
summarizer = dict(
    dataset_abbrs=[*bbh_abbrs, 'bbh'],
    summary_groups=[dict(name='bbh', subsets=bbh_abbrs)],
)

# The first evaluation of OpenCompass's user guide: a ranking and a generation dataset, both asked without examples.
# Take a copy, exchange the model for yours, and run it:
#   python run.py include/configs/eval_demo.py --debug
#   python run.py include/configs/eval_demo.py --slurm -p PARTITION --max-num-workers 8
from mmengine.config import read_base

with read_base():
    from .datasets.siqa.siqa_gen import siqa_datasets
    from .datasets.winograd.winograd_ppl import winograd_datasets
    from .models.hf.hf_base import models

datasets = [*siqa_datasets, *winograd_datasets]
summarizer = dict(dataset_abbrs=['siqa', 'winograd'])

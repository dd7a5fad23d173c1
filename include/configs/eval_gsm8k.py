# GSM8K by generation. The model is a placeholder: override its path, or import another from .models.
from mmengine.config import read_base

with read_base():
    from .datasets.gsm8k.gsm8k_2shot_gen import gsm8k_datasets
    from .models.demo.tiny_llama import models

datasets = gsm8k_datasets
summarizer = dict(dataset_abbrs=['gsm8k'])

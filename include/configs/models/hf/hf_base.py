# A base model from a Hugging Face folder or name: prompts go in as plain text. Change path and abbr.
from opencompass.models import HuggingFaceBaseModel

models = [
    dict(
        type=HuggingFaceBaseModel,
        abbr='pythia-70m-hf',
        path='EleutherAI/pythia-70m',
        max_out_len=256,
        max_seq_len=2048,
        batch_size=8,
        run_cfg=dict(num_gpus=1),
    )
]

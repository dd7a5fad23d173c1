# A chat model from a Hugging Face folder or name: prompts go through its chat template. Change path and abbr.
from opencompass.models import HuggingFacewithChatTemplate

models = [
    dict(
        type=HuggingFacewithChatTemplate,
        abbr='smollm2-135m-instruct-hf',
        path='HuggingFaceTB/SmolLM2-135M-Instruct',
        max_out_len=512,
        max_seq_len=2048,
        batch_size=8,
        run_cfg=dict(num_gpus=1),
    )
]

# Llama 2 7B from Meta's own checkpoint, as llama_7b.py says; here a 70B has 8 files and so 8 GPUs and processes.
from opencompass.models import Llama2

models = [
    dict(
        type=Llama2,
        abbr='llama-2-7b',
        path='./models/llama2/llama-2-7b',
        tokenizer_path='./models/llama2/tokenizer.model',
        max_out_len=100,
        max_seq_len=4096,
        batch_size=16,
        run_cfg=dict(num_gpus=1, num_procs=1),
    )
]

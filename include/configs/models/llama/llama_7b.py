# LLaMA 7B from Meta's own checkpoint: consolidated.00.pth and params.json in path. OpenCompass's class runs it, through
# the bridge, with the package of github.com/facebookresearch/llama beside OpenCompass. A larger one has one file for
# each process (13B: 2, 30B: 4, 65B: 8), and num_gpus and num_procs are that number.
# For weights in Hugging Face's format take models/hf/hf_base.py, which needs neither.
from opencompass.models import Llama2

models = [
    dict(
        type=Llama2,
        abbr='llama-7b',
        path='./models/llama/7B',
        tokenizer_path='./models/llama/tokenizer.model',
        max_out_len=100,
        max_seq_len=2048,
        batch_size=16,
        run_cfg=dict(num_gpus=1, num_procs=1),
    )
]

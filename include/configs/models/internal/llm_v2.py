# A model in training, by a class that only your own OpenCompass has: it runs through the bridge, in that OpenCompass.
# Members of a team change path, tokenizer_path and abbr, and nothing else.
from opencompass.models.internal import LLMv2

models = [
    dict(
        type=LLMv2,
        abbr='llm-v2-step-5499',
        # CLUSTER:s3://BUCKET/FOLDER/ of the object storage, or a folder that the jobs see.
        path='model_weights:s3://model_weights/0331/1006_pr/5499/',
        tokenizer_path='/shared/tokenizers/v4.model',
        model_type='converted',
        tokenizer_type='v4',
        max_out_len=100,
        max_seq_len=2048,
        batch_size=8,
        # One process on each GPU: the two numbers are the same.
        run_cfg=dict(num_gpus=8, num_procs=8),
    )
]

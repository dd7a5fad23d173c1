# The demo's checkpoint. Its path is only a placeholder: the demo overrides it with the checkpoints that it trains.
from opencompass.models import HuggingFaceBaseModel

models = [
    dict(
        type=HuggingFaceBaseModel,
        abbr='tiny',
        path='./.demo/checkpoints/step-000000',
        max_out_len=8,
        max_seq_len=512,
        batch_size=64,
        run_cfg=dict(num_gpus=0),
    )
]

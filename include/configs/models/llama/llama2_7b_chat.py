# Llama 2 7B chat from Meta's own checkpoint, as llama_7b.py says. The class puts [INST] around what people say, so the
# template names only who speaks.
from opencompass.models import Llama2Chat

models = [
    dict(
        type=Llama2Chat,
        abbr='llama-2-7b-chat',
        path='./models/llama2/llama-2-7b-chat',
        tokenizer_path='./models/llama2/tokenizer.model',
        meta_template=dict(
            round=[
                dict(role='HUMAN', api_role='HUMAN'),
                dict(role='BOT', api_role='BOT', generate=True),
            ],
            reserved_roles=[dict(role='SYSTEM', api_role='SYSTEM')],
        ),
        max_out_len=512,
        max_seq_len=4096,
        batch_size=16,
        run_cfg=dict(num_gpus=1, num_procs=1),
    )
]

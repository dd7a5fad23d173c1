"""A suite: what eval_gsm8k asks, of any checkpoint. See docs/suites.md; `opencompass-ops publish gsm8k` freezes it."""
from mmengine.config import read_base

with read_base():
    from ..eval_gsm8k import *

suite = dict(
    title='GSM8K, two worked examples',
    allow=['path', 'tokenizer_path', 'abbr'],  # what a member may set; anything else is refused by name
    params=dict(max_num_workers=4),
)

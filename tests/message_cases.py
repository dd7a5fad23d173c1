"""Datasets and models of each kind whose messages are compared with those that OpenCompass dumps."""

from __future__ import annotations

import json
import struct
from pathlib import Path

from repeat_cases import write_tokenizer

GOLDEN = Path(__file__).parent / "golden" / "dumped_messages"

TURNS = "{% for message in messages %}{{ message.role + ': ' + message.content + ' ' }}{% endfor %}"
"""OpenCompass counts a chat model's tokens by its template."""

CONFIG = """
lm = dict(begin='<s>', round=[dict(role='HUMAN', begin='[U] ', end=' [/U] '),
                              dict(role='BOT', begin='[A] ', end=' [/A] ', generate=True)],
          reserved_roles=[dict(role='SYSTEM', begin='[S] ', end=' [/S] ')], end='</s>')
api = dict(round=[dict(role='HUMAN', api_role='HUMAN'), dict(role='BOT', api_role='BOT', generate=True)],
           reserved_roles=[dict(role='SYSTEM', api_role='SYSTEM')])
models = [
    dict(type='opencompass.models.HuggingFaceCausalLM', abbr='lm', path={model!r}, meta_template=lm, max_seq_len=28,
         max_out_len=8, batch_size=2, pad_token_id=0, run_cfg=dict(num_gpus=0)),
    dict(type='opencompass.models.HuggingFacewithChatTemplate', abbr='chat', path={model!r}, max_seq_len=2048,
         max_out_len=8, batch_size=2, pad_token_id=0, run_cfg=dict(num_gpus=0)),
    dict(type='opencompass.models.OpenAI', abbr='api', path='served', key='ENV', meta_template=api,
         tokenizer_path={model!r}, max_seq_len=2048, max_out_len=8, batch_size=2, run_cfg=dict(num_gpus=0)),
]
reader = dict(input_columns=['question'], output_column='answer')
ask = dict(
    type='opencompass.datasets.CustomDataset', abbr='ask', path={data!r}, file_name='ask.jsonl', local_mode=True,
    reader_cfg=reader,
    infer_cfg=dict(
        prompt_template=dict(type='opencompass.openicl.PromptTemplate', template=dict(
            begin=[dict(role='SYSTEM', fallback_role='HUMAN', prompt='Be brief.')],
            round=[dict(role='HUMAN', prompt='Q: {{question}}')])),
        retriever=dict(type='opencompass.openicl.ZeroRetriever'),
        inferencer=dict(type='opencompass.openicl.GenInferencer')),
    eval_cfg=dict(evaluator=dict(type='opencompass.openicl.AccEvaluator')))
shots = dict(
    type='opencompass.datasets.CustomDataset', abbr='shots', path={data!r}, file_name='shots.jsonl', local_mode=True,
    reader_cfg=reader,
    infer_cfg=dict(
        ice_template=dict(type='opencompass.openicl.PromptTemplate', template=dict(
            begin='</E>', round=[dict(role='HUMAN', prompt='{{question}}'), dict(role='BOT', prompt='{{answer}}')]),
            ice_token='</E>'),
        retriever=dict(type='opencompass.openicl.FixKRetriever', fix_id_list=[0, 1, 2]),
        inferencer=dict(type='opencompass.openicl.GenInferencer')),
    eval_cfg=dict(evaluator=dict(type='opencompass.openicl.AccEvaluator')))
datasets = [ask, shots]
"""


def lay_down(folder: Path) -> str:
    """Write data and a checkpoint that nobody could load; returns the text of the config."""
    data = folder / "data" / "asked"
    data.mkdir(parents=True)
    rows = [
        ("What is 1+1?", "2"),
        ("什么是\n“二”？", "二 😀"),
        ("{answer} of \\ tomorrow", ""),
        ("w1 w2", "w3"),
        ("e", "f"),
    ]
    for name, answers in (("ask", [str(gold) for _, gold in rows]), ("shots", range(len(rows)))):
        lines = [{"question": row[0], "answer": gold} for row, gold in zip(rows, answers, strict=True)]
        (data / f"{name}.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    model = folder / "checkpoint"
    write_tokenizer(model)
    settings = model / "tokenizer_config.json"
    settings.write_text(json.dumps(json.loads(settings.read_text()) | {"chat_template": TURNS}))
    header = json.dumps({"w": {"dtype": "F32", "shape": [2], "data_offsets": [0, 8]}}).encode()
    (model / "model.safetensors").write_bytes(struct.pack("<Q", len(header)) + header + b"\0" * 8)
    (model / "config.json").write_text(json.dumps({"model_type": "llama", "max_position_embeddings": 2048}))
    return CONFIG.format(model=str(model), data=str(data))

# Addition modulo 17, as the demo trains it: "12+9=" is answered by "4".
# Data: ./data/demo/arithmetic/{train,test}.jsonl, columns question and answer; made by the demo.
from inference.datasets import JsonlDataset
from opencompass.openicl.icl_evaluator import AccEvaluator
from opencompass.openicl.icl_inferencer import GenInferencer
from opencompass.openicl.icl_prompt_template import PromptTemplate
from opencompass.openicl.icl_retriever import ZeroRetriever

arithmetic_datasets = [
    dict(
        abbr='arithmetic',
        type=JsonlDataset,
        path='./data/demo/arithmetic',
        reader_cfg=dict(input_columns=['question'], output_column='answer'),
        infer_cfg=dict(
            prompt_template=dict(type=PromptTemplate, template='{question}'),
            retriever=dict(type=ZeroRetriever),
            inferencer=dict(type=GenInferencer, max_out_len=8, stopping_criteria=['\n']),
        ),
        eval_cfg=dict(evaluator=dict(type=AccEvaluator)),
    )
]

# A table of facts, as the demo trains it: of four options, the one that surprises the model least is its answer.
# Data: ./data/demo/facts/{train,test}.jsonl, columns question, A, B, C, D and answer (the letter); made by the demo.
from inference.datasets import JsonlDataset
from opencompass.openicl.icl_evaluator import AccEvaluator
from opencompass.openicl.icl_inferencer import PPLInferencer
from opencompass.openicl.icl_prompt_template import PromptTemplate
from opencompass.openicl.icl_retriever import ZeroRetriever

facts_letters = ['A', 'B', 'C', 'D']

facts_datasets = [
    dict(
        abbr='facts',
        type=JsonlDataset,
        path='./data/demo/facts',
        reader_cfg=dict(input_columns=['question', *facts_letters], output_column='answer'),
        infer_cfg=dict(
            prompt_template=dict(
                type=PromptTemplate,
                template={letter: f'{{question}} {{{letter}}}' for letter in facts_letters},
            ),
            retriever=dict(type=ZeroRetriever),
            inferencer=dict(type=PPLInferencer),
        ),
        eval_cfg=dict(evaluator=dict(type=AccEvaluator)),
    )
]

# A multiple-choice subset of BIG-Bench Hard: the option whose text surprises the model least is its answer.
# The loader splits the options off the question, one column per letter; target is the letter.
# Data: ./data/BBH/data/NAME.json (OpenCompass's layout).
from inference.datasets import BBHChoiceDataset
from opencompass.openicl.icl_evaluator import AccEvaluator
from opencompass.openicl.icl_inferencer import PPLInferencer
from opencompass.openicl.icl_prompt_template import PromptTemplate
from opencompass.openicl.icl_retriever import ZeroRetriever

bbh_mc_letters = ['A', 'B', 'C']

bbh_mc_datasets = [
    dict(
        abbr='bbh-logical_deduction_three_objects',
        type=BBHChoiceDataset,
        path='./data/BBH/data',
        name='logical_deduction_three_objects',
        options=3,
        reader_cfg=dict(input_columns=['question', *bbh_mc_letters], output_column='target'),
        infer_cfg=dict(
            prompt_template=dict(
                type=PromptTemplate,
                template={
                    letter: f'{{question}}\nWhich statement follows?\n{{{letter}}}'
                    for letter in bbh_mc_letters
                },
            ),
            retriever=dict(type=ZeroRetriever),
            inferencer=dict(type=PPLInferencer),
        ),
        eval_cfg=dict(evaluator=dict(type=AccEvaluator)),
    )
]

# Two subsets of BIG-Bench Hard with short free answers, without examples.
# Data: ./data/BBH/data/NAME.json (OpenCompass's layout), columns input and target.
from opencompass.datasets import BBHDataset, bbh_freeform_postprocess
from opencompass.openicl.icl_evaluator import AccEvaluator
from opencompass.openicl.icl_inferencer import GenInferencer
from opencompass.openicl.icl_prompt_template import PromptTemplate
from opencompass.openicl.icl_retriever import ZeroRetriever

bbh_subsets = {
    'boolean_expressions': 'Work out the logical expression. Answer with True or False only.',
    'object_counting': 'Count what is asked for. Answer with the number only.',
}

bbh_datasets = [
    dict(
        abbr=f'bbh-{name}',
        type=BBHDataset,
        path='./data/BBH/data',
        name=name,
        reader_cfg=dict(input_columns=['input'], output_column='target'),
        infer_cfg=dict(
            prompt_template=dict(type=PromptTemplate, template=f'{task}\n{{input}}\nAnswer:'),
            retriever=dict(type=ZeroRetriever),
            inferencer=dict(type=GenInferencer, max_out_len=16, stopping_criteria=['\n']),
        ),
        eval_cfg=dict(
            evaluator=dict(type=AccEvaluator),
            pred_postprocessor=dict(type=bbh_freeform_postprocess),
        ),
    ) for name, task in bbh_subsets.items()
]

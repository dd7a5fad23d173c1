# Social IQa by generation: what people would do, think or feel; the letter of one of three answers.
# Prompt and scoring are those of OpenCompass's siqa_gen (version 18632c), so scores can be compared.
# Data: ./data/siqa/{train,dev}.jsonl and {train,dev}-labels.lst (OpenCompass's layout).
from opencompass.datasets import SiqaDatasetV3
from opencompass.openicl.icl_evaluator import AccEvaluator
from opencompass.openicl.icl_inferencer import GenInferencer
from opencompass.openicl.icl_prompt_template import PromptTemplate
from opencompass.openicl.icl_retriever import ZeroRetriever
from opencompass.utils.text_postprocessors import first_option_postprocess

siqa_letters = ['A', 'B', 'C']
siqa_options = [f'{letter}. {{{letter}}}' for letter in siqa_letters]
siqa_prompt = '\n'.join(['{context}', 'Question: {question}', *siqa_options, 'Answer:'])

siqa_datasets = [
    dict(
        abbr='siqa',
        type=SiqaDatasetV3,
        path='opencompass/siqa',
        reader_cfg=dict(
            input_columns=['context', 'question', *siqa_letters],
            output_column='answer',
            test_split='validation',
        ),
        infer_cfg=dict(
            prompt_template=dict(type=PromptTemplate, template=dict(round=[dict(role='HUMAN', prompt=siqa_prompt)])),
            retriever=dict(type=ZeroRetriever),
            inferencer=dict(type=GenInferencer),
        ),
        eval_cfg=dict(
            evaluator=dict(type=AccEvaluator),
            pred_postprocessor=dict(type=first_option_postprocess, options='ABC', cushion=False),
        ),
    )
]

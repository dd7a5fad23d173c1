# Winograd schemas by ranking: whom a pronoun means. Of two answers the one that surprises the model less is taken.
# Prompt and scoring are those of OpenCompass's winograd_ppl (version b6c7ed), so scores can be compared.
# Data: winograd_wsc (wsc285) of Hugging Face, from its cache or from ./data/winograd_wsc.
from opencompass.datasets import WinogradDataset
from opencompass.openicl.icl_evaluator import AccEvaluator
from opencompass.openicl.icl_inferencer import PPLInferencer
from opencompass.openicl.icl_prompt_template import PromptTemplate
from opencompass.openicl.icl_retriever import ZeroRetriever

winograd_question = "{prompt} Q: In the previous text, what does '{pronoun}' refer to? A: "

winograd_datasets = [
    dict(
        abbr='winograd',
        type=WinogradDataset,
        path='winograd_wsc',
        name='wsc285',
        trust_remote_code=True,
        reader_cfg=dict(
            input_columns=['prompt', 'pronoun', 'opt1', 'opt2'],
            output_column='label',
            train_split='test',
            test_split='test',
        ),
        infer_cfg=dict(
            prompt_template=dict(
                type=PromptTemplate,
                template={
                    label: dict(round=[dict(role='HUMAN', prompt=winograd_question + answer)])
                    for label, answer in enumerate(['{opt1}', '{opt2}'])
                },
            ),
            retriever=dict(type=ZeroRetriever),
            inferencer=dict(type=PPLInferencer),
        ),
        eval_cfg=dict(evaluator=dict(type=AccEvaluator)),
    )
]

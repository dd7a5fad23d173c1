# Grade-school word problems, answered step by step after two worked examples from the training split.
# Data: ./data/gsm8k/{train,test}.jsonl (OpenCompass's layout), columns question and answer ("... #### 18").
from opencompass.datasets import GSM8KDataset, gsm8k_dataset_postprocess, gsm8k_postprocess
from opencompass.openicl.icl_evaluator import AccEvaluator
from opencompass.openicl.icl_inferencer import GenInferencer
from opencompass.openicl.icl_prompt_template import PromptTemplate
from opencompass.openicl.icl_retriever import FixKRetriever

gsm8k_reader_cfg = dict(input_columns=['question'], output_column='answer')

gsm8k_infer_cfg = dict(
    ice_template=dict(type=PromptTemplate, template='Problem: {question}\nSolution: {answer}\n'),
    prompt_template=dict(
        type=PromptTemplate,
        template='</E>Problem: {question}\nSolution: {answer}',
        ice_token='</E>',
    ),
    retriever=dict(type=FixKRetriever, fix_id_list=[0, 1]),
    inferencer=dict(type=GenInferencer, max_out_len=256, stopping_criteria=['Problem:']),
)

# The last number of the answer counts, against the number after "####".
gsm8k_eval_cfg = dict(
    evaluator=dict(type=AccEvaluator),
    pred_postprocessor=dict(type=gsm8k_postprocess),
    dataset_postprocessor=dict(type=gsm8k_dataset_postprocess),
)

gsm8k_datasets = [
    dict(
        abbr='gsm8k',
        type=GSM8KDataset,
        path='./data/gsm8k',
        reader_cfg=gsm8k_reader_cfg,
        infer_cfg=gsm8k_infer_cfg,
        eval_cfg=gsm8k_eval_cfg,
    )
]

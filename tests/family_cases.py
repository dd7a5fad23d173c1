"""The dataset configs whose rows are compared with OpenCompass's own loaders; see ``tests/family_data.py``."""

from __future__ import annotations

from typing import Any


def _case(type_: str, path: str, **options: Any) -> dict[str, Any]:
    return {"type": type_, "path": path, **options}


def _json(type_: str, file: str, **options: Any) -> dict[str, Any]:
    return {"type": type_, "path": "json", "data_files": file, **options}


GLUE = "./data/SuperGLUE"
FEW = "./data/FewCLUE"
CASES: list[dict[str, Any]] = [
    *(_case(type_, "opencompass/siqa") for type_ in ("siqaDataset", "siqaDataset_V2", "SiqaDatasetV3")),
    *(_case(type_, "opencompass/piqa") for type_ in ("PIQADataset", "PIQADatasetV2", "PIQADatasetV3")),
    *(_case(f"WinograndeDataset{v}", "opencompass/winogrande") for v in ("", "V2", "V3")),
    *(_case(f"HellaswagDataset{v}", "opencompass/hellaswag") for v in ("", "_V2", "_V3", "Clean")),
    _case("HellaswagDatasetwithICE", "opencompass/hellaswag_ice"),
    *(_case("MMLUDataset", "opencompass/mmlu", name=name) for name in ("college_biology", "anatomy")),
    _case("MMLUDataset", "./data/mmlu/", name="anatomy"),
    _case("MMLUDatasetClean", "opencompass/mmlu", name="college_biology"),
    _case("MMLUProDataset", "opencompass/mmlu_pro", category="law"),
    _case("CEvalDataset", "opencompass/ceval-exam", name="computer_network"),
    _case("CEvalDataset", "./data/ceval/formal_ceval", name="law", local_mode=True),
    _case("CEvalDatasetClean", "opencompass/ceval-exam", name="computer_network"),
    _case("CMMLUDataset", "opencompass/cmmlu", name="anatomy"),
    _case("ARCDataset", "opencompass/ai2_arc-dev", name="ARC-Challenge"),
    _case("ARCDataset", "opencompass/ai2_arc-easy-dev", name="ARC-Easy"),
    _case("ARCDatasetClean", "opencompass/ai2_arc-test", name="ARC-Challenge"),
    _case("commonsenseqaDataset", "opencompass/commonsense_qa"),
    _case("CommonsenseQADataset_CN", "./data/commonsenseqa_cn/validation.jsonl"),
    *(_case(f"OBQADataset{v}", "opencompass/openbookqa_test", name="main") for v in ("", "V2")),
    *(_case(f"OBQADataset{v}", "opencompass/openbookqa_fact") for v in ("", "V2")),
    *(_case("RaceDataset", "opencompass/race", name=name) for name in ("middle", "high")),
    *(_case("GPQADataset", "./data/gpqa/", name=f"gpqa_{name}.csv") for name in ("diamond", "main")),
    _case("GPQASimpleEvalDataset", "./data/gpqa/", name="gpqa_diamond.csv"),
    *(_case(type_, "./data/CLUE/C3/dev_0.json") for type_ in ("C3Dataset", "C3Dataset_V2")),
    *(
        _case(f"AGIEvalDataset{v}", "opencompass/agieval", name=name, setting_name="zero-shot")
        for v in ("", "_v2")
        for name in ("lsat-ar", "sat-en", "logiqa-zh", "gaokao-geography", "jec-qa-kd", "math", "gaokao-mathcloze")
    ),
    _json("BoolQDataset", "opencompass/boolq", split="train"),
    _case("BoolQDatasetV2", "opencompass/boolq"),
    _case("BoolQDatasetV3", f"{GLUE}/BoolQ/val.jsonl"),
    _json("HFDataset", f"{GLUE}/RTE/val.jsonl", split="train"),
    _json("HFDataset", f"{GLUE}/COPA/val.jsonl"),
    _json("HFDataset", f"{GLUE}/AX-b/AX-b.jsonl", split="train"),
    _json("HFDataset", "./data/FewCLUE/bustm/dev_few_all.json", split="train"),
    *(_case("AXDatasetV2", f"{GLUE}/{file}") for file in ("AX-b/AX-b.jsonl", "AX-g/AX-g.jsonl", "RTE/val.jsonl")),
    _case("CBDatasetV2", f"{GLUE}/CB/val.jsonl"),
    _case("COPADatasetV2", f"{GLUE}/COPA/val.jsonl"),
    *(_case(f"MultiRCDataset{v}", f"{GLUE}/MultiRC/val.jsonl") for v in ("", "V2")),
    *(_case(f"ReCoRDDataset{v}", f"{GLUE}/ReCoRD/val.jsonl") for v in ("", "V2")),
    _json("WiCDataset", f"{GLUE}/WiC/val.jsonl", split="train"),
    _case("WiCDatasetV2", f"{GLUE}/WiC/val.jsonl"),
    _json("WSCDataset", f"{GLUE}/WSC/val.jsonl", split="train"),
    *(_case(f"WSCDataset{v}", f"{GLUE}/WSC/val.jsonl") for v in ("V2", "V3")),
    _case("AFQMCDatasetV2", "opencompass/afqmc-dev"),
    _case("AFQMCDatasetV2", f"{FEW}/bustm/test_public.json", local_mode=True),
    *(
        _case(f"CMNLIDataset{v}", path)
        for v in ("", "V2")
        for path in ("opencompass/cmnli-dev", "opencompass/OCNLI-dev")
    ),
    *(
        _json(f"{name}Dataset", f"{FEW}/{name.lower()}/dev_few_all.json", split="train")
        for name in ("CHID", "Cluewsc", "Csl", "TNews")
    ),
    *(
        _case(f"{name}DatasetV2", f"{FEW}/{name.lower()}/dev_few_all.json")
        for name in ("CHID", "Cluewsc", "Csl", "TNews", "Eprstmt")
    ),
    _case("CMRCDataset", "opencompass/cmrc_dev"),
    _case("DRCDDataset", "opencompass/drcd_dev"),
    _case("MMLUArabicDataset", "./data/MMLUArabic/", name="college_biology"),
    _case("MMMLULiteDataset", "opencompass/mmmlu_lite", name="openai_mmmlu_lite_AR-XY"),
    _case("MMMLUDataset", "./data/MMMLU", name="mmlu_AR-XY"),
    _case("FinanceIQDataset", "./data/FinanceIQ/", name="保险从业资格CICE"),
    _case("ChemBenchDataset", "opencompass/ChemBench4K", name="Name_Conversion"),
    _case("RBenchDataset", "./data/R-Bench", name="R-Bench", subset="en"),
    _case("Earth_Silver_MCQDataset", "./data/Earth-Silver", prompt_mode="zero-shot"),
    *(_case(f"StoryClozeDataset{v}", "opencompass/xstory_cloze", lang="en") for v in ("", "V2")),
    *(_json(f"CrowspairsDataset{v}", "./data/crows_pairs/test.jsonl", split="train") for v in ("", "V2")),
    _case("CrowspairsDatasetCN", "./data/crowspairs_cn/test.jsonl"),
    _case("AnliDataset", "data/anli/anli_v1.0/R1/dev.jsonl"),
    _case("AiRiskDataset", "data/ai_risk/coordinate.jsonl"),
    _case("SycophancyDataset", "data/ai_risk/coordinate.jsonl"),
    _case("PersonaDataset", "data/persona/agreeable.jsonl"),
    _case("CValuesDataset", "data/cvalues_responsibility_mc.jsonl"),
    _case("CMBDataset", "./data/CMB/"),
    _case("BBEHDataset", "opencompass/bbeh", name="bbeh_causal_understanding"),
    _json("WinogradDataset", "./data/winograd_wsc/wsc285/test.jsonl", split="train"),
]
"""Without the rest of a dataset config, which loaders do not see. A type is a class of ``opencompass.datasets``."""

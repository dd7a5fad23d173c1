"""OpenCompass's PPLInferencer with its HuggingFaceBaseModel. Argument: model folder."""

from __future__ import annotations

import importlib.metadata
import sys
import tempfile

from datasets import Dataset
from opencompass.datasets.base import BaseDataset
from opencompass.models import HuggingFaceBaseModel
from opencompass.openicl.icl_inferencer import PPLInferencer
from opencompass.openicl.icl_prompt_template import PromptTemplate
from opencompass.openicl.icl_retriever import ZeroRetriever

from benchmarks.rankers.protocol import LABELS, prompt, serve


class Given(BaseDataset):  # type: ignore[misc]  # unknown where OpenCompass is not installed
    """Questions that are given."""

    @staticmethod
    def load(questions: list[str]) -> Dataset:
        """One column."""
        return Dataset.from_dict({"question": questions})


def main() -> None:
    """Load, then answer."""
    model = HuggingFaceBaseModel(path=sys.argv[1], model_kwargs={"torch_dtype": "torch.float", "device_map": "cpu"})
    folder = tempfile.mkdtemp()

    def rank(questions: list[str], before: str, batch: int) -> list[int]:
        dataset = Given(reader_cfg={"input_columns": ["question"], "output_column": None}, questions=questions)
        template = PromptTemplate({label: f"{before}{prompt('{question}')} {label}" for label in LABELS})
        inferencer = PPLInferencer(model, batch_size=batch, output_json_filepath=folder)
        chosen = inferencer.inference(ZeroRetriever(dataset), prompt_template=template)
        return [LABELS.index(label) for label in chosen]

    serve(rank, {name: importlib.metadata.version(name) for name in ("opencompass", "torch", "transformers")})


if __name__ == "__main__":
    main()

"""Our image runs in jobs of plain users."""

from __future__ import annotations

import pytest

from cluster.containers import InferenceImage, volumes
from cluster.test_testbed import submit, wait_for
from cluster.testbed import Testbed

pytestmark = pytest.mark.slurm


def test_the_image_computes_in_a_job_of_a_plain_user(testbed: Testbed, inference_image: InferenceImage) -> None:
    torch = "import torch, inference.infer, os; print(torch.ones(3).sum().item(), inference.__file__)"
    run = f"podman run --rm {volumes(inference_image)} --entrypoint python {inference_image.name} -c '{torch}'"
    job = submit(testbed, f"podman load -q -i {inference_image.archive}\n{run}")
    wait_for(testbed, job, "COMPLETED")
    assert (testbed.shared / f"{job}.out").read_text().splitlines()[-1] == "3.0 /app/inference/__init__.py"

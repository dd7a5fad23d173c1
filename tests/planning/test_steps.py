import pytest

from opencompass_ops.planning.steps import training_step


@pytest.mark.parametrize(
    ("abbr", "step"),
    [
        ("step-000100", 100),
        ("step_100", 100),
        ("step100", 100),
        ("step-0", 0),
        ("checkpoint-100", 100),
        ("iter_0000100", 100),
        ("global_step100", 100),
        ("globalstep_100", 100),
        ("demo-STEP-7_hf", 7),
        ("demo/ckpt-7", 7),
        ("llama-7b", None),
        ("step10k", None),
        ("step-1.5", None),
        ("footstep-3", None),
        ("stage2-step-5", 5),
        ("step-5-step-5", 5),
        ("step-5-iter-6", None),
        ("", None),
    ],
)
def test_the_step_is_read_from_the_name(abbr, step):
    assert training_step(abbr) == step


def test_the_path_is_asked_when_the_abbr_does_not_tell():
    assert training_step("tiny", "/runs/step-9/checkpoint-40/") == 40
    assert training_step("tiny-step-3", "/runs/checkpoint-40") == 3
    assert training_step("tiny", "/runs/step-9/final") is None

"""``opencompass-ops detect``."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from opencompass_ops.cli import main

REPLAY = Path(__file__).parent.parent / "golden" / "pythia" / "replay.csv"
FIELDS = ["model", "shot", "task", "metric", "step", "value", "reference_step", "reference_value", "p_value"]


def test_detect_prints_one_object_a_line_in_the_order_of_the_steps(capsys):
    assert main(["detect", "--scores", str(REPLAY), "--json"]) == 0
    alarms = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [sorted(alarm) for alarm in alarms] == [sorted(FIELDS)] * len(alarms)
    assert [alarm["step"] for alarm in alarms] == sorted(alarm["step"] for alarm in alarms)
    assert alarms[0]["step"] == 83_000


def test_detect_without_json_prints_a_table(capsys):
    assert main(["detect", "--scores", str(REPLAY)]) == 0
    out = capsys.readouterr().out
    assert "lambada_openai" in out
    assert "alarms in 54 scores of 2 series" in out


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("model,step,task,value\n", "no column metric"),
        ("model,step,task,metric,value\nm,1.5,t,acc,0.5\n", "line 2"),
        ("model,step,task,metric,value\nm,1,t,acc,nan\n", "line 2"),
        ("model,step,task,metric,value,stderr\nm,1,t,acc,1,-1\n", "line 2"),
    ],
)
def test_a_table_that_cannot_be_used_is_refused_with_the_place(tmp_path, capsys, text, said):
    table = tmp_path / "scores.csv"
    table.write_text(text)
    assert main(["detect", "--scores", str(table)]) == 2
    assert said in capsys.readouterr().err


def test_a_table_that_is_not_there_is_refused(tmp_path, capsys):
    assert main(["detect", "--scores", str(tmp_path / "none.csv")]) == 2
    assert "none.csv" in capsys.readouterr().err

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from opencompass_ops.errors import InputError
from opencompass_ops.planning.request import Request


def request(**params):
    return Request.from_params({"config": "eval.py", **params})


def test_what_is_not_said_takes_open_compass_defaults():
    assert request() == Request(config="eval.py")
    assert (request().max_num_workers, request().retry, request().mode, request().work_dir) == (1, 2, "all", None)


def test_what_a_form_sends_for_an_emptied_field_means_the_default():
    assert request(reuse=None, limit=None, cfg_options=None, model_overrides=None, work_dir="  ") == request()


def test_a_whole_number_written_as_a_float_is_whole_because_json_has_one_kind_of_number():
    assert request(limit=3.0).limit == 3
    assert type(request(limit=3.0).limit) is int


WRONG = [
    ({"max_num_worker": 2}, "max_num_worker: there is no such parameter; did you mean 'max_num_workers'"),
    ({"zzz": 2}, "zzz: there is no such parameter; known are accelerator, account, aliyun_cfg"),
    ({"config": " "}, "config: is empty; name a config, or models"),
    ({"config": None}, "config: is empty; name a config, or models"),
    ({"config": 3}, "config=3: is a number; give a text"),
    ({"config": "a\nb"}, "config='a\\nb': holds a control character; remove it"),
    ({"mode": "train"}, "mode='train': is none of all, infer, eval, viz; choose one"),
    ({"mode": None}, "mode=None: is empty; leave it out for 'all'"),
    ({"mode": "eval"}, "mode='eval': works on a run that exists; set reuse"),
    ({"mode": "viz", "reuse": ""}, "mode='viz': works on a run that exists; set reuse"),
    ({"limit": 0}, "limit=0: is too small; give at least 1"),
    ({"limit": True}, "limit=True: is a boolean; give a whole number"),
    ({"limit": "5"}, "limit='5': is a text; give a whole number"),
    ({"limit": 1.5}, "limit=1.5: is a number; give a whole number"),
    ({"max_num_workers": 0}, "max_num_workers=0: is too small"),
    ({"max_partition_size": -1}, "max_partition_size=-1: is too small"),
    ({"retry": 99}, "retry=99: is too large; give at most 10"),
    ({"debug": 1}, "debug=1: is a number; give true or false"),
    ({"dry_run": "true"}, "dry_run='true': is a text; give true or false"),
    ({"reuse": "../x"}, "reuse='../x': must be a plain name"),
    ({"reuse": "/etc"}, "reuse='/etc': must be a plain name"),
    ({"reuse": ".."}, "reuse='..': must be a plain name"),
    ({"cluster": "a/b"}, "cluster='a/b': must be a plain name"),
    ({"partition": "a\nb"}, "partition='a\\nb': holds a control character"),
    ({"quotatype": "cheap"}, "quotatype='cheap': is none of auto, reserved, spot; choose one"),
    ({"minutes": 0}, "minutes=0: is too small"),
    ({"mem": "64 GB"}, "mem='64 GB': must be a size like 64G"),
    ({"extra_args": ["exclusive"]}, "'exclusive' is not --option or --option=value"),
    ({"extra_args": ["--a\nb"]}, "is not --option or --option=value"),
    ({"extra_args": [3]}, "3 is not --option or --option=value"),
    ({"cfg_options": "a=1"}, "cfg_options='a=1': is a text; give a list"),
    ({"cfg_options": ["a"]}, "'a' is not key=value"),
    ({"cfg_options": ["=1"]}, "'=1' is not key=value"),
    ({"model_overrides": {"path": "x"}}, "is an object; give a list"),
    ({"model_overrides": ["x"]}, "'x' is not an object"),
    ({"model_overrides": [{"abbr": "x"}]}, "has no path; name the checkpoint's folder"),
    ({"model_overrides": [{"pth": "x"}]}, "'pth' is no field of an override; did you mean 'path'?"),
    ({"model_overrides": [{"path": 3}]}, "path is a number; give a text"),
    ({"model_overrides": [{"path": "a\0b"}]}, "path 'a\\x00b' holds a control character"),
    ({"model_overrides": [{"path": "x", "abbr": "../y"}]}, "abbr '../y' cannot be a file name"),
    ({"model_overrides": [{"path": "x"}, {"path": "x"}]}, "model_overrides: 'x' is given twice"),
]


def test_a_line_end_after_the_last_option_is_no_option():
    assert request(cfg_options=["a=1", ""]) == request(cfg_options=["a=1"])


@pytest.mark.parametrize(("params", "message"), WRONG)
def test_a_wrong_value_is_named_with_the_next_step(params, message):
    with pytest.raises(InputError, match=re.escape(message)):
        request(**params)


def test_all_problems_come_in_one_message():
    with pytest.raises(InputError) as caught:
        request(limit=0, retry=-1, mode="train", nonsense=1)
    assert [word in str(caught.value) for word in ("limit=0", "retry=-1", "mode='train'", "nonsense")] == [True] * 4


def test_two_checkpoints_of_one_path_under_two_names_are_two_models():
    chosen = request(model_overrides=[{"path": "/c", "abbr": "a"}, {"path": "/c", "abbr": "b", "tokenizer_path": None}])
    assert chosen.model_overrides == ({"path": "/c", "abbr": "a"}, {"path": "/c", "abbr": "b"})


names = st.from_regex(r"[a-z][a-z0-9]{0,8}", fullmatch=True)


@given(
    st.fixed_dictionaries(
        {"config": names},
        optional={
            "mode": st.sampled_from(["all", "infer"]),
            "reuse": st.none() | names,
            "limit": st.none() | st.integers(1, 10**6),
            "max_num_workers": st.integers(1, 64),
            "debug": st.booleans(),
            "partition": st.none() | names,
            "extra_args": st.lists(names.map("--{}".format), max_size=2),
            "cfg_options": st.lists(names.map("{}=1".format), max_size=3),
            "model_overrides": st.lists(
                st.fixed_dictionaries({"path": names}, optional={"tokenizer_path": names}),
                max_size=3,
                unique_by=lambda item: item["path"],
            ),
        },
    )
)
def test_a_request_survives_the_way_through_its_params(params):
    once = Request.from_params(params)
    assert Request.from_params(once.to_params()) == once

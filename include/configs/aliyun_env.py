# How both stages run on Alibaba PAI-DLC. In an evaluation, and then run it without --slurm and -p:
#   with read_base():
#       from .aliyun_env import llm_infer as infer, llm_eval as eval
# Or leave the evaluation as it is, and name this file: --dlc --aliyun-cfg include/configs/aliyun_env.py
# For another workspace copy this file. CHANGE every value; no secret belongs here, `dlc config` keeps the login.
from opencompass.partitioners import NaivePartitioner, NumWorkerPartitioner
from opencompass.runners import DLCRunner
from opencompass.tasks import OpenICLEvalTask, OpenICLInferTask

llm_workspace = dict(
    workspace_id='12345',
    resource_id='quota-of-your-team',
    worker_image='registry.example.com/team/inference:1',
    data_sources=['d-the-id-of-a-mounted-data-set'],
    # The jobs' Python: a folder with bin/python, or bashrc_path and conda_env_name in its place.
    python_env_path='/cpfs/team/envs/opencompass',
    dlc_config_path='/root/.dlc/config',
    huggingface_cache='/cpfs/team/huggingface',
    hf_offline=True,
    priority=1,
)

llm_infer = dict(
    partitioner=dict(type=NumWorkerPartitioner, num_worker=8),
    runner=dict(
        type=DLCRunner,
        max_num_workers=32,
        retry=2,
        aliyun_cfg=llm_workspace,
        task=dict(type=OpenICLInferTask),
    ),
)

llm_eval = dict(
    partitioner=dict(type=NaivePartitioner),
    runner=dict(
        type=DLCRunner,
        max_num_workers=32,
        retry=2,
        aliyun_cfg=llm_workspace,
        task=dict(type=OpenICLEvalTask),
    ),
)

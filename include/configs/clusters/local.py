# Jobs as processes of the machine that runs Airflow's triggerer, or of the laptop that runs the command line.
kind = 'local'

# The Python that runs the jobs; None means the one that runs Airflow. Give an absolute path for another virtualenv.
python = None

# OpenCompass itself, for what has no native class (docs/bridge.md): dict(python='/envs/opencompass/bin/python').
# None means the one that `make opencompass-venv` made, if it did.
opencompass = None

# Where run directories are made; relative to the folder the request comes from.
work_dir = 'outputs'

# The folder that holds ./data: relative paths in dataset and model configs start here.
data_dir = '.'

# Prepared before each job, and variables for each job. Secrets do not belong here.
setup = []
env = dict()

# Jobs that may share one GPU. Jobs with num_gpus=0 need no GPU and are not counted here.
max_workers_per_gpu = 1

# GPUs of a job whose model has no run_cfg.
resources = dict(num_gpus=0)

# What no run may exceed here: jobs alive at once, minutes per job. None means no limit.
limits = dict(max_num_workers=None, minutes=None)

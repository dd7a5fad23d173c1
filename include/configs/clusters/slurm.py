# The Slurm cluster of this host: Airflow (or you) sits on a management or login node, so no connection is needed.
#   opencompass-ops run eval_gsm8k --slurm -p PARTITION
#   opencompass-ops doctor slurm
# docs/slurm.md explains every key. slurm_ssh.py is for a cluster that is reached over SSH.
kind = 'slurm'

# Where run directories are made, on a file system that the compute nodes see under the same path; relative to the
# folder the request comes from.
work_dir = 'outputs'

# The folder that holds ./data: relative paths in dataset and model configs start here.
data_dir = '.'

# The jobs' Python with torch and transformers, on the compute nodes; None means the one that runs Airflow.
python = None

# For models whose run_cfg does not say; -p, -q, --qos, --account, --minutes, --mem ... go before both.
resources = dict(
    num_gpus=0,
    partition='',  # '' is Slurm's default one
    cpus_per_task=None,
    mem='',
)

# Whether this site's sbatch knows --quotatype (auto, reserved, spot).
has_quotatype = False

# What no run may exceed here: jobs alive at once, minutes per job. A job that meets its time limit is continued.
limits = dict(max_num_workers=None, minutes=240)

# Sourced by every job first, with a log of its own (jobs/TOKEN/setup.log); and environment modules to load.
setup = []
modules = []

# Variables for each job. Secrets do not belong here: name them in secrets, and they are taken from the environment.
env = dict()
secrets = []

# OpenCompass itself, on the cluster, for what has no native class (docs/bridge.md); None where there is none.
opencompass = None  # dict(python='/shared/envs/opencompass/bin/python')

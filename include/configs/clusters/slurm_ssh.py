# A Slurm cluster behind an SSH login node: copy this file, give it the cluster's name, and change what is marked CHANGE.
#   opencompass-ops doctor NAME --gpus 1 --weights /path/of/a/checkpoint
# docs/slurm.md explains every key, docs/ssh.md the connection, docs/containers.md the container.
kind = 'slurm'

# CHANGE: an Airflow connection of type ssh, or a Host of ~/.ssh/config on the triggerer's host.
connection_id = 'slurm_ssh'

# CHANGE: folders on a file system that this host and the cluster share, as this host sees them. Run directories are
# made in work_dir; relative paths in dataset and model configs start at data_dir.
work_dir = '/shared/opencompass/outputs'
data_dir = '/shared/opencompass'

# CHANGE where the cluster sees these folders under other paths: this host's path -> the cluster's.
mounts = {
    # '/mnt/cluster/shared': '/shared',
}

# Where data and weights are looked at before a run is planned: 'login' on the login node, which needs a Python 3.10;
# 'host' here, where this host sees all of it.
probe_on = 'login'

# For teams: run directories that two users write, Airflow's here and the connection's there, belong to a group of both.
umask = '002'
group = ''  # CHANGE: a Unix group; '' is the group of the folder above

# CHANGE: what the jobs run in. An image that was built from inference/Dockerfile ...
container = None
# container = dict(runtime='apptainer', image='/shared/images/inference.sif')
# ... or a Python on the compute nodes, by absolute path or from a conda environment.
python = 'python3'
# conda = dict(env='/shared/envs/opencompass')

# CHANGE: for models whose run_cfg does not say; -p, -q, --qos, --account, --minutes, --mem ... go before both.
resources = dict(
    num_gpus=1,
    cpus_per_task=8,  # for each GPU
    mem='64G',
    partition='gpu',
    account='',
    qos='',
)
has_quotatype = False
limits = dict(max_num_workers=64, minutes=240)

# No job asks the Hugging Face hub; weights and data come from the shared file system.
offline = True
env = dict(HF_HOME='/shared/huggingface')

# Names of variables whose values stand in the connection's extra under 'secrets'; they never touch a config.
secrets = []

# OpenCompass itself, on the cluster, for what has no native class (docs/bridge.md); None where there is none.
opencompass = None  # dict(python='/shared/envs/opencompass/bin/python')

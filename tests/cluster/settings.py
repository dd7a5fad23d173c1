"""The texts of a testbed's configuration files."""

from __future__ import annotations

from cluster.blueprint import CGROUPS, Blueprint

SSH_HOST = "testbed"


def slurm_conf(bed: Blueprint) -> str:
    """slurm.conf: four nodes and three partitions, of which ``gpu`` preempts ``requeue`` and ``scav``."""
    options = bed.options
    lines = [
        f"ClusterName={bed.name}",
        "SlurmctldHost=localhost(127.0.0.1)",
        f"SlurmctldPort={bed.ports.slurmctld}",
        f"SlurmUser={bed.admin}",
        f"SlurmdUser={bed.admin}",
        "AuthType=auth/munge",
        # A requeued job waits for its old credential to expire: 7 s instead of 121 s.
        f"AuthInfo=socket={bed.munge_socket},cred_expire=6",
        "CredType=cred/munge",
        f"StateSaveLocation={bed.folder}/slurmctld",
        f"SlurmdSpoolDir={bed.folder}/spool/%n",
        f"SlurmctldPidFile={bed.logs}/slurmctld.pid",
        f"SlurmdPidFile={bed.logs}/slurmd-%n.pid",
        f"SlurmctldLogFile={bed.logs}/slurmctld.log",
        f"SlurmdLogFile={bed.logs}/slurmd-%n.log",
        "MailProg=/bin/true",
        "MpiDefault=none",
        "SwitchType=switch/none",
        *_containment(bed),
        "JobAcctGatherType=jobacct_gather/linux",
        "JobAcctGatherFrequency=task=1",
        "SelectType=select/cons_tres",
        "SelectTypeParameters=CR_Core_Memory",
        "DefMemPerCPU=4000",
        "SlurmdParameters=config_overrides",
        "GresTypes=gpu",
        "ReturnToService=2",
        "KillWait=2",
        f"MinJobAge={options.min_job_age}",
        f"MessageTimeout={options.message_timeout}",
        f"SlurmdTimeout={options.slurmd_timeout}",
        "InactiveLimit=0",
        "MaxJobCount=20000",
        "MaxArraySize=10001",
        # With the default a job that does nothing takes 3 s.
        "SchedulerParameters=sched_min_interval=0,sched_interval=2,batch_sched_delay=0,bf_interval=2",
        "PreemptType=preempt/partition_prio",
        "PreemptMode=REQUEUE",
        *_accounting(bed),
        *options.extra,
        *(
            f"NodeName={node} NodeHostname=localhost NodeAddr=127.0.0.1 Port={port} CPUs={options.cpus} "
            f"RealMemory={options.memory} Gres=gpu:h100:{options.gpus}"
            for node, port in zip(bed.nodes, bed.ports.slurmd, strict=True)
        ),
        "PartitionName=gpu     Nodes=ALL Default=YES PriorityTier=10 PreemptMode=OFF MaxTime=2-0 DefaultTime=60",
        "PartitionName=requeue Nodes=ALL PriorityTier=1 PreemptMode=REQUEUE MaxTime=2-0",
        "PartitionName=scav    Nodes=ALL PriorityTier=1 PreemptMode=CANCEL MaxTime=2-0",
    ]
    return _text(lines)


def _containment(bed: Blueprint) -> list[str]:
    """How a job's processes are found: never linuxproc, which loses daemonised ones."""
    if bed.cgroups:
        return ["ProctrackType=proctrack/cgroup", "TaskPlugin=task/cgroup"]
    return ["ProctrackType=proctrack/pgid", "TaskPlugin=task/none", "JobAcctGatherParams=OverMemoryKill"]


def _accounting(bed: Blueprint) -> list[str]:
    if bed.options.accounting == "none":
        return ["AccountingStorageType=accounting_storage/none"]
    enforce = [f"AccountingStorageEnforce={bed.options.enforce}"] if bed.options.enforce else []
    return [
        "AccountingStorageType=accounting_storage/slurmdbd",
        "AccountingStorageHost=127.0.0.1",
        f"AccountingStoragePort={bed.ports.slurmdbd}",
        f"AccountingStoragePass={bed.munge_socket}",  # the bare path, or sacct looks for /run/munge
        "AccountingStorageTRES=gres/gpu",
        "AccountingStoreFlags=job_comment,job_script,job_env",
        *enforce,
    ]


def gres_conf(bed: Blueprint) -> str:
    """gres.conf: devices that are links to /dev/null, because Slurm counts only what is a device."""
    last = bed.options.gpus - 1
    return _text([f"NodeName={node} Name=gpu Type=h100 File={bed.folder}/gpu/nvidia[0-{last}]" for node in bed.nodes])


def cgroup_conf(bed: Blueprint) -> str:
    """cgroup.conf: memory is limited, cores and devices are not, since there are only pretended ones."""
    return _text(
        [
            "CgroupPlugin=cgroup/v1",
            f"CgroupMountpoint={CGROUPS}",
            "CgroupAutomount=no",
            "ConstrainRAMSpace=yes",
            "ConstrainSwapSpace=no",
            "ConstrainCores=no",
            "ConstrainDevices=no",
        ]
    )


def slurmdbd_conf(bed: Blueprint) -> str:
    """slurmdbd.conf; the database's socket comes from the environment, Slurm has no setting for it."""
    return _text(
        [
            "AuthType=auth/munge",
            f"AuthInfo=socket={bed.munge_socket}",
            "DbdHost=localhost",
            "DbdAddr=127.0.0.1",
            f"DbdPort={bed.ports.slurmdbd}",
            f"SlurmUser={bed.admin}",
            f"LogFile={bed.logs}/slurmdbd.log",
            f"PidFile={bed.logs}/slurmdbd.pid",
            "StorageType=accounting_storage/mysql",
            "StorageHost=localhost",
            f"StorageUser={bed.admin}",
            "StorageLoc=slurm",
        ]
    )


def sshd_config(bed: Blueprint) -> str:
    """sshd_config: keys only, loopback only; every session finds this Slurm."""
    return _text(
        [
            f"ListenAddress 127.0.0.1:{bed.ports.ssh}",
            f"HostKey {bed.ssh}/host_key",
            f"PidFile {bed.logs}/sshd.pid",
            f"AuthorizedKeysFile {bed.ssh}/authorized_keys",
            f"AllowUsers {' '.join(bed.users)}",
            "StrictModes no",
            "UsePAM no",
            "PasswordAuthentication no",
            "KbdInteractiveAuthentication no",
            "UseDNS no",
            "PrintMotd no",
            f"MaxSessions {bed.options.max_sessions}",
            f"MaxStartups {bed.options.max_startups}",
            f"SetEnv SLURM_CONF={bed.slurm_conf}",
            "Subsystem sftp internal-sftp",
        ]
    )


def ssh_config(bed: Blueprint) -> str:
    """For ``ssh -F``: ``Host testbed`` is the first user, ``Host testbed2`` the second."""
    lines = []
    for number, user in enumerate(bed.users, 1):
        lines += [
            f"Host {SSH_HOST if number == 1 else f'{SSH_HOST}{number}'}",
            "  HostName 127.0.0.1",
            f"  Port {bed.ports.ssh}",
            f"  User {user}",
            f"  IdentityFile {bed.ssh}/user_key",
            "  IdentitiesOnly yes",
            f"  UserKnownHostsFile {bed.ssh}/known_hosts",
            "  StrictHostKeyChecking yes",
            "  BatchMode yes",
            "  ConnectTimeout 5",
        ]
    return _text(lines)


def known_hosts(bed: Blueprint, public_key: str) -> str:
    """The host key under this port.

    :param public_key: the text of ``host_key.pub``.
    """
    return f"[127.0.0.1]:{bed.ports.ssh} {host_key(public_key)}\n"


def host_key(public_key: str) -> str:
    """``ssh-ed25519 AAAA...`` without the comment."""
    return " ".join(public_key.split()[:2])


def _text(lines: list[str]) -> str:
    return "".join(f"{line}\n" for line in lines)

"""Request to plan on disk: the one way in for the DAG and the command line."""

from __future__ import annotations

import json
import os
import socket
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from opencompass_ops.clusters.config import ClusterConfig
from opencompass_ops.configs.library import default_config_dir, find_config
from opencompass_ops.configs.load import LoadedConfig, load
from opencompass_ops.configs.masking import mask
from opencompass_ops.configs.names import mode, prompt_hash
from opencompass_ops.configs.overrides import apply_overrides
from opencompass_ops.configs.resolve import EvalConfig, resolve
from opencompass_ops.contract import codec, layout
from opencompass_ops.contract.files import LocalFiles
from opencompass_ops.contract.plan import Plan
from opencompass_ops.contract.probe import ProbeReport, ProbeRequest
from opencompass_ops.errors import ConfigError, PlanError
from opencompass_ops.planning.plan import PlanInput, PlanOutput, make_plan
from opencompass_ops.planning.request import Request

"""Build hook: the wheel's dependencies are the lines of requirements.txt, so that they stand in one place."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from hatchling.metadata.plugin.interface import MetadataHookInterface


class RequirementsHook(MetadataHookInterface):
    """Fills ``project.dependencies``; hatchling finds it by ``[tool.hatch.metadata.hooks.custom]``."""

    def update(self, metadata: dict[str, Any]) -> None:
        """Add the requirements, without their comments, to the project's metadata."""
        lines = Path(self.root, "requirements.txt").read_text().splitlines()
        stripped = (line.split("#")[0].strip() for line in lines)
        metadata["dependencies"] = [line for line in stripped if line]

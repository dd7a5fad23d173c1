"""Write the table of flags into docs/command_line.md: ``python -m scripts.flags``."""

from __future__ import annotations

from pathlib import Path

from opencompass_ops.planning.parameter import Parameter
from opencompass_ops.planning.params import PARAMETERS

PAGE = Path(__file__).resolve().parent.parent / "docs" / "command_line.md"
BEGIN = "<!-- flags: python -m scripts.flags -->"
END = "<!-- end of flags -->"


def table() -> str:
    """Every flag, its default and what it does here, in Markdown."""
    rows = [f"| {_flags(parameter)} | {_default(parameter)} | {_meaning(parameter)} |" for parameter in PARAMETERS]
    return "\n".join(["| flag | default | here |", "|---|---|---|", *rows])


def page(text: str) -> str:
    """The page with the present table.

    :param text: the page, with both marks.
    """
    before, _, rest = text.partition(BEGIN)
    return f"{before}{BEGIN}\n{table()}\n{END}{rest.partition(END)[2]}"


def _flags(parameter: Parameter) -> str:
    flags = [*parameter.flags, *(flag for flag, _ in parameter.shorthands)]
    return ", ".join(f"`{flag}`" for flag in flags) or f"`{parameter.name.upper()}`"


def _default(parameter: Parameter) -> str:
    return "" if parameter.default in (None, (), False) else f"`{parameter.default}`".replace("True", "true")


def _meaning(parameter: Parameter) -> str:
    if parameter.dead:
        return f"**warns**: {parameter.dead}"
    if parameter.refused and not parameter.typed:
        return f"**refused**: {parameter.refused}"
    choices = f" One of {', '.join(f'`{choice}`' for choice in parameter.choices)}." if parameter.choices else ""
    return f"{parameter.description}{choices}".replace("|", "\\|")


if __name__ == "__main__":
    PAGE.write_text(page(PAGE.read_text()))

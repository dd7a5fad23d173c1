"""The headings under which the form folds parameters."""

from __future__ import annotations

# Airflow's form opens with the parameters of no section; the sections below them are closed.
OPEN, INSTEAD, MODEL, DATASET = "", "Instead of a config", "A model without a config", "A dataset without a config"
WHERE, RESOURCES, HOW, CHANGES = "Where", "Cluster resources", "How", "Changes to the config"
LIMITS, UNUSED = "Limits", "Without effect"

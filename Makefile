# `make` lists what there is. Everything installs into .venv; nothing outside this folder is touched.
SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DELETE_ON_ERROR:
.DEFAULT_GOAL := help

PYTHON ?= python3.11
PORT ?= 8080
CLUSTER ?= local
SHARDS ?= 200 1000
BESIDE ?= 50
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed
OPENCOMPASS := .opencompass
# Two workers where there are two cores: many tests wait for jobs. tests/workers.py says which belong together.
PARALLEL := -n 2 --dist loadfile --no-loadscope-reorder
FAST := not model and not process and not airflow and not slurm and not live and not soak

ifeq ($(filter local slurm,$(CLUSTER)),)
$(error CLUSTER=$(CLUSTER) is not known; there are CLUSTER=local and CLUSTER=slurm)
endif

.PHONY: help install image compose-env opencompass-venv coverage lock demo cluster-up cluster-down bench-slurm bench-partitioners bench-ranking record-costs airflow check test soak lint format clean bench-detector

help: ## list the targets
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## (.*)/  make \1\t\2/' | expand -t 20

install: $(STAMP) ## make .venv with the pinned dependencies and the console script

$(STAMP): requirements.txt requirements-dev.txt constraints.txt pyproject.toml hatch_build.py
	@echo "Installing into $(VENV) (minutes the first time)"
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt \
		-r requirements.txt -r requirements-dev.txt
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation -e .
	@touch $@

opencompass-venv: $(OPENCOMPASS)/.installed ## make .opencompass, in which OpenCompass itself runs (minutes and 2 GB)

# These together import; a plain install of opencompass fails at its first import.
$(OPENCOMPASS)/.installed:
	@echo "Installing OpenCompass into $(OPENCOMPASS) (minutes)"
	@test -x $(OPENCOMPASS)/bin/python || $(PYTHON) -m venv $(OPENCOMPASS)
	@$(OPENCOMPASS)/bin/python -m pip install --quiet --disable-pip-version-check \
		torch==2.13.0 opencompass==0.5.4 transformers==4.51.3 "pyarrow<20" "pandas<3"
	@$(OPENCOMPASS)/bin/python -c "import opencompass.tasks"
	@touch $@

image: ## build the images of Airflow and of cluster jobs, say how to push or convert them (ENGINE, REGISTRY, BASE, INFERENCE_BASE)
	@PYTHONPATH=plugins $(PYTHON) -m scripts.image --engine "$(ENGINE)" --registry "$(REGISTRY)" --base "$(BASE)" --inference-base "$(INFERENCE_BASE)"

compose-env: ## write the .env of compose.yaml, with secrets made for this place
	@$(PYTHON) -m scripts.compose_env

coverage: install ## count what of OpenCompass's library runs natively, into docs/coverage.md
	@$(BIN)/python -m scripts.coverage

lock: ## write constraints.txt from the requirement files
	@$(PYTHON) -m scripts.lock

demo: install ## evaluate the checkpoints of a tiny model through Airflow, check the scores (CLUSTER=slurm: as Slurm jobs)
	@CLUSTER=$(CLUSTER) $(BIN)/python -m demo

cluster-up: install ## start a Slurm with sshd on loopback, to try things on; needs its Debian packages
	@PYTHONPATH=tests $(BIN)/python -m cluster up

cluster-down: install ## end it
	@PYTHONPATH=tests $(BIN)/python -m cluster down

bench-slurm: install ## measure many shards on a Slurm of its own, into docs/benchmarks.md (SHARDS="200 1000" BESIDE=50)
	@PYTHONPATH=tests $(BIN)/python -m benchmarks.slurm --shards $(SHARDS) --beside $(BESIDE) --write docs/benchmarks.md

bench-partitioners: install ## simulate whole runs with each partitioner, into docs/benchmarks.md
	@PYTHONPATH=tests $(BIN)/python -m benchmarks.partitioners --write docs/benchmarks.md

bench-detector: install ## false alarms, power and real alarms of the detector, into docs/gates.md (SCORES=FILE.csv)
	@PYTHONPATH=tests $(BIN)/python -m benchmarks.detector --scores $(SCORES) --write docs/gates.md

bench-ranking: install opencompass-venv ## four-choice ranking beside OpenCompass and, with LM_EVAL=its python, lm-eval
	@$(BIN)/python -m benchmarks.ranking --opencompass $(OPENCOMPASS)/bin/python $(if $(LM_EVAL),--lm-eval $(LM_EVAL))

record-costs: install ## record what work takes on this processor, for bench-partitioners (DATA=folder with BBH, gsm8k, humaneval)
	@$(BIN)/python -m benchmarks.recording --data $(DATA)

airflow: install ## start Airflow with its web page on loopback (PORT=8080), until Ctrl-C
	@$(BIN)/python -m scripts.airflow --port $(PORT)

lint: install ## formatting, lint, types and the direction of imports
	@echo "Checking format, lint, types and imports"
	@$(BIN)/ruff format --check --quiet .
	@$(BIN)/ruff check --quiet .
	@$(BIN)/mypy
	@PYTHONPATH=plugins:. $(BIN)/lint-imports

format: install ## rewrite the sources as the linter wants them
	@$(BIN)/ruff check --quiet --fix .
	@$(BIN)/ruff format --quiet .

check: lint ## the inner loop: lint and the fast tests
	@$(BIN)/pytest -q $(PARALLEL) -m "$(FAST)"

test: lint ## every check and every test but the soak
	@$(BIN)/pytest $(PARALLEL) -m "not soak"

soak: install opencompass-venv ## the tests that take longer, and all faults; they write docs/soak.md and docs/faults.md
	@$(BIN)/pytest -m "soak or fault" --fault-table

clean: ## remove what runs and tools made, the virtualenv included
	@rm -rf $(VENV) $(OPENCOMPASS) .airflow .demo .cache .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache build dist data/demo

# The Airflow image: every component runs from it. `make image` builds it; docs/installation.md tells what for.
# It carries torch, because the local cluster runs its jobs beside the triggerer.
ARG BASE=apache/airflow:3.3.2-python3.11
FROM ${BASE}

WORKDIR /opt/opencompass-ops
COPY requirements.txt constraints.txt scripts/base_pins.py ./
RUN python base_pins.py constraints.txt > /tmp/pins.txt && \
    pip install --no-cache-dir -c /tmp/pins.txt -r requirements.txt "hatchling>=1.27"

# The package is installed, so no plugins folder is mounted: its entry points show it to Airflow.
# EXTRAS of pyproject.toml: compose brings what the services of compose.yaml need; "" leaves it out.
ARG EXTRAS=compose
COPY pyproject.toml hatch_build.py README.md LICENSE ./
COPY plugins/opencompass_ops ./plugins/opencompass_ops
COPY inference ./inference
COPY dags ./dags
COPY include ./include
RUN pip install --no-cache-dir --no-build-isolation -c /tmp/pins.txt ".[${EXTRAS}]"

# DAGs and configs, where Airflow and the package look for them; compose.yaml mounts yours over them.
ENV AIRFLOW_HOME=/opt/airflow
WORKDIR /opt/airflow
RUN opencompass-ops init /opt/airflow

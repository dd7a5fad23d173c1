# The Airflow image: every component runs from it.
#   docker build -t opencompass-ops .
# It carries torch, because the local cluster runs its jobs beside the triggerer.
ARG BASE=apache/airflow:3.3.2-python3.11
FROM ${BASE}

WORKDIR /opt/opencompass-ops
COPY requirements.txt constraints.txt ./
RUN pip install --no-cache-dir -c constraints.txt -r requirements.txt "hatchling>=1.27"

# The package is installed, so no plugins folder is mounted: its entry points show it to Airflow.
COPY pyproject.toml hatch_build.py README.md LICENSE ./
COPY plugins/opencompass_ops ./plugins/opencompass_ops
COPY inference ./inference
RUN pip install --no-cache-dir --no-deps --no-build-isolation .

COPY include ./include
ENV OPENCOMPASS_OPS_CONFIG_DIR=/opt/opencompass-ops/include/configs
COPY dags /opt/airflow/dags
WORKDIR /opt/airflow

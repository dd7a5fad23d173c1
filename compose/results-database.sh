#!/usr/bin/env bash
# Run once by the image of PostgreSQL, when its data folder is empty: a database and a role for scores.
# psql reads the password from the environment: arguments are shown to every user of the host.
set -euo pipefail

psql --set ON_ERROR_STOP=1 --username "$POSTGRES_USER" --dbname "$POSTGRES_DB" <<'SQL'
\getenv password RESULTS_PASSWORD
CREATE ROLE opencompass LOGIN PASSWORD :'password';
CREATE DATABASE opencompass OWNER opencompass;
SQL

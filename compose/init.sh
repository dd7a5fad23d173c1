#!/usr/bin/env bash
# The service `init` of compose.yaml: Airflow's tables and the first user; again it changes nothing.
set -euo pipefail

airflow db migrate
if airflow users list --output plain | awk '{print $2}' | grep --quiet --line-regexp --fixed-strings -- "$ADMIN_USER"; then
    echo "user $ADMIN_USER is there"
else
    # Asked for twice on the terminal it has not; arguments are shown to every user of the host.
    printf '%s\n%s\n' "$ADMIN_PASSWORD" "$ADMIN_PASSWORD" |
        airflow users create --username "$ADMIN_USER" --role Admin --email "$ADMIN_USER@localhost" \
            --firstname OpenCompass --lastname Ops
fi

#!/bin/sh
# Stands for a smoke test: the shop cannot run without a database to talk to.
grep -rq 'DATABASE_URL' "$SLOTH_DESTINATION" || { echo "checkout answers 500: DATABASE_URL is not set"; exit 1; }

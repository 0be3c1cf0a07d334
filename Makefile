# The whole project in two commands: `make run` and `make test`. Nothing is installed outside this folder.
SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
MAKEFLAGS += --no-print-directory
bin := .venv/bin

# Rasa asks its maker's server unless told not to; TensorFlow talks at length about graphics cards.
export RASA_TELEMETRY_ENABLED := false
export TF_CPP_MIN_LOG_LEVEL := 2
export PYTHONUNBUFFERED := 1
# An environment that is active in the shell must not mix with ours.
unexport VIRTUAL_ENV PYTHONHOME PYTHONPATH
# Compiling TensorFlow anew at each start would double it.
unexport PYTHONDONTWRITEBYTECODE

.PHONY: help setup run test check lint types validate train stories pytest npm dovecot bench soak clean

help: ## Show this list
	@awk -F ':.*## ' '/^[a-z]+:.*## / {printf "  make %-10s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

setup: ## Make the environment in .venv (others call it; fast when nothing changed)
	@scripts/bootstrap.sh

run: setup ## Try it: database, bot, actions and simulator, then a chat (CHANNEL=messenger, whatsapp or email for the others)
	@$(bin)/omnicrm up

test: setup ## Set up and run every check and test
	@scripts/check.sh

check: test

lint: setup ## Style and likely mistakes (ruff)
	@$(bin)/ruff check .

types: setup ## Types (mypy)
	@$(bin)/mypy

validate: setup ## Rasa's check of domain, data and rules
	@$(bin)/rasa data validate

train: setup ## Train a model if its inputs changed
	@$(bin)/omnicrm train

stories: train ## rasa test: the written stories, understood and decided
	@$(bin)/rasa test core --e2e --stories tests --no-plot --fail-on-prediction-errors --out .data/rasa-test

npm: ## The real PostgREST that the Supabase tests run against
	@scripts/npm.sh

dovecot: ## The real IMAP server that the mail tests run against
	@scripts/dovecot.sh

pytest: setup npm dovecot train ## Unit, contract, integration and end-to-end tests
	@$(bin)/pytest -n logical --dist loadgroup

bench: setup train ## Measure against a stock Rasa assistant; writes bench/results.json
	@$(bin)/python -m bench

soak: setup train ## Kill real processes at random under load and recount (MINUTES=10 for longer)
	@$(bin)/python -m tests.soak $(if $(MINUTES),--minutes $(MINUTES))

clean: ## Remove everything that was made: environment, models, local database
	@rm -rf .venv .tools .data node_modules models results .pytest_cache .mypy_cache .ruff_cache .hypothesis .rasa
	@find . -name __pycache__ -type d -prune -exec rm -rf {} +

# `make` alone lists what there is. PYTHON is the interpreter that the environment is made of.
PYTHON ?= python3
ODOCARE = .venv/bin/odocare

.PHONY: help setup demo up down test faults check bench fuzz clean

help: ## list these
	@sed -n 's/^\([a-z]*\):.*## \(.*\)/\1\t\2/p' $(MAKEFILE_LIST) | expand -t 10

setup: ## environment, browser assets, PostgreSQL with TimescaleDB, Mosquitto; seconds when they are there
	@$(PYTHON) -m deploy.setup

demo: setup ## the whole line on a real capture and a simulated fleet; ONCE=1 ends instead of serving
	@$(ODOCARE) demo $(if $(ONCE),--once)

up: setup ## start the local servers
	@$(ODOCARE) up

down: ## stop them; their data stay
	@[ ! -x $(ODOCARE) ] || $(ODOCARE) down

test: setup ## every test, with servers of its own
	@$(PYTHON) -m deploy.browser
	@.venv/bin/pytest $(TESTS)

faults: setup ## kill, fill, flood and confuse it, and check that nothing is lost; FAULTS=1,8 picks, SEED=7 repeats
	@ODOCARE_FAULTS=$(or $(FAULTS),all) ODOCARE_FAULTS_SEED=$(SEED) .venv/bin/pytest -q tests/faults

check: setup ## format, lint, types, floors, tests
	@./check

bench: setup ## every benchmark, one JSON line each
	@$(ODOCARE) bench --json

fuzz: setup ## a million broken inputs for each parser; FUZZ="--target uds --cases 5000" for less
	@.venv/bin/python tests/fuzz $(FUZZ)

clean: ## stop the servers; delete their data, the environment and every cache
	@$(PYTHON) -m deploy.clean

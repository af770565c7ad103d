# Needs Python 3.11 or newer, pip and make: no root, no compiler. Everything lands in this folder.

PORT ?= 5000
FUZZ_SECONDS ?= 300

# A uv that works, wherever it is; else pip brings one into .uv, which it does even where it may not touch the system.
uv := $(shell uv --version >/dev/null 2>&1 && command -v uv || echo .uv/bin/uv)
bin := .venv/bin
python := $(or $(PYTHON),python3)
# The certificates that the machine trusts, like pip's: a company's proxy works with both or with none.
export UV_SYSTEM_CERTS ?= 1

.DEFAULT_GOAL := help
.PHONY: help run setup test test-mysql races faults faults-quick faults-mysql faults-galera planted fuzz timing bench bench-quick storm \
	footprint drain growth import-many lint docs wheel lock clean

help: ## this list
	@sed -n 's/^\([a-z-]*\):.*## \(.*\)/  make \1\t\2/p' $(MAKEFILE_LIST) | expand -t 19

run: .venv/ready-to-run ## serve on http://127.0.0.1:5000 (PORT=...), with nothing else to install or set
	@exec $(bin)/flaskauth serve --host 127.0.0.1 --port $(PORT)

setup: .venv/ready-to-test ## make .venv with everything that working on the code needs (PYTHON=python3.13 picks one)

test: setup ## lint, then every test, with MariaDB and Redis of their own (ARGS="-k login" goes to pytest)
	@$(bin)/python -m tests.servers install
	@$(MAKE) --no-print-directory lint
	$(bin)/python -m pytest -n 2 $(ARGS)

test-mysql: setup ## what needs a database, on MySQL 9, by PyMySQL and by mysqlclient (TEST_MYSQL_URL names one of yours)
	@$(bin)/python -m tests.servers install
	@UV_DEFAULT_INDEX="$(index)" $(bin)/python -m tests.servers install-mysql
	TEST_DATABASES=mysql $(bin)/python -m pytest -n 2 $(ARGS)
	TEST_DATABASES="mysql mariadb" $(with_mysqlclient) $(bin)/python -m pytest -n 2 $(ARGS)

races: setup ## races over two server processes, 200 rounds of each, half an hour (ARGS=50 are fewer)
	@$(bin)/python -m tests.servers install
	RACE_ROUNDS=$(or $(ARGS),200) $(bin)/python -m pytest -q tests/races -k burst

faults: setup ## break database, Redis, mail and server under load, 70 minutes (ARGS=R01 is one; --json FILE, --markdown FILE)
	@$(bin)/python -m tests.servers install
	@$(bin)/python -m tests.faults $(ARGS)

faults-mysql: setup ## the same on MySQL 9 (ARGS=--quick)
	@$(bin)/python -m tests.servers install
	@UV_DEFAULT_INDEX="$(index)" $(bin)/python -m tests.servers install-mysql
	@$(bin)/python -m tests.faults --mysql $(ARGS)

faults-quick: setup ## the bold ones of those of `make faults`, for a short time each, 10 minutes
	@$(bin)/python -m tests.servers install
	@$(bin)/python -m tests.faults --quick $(ARGS)

faults-galera: setup ## the same people on three nodes of Galera behind haproxy, whose nodes die and part, 15 minutes (ARGS=--quick)
	@$(bin)/python -m tests.servers install-galera
	@$(bin)/python -m tests.faults --galera $(ARGS)

planted: setup ## plant bugs in a copy of the tree, one at a time, and show which tests each turned red (ARGS=a word of theirs)
	@$(bin)/python -m tests.servers install
	@$(bin)/python -m tests.planted $(ARGS)

import-many: setup ## import 100,000 people into a MariaDB of its own, killed half way too (ARGS=20000 are fewer)
	@$(bin)/python -m tests.servers install
	$(bin)/python -m tests.users.marathon $(ARGS)

fuzz: setup ## look for what breaks it: any input to each parser, to each call, and near-HTTP (FUZZ_SECONDS=300 for each)
	HYPOTHESIS_PROFILE=fuzz EXAMPLES=$$(($(FUZZ_SECONDS) * 5)) $(bin)/python -m pytest -q -n 2 -m hypothesis --show-capture=no tests
	$(bin)/python -m tests.fuzz.described $(FUZZ_SECONDS)
	$(bin)/python -m tests.fuzz.raw $(FUZZ_SECONDS)

timing: setup ## whether the time of an answer tells who is registered (ARGS=--strict ends with 1 where it does)
	@$(bin)/python -m tests.servers install
	@$(bin)/python -m benchmarks.timing $(ARGS)

bench: setup ## every operation against its peers and its limits, three rounds, 25 minutes; needs wrk, node and a C compiler
	@$(install_driver)
	@UV_DEFAULT_INDEX="$(index)" $(with_mysqlclient) $(bin)/python -m benchmarks.bench $(ARGS)

bench-quick: setup ## ours against the limits alone, in two minutes; writes nothing
	@$(install_driver)
	@UV_DEFAULT_INDEX="$(index)" $(with_mysqlclient) $(bin)/python -m benchmarks.bench --quick

storm: setup ## 200 sign-ins at once, and what everybody else waits meanwhile (ARGS=--strict ends with 1 past the bar)
	@$(bin)/python -m tests.servers install
	@$(bin)/python -m benchmarks.storm $(ARGS)

footprint: setup ## memory of a server that has worked, and how soon a new one answers (ARGS=--strict ends with 1 past the bar)
	@$(install_driver)
	@$(with_mysqlclient) $(bin)/python -m benchmarks.footprint $(ARGS)

drain: setup ## how fast one worker empties a full outbox, and whether any mail goes twice (ARGS=--strict as above)
	@$(install_driver)
	@$(with_mysqlclient) $(bin)/python -m benchmarks.drain $(ARGS)

growth: setup ## what ten million people cost who ten thousand did, some 6 minutes (ARGS=1000000 are fewer; --strict as above)
	@$(install_driver)
	@$(with_mysqlclient) $(bin)/python -m benchmarks.growth $(ARGS)

lint: setup ## ruff, mypy --strict, and the order of the rooms
	$(bin)/ruff check $(ours)
	$(bin)/ruff format --check $(ours)
	$(bin)/mypy
	$(bin)/lint-imports

docs: setup ## write what the pages take from the code again, and build/docs/index.html
	@$(bin)/python -m docs.generate
	@$(bin)/sphinx-build -q -W --keep-going -n docs build/docs
	@echo build/docs/index.html

wheel: setup ## dist/flaskauth-*.whl
	@$(uv) build --quiet --wheel --no-build-isolation --python $(bin)/python
	@ls dist/*.whl

lock: $(bin)/python ## write both requirements files again (ARGS=--upgrade for newer versions)
	@echo "Writing requirements.txt and requirements-dev.txt"
	@$(build_needs) | $(compile) --output-file requirements.txt pyproject.toml -
	@$(build_needs) | $(compile) --constraints requirements.txt --group dev --output-file requirements-dev.txt pyproject.toml -
	@for needs in benchmarks/peers/*/requirements.in; do $(compile) --output-file "$${needs%.in}.txt" "$$needs"; done
	@printf 'mysqlclient>=2.2\nsetuptools\n' | $(compile) --no-header --output-file tests/servers/mysqlclient.txt -

clean: ## remove what make built; the data in instance/ stays
	rm -rf .venv .uv .servers .bench build dist .*_cache .hypothesis

# Ruff knows what git ignores, but not in a copy without git.
ours = --config 'extend-exclude = [".uv", ".servers", ".bench"]'

# The faster driver, which has to be compiled, lies beside .venv.
with_mysqlclient = $(bin)/python -m tests.servers with-mysqlclient
install_driver = $(bin)/python -m tests.servers install && \
	UV_DEFAULT_INDEX="$(index)" $(bin)/python -m tests.servers install-mysqlclient

# --- how .venv is made ---

# What builds the package is in the lock too, so that an installation runs no code that the lock does not name;
# editables is what hatchling wants beside itself for an --editable one.
build_needs = $(bin)/python -c 'import tomllib; \
	print(*tomllib.load(open("pyproject.toml", "rb"))["build-system"]["requires"], "editables", sep="\n")'
compile = $(uv) pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-emit-index-url \
	--custom-compile-command "make lock" $(ARGS)

# Where pip was told of another package index, uv is told too.
index = $${UV_DEFAULT_INDEX:-$${PIP_INDEX_URL:-$$($(python) -m pip config get global.index-url 2>/dev/null)}}
define install
	@echo "Installing $(1) into .venv"
	@UV_DEFAULT_INDEX="$(index)" $(uv) pip install --quiet --compile-bytecode --python $(bin)/python --require-hashes -r $(1)
	@$(uv) pip install --quiet --python $(bin)/python --no-deps --no-build-isolation --editable .
endef

.venv/ready-to-run: requirements.txt pyproject.toml | $(bin)/python
	$(call install,requirements.txt)
	@touch $@

.venv/ready-to-test: requirements-dev.txt pyproject.toml | $(bin)/python
	$(call install,requirements-dev.txt)
	@touch $@ .venv/ready-to-run

$(bin)/python: | $(filter .uv/bin/uv,$(uv))
	@rm -rf .venv
	@$(uv) venv --quiet $(if $(PYTHON),--python $(PYTHON)) .venv

.uv/bin/uv:
	@echo "Installing uv into .uv"
	@$(python) -m pip install --quiet --root-user-action=ignore --upgrade --target .uv uv

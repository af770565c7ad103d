# Needs Python 3.11 or newer, pip and make: no root, no compiler. Everything is installed in this folder.

PORT ?= 5000
FUZZ_SECONDS ?= 300

# Use the installed uv if there is one; otherwise pip installs it into .uv, without touching the system.
uv := $(shell uv --version >/dev/null 2>&1 && command -v uv || echo .uv/bin/uv)
bin := .venv/bin
python := $(or $(PYTHON),python3)
# Trust the certificates of the system, as pip does, so that a company proxy works with both.
export UV_SYSTEM_CERTS ?= 1
# Cache compiled modules, also where a container image forbids it: compiling them takes longer than most tests.
unexport PYTHONDONTWRITEBYTECODE

.DEFAULT_GOAL := help
.PHONY: help run setup test test-mysql test-slow bench lint screenshots docs wheel lock clean

help: ## show this list
	@sed -n 's/^\([a-z-]*\):.*## \(.*\)/  make \1\t\2/p' $(MAKEFILE_LIST) | expand -t 19

run: .venv/ready-to-run ## serve on http://127.0.0.1:5000 (PORT=...) without any configuration
	@exec $(bin)/flaskauth serve --host 127.0.0.1 --port $(PORT)

setup: .venv/ready-to-test ## create .venv with everything that development needs (PYTHON=python3.13 selects the interpreter)

test: setup ## lint, then run the tests on SQLite, MariaDB and Redis (ARGS="-k login" goes to pytest)
	@{ $(test_servers) install && $(compile_tests); } & $(MAKE) --no-print-directory lint && wait $$!
	$(pytest) $(ARGS)

test-mysql: setup ## run the tests that use a database on MySQL 9, through PyMySQL and mysqlclient (TEST_MYSQL_URL: your server)
	@$(test_servers) install
	@UV_DEFAULT_INDEX="$(index)" $(test_servers) install-mysql
	TEST_DATABASES=mysql $(pytest) $(ARGS)
	TEST_DATABASES="mysql mariadb" $(with_mysqlclient) $(pytest) $(ARGS)

test-slow: setup ## run a slow suite: SUITE=concurrency|chaos|chaos-mysql|chaos-galera|mutation|fuzz|webauthn|addresses|takeover|timing|factors|import|browser|packaging|migrations|openapi (ARGS=...)
	@$(test_servers) install
	@case "$(SUITE)" in \
	concurrency) CONCURRENCY_ROUNDS=$(or $(ARGS),200) $(bin)/python -m pytest -q tests/concurrency -k test_parallel_ ;; \
	chaos) $(bin)/python -m tests.chaos $(ARGS) ;; \
	chaos-mysql) UV_DEFAULT_INDEX="$(index)" $(test_servers) install-mysql && $(bin)/python -m tests.chaos --mysql $(ARGS) ;; \
	chaos-galera) $(test_servers) install-galera && $(bin)/python -m tests.chaos --galera $(ARGS) ;; \
	mutation) $(bin)/python -m tests.mutation $(ARGS) ;; \
	fuzz) HYPOTHESIS_PROFILE=fuzz EXAMPLES=$$(($(FUZZ_SECONDS) * 5)) \
		$(bin)/python -m pytest -q -n 2 -m hypothesis --show-capture=no tests && \
		$(bin)/python -m tests.fuzz.openapi $(FUZZ_SECONDS) && $(bin)/python -m tests.fuzz.raw_http $(FUZZ_SECONDS) ;; \
	webauthn) WEBAUTHN_MUTATIONS=$(or $(ARGS),20000) $(bin)/python -m pytest -q tests/passkeys/test_webauthn_mutated_input.py ;; \
	takeover) TAKEOVER_RUNS=$(or $(ARGS),2000) $(bin)/python -m pytest -q tests/security_alerts/test_takeover_search.py ;; \
	addresses) EXAMPLES=$(or $(ARGS),20000) $(bin)/python -m pytest -q --show-capture=no tests/mail/test_mail_user_text.py -k register ;; \
	timing) $(bin)/python -m benchmarks.timing $(ARGS) ;; \
	factors) $(bin)/python -m benchmarks.factors ;; \
	import) $(bin)/python -m tests.user_admin.large_import $(ARGS) ;; \
	browser) $(bin)/python -m pytest -q -m slow tests/web && \
		CHECK_TYPES=1 $(bin)/python -m pytest -q tests/examples/test_example_browser.py ;; \
	packaging) export UV_DEFAULT_INDEX="$(index)" && $(pytest) -m slow tests/e2e tests/docs tests/deploy && \
		$(bin)/python -m tests.e2e.extras ;; \
	migrations) $(pytest) -m slow tests/migrations ;; \
	openapi) UV_DEFAULT_INDEX="$(index)" $(bin)/python -m tests.openapi.clients ;; \
	*) echo "Set SUITE to one of: concurrency chaos chaos-mysql chaos-galera mutation fuzz webauthn addresses takeover timing factors import browser packaging migrations openapi" >&2; exit 2 ;; \
	esac

bench: setup ## measure flaskauth and its peers, 20 minutes; needs wrk, Node.js and a C compiler (SUITE=quick|mail|memory|scale)
	@$(test_servers) install
	@UV_DEFAULT_INDEX="$(index)" $(test_servers) install-mysqlclient
	@UV_DEFAULT_INDEX="$(index)" $(with_mysqlclient) $(bin)/python -m benchmarks.bench $(SUITE) $(ARGS)
	@$(if $(SUITE),,$(bin)/python -m docs.generate)

lint: setup ## run ruff, mypy --strict, import-linter, codespell and deptry
	$(bin)/ruff check $(ruff_config)
	$(bin)/ruff format --check $(ruff_config)
	$(bin)/codespell -D - -D docs/contributing/terminology.txt
	$(bin)/mypy
	$(bin)/lint-imports
	$(bin)/deptry src

screenshots: setup ## write the images of the hosted pages in docs/images (needs Chromium)
	@$(bin)/python -m tests.web.screenshots

docs: setup ## write the generated pages and build the documentation in build/docs/index.html
	@$(bin)/python -m docs.generate
	@$(bin)/sphinx-build -q -W --keep-going -n docs build/docs
	@echo build/docs/index.html

wheel: setup ## build dist/flaskauth_server-*.whl and .tar.gz
	@$(uv) build --quiet --no-build-isolation --python $(bin)/python
	@$(bin)/twine check --strict dist/*

lock: $(bin)/python ## write the requirements files again (ARGS=--upgrade for newer versions)
	@echo "Writing requirements.txt and requirements-dev.txt"
	@$(build_needs) | $(compile) --extra all --output-file requirements.txt pyproject.toml -
	@$(build_needs) | $(compile) --constraints requirements.txt --extra all --group dev --output-file requirements-dev.txt pyproject.toml -
	@for needs in benchmarks/peers/*/requirements.in; do $(compile) --output-file "$${needs%.in}.txt" "$$needs"; done
	@printf 'mysqlclient>=2.2\nsetuptools\n' | $(compile) --no-header --output-file tests/servers/mysqlclient.txt -

clean: ## remove what make created; the data in instance/ stays
	rm -rf .venv .uv .servers .bench build dist .*_cache .hypothesis

# Ruff reads .gitignore only inside a git repository.
ruff_config = --config 'extend-exclude = [".uv", ".servers", ".bench"]'

test_servers = $(bin)/python -m tests.servers
# Four workers on two cores: half of the time of a test is waiting.
pytest = $(bin)/python -m pytest -n 4 --dist worksteal

# Pytest compiles the tests and caches the result. Done once beside lint, the workers need not do it at the same time.
# An error in a test is reported by the run that follows.
compile_tests = { $(bin)/python -m pytest --collect-only -qq --no-summary >/dev/null 2>&1 || true; }

# mysqlclient is compiled, so it is installed in a folder beside .venv.
with_mysqlclient = $(test_servers) with-mysqlclient

# --- Creating .venv ---

# The lock includes the build requirements, so that an installation runs only code that the lock names.
# hatchling needs `editables` for an editable installation.
build_needs = $(bin)/python -c 'import tomllib; \
	print(*tomllib.load(open("pyproject.toml", "rb"))["build-system"]["requires"], "editables", sep="\n")'
compile = $(uv) pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-emit-index-url \
	--custom-compile-command "make lock" $(ARGS)

# uv uses the package index that pip is configured for.
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
	@$(python) -m pip install --quiet --disable-pip-version-check --root-user-action=ignore --upgrade --target .uv uv

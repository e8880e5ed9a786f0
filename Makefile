# install: an environment in .venv with everything · demo: the first thing to look at
# test, lint, types: what CI runs (.ci/run) · soak: the long statistical tests
# robot-check: a planner in a file drives the simulated base over both wires, by the clock
# coverage: every branch of the gate is run by its tests · docs: the site, into out/site

PYTHON ?= python3
BIN := .venv/bin
STAMP := .venv/.installed
ARGS ?=
WORKERS ?= 2

export PIP_DISABLE_PIP_VERSION_CHECK := 1
export PIP_NO_INPUT := 1

.PHONY: install demo test robot-check coverage docs lint types soak

install: $(STAMP)

$(STAMP): pyproject.toml constraints.txt | $(BIN)/python
	$(BIN)/python -m pip install --quiet --constraint constraints.txt --editable '.[viz,sweep,learn,docs,play,robot,dev]'
	@touch $@

$(BIN)/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
	  { echo "astro_jax needs Python 3.11 or newer: make PYTHON=/path/to/python3.11" >&2; exit 1; }
	$(PYTHON) -m venv .venv || { rm -rf .venv; exit 1; }

demo: install
	$(BIN)/astro-jax demo --out out/demo $(ARGS)

# a second thread gains nothing on the tests' small matrices and, while it waits for a core that
# the other worker is using, turns round and round: robot/test_limits took 7 times the CPU
test coverage soak: export OPENBLAS_NUM_THREADS ?= 1

test: install
	$(BIN)/python -m pytest -n $(WORKERS) --dist loadfile --no-loadscope-reorder $(ARGS)

robot-check: install
	rm -rf out/robot
	$(BIN)/astro-jax export --out out/robot/astro.astro
	$(BIN)/astro-jax artifact check out/robot/astro.astro --engine cpu --runs 20
	@status=0; for wire in loopback dds; do \
	  $(BIN)/astro-jax robot-check --artifact out/robot/astro.astro --wire $$wire --seconds 20 --engine cpu \
	    --log out/robot/$$wire --out out/robot/$$wire.json $(ARGS) || status=1; \
	done; exit $$status

coverage: install
	$(BIN)/coverage run -m pytest -p no:xdist tests/reactive $(ARGS)
	$(BIN)/coverage report

docs: install
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict $(ARGS)

soak: install
	$(BIN)/python -m pytest -m soak --hypothesis-profile=search $(ARGS)

lint: install
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	@if [ -x $(BIN)/biome ]; then $(BIN)/biome lint --error-on-warnings; \
	  else echo "no biome on this kind of machine: the page's JavaScript is not looked at"; fi
	@find notebooks -name '*.ipynb' -not -path '*/.*' -print0 | xargs -0 -r $(BIN)/nbstripout --verify

types: install
	$(BIN)/pyright

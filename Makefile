# make table5   install, export, time on this machine, write results/table5.csv and print the table
#                 and results/page.html
# make tables   the same for every table of the paper and Figure 1; all of them in results/tables.md
# make test     install and run everything that CI runs; COVERAGE= leaves the coverage out, which is faster
# make browser  install Chromium with the system's packages, for the tests of pages; needs root
# make screenshot   renew docs/page.png from results/page.html, which make table5 wrote
# make emulator   install and set up what counts ARM instructions; says what apt-get has to install first. SETUP=--fetch-qemu
#                 takes Debian 12's emulator, where the system's can't load plugins
# make trained  install, train two networks on handwritten digits (four minutes on two idle cores), export and evaluate
#                 them; all of it goes into trained/
# make dist     build what is published into dist/ and check it; CONTRIBUTING.md has the recipe
# Set PYTHON to use another interpreter than python3 (3.11 or newer).

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
RUNS ?= 1000
LAUNCHES ?= 10
COUNTED := --table=1 --table=3 --table=4
TIMED := --table=5 --table=6 --table=7 --table=8 --table=9 --table=10 --figure=1

# slipcover costs a tenth of the processor time; coverage.py, before Python 3.12, more than half. pytest
# warns that slipcover is imported before it could rewrite its asserts, and warnings are errors here.
COVERAGE ?= -m slipcover
# One more than two cores: tests spend much of their time waiting, for a phone that is away or a process that starts.
WORKERS ?= 3
NO_REWRITE := -W ignore::pytest.PytestAssertRewriteWarning

# What can be trained here: the paper's recipe is in examples/train, and ImageNet takes days on eight GPUs. Digits are
# no photographs: they have no mirror images, and fill the picture.
TRAINED := asymmnet_small_035 mbv3_small_035
DIGITS := --size 64 --epochs 30 --warmup 3 --batch 32 --lr 0.1 --least-area 0.6 --flip 0 --colour 0 --workers 1

.PHONY: install emulator browser table5 tables trained screenshot test lint dist clean
install: $(VENV)/.installed

# pip must not choose versions: an unpinned torch is a download of gigabytes.
$(VENV)/.installed: pyproject.toml constraints.txt asymm_deploy/__init__.py
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Python 3.11 or newer is needed; set PYTHON=...")'
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --constraint constraints.txt --editable '.[dev]'
	touch $@

# Kept in the user's data folder, so that it outlives the checkout; done at once if it is there.
emulator: install
	$(BIN)/asymm-deploy emulator setup $(SETUP)

# Exit code 4 is a noisy machine: the rows say so, and the table is written all the same.
table5: install
	$(BIN)/asymm-deploy bench --table 5 --runs $(RUNS) --launches $(LAUNCHES) || [ $$? -eq 4 ]
	$(BIN)/asymm-deploy report results --page results/page.html

# Models that several tables have are timed once. What is interrupted goes on with the same command.
tables: install
	for which in $(TIMED); do \
	  $(BIN)/asymm-deploy bench $$which --runs $(RUNS) --launches $(LAUNCHES) > /dev/null || [ $$? -eq 4 ] || exit 1; \
	done
	for which in $(COUNTED) $(TIMED); do \
	  $(BIN)/asymm-deploy report $$which --engine mnn --precision fp32 --threads 1 || exit 1; \
	done > results/tables.md.part
	for which in $(COUNTED); do \
	  $(BIN)/asymm-deploy report $$which --format csv --out results/$$(echo $${which#--} | tr -d =).csv || exit 1; \
	done
	mv results/tables.md.part results/tables.md
	cat results/tables.md
	$(BIN)/asymm-deploy report results --page results/page.html

# Two networks side by side: the threads of one would mostly wait for each other.
trained: install
	$(BIN)/python examples/train/digits.py trained/digits
	$(MAKE) -j2 $(TRAINED:%=train-%)
	for model in $(TRAINED); do \
	  $(BIN)/asymm-deploy export $$model --classes 10 --input-shape 1,3,64,64 --out trained/artifacts \
	    --weights trained/$$model/$$model.safetensors || exit 1; \
	done
	$(BIN)/asymm-deploy evaluate $(TRAINED) --images trained/digits/val --artifacts trained/artifacts --out trained/results
	$(BIN)/asymm-deploy variants $(TRAINED) --images trained/digits/val --calibration trained/digits/train \
	  --artifacts trained/artifacts --out trained/results || [ $$? -eq 4 ]

train-%:
	OMP_NUM_THREADS=1 $(BIN)/python examples/train/train.py $* --data trained/digits --out trained/$* $(DIGITS)

browser:
	command -v chromium > /dev/null || apt-get install -y chromium

screenshot: install
	$(BIN)/python benchmarks/screenshot.py results/page.html docs/page.png

lint: install
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

# Tests start hundreds of processes. Where PYTHONDONTWRITEBYTECODE is set, each would compile the package
# again, which pip has not done for sources that stay where they are.
test: lint
	$(BIN)/python -m compileall -q asymm_deploy
	$(BIN)/python $(COVERAGE) -m pytest -n $(WORKERS) --dist worksteal $(NO_REWRITE)

# PyPI never lets a file be replaced, so what is wrong must show before the upload.
dist: install
	! grep -n your-organisation pyproject.toml || { echo "pyproject.toml: put the project's real address in" >&2; exit 1; }
	rm -rf dist
	$(BIN)/python -m build --no-isolation
	$(BIN)/python -m pip install --quiet --constraint constraints.txt twine
	$(BIN)/twine check --strict dist/*

clean:
	rm -rf $(VENV) .mypy_cache .ruff_cache .pytest_cache .hypothesis build dist

# Needs Python 3.11 or newer and make; everything else is installed into .venv from requirements.lock.
PYTHON ?= python3
VENV   ?= .venv
BIN    := $(VENV)/bin
READY  := $(VENV)/.ready

# The same page twice is the same bytes; one BLAS thread is fastest at these sizes; logs stay quiet.
export SOURCE_DATE_EPOCH ?= 1795219200
export PYTHONHASHSEED ?= 0
export OPENBLAS_NUM_THREADS ?= 1

# what `make pdf` needs besides, as Debian and Ubuntu name it
LATEX := latexmk texlive-xetex texlive-latex-extra texlive-fonts-recommended \
	fonts-texgyre fonts-texgyre-math fonts-dejavu-core fontconfig

.DEFAULT_GOAL := help
.PHONY: help book lite pdf latex test processors reseed mutants runs oldest newest run lab torch bench lock clean

help: ## list the commands
	@awk -F ':.*## ' '/^[a-z ]+:.*## / {printf "  make %-10s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

book: $(READY) ## build the site into _build/html (open _build/html/index.html)
	rm -rf _build
	$(BIN)/jupyter-book build . -W -n --keep-going

lite: $(READY) ## build the site with every chapter to run in the reader's browser as well
	$(BIN)/python -m pip install -q --no-build-isolation -e '.[lite]'
	LITE=1 $(MAKE) book
	$(BIN)/python tools/lite.py
	@echo "To run chapters in the browser, serve the site: $(BIN)/python -m http.server -d _build/html"

pdf: latex $(READY) ## typeset the book into _build/latex/gradients-through-time.pdf (needs LaTeX)
	rm -rf _build/latex
	$(BIN)/jupyter-book build . --builder latex -W -n --keep-going
	cd _build/latex && latexmk -r printed.latexmkrc gradients-through-time.tex
	@! grep 'Missing character' _build/latex/gradients-through-time.log

latex:
	@{ command -v latexmk && command -v xelatex && command -v upmendex && fc-list -q 'DejaVu Sans Mono' && \
		kpsewhich pzdr.tfm needspace.sty unicode-math.sty texgyrepagella-regular.otf texgyrepagella-math.otf; \
	} > /dev/null || { echo 'make pdf needs LaTeX and three fonts; on Debian and Ubuntu:'; \
		echo '  sudo apt-get install --no-install-recommends $(LATEX)'; exit 1; }

test: $(READY) ## lint, test the library, and re-run every notebook against its stored outputs
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/ruff check --preview --select PLW1514 .
	$(BIN)/python -m pytest -n 2 --dist loadfile $(TESTS)

processors: $(READY) ## re-run notebooks and recorded runs with the arithmetic of other processors (ONLY="threads")
	$(BIN)/python tools/processors.py $(ONLY)

reseed: $(READY) ## re-run every chapter with other seeds, ten times; what fails is no phenomenon
	$(BIN)/python tools/reseed.py $(SHIFTS)

mutants: $(READY) ## spoil every check of every chapter; what is not noticed is not checked
	$(BIN)/python tools/mutants.py

runs: $(READY) ## run what is missing of the recorded runs (NAMES="recall adding", OF=arena, SCHEDULER=tcp://...)
	$(BIN)/python tools/$(or $(OF),experiments).py $(NAMES) $(if $(SCHEDULER),--scheduler $(SCHEDULER))

oldest: BOUNDS = -E 's/>=([^,]*).*/==\1/'
newest: BOUNDS = ''
oldest newest: ## run the tests with the oldest (newest) versions that requirements.txt admits
	$(PYTHON) -m venv --clear .venv-$@
	sed $(BOUNDS) requirements.txt | grep -v '^-e' > .venv-$@/requirements.txt
	.venv-$@/bin/python -m pip install -q -r .venv-$@/requirements.txt
	.venv-$@/bin/python -m pip install -q --no-deps --no-build-isolation -e .
	.venv-$@/bin/python -m pytest -n 2 --dist loadfile $(TESTS)

run: $(READY) ## re-run every notebook in place (NB="chapters/bptt.ipynb" for one)
	$(BIN)/python tools/run_notebooks.py $(NB)

lab: $(READY) ## open the chapters in JupyterLab
	@echo 'A notebook that JupyterLab has saved gets the bytes of the book by: make run NB=chapters/<name>.ipynb'
	$(BIN)/jupyter lab --notebook-dir=chapters

torch: $(READY) ## add PyTorch and Keras, optional witnesses of the tests
	$(BIN)/python -m pip install -q --no-build-isolation -e '.[torch]'

bench: $(READY) ## time rnnlib against PyTorch, JAX and itself with less memory; recorded in chapters/data
	$(BIN)/python -m pip install -q --no-build-isolation -e '.[bench]'
	$(BIN)/python benchmarks/speed.py
	$(BIN)/python benchmarks/checkpoint.py

lock: ## resolve requirements.txt anew into requirements.lock (needs uv)
	uv pip compile requirements.txt --no-emit-package rnnlib --python-version 3.11 \
		--universal --generate-hashes --no-header -q -o requirements.lock

clean: ## remove everything that was made
	rm -rf _build .venv* .pytest_cache .ruff_cache .hypothesis rnnlib.egg-info

$(READY): requirements.lock
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Python 3.11 or newer is needed: make PYTHON=python3.12 book")'
	$(PYTHON) -m venv --clear $(VENV)
	$(BIN)/python -m pip install -q --require-hashes -r requirements.lock
	$(BIN)/python -m pip install -q --no-deps --no-build-isolation -e .
	touch $@

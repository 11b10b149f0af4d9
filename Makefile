# make report: the whole paper on the default parameters; make test: ruff, pyright and the tests; make verify: everything
# twice in clean clones, to compare the bytes; make bench: ours beside other tools. All install what is missing first.

SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.ONESHELL:
.DEFAULT_GOAL := report
.PHONY: report test verify bench setup check docs system

# The first Python in the supported range; `make PYTHON=/path/to/python3.13 ...` chooses another
IN_RANGE := -c 'import sys; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 13))'
PYTHON ?= $(shell for p in python3.11 python3.12 python3.13 python3 python; do \
	$$p $(IN_RANGE) 2>/dev/null && echo $$p && break; done)
PIP := .venv/bin/python -m pip install -qq --disable-pip-version-check --no-deps --no-compile --no-build-isolation
CHECK := ruff format --check . && ruff check . && pyright
export PATH := $(CURDIR)/.venv/bin:$(PATH)
# Every stage is a process of its own: without compiled modules on disk each would compile all of torch again
unexport PYTHONDONTWRITEBYTECODE

report: setup
	@python -m zfpipe repro
	echo "The report: $(CURDIR)/reports/index.html"

# Whole pipelines, several processes and other libraries' networks run beside the checks and the other tests, with a core
# each. Threads that wait for others would keep a core busy: PASSIVE
test: setup
	@export OMP_NUM_THREADS=1 ZFPIPE_THREADS=1 OMP_WAIT_POLICY=PASSIVE
	beside="tests/test_end_to_end.py tests/test_null.py tests/processes tests/anynet tests/microscope"
	python -m pytest $$beside -p no:cacheprovider > .venv/beside.log 2>&1 &
	failed=0
	{ $(CHECK); } || failed=1
	python -m pytest tests $${beside//tests/--ignore tests} || failed=1
	wait $$! || failed=1
	cat .venv/beside.log
	exit $$failed

verify: setup
	@python -m zfpipe verify

bench: setup
	@python -m benchmarks

check: setup
	@$(CHECK)

# The two pages of docs/ that are written from the code and the parameters
docs: setup
	@methods="$$(python -m zfpipe.report.methods)"
	printf '%s\n' "$$methods" > docs/methods.md
	python -m tests.test_dag

setup: .venv/complete

# FFCV is compiled on this machine, so the compiler and two libraries are needed; setuptools and wheel build it.
# zfpipe itself is linked rather than copied: the command `zfpipe` runs what stands here
.venv/complete: constraints.txt
	@[ -n "$(PYTHON)" ] || { echo "zfpipe needs Python 3.11 to 3.13 on the path; none found; install python3.11" >&2; exit 1; }
	$(PYTHON) $(IN_RANGE) || { echo "zfpipe needs Python 3.11 to 3.13; PYTHON=$(PYTHON) is another" >&2; exit 1; }
	$(MAKE) --no-print-directory system
	echo "Making the environment in .venv (about two minutes)"
	$(PYTHON) -m venv --clear .venv
	awk '/^[a-z]/ { wanted = /^(setuptools|wheel|packaging)==/ } wanted' constraints.txt > .venv/build.txt
	$(PIP) --require-hashes -r .venv/build.txt
	$(PIP) --require-hashes -r constraints.txt
	$(PIP) --editable .
	touch $@

# System libraries: installed through apt where that is allowed, named in one line where it is not
system:
	@packages=()
	command -v pkg-config >/dev/null || packages+=(pkg-config)
	command -v c++ >/dev/null || packages+=(build-essential)
	test -e "$$($(PYTHON) -c 'import sysconfig; print(sysconfig.get_paths()["include"])')/Python.h" || packages+=(python3-dev)
	$(PYTHON) -c 'import ensurepip' 2>/dev/null || packages+=(python3-venv)
	pkg-config --exists opencv4 2>/dev/null || packages+=(libopencv-dev)
	pkg-config --exists libturbojpeg 2>/dev/null || packages+=(libturbojpeg0-dev)
	[ $${#packages[@]} -gt 0 ] || exit 0
	as_root=""
	if [ "$$(id -u)" != 0 ]; then as_root="sudo --non-interactive"; fi
	if ! command -v apt-get >/dev/null || ! $$as_root true 2>/dev/null; then
		echo "zfpipe needs system packages that it may not install here: apt-get install $${packages[*]}" >&2
		exit 1
	fi
	echo "Installing $${packages[*]}"
	$$as_root apt-get update -qq
	$$as_root env DEBIAN_FRONTEND=noninteractive apt-get install -qq --no-install-recommends "$${packages[@]}" >/dev/null

# This project's commands, which all work on a fresh machine with make and Python 3.11 or newer. Without
# the Pulumi CLI, they download it or build it with Go.

PYTHON ?= python3
STACK := dev
SANDBOX = venv/bin/python -m sandbox run --
# Without npm, the tests that use the policy simulator are skipped.
NPM_PACKAGES = $(if $(shell command -v npm),tests/node_modules/.package-lock.json)
# This command lists stack files, and files of `adopt` and `assign`, that are not in Git.
STRAY_FILES = git ls-files --others 'Pulumi.*.yaml' 'examples/*/Pulumi.*.yaml' \
	'adopted-*' 'assigned-*' 'entries-*' 'import-*' 'restored-*' 'unfinished-*' \
	':!Pulumi.dev.yaml' ':!*Pulumi.example.yaml' ':!Pulumi.*.deploy.yaml' 2>/dev/null | \
	sed -e 's/.*/& is not in Git: delete it if it was a trial/' -e '/^Pulumi/!b' \
		-e 's/$$/; if you commit it, CI treats it as an environment/'
# All of these tests need the engine or are slow, so `make unit` does not even import them.
NOT_UNIT = --ignore=tests/engine \
	$(addprefix --ignore=,$(shell grep -l '^pytestmark = .*slow' tests/*/test_*.py tests/*/*/test_*.py))
ACTIONLINT = github.com/rhysd/actionlint/cmd/actionlint@v1.7.12

# With these variables, Python would not find venv/ or the modules in this directory.
unexport PYTHONHOME PYTHONSAFEPATH

.PHONY: help up example preview drift down roles unit test test-all check bench live live-read-only

help: ## list the targets
	@sed -n 's/^# \(Group\): \(.*\)/\n\2/p; s/^\([a-z-]*\):.*## /  make \1\t/p' $(MAKEFILE_LIST)

# Group: Try the program in the sandbox

up: venv/sandbox-installed ## deploy the stack dev to the sandbox and print the role's ARN
	@$(SANDBOX) sh -c 'pulumi up --stack $(STACK) --yes --skip-preview && pulumi stack output --stack $(STACK) roleArn' || \
		{ echo "If the cause is not the program, its settings, a plugin, or another running update, \`make down\` resets the sandbox."; exit 1; }

example: venv/development-installed examples/data-source/venv ## deploy four roles and the example's data sources, which use them, and print the data sources' ARNs
	@test -z "$$SANDBOX_AWS_PROVIDER" || echo "The data sources' provider, pulumi-aws-native, still uses its stand-in."
	@$(SANDBOX) sh -c ' \
		pulumi stack --show-name --stack example >/dev/null 2>&1 || pulumi stack init --no-select example; \
		pulumi up --stack example --yes --skip-preview && \
		cd examples/data-source && pulumi stack select --create example && \
		pulumi up --yes --skip-preview && pulumi stack output --json dataSourceArns | \
		venv/bin/python -c "import json, sys; print(*json.load(sys.stdin).values(), sep=chr(10))"'

# A copy of the example has its own packages; in the sandbox, the example shares the project's packages.
examples/data-source/venv:
	@ln -s ../../venv $@

preview: venv/sandbox-installed ## show the changes that `make up` would make
	@$(SANDBOX) pulumi preview --stack $(STACK) --diff --suppress-outputs

drift: venv/sandbox-installed ## show the difference and fail if a role or its policy differs from the stack; also fail if there is no role
	@$(SANDBOX) sh -c ' \
		state=$$(pulumi stack export --stack $(STACK)) || exit; \
		case $$state in \
			*\"pending_operations\"*) \
				echo "An update of the stack $(STACK) was interrupted. Recover the stack first: docs/operate.md."; exit 1 ;; \
			*\"aws:iam/role:Role\"*) ;; \
			*) echo "The stack $(STACK) has no role to compare. Deploy the stack first."; exit 1 ;; esac; \
		pulumi refresh --stack $(STACK) --preview-only --expect-no-changes --diff --suppress-outputs; \
		case $$? in 0) ;; \
			7) echo "AWS differs from the stack. \`make up\` corrects it: docs/operate.md, \"Correct drift\"."; exit 1 ;; \
			*) echo "AWS differs from the stack, or the comparison failed: see the error above."; exit 1 ;; esac'

down: venv/sandbox-installed ## destroy the stacks and reset the sandbox
	@venv/bin/python -m sandbox down
	@$(STRAY_FILES)

# Group: Read roles from AWS

roles: venv/roles-installed ## install the packages for the commands `qbusiness-roles adopt`, `assign`, `audit`, and `check`
	@:

# Group: Test and check

unit: venv/development-installed ## run the fast tests that do not need the engine
	@venv/bin/python -m pytest -m "not engine and not slow" $(NOT_UNIT) --maxschedchunk=100

test: venv/development-installed $(NPM_PACKAGES) ## run all tests, as CI does, in minutes
	@venv/bin/python -m pytest

test-all: test # the name that .ci/run uses

check: venv/development-installed ## check format, lint, types, and workflows
	@$(MAKE) --no-print-directory --jobs=2 --keep-going check-types check-others

# The type check takes much longer than the other checks.
.PHONY: check-types check-others
check-types:
	@venv/bin/basedpyright

check-others:
	@venv/bin/ruff format --check .
	@venv/bin/ruff check .
	@venv/bin/zizmor --offline -qq .github
	@venv/bin/shellcheck .github/*.sh
	@if command -v go >/dev/null || test -n "$$CI"; then \
		go run $(ACTIONLINT) -shellcheck venv/bin/shellcheck; \
	else echo "actionlint is skipped: Go is not installed"; fi

bench: venv/development-installed ## measure the start, each role, audit, and check, and write benchmarks/README.md
	@venv/bin/python -m benchmarks

live: venv/development-installed ## create, check, and delete a role in a real AWS account, after confirmation
	@venv/bin/python -m tests.live

live-read-only: venv/development-installed ## evaluate all connectors' policies with a real AWS account; changes nothing
	@venv/bin/python -m tests.live --read-only

venv/%-installed: requirements-dev.txt requirements-locked.txt requirements.txt sandbox/requirements.txt
	@$(PYTHON) -c 'import sys; sys.version_info >= (3, 11) or sys.exit("Python 3.11 or newer is required, but this is " + sys.version.split()[0] + ": make PYTHON=/path/to/python3.11 ...")'
	@$(PYTHON) install.py $*

tests/node_modules/.package-lock.json: tests/package-lock.json
	@npm ci --prefix tests --no-audit --no-fund --loglevel error >/dev/null
	@touch $@

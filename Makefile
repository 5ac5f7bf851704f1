# The verbs of this checkout. `make help` names them; README.md tells the story.
SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
HYPERVISORS ?= 2
PYTHON ?= python3
BIN := .venv/bin
LAB := FREEHOLD_LAB_HYPERVISORS=$(HYPERVISORS) $(BIN)/ansible-playbook -i inventories/lab
HOST ?= control
export ANSIBLE_CONFIG := $(CURDIR)/ansible.cfg
export PATH := $(CURDIR)/.venv/bin:$(PATH)

.DEFAULT_GOAL := help
.PHONY: help setup cloud lab site demo cloud-down cloud-clean lab-shell test check lint types fast unit contract kills api postgresql \
  sanity molecule e2e deploy-test conformance fuzz migration bench bench-lab clients

help:  ## These words
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 16

setup: .venv/.ready  ## Packages and Python environment that everything else needs (as root)

.venv/.ready: pyproject.toml requirements.apt
	@missing=$$(sed 's/#.*//' requirements.apt | xargs -n1 | while read -r package; do \
	  [ "$$(dpkg-query -W -f '$${db:Status-Status}' "$$package" 2>/dev/null)" = installed ] || echo "$$package"; done); \
	if [ -n "$$missing" ]; then \
	  echo "Installing Debian packages: $$missing" | xargs; \
	  apt-get update -qq; \
	  DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends $$missing >/dev/null; fi
	@echo "Installing the Python environment"
	@[ -x $(BIN)/python ] || $(PYTHON) -m venv .venv
	@$(BIN)/python -m pip install --quiet --quiet --editable '.[test]'
	@touch $@

cloud: setup  ## A working cloud on this computer: machines, deployment, first server (as root)
	$(LAB) playbooks/images/tiny.yml
	$(LAB) playbooks/lab.yml
	$(LAB) playbooks/site.yml
	$(LAB) playbooks/demo.yml

lab: setup  ## Only the machines of the lab
	$(LAB) playbooks/lab.yml

site: setup  ## Deploy (again) on the machines of the lab
	$(LAB) playbooks/site.yml

cloud-down: setup  ## Remove the cloud and its machines from this computer
	$(LAB) playbooks/lab.yml -e lab_machine_state=absent

cloud-clean: setup  ## The same, and forget the cached base system, images and wheels
	$(LAB) playbooks/lab.yml -e lab_machine_state=absent -e lab_machine_base_remove=true
	@rm -rf .lab

lab-shell:  ## A shell on a machine of the lab: make lab-shell HOST=hv1
	@command=$$($(BIN)/ansible-inventory -i inventories/lab --host $(HOST) | $(BIN)/python -c 'import json, sys; \
	  told = json.load(sys.stdin); print("ssh -i {ansible_ssh_private_key_file} {ansible_ssh_common_args}".format(**told), \
	  "{ansible_user}@{ansible_host}".format(**told))'); \
	exec $$command

test: check kills postgresql sanity molecule e2e  ## Everything: the fast checks, Ansible's, the roles, then the story on a cloud of this computer (as root)

check: lint types fast  ## The fast part: lint, types, unit, contract and API tests

lint: setup
	$(BIN)/ruff format --check --quiet .
	$(BIN)/ruff check --quiet .
	$(BIN)/lint-imports --no-cache
	$(BIN)/yamllint --strict .
	$(BIN)/ansible-lint --offline -q --exclude tests/molecule

types: setup
	$(BIN)/mypy

PYTEST := $(BIN)/pytest -q -n 2

# The next three in one run: two processes begin once, not three times.
fast: setup
	$(PYTEST) tests/unit tests/contract tests/api --ignore $(KILLS)

unit: setup
	$(PYTEST) tests/unit

contract: setup
	$(PYTEST) tests/contract

KILLS := tests/contract/jobs

kills: setup  ## Workers, playbooks and hosts that die or hang at every step
	$(PYTEST) $(KILLS)

api: setup  ## Raw HTTP and stock clients against the service: make api DATABASE=postgresql
	$(PYTEST) $(if $(DATABASE),--database $(DATABASE)) tests/api

postgresql: setup  ## The store, the jobs and what many ask at once again, on PostgreSQL
	$(PYTEST) --database postgresql tests/contract/store tests/unit/jobs tests/api/network/test_parallel.py \
	  tests/api/identity/test_trust_uses.py \
	  tests/api/input/test_at_once.py tests/api/operations/test_backup.py

fuzz: setup  ## Draw many requests from the OpenAPI document: make fuzz EXAMPLES=500 SEED=7
	FREEHOLD_FUZZ_EXAMPLES=$(or $(EXAMPLES),200) FREEHOLD_FUZZ_SEED=$(or $(SEED),1) $(BIN)/pytest -q -n 2 tests/api/fuzz

sanity: setup  ## Ansible's own tests of a collection, and the collection's unit tests as Ansible runs them
	tests/support/ansible-test sanity --color no
	tests/support/ansible-test units --local --color no

e2e: setup  ## The whole story on a cloud of this computer
	$(BIN)/pytest -v -p no:randomly --timeout 1500 tests/e2e

.lab/tempest-venv/.ready: tests/conformance/requirements.txt
	@echo "Installing Tempest"
	@[ -x $(@D)/bin/python ] || $(PYTHON) -m venv $(@D)
	@$(@D)/bin/python -m pip install --quiet --quiet --requirement $<
	@touch $@

conformance: setup .lab/tempest-venv/.ready  ## Tempest against the cloud of clouds.yaml: make conformance ARGS="--list fast"
	$(BIN)/python -m tests.conformance.run $(ARGS)

.lab/clients-venv/.ready: tests/clients/requirements.txt
	@echo "Installing openstack.cloud"
	@[ -x $(@D)/bin/python ] || $(PYTHON) -m venv $(@D)
	@$(@D)/bin/python -m pip install --quiet --quiet --no-compile --requirement $<
	@touch $@

clients: setup .lab/clients-venv/.ready  ## openstack.cloud's modules against the cloud of clouds.yaml: make clients ARGS="-e state=absent"
	cd tests/clients && env -u ANSIBLE_CONFIG OS_CLIENT_CONFIG_FILE=$(CURDIR)/clouds.yaml \
	  $(CURDIR)/.lab/clients-venv/bin/ansible-playbook -i localhost, -c local -e ansible_python_interpreter=$(CURDIR)/.lab/clients-venv/bin/python \
	  -e key_file=$(CURDIR)/.lab/demo_key.pub -e image_file=$(CURDIR)/.lab/images/tiny.qcow2 \
	  $(ARGS) operator.yml tenant.yml

deploy-test: setup  ## docs/how-to/deploy.md on three plain Debian machines of this computer (slow, as root)
	$(BIN)/pytest -v -p no:randomly tests/deploy/test_plain_machines.py tests/deploy/test_debian_image.py

migration: setup  ## Write a migration from the tables in code: make migration MESSAGE="add colours"
	@rm -f .lab/migration.sqlite; mkdir -p .lab
	FREEHOLD_DATABASE=sqlite:///$(CURDIR)/.lab/migration.sqlite $(BIN)/freehold db revision "$(MESSAGE)"
	$(BIN)/ruff format --quiet api/freehold/store/migrations && $(BIN)/ruff check --quiet --fix api/freehold/store/migrations

bench: setup  ## Measure the APIs' requests per second and write the table of docs/measurements.md
	$(BIN)/python -m tests.bench.api

bench-lab: setup  ## Measure a lab from nothing to 50 servers, and write its table of docs/measurements.md (as root)
	$(BIN)/python -m tests.bench.lab

# Molecule keeps what it remembers of a run in this folder; a new run starts without.
MOLECULE := MOLECULE_GLOB='tests/molecule/*/molecule.yml' MOLECULE_EPHEMERAL_DIRECTORY=$(CURDIR)/.lab/molecule \
  $(BIN)/molecule --base-config tests/molecule/config.yml
ROLES := preflight base ovn_central openvswitch ovn_host hypervisor control_plane image_import postgresql image_tiny image_debian lab_machine

molecule: setup  ## Roles on lab machines, each converged, verified, broken, mended; one only: make molecule ROLE=base
	$(BIN)/ansible-lint --offline -q tests/molecule
	@rm -rf .lab/molecule
	@trap '$(MOLECULE) destroy --all --no-report --no-command-borders >.lab/molecule-destroy.log 2>&1' EXIT; \
	$(MOLECULE) test --destroy=never --no-command-borders $(addprefix --scenario-name=,$(or $(ROLE),$(ROLES)))

# Everything a contributor or CI runs. Each target brings what it needs; `make help` lists them.
SHELL := /bin/bash
.DEFAULT_GOAL := help
export PATH := $(CURDIR)/.venv/bin:$(PATH)
SCENARIO ?=
K ?=
INVENTORY ?= inventories/prod
ROTATE ?=
SERVICE ?=
COMMAND ?=
SINCE ?=
GREP ?=
LIMIT ?=
VAULT ?= $(if $(ANSIBLE_VAULT_PASSWORD_FILE)$(ANSIBLE_VAULT_IDENTITY_LIST),,--ask-vault-pass)
BREAK ?= crash

.PHONY: help status audit logs run restart stop start venv engine demo demo-release demo-break secrets test lint unit sanity molecule dokploy-conformance bench docs clean

help: ## this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-12s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

venv:
	@tools/venv

engine:
	@tools/engine

demo: venv engine ## the main job, on a disposable server of this machine
	@tools/demo

secrets: venv ## the vault file gets what it lacks; ROTATE=APP_SECRET replaces that one; CLEAR=move; INVENTORY, VAULT=options
	@ansible-playbook playbooks/secrets.yml -i $(INVENTORY) $(VAULT) $(if $(ROTATE),--extra-vars secrets_rotate=$(ROTATE)) $(if $(CLEAR),--extra-vars secrets_in_clear=$(CLEAR))

demo-release: venv engine ## a new version of the demo under load: no request fails
	@tools/demo release

demo-break: ## a broken version of it is refused, and the way back; BREAK=mode
	@BREAK='$(BREAK)' tools/demo breakable
	@$(MAKE) --no-print-directory venv engine
	@BREAK='$(BREAK)' tools/demo break

# Day two: INVENTORY names the inventory, VAULT the vault's password, LIMIT the hosts.
by_hand = ansible-playbook playbooks/$@.yml -i $(INVENTORY) $(VAULT) $(if $(LIMIT),--limit '$(LIMIT)')

status: venv ## all hosts and stacks at a glance; LIMIT=host, as for all below
	@$(by_hand)

audit: venv ## who released, rolled back, restarted or restored what, and how it ended
	@$(by_hand)

logs: venv ## what the serving release logs, secrets masked; SERVICE=, SINCE=10m, GREP=pattern
	@$(by_hand) -e 'service=$(SERVICE) since=$(SINCE)' $(if $(GREP),-e 'grep="$(GREP)"')

run: venv ## a command in a new container of the serving release; SERVICE=, COMMAND=
	@$(by_hand) -e 'service=$(SERVICE)' -e 'command="$(COMMAND)"'

restart: venv ## new containers for the release that serves, no request lost; SERVICE= for a worker alone
	@$(by_hand) -e 'service=$(SERVICE)'

stop: venv ## the edge answers with its maintenance page, and nothing of the stack runs
	@$(by_hand)

start: venv ## the release that was stopped serves again
	@$(by_hand)

test: venv engine ## lint, units, sanity and every scenario, in lanes side by side; LANES=n, LONG=1 for the long trials too
	@tools/molecule --with-checks

lint: venv ## yamllint, ansible-lint, ruff, type checks, reference up to date (seconds)
	@tools/lint

unit: venv ## unit tests, no Docker needed (seconds); K=word picks tests
	@pytest -n auto $(if $(K),-k '$(K)')

sanity: venv ## ansible-test sanity and units, docs, build and import of the collection
	@tools/sanity

molecule: venv engine ## roles tried on disposable servers, in lanes; SCENARIO=docker_host for one, long trials and all; LANES=n
	@tools/molecule $(SCENARIO)

dokploy-conformance: venv engine ## a Dokploy server of yours, DOKPLOY_URL, against the record of one, then each module and the scenario on it; NEW=1 signs its administrator up
	@[ -n "$$DOKPLOY_URL$(DOKPLOY_URL)" ] && [ -n "$$DOKPLOY_EMAIL" ] && [ -n "$$DOKPLOY_PASSWORD" ] || { echo 'set DOKPLOY_URL, and export DOKPLOY_EMAIL and DOKPLOY_PASSWORD of its administrator; see docs/dokploy.md'; exit 2; }
	@cd tests && python -m standin_dokploy.pairs $(DOKPLOY_URL) $(if $(NEW),--new)
	@SLUICE_DOKPLOY=$(DOKPLOY_URL) pytest -n 0 -vv -rs tests/unit/plugins/modules/test_dokploy_belongings.py
	@DOKPLOY_URL=$(DOKPLOY_URL) tools/molecule dokploy_api

bench: venv engine ## timings beside a peer, measured in the same run; SCENARIO=word picks one
	@tools/bench $(SCENARIO)

docs: venv ## write docs/reference.md anew
	@tools/docs

clean: ## stop and remove the disposable servers, caches and the virtualenv
	@tools/clean

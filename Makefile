# Two commands for a newcomer: make demo, make test. Each target is one line that calls a tool.
.PHONY: help demo demo-down test lint unit live scenario hosts-down bench-serve bench-pairs bench-reload bench-deploy docs
.DEFAULT_GOAL := help
export PYTHONDONTWRITEBYTECODE := 1
python := .venv/bin/python
ready := python3 tools/bootstrap.py

help:  ## what there is
	@sed -n 's/^\([a-z-]*\):.*## /\1\t/p' Makefile | expand -t 12

demo:  ## a site on a host of its own on this machine; again: nothing changes
	@$(ready) --containers && $(python) tools/demo.py up

demo-down:  ## take the demo away and nothing else
	@$(ready) --containers && $(python) tools/demo.py down

test:  ## everything: lint, units, all scenarios, the demo
	@$(ready) --containers --browser && $(python) tools/run_tests.py

lint:  ## seconds: yamllint, ruff, mypy, ansible-lint, ansible-test sanity
	@$(ready) && $(python) tools/run_tests.py --lint

unit:  ## seconds: unit and house tests
	@$(ready) && $(python) tools/run_tests.py --unit

live:  ## the quick start and what may go wrong, from the built collection on a bare host
	@$(ready) --containers && $(python) tools/run_tests.py --live

scenario:  ## one scenario, hosts kept: make scenario NAME=nginx_uwsgi
	@$(ready) --containers --browser && $(python) tools/run_tests.py --scenario $(NAME)

hosts-down:  ## remove the hosts that make scenario keeps
	@$(ready) --containers && $(python) tools/run_tests.py --hosts down

bench-serve:  ## the served site against the chapter's recipe
	@$(ready) --containers && $(python) bench/serve

bench-pairs:  ## front ends and application servers against the chapter's recipe
	@$(ready) --containers && $(python) bench/serve --pairs

bench-reload:  ## what visitors noticed of reloads in the last tests
	@$(ready) && $(python) bench/reload

bench-deploy:  ## deploying against a plain script and a ping
	@$(ready) --containers && $(python) bench/deploy

docs:  ## write what is generated from the specs
	@$(ready) && $(python) tools/docs.py

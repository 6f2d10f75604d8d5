# Two commands for a newcomer: make demo, make test. Each target is one line that calls a tool.
.PHONY: help demo demo-down test lint unit live scenario hosts-down bench-serve bench-levels bench-pairs bench-reload bench-deploy bench-twins bench-pages bench-process bench-sweep bench-soak docs
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

lint:  ## minutes: yamllint, ruff, mypy, ansible-lint, ansible-test sanity
	@$(ready) && $(python) tools/run_tests.py --lint

unit:  ## two minutes or three: unit and house tests, the same answers at each level
	@$(ready) && $(python) tools/run_tests.py --unit

live:  ## the quick start and what may go wrong, from the built collection on a bare host
	@$(ready) --containers && $(python) tools/run_tests.py --live

scenario:  ## one scenario, hosts kept: make scenario NAME=nginx_uwsgi
	@$(ready) --containers --browser && $(python) tools/run_tests.py --scenario $(NAME)

hosts-down:  ## remove the hosts that make scenario keeps
	@$(ready) --containers && $(python) tools/run_tests.py --hosts down

bench-serve:  ## the served site against the chapter's recipe
	@$(ready) --containers && $(python) bench/serve

bench-levels:  ## levels of web2py_performance against the chapter's recipe
	@$(ready) --containers && $(python) bench/serve --levels

bench-pairs:  ## front ends and application servers against the chapter's recipe
	@$(ready) --containers && $(python) bench/serve --pairs

bench-reload:  ## what visitors noticed of reloads in the last tests
	@$(ready) && $(python) bench/reload

bench-pages:  ## kept pages against the same pages made anew
	@$(ready) --containers && $(python) bench/pages

bench-deploy:  ## deploying against a plain script and a ping
	@$(ready) --containers && $(python) bench/deploy

bench-twins:  ## what compressed static files save and cost
	@$(ready) && $(python) bench/twins

bench-process:  ## what a process spends on loading, the collector and making tables
	@$(ready) --containers && $(python) bench/process

bench-sweep:  ## what visitors notice while a million expired sessions are removed
	@$(ready) --containers && $(python) bench/sweep --expired 1000000 --rounds 1

bench-soak:  ## whether answers and memory of a process stay after 200,000 requests
	@$(ready) && $(python) bench/soak

docs:  ## write what is generated from the specs
	@$(ready) && $(python) tools/docs.py

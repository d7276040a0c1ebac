# The front door. Each line below calls Meson or one script; `make help` lists them.
.DEFAULT_GOAL := help
.PHONY: help build run test lint format bench clean

help:  ## list these targets
	@awk -F ':.*##' '/^[a-z]+:.*##/ {printf "  make %-8s%s\n", $$1, $$2}' Makefile

build:  ## the optimised binary: build/feiqian
	@scripts/install build
	@scripts/configure build --buildtype=release -Db_lto=true
	@ninja -C build feiqian

run: build  ## build, serve on 127.0.0.1:8080 with data in ./var, and print the first curl lines
	@scripts/install run
	@exec build/feiqian serve --data var --listen 127.0.0.1:8080 --first-steps

test:  ## every test; for one suite: scripts/test --only unit
	@scripts/install test
	@scripts/test

lint:  ## formatting, static analysis, house rules, stale documentation
	@scripts/install lint
	@scripts/lint

format:  ## clang-format and ruff format, in place
	@scripts/install lint
	@scripts/format

bench: build  ## measure: bench/results/*.json and a table for the README
	@scripts/install bench
	@scripts/bench

clean:  ## remove what was built; the data in ./var stays, so does .venv
	rm -rf build build-debug build-tsan build-fuzz build-coverage build-clang build-logs

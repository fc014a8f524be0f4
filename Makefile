# Everything needs only Node >= 20, npm and make: npm ci brings the Node the service runs on.
TELEMETRY_PORT ?= 9090
export TELEMETRY_PORT
export PATH := $(CURDIR)/node_modules/.bin:$(PATH)

.PHONY: run demo test build check clean

run: build
	node dist/src/main.js --config pipelines.yaml

demo: build
	node dist/src/main.js demo

test: build
	npm test --silent -- --ci

build: node_modules/.installed
	npm run --silent build

check: build
	npm run --silent check

node_modules/.installed: package.json package-lock.json
	npm ci --no-audit --no-fund
	@touch node_modules/.installed

clean:
	rm -rf dist node_modules

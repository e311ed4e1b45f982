# The commands of this repository. The first target lists the others.

GO       ?= go
# A number of runs: with a time, Go before 1.27 may fail at the end for no reason (go.dev/issue/75804).
FUZZTIME ?= 20000x
SOAKTIME ?= 60s
# The interpreter whose packages are those of Debian. Another one must have azure.servicefabric.
PYTHON   ?= /usr/bin/python3

# The race detector needs a C compiler. Without one the tests run without it.
RACE := $(shell command -v $$($(GO) env CC) >/dev/null 2>&1 && echo -race)

# The tools, pinned. They are fetched at their first use.
GOLANGCI_LINT := $(GO) run github.com/golangci/golangci-lint/v2/cmd/golangci-lint@v2.15.0
GOVULNCHECK   := $(GO) run golang.org/x/vuln/cmd/govulncheck@v1.8.0
OASDIFF       := $(GO) run github.com/oasdiff/oasdiff@v1.30.0
APIDIFF       := $(GO) run golang.org/x/exp/cmd/apidiff@v0.0.0-20261014143641-f0251eb4aa3e
REDOCLY       := REDOCLY_TELEMETRY=off REDOCLY_SUPPRESS_UPDATE_NOTICE=true npx --yes -p node@22.21.1 -p @redocly/cli@2.77.0 redocly

DOCUMENT := openapi/backup.yaml
OVERLAY  := openapi/runtime.overlay.yaml
RUNTIME  := openapi/runtime.gen.yaml
NAMES    := internal/document/document.gen.go
RELEASED := openapi/testdata/released

# The packages whose exported API is compared with that of the last release.
PUBLIC := $(wildcard wrapper/sf*) openapi/contract

.PHONY: help
help: ## Show this help
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  %-16s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

.PHONY: demo
demo: ## Start a cluster in memory, back up a partition, list its backups
	$(GO) run ./examples/quickstart

.PHONY: test
test: ## Run all tests with the race detector, build the examples and run the quickstart
	@test -n '$(RACE)' || echo 'There is no C compiler: the tests run without the race detector.'
	$(GO) build -o /dev/null ./examples/...
	$(GO) test $(RACE) ./...
	$(GO) run ./examples/quickstart >/dev/null

.PHONY: test-apache
test-apache: ## Run the tests with Apache httpd, which requests client certificates as a gateway does
	@$(GO) test $(RACE) -count 1 -run '^TestApache' -v ./wrapper/sfbackup | tee test-apache.tmp; \
	passed=$$(grep -c '^--- PASS' test-apache.tmp); rm -f test-apache.tmp; \
	test "$$passed" -gt 0 || { echo 'The tests did not pass, or httpd is missing.'; exit 1; }

.PHONY: soak
soak: ## Back up and list many partitions for SOAKTIME (default 60s) through connections that fail
	$(GO) test -count 1 -timeout 0 -run '^TestSoak$$' -v ./wrapper/sfbackup -sfbackup.soak $(SOAKTIME)

.PHONY: generate
generate: ## Write runtime.gen.yaml and the packages generated and document from the document and its overlay
	@$(GO) run ./internal/overlay $(DOCUMENT) $(OVERLAY) >$(RUNTIME).tmp && \
		$(GO) run ./internal/names $(DOCUMENT) $(RUNTIME).tmp >$(NAMES).tmp || { rm -f $(RUNTIME).tmp $(NAMES).tmp; exit 1; }
	@mv $(RUNTIME).tmp $(RUNTIME)
	@mv $(NAMES).tmp $(NAMES)
	$(GO) tool oapi-codegen -config openapi/oapi-codegen.yaml $(RUNTIME)

.PHONY: check-generated
check-generated: generate ## Fail if the generated files differ from the committed ones
	@changed=$$(git status --porcelain -- $(RUNTIME) $(NAMES) generated) && test -z "$$changed" || { \
		git --no-pager diff --stat -- $(RUNTIME) $(NAMES) generated; \
		echo 'The generated files are not up to date: run "make generate" and commit the result.'; exit 1; }

.PHONY: adopt
adopt: ## After make generate: say what to write next for what is new in the document, until it is all adopted
	@$(GO) run ./internal/adopt

.PHONY: drill
drill: ## Try sample changes of the document in a copy: what fails, and what has to be written (15 minutes)
	$(GO) run ./internal/drill

.PHONY: changelog
changelog: ## Show what has changed since the last release, and fail on a breaking change that is not accepted
	@for doc in $(DOCUMENT) $(RUNTIME); do \
		$(OASDIFF) changelog --fail-on ERR --err-ignore $(RELEASED)/accepted.txt $(RELEASED)/$$(basename $$doc) $$doc || { \
			echo "$$doc has a breaking change: accept it in $(RELEASED)/accepted.txt, or take it back."; exit 1; }; \
	done
	@module=$$($(GO) list -m) && for pkg in $(PUBLIC); do \
		test -d internal/apistub/testdata/$$(basename $$pkg) || { echo "$$pkg has never been released: run make release."; exit 1; }; \
		out=$$($(APIDIFF) $$module/internal/apistub/testdata/$$(basename $$pkg) $$module/$$pkg) || exit 1; \
		test -z "$$out" || echo "$$pkg: $$out"; \
		! echo "$$out" | sed -n '/^Incompatible/,/^Compatible/p' | grep '^- ' | grep -qvxFf internal/apistub/testdata/accepted.txt || { \
			echo "$$pkg has a breaking change: accept it in internal/apistub/testdata/accepted.txt, or take it back."; exit 1; }; \
	done

.PHONY: release
release: ## Take the present documents and Go API as those of the last release, for make changelog
	cp $(DOCUMENT) $(RUNTIME) $(RELEASED)
	@sed -i '/^#/!d' $(RELEASED)/accepted.txt internal/apistub/testdata/accepted.txt
	@for pkg in $(PUBLIC); do \
		out=internal/apistub/testdata/$$(basename $$pkg) && mkdir -p $$out && $(GO) run ./internal/apistub $$pkg >$$out/api.go || exit 1; \
	done

.PHONY: lint
lint: ## Lint the Go code and both documents
	$(GOLANGCI_LINT) run
	$(REDOCLY) lint --config openapi/redocly.yaml $(DOCUMENT) $(RUNTIME)

.PHONY: vuln
vuln: ## Look for known vulnerabilities in called code; says so if their database cannot be reached
	@out=$$($(GOVULNCHECK) ./... 2>&1); status=$$?; echo "$$out"; \
	case "$$out" in *'fetching vulnerabilities: '*) echo 'The database of vulnerabilities cannot be reached: nothing was checked.'; exit 0;; esac; \
	exit $$status

.PHONY: fuzz
fuzz: ## Run every fuzz target for FUZZTIME (default 20000x, or a time such as 5m) each
	@set -e; for pkg in $$($(GO) list ./...); do \
		for target in $$($(GO) test -list '^Fuzz' $$pkg | grep '^Fuzz' || true); do \
			echo "$$pkg $$target"; \
			$(GO) test -run '^$$' -fuzz "^$$target\$$" -fuzztime $(FUZZTIME) -fuzzminimizetime 20x $$pkg; \
		done; \
	done

.PHONY: bench
bench: ## Run the micro-benchmarks
	$(GO) test -run '^$$' -bench . -benchmem ./...

.PHONY: bench-peers
bench-peers: ## Compare the client with others, which takes minutes, and write internal/bench/README.md
	cd internal/bench && $(GO) run . -out .

.PHONY: check-bench
check-bench: ## Vet and test the module of bench-peers
	cd internal/bench && $(GO) mod tidy -diff && $(GO) vet ./... && $(GO) test ./...

.PHONY: check-durable
check-durable: ## Vet and test examples/durable, which takes minutes to compile and to run
	cd examples/durable && $(GO) mod tidy -diff && $(GO) vet ./... && $(GO) test -count 1 -timeout 30m ./...

.PHONY: test-clients
test-clients: ## Call clusters in memory with Azure's clients for Go and Python, of which it installs the latter
	@$(PYTHON) -c 'import azure.servicefabric' 2>/dev/null || { apt-get update && apt-get install --yes --no-install-recommends python3-azure; }
	cd internal/bench && $(GO) test -count 1 -timeout 160s ./clients -python $(PYTHON)

.PHONY: contract-report
contract-report: ## Show what the validator of package contract finds, and what it costs
	$(GO) test ./openapi/contract -count 1 -v -run '^(TestMutations|TestAgreement)$$' -contract.values 100000
	$(GO) test ./openapi/contract -run '^$$' -bench '^BenchmarkPage$$' -benchtime 10x

.PHONY: contract-peers
contract-peers: ## Compare package contract with other validators, and write openapi/contract/README.md
	@command -v npx >/dev/null || { echo 'There is no npx, which runs Prism.'; exit 1; }
	$(GO) test ./openapi/contract -count 1 -run '^TestMutations$$' -contract.dump $(CURDIR)/mutants.tmp
	@cd internal/bench && $(GO) run ./contractpeers -mutants $(CURDIR)/mutants.tmp -out $(CURDIR)/openapi/contract/README.md; \
	status=$$?; rm -f $(CURDIR)/mutants.tmp; exit $$status

.PHONY: fault-report
fault-report: ## Run every operation with every fault, and show the table of results
	$(GO) test ./wrapper/sfbackup -count 1 -run '^TestFaultMatrix$$' -update
	@cat wrapper/sfbackup/testdata/fault_matrix.md

.PHONY: cover
cover: ## Show the statement coverage of the client
	$(GO) test -coverpkg ./wrapper/sfbackup,./internal/wire -coverprofile coverage.out ./wrapper/... ./internal/wire
	$(GO) tool cover -func coverage.out | awk '$$3 != "100.0%"'
	@rm -f coverage.out

.PHONY: check
check: ## Run everything that has to pass before a change lands
	$(GO) mod tidy -diff
	$(MAKE) check-generated
	$(MAKE) changelog
	$(GO) vet ./...
	$(MAKE) lint
	$(MAKE) test
	$(MAKE) check-bench
	$(MAKE) vuln
	$(MAKE) fuzz FUZZTIME=$(FUZZTIME)

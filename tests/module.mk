# Tests and lint; see docs/building.md.

RUN := PYTHONDONTWRITEBYTECODE=1 WM_BUILD=$(BUILD) tests/run

check: all unit-programs replay-programs
	$(Q)$(RUN) $(ARGS)

check-unit: unit-programs
	$(Q)$(RUN) unit $(ARGS)

check-integration: all
	$(Q)$(RUN) integration $(ARGS)

check-bad: all
	$(Q)$(RUN) bad $(ARGS)

check-fuzz: replay-programs
	$(Q)$(RUN) fuzz $(ARGS)

check-faults: all
	$(Q)$(RUN) faults $(ARGS)

# Hours; what it does in parts is said by tests/faults/all.
faults: all omit
	$(Q)WM_BUILD=$(BUILD) tests/faults/all

demo: all
	$(Q)PYTHONDONTWRITEBYTECODE=1 WM_BUILD=$(BUILD) tests/show $(ARGS)

deps:
	$(Q)etc/deps check

.PHONY: check check-unit check-integration check-bad check-faults faults demo \
    deps

# -- lint ---------------------------------------------------------------------
# Stamps under build/lint say which files are clean, so only what changed is
# looked at again.

LINT_SRCS := $(wildcard $(MODULES:%=%/*.c) common/*/*.c tests/unit/*/*.c \
               tests/unit/*/*/*.c tests/fuzz/*.c tests/bench/*.c \
               tests/attack/*.c tests/faults/*.c)
LINT_HDRS := $(wildcard $(MODULES:%=%/*.h) common/*/*.h tests/*/*.h)
CODE_SRCS := $(filter-out tests/%,$(LINT_SRCS))

lint: lint-layers lint-format lint-clang lint-cppcheck check-headers lint-tidy

lint-layers:
	$(call say,LINT,layers)
	$(Q)tests/lint/layers

lint-format:
	$(call say,LINT,format)
	$(Q)clang-format --dry-run -Werror $(LINT_SRCS) $(LINT_HDRS)

# gcc's warnings are errors in the build with WERROR=1; this is clang's turn.
lint-clang:
	$(Q)$(MAKE) -s CC=clang WERROR=1 BUILD=build/lint/clang \
	    CFLAGS='-O1 -g0' objects

lint-cppcheck:
	$(call say,LINT,cppcheck)
	$(Q)echo $(CODE_SRCS) | xargs -P2 -n 20 cppcheck -q --std=c11 \
	    --platform=unix64 --enable=warning,performance,portability \
	    --inline-suppr --suppressions-list=tests/lint/cppcheck.txt \
	    --include=tests/lint/cppcheck.h --error-exitcode=1 \
	    -D_GNU_SOURCE -I.

# clang-tidy takes seconds a file: within a budget, new files first.
lint-tidy:
	$(Q)tests/lint/tidy $(CODE_SRCS) -- $(STD)

objects: $(call obj,$(CODE_SRCS))

.PHONY: lint lint-layers lint-format lint-clang lint-cppcheck lint-tidy objects

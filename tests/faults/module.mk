# Builds of ours in which a sync is left out: BUILD/omit/NAME/bin is a whole
# suite, with one program that has it not. What is broken so must be found by
# the power cuts of tests/faults (test_power.py).

# $(1) name, $(2) program, $(3) source, $(4) which calls
omit_list := queue-log:queue:queue/seg.c:FDATASYNC \
    queue-large:queue:queue/large.c:FSYNC \
    queue-fold:queue:common/event/worker.c:SYNCFS \
    deliver:deliver:common/event/worker.c:SYNCFS \
    store-journal:imap-usher:store/page.c:FDATASYNC \
    store-append:imap-usher:store/append.c:FDATASYNC
omit_field = $(word $(2),$(subst :, ,$(1)))

# The object stands before the archive, so the archive's is not taken.
define omit_build
$(BUILD)/omit/$(1)/bin/$(2): $(3) tests/faults/omit.h \
    $(call obj,$($(2)_MAIN)) \
    $(BUILD)/lib/lib$(firstword $(subst /, ,$($(2)_MAIN))).a \
    $(STORE_LIB) $(COMMON_LIB) $(PROGRAMS:%=$(BUILD)/bin/%)
	@mkdir -p $$(@D)
	$$(call say,OMIT,$(1))
	@ln -sf $$(foreach p,$(filter-out $(2),$(PROGRAMS)),../../../bin/$$(p)) $$(@D)
	$$(Q)$$(CC) $$(STD) $$(WARN) $$(HARDEN) $$(CPPFLAGS) $$(CFLAGS) \
	    -DOMIT_$(4) -include tests/faults/omit.h -c $(3) -o $$(@D)/../omit.o
	$$(Q)$$(CC) $$(LINK) $$(LDFLAGS) $(call obj,$($(2)_MAIN)) \
	    $$(@D)/../omit.o $$(filter %.a,$$^) $$($(2)_LIBS) -o $$@
omit: $(BUILD)/omit/$(1)/bin/$(2)
endef
$(foreach o,$(omit_list),$(eval $(call omit_build,$(call omit_field,$(o),1),$(call omit_field,$(o),2),$(call omit_field,$(o),3),$(call omit_field,$(o),4))))

# Programs that get no memory when tests/libwm/nomem.py says so.
define nomem_build
$(BUILD)/nomem/bin/$(1): $(BUILD)/bin/$(1) $(call obj,tests/faults/nomem.c)
	@mkdir -p $$(@D)
	$$(call say,LINK,$$@)
	$$(Q)$$(CC) $$(LINK) $$(LDFLAGS) $(call obj,tests/faults/nomem.c) \
	    $(call obj,$($(1)_MAIN)) \
	    $(BUILD)/lib/lib$(firstword $(subst /, ,$($(1)_MAIN))).a \
	    $(STORE_LIB) $(COMMON_LIB) $$($(1)_LIBS) -o $$@
nomem: $(BUILD)/nomem/bin/$(1)
endef
$(foreach p,$(PROGRAMS),$(eval $(call nomem_build,$(p))))

check check-faults faults: omit nomem

.PHONY: omit nomem

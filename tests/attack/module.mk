# `make attack`: every daemon once more, from the objects of the build, with
# the attacker of its own walls beside them (attack.h). Never installed.

ATTACK_SRCS := $(wildcard tests/attack/*.c)
ATTACK_LIB  := $(BUILD)/attack/libattack.a
ATTACKERS   := $(filter-out mkcert wemmick sendmail,$(PROGRAMS))
ATTACK_WRAP := -Wl,--wrap=peers_start,--wrap=ipc_chan_new \
               -Wl,--wrap=daemon_become_user
MASTER_WRAP := -Wl,--wrap=backoff_ms

$(ATTACK_LIB): $(call obj,$(filter-out %/table.c,$(ATTACK_SRCS)))
	@mkdir -p $(@D)
	@rm -f $@
	$(Q)$(AR) rcs $@ $^

# $(1) a program: its own objects and archives, with ours in front.
define attacker
$(BUILD)/attack/bin/$(1): $(BUILD)/bin/$(1) $(ATTACK_LIB) \
    $(if $(filter master,$(1)),$(call obj,tests/attack/table.c))
	@mkdir -p $$(@D)
	$$(call say,LINK,$$@)
	$$(Q)$$(CC) $$(LINK) $$(LDFLAGS) $(call obj,$($(1)_MAIN)) \
	    $$(filter %.o,$$^) \
	    $(if $(filter master,$(1)),$(MASTER_WRAP),-Wl$(comma)-u$(comma)__wrap_peers_start $(ATTACK_WRAP)) \
	    -Wl,--start-group $(ATTACK_LIB) \
	    $(BUILD)/lib/lib$(firstword $(subst /, ,$($(1)_MAIN))).a \
	    $(if $(filter $(WITH_STORE),$(firstword $(subst /, ,$($(1)_MAIN)))),$(STORE_LIB)) \
	    $(COMMON_LIB) -Wl,--end-group $$($(1)_LIBS) -o $$@
endef
comma := ,
$(foreach p,$(ATTACKERS),$(eval $(call attacker,$(p))))

# What has nothing to attack is there as it is.
$(BUILD)/attack/bin/mkcert $(BUILD)/attack/bin/wemmick: \
    $(BUILD)/attack/bin/%: $(BUILD)/bin/%
	@mkdir -p $(@D)
	@ln -sf ../../bin/$(@F) $@

attack: $(ATTACKERS:%=$(BUILD)/attack/bin/%) $(BUILD)/attack/bin/mkcert \
    $(BUILD)/attack/bin/wemmick

.PHONY: attack

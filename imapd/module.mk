# Front and usher are programs of their own: the usher and its sessions
# link no TLS.
PROGRAMS        += imapd imap-usher
imapd_MAIN      := imapd/main_front.c
imapd_LIBS      := -levent_core -lssl -lcrypto -lconfuse -lseccomp -lcap
imap-usher_MAIN := imapd/main_usher.c
imap-usher_LIBS := -levent_core -lconfuse -lseccomp -lcap -licuuc -licudata \
                   -lstdc++ -lm
imap-usher_LINK  = $(USHER_LINK)

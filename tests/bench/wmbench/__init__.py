"""The bench: Wemmick beside Postfix and Dovecot. Standard library only."""

"""The distributions beside this file are strangers': installed by tests, never imported from here."""

collect_ignore_glob = ["harness-plugin-*"]

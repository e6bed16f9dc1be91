"""Several processes on one database, killed again and again while jobs come in: what `make soak` does at full count,
and `tests/chaos/test_kills.py` at a tenth."""

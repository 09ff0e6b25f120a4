/**
 * The broker's tables. `leases` and `ledger` are never thinned: who held an address at a time must be told after years.
 * Spans are 32 hex digits, which sort as the numbers do. Times are unix seconds.
 */
export const schema = `
CREATE TABLE IF NOT EXISTS leases (
  id TEXT PRIMARY KEY, identity TEXT NOT NULL, chain_id INTEGER NOT NULL, contract TEXT NOT NULL,
  prefix TEXT NOT NULL, first TEXT NOT NULL, last TEXT NOT NULL,
  peer_key TEXT NOT NULL, preshared_key TEXT, closed TEXT NOT NULL, rate_cap INTEGER,
  suspended_at INTEGER, suspended_why TEXT,
  from_at INTEGER NOT NULL, until_at INTEGER NOT NULL, grace_until INTEGER NOT NULL,
  ended_at INTEGER, end_reason TEXT, quarantine_until INTEGER,
  settled INTEGER NOT NULL, source TEXT NOT NULL, first_handshake INTEGER, last_handshake INTEGER
) STRICT;
CREATE UNIQUE INDEX IF NOT EXISTS one_live_lease ON leases (identity) WHERE ended_at IS NULL;
CREATE UNIQUE INDEX IF NOT EXISTS one_live_prefix ON leases (prefix) WHERE ended_at IS NULL;
CREATE UNIQUE INDEX IF NOT EXISTS one_live_key ON leases (peer_key) WHERE ended_at IS NULL;
CREATE INDEX IF NOT EXISTS leases_by_first ON leases (first);
CREATE INDEX IF NOT EXISTS leases_by_identity ON leases (identity, ended_at);
CREATE TRIGGER IF NOT EXISTS leases_stay BEFORE DELETE ON leases BEGIN SELECT raise(ABORT, 'leases are never deleted'); END;

CREATE TABLE IF NOT EXISTS keys (
  peer_key TEXT NOT NULL, identity TEXT NOT NULL, reserved_until INTEGER, PRIMARY KEY (peer_key)
) STRICT, WITHOUT ROWID;

CREATE TABLE IF NOT EXISTS ledger (
  position INTEGER PRIMARY KEY, at INTEGER NOT NULL, lease TEXT NOT NULL, event TEXT NOT NULL, identity TEXT NOT NULL,
  chain_id INTEGER NOT NULL, contract TEXT NOT NULL, prefix TEXT NOT NULL, peer_key TEXT NOT NULL, source TEXT NOT NULL,
  detail TEXT NOT NULL
) STRICT;
CREATE INDEX IF NOT EXISTS ledger_by_lease ON ledger (lease, position);
CREATE TRIGGER IF NOT EXISTS ledger_is_not_changed BEFORE UPDATE ON ledger BEGIN SELECT raise(ABORT, 'the ledger is append-only'); END;
CREATE TRIGGER IF NOT EXISTS ledger_is_not_thinned BEFORE DELETE ON ledger BEGIN SELECT raise(ABORT, 'the ledger is append-only'); END;

CREATE TABLE IF NOT EXISTS sequences (identity TEXT PRIMARY KEY, sequence INTEGER NOT NULL, digest TEXT NOT NULL) STRICT, WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS chain_outcomes (
  request_id TEXT PRIMARY KEY, digest TEXT NOT NULL, lease TEXT, outcome TEXT NOT NULL, payload BLOB, code INTEGER NOT NULL,
  decided_at INTEGER NOT NULL, settled INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS admitted (identity TEXT PRIMARY KEY, note TEXT NOT NULL, at INTEGER NOT NULL) STRICT, WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS names (
  label TEXT PRIMARY KEY, skeleton TEXT NOT NULL UNIQUE, identity TEXT NOT NULL, address TEXT NOT NULL, at INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS names_by_identity ON names (identity);
CREATE TABLE IF NOT EXISTS challenges (
  name TEXT NOT NULL, value TEXT NOT NULL, identity TEXT NOT NULL, until_at INTEGER NOT NULL, PRIMARY KEY (name, value)
) STRICT, WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS endpoints (lease TEXT PRIMARY KEY, host TEXT NOT NULL, port INTEGER NOT NULL) STRICT, WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS settings (name TEXT PRIMARY KEY, value TEXT NOT NULL) STRICT, WITHOUT ROWID;
`

import type { Clock } from '../clock/clock.ts'
import { createAddresses, type AddressRepository } from './addresses.ts'
import { createAudit, type AuditRepository } from './audit.ts'
import { openDatabase } from './database.ts'
import { createDestroys, type DestroyRepository } from './destroys.ts'
import { createHistory, type HistoryRepository } from './history.ts'
import { createIdempotency, type IdempotencyRepository } from './idempotency.ts'
import { createIssues, type IssueRepository } from './issues.ts'
import { createLoginOutcomes, type LoginOutcomeRepository } from './login-outcomes.ts'
import { createPassWatchRows, type PassWatchRepository } from './pass-watch.ts'
import { createProjection, type ProjectionRepository } from './projection.ts'
import { createRateLimits, type RateLimitRepository } from './rate-limits.ts'
import { createSessions, type SessionRepository } from './sessions.ts'
import { createSettings, type SettingRepository } from './settings.ts'
import { createTasks, type TaskRepository } from './tasks.ts'
import { createTransactions, type TransactionRepository } from './transactions.ts'
import { createVms, type VmRepository } from './vms.ts'

/** All that the daemon remembers. Losing it loses nothing that chain, hypervisor and secrets do not know (design §6). */
export interface Store {
  readonly projection: ProjectionRepository
  readonly vms: VmRepository
  readonly addresses: AddressRepository
  readonly tasks: TaskRepository
  readonly transactions: TransactionRepository
  readonly destroys: DestroyRepository
  readonly sessions: SessionRepository
  readonly rateLimits: RateLimitRepository
  readonly loginOutcomes: LoginOutcomeRepository
  readonly audit: AuditRepository
  readonly idempotency: IdempotencyRepository
  readonly issues: IssueRepository
  readonly history: HistoryRepository
  readonly settings: SettingRepository
  readonly passWatch: PassWatchRepository
  /** A consistent copy in a new file (for a copy that is kept elsewhere). */
  copyTo(path: string): void
  /** Waits for open work; a second call does nothing. */
  close(): Promise<void>
}

/**
 * Opens the store at `path` (made if missing, mode 0600; `:memory:` for tests): integrity check, PRAGMAs, migrations. Throws
 * AppError `store-damaged`, `store-mismatch`, `config-unreadable`.
 */
export async function openStore(path: string, { clock }: { clock: Clock }): Promise<Store> {
  const db = await openDatabase(path, clock)
  return {
    projection: createProjection(db),
    vms: createVms(db),
    addresses: createAddresses(db),
    tasks: createTasks(db),
    transactions: createTransactions(db),
    destroys: createDestroys(db),
    sessions: createSessions(db),
    rateLimits: createRateLimits(db),
    loginOutcomes: createLoginOutcomes(db),
    audit: createAudit(db),
    idempotency: createIdempotency(db),
    issues: createIssues(db),
    history: createHistory(db),
    settings: createSettings(db),
    passWatch: createPassWatchRows(db),
    copyTo: (file) => db.copyTo(file),
    close: () => db.close(),
  }
}
